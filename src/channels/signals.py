"""Signals around consumers and workers (docs/channels1.md#signals).

``close_old_connections`` is connected as Django's own function object: test helpers disconnect
and reconnect it by identity around each consumer.
"""

from __future__ import annotations

from django.db import close_old_connections
from django.dispatch import Signal

#: Sent before a consumer is called; sender is the worker's class.
consumer_started = Signal()

#: Sent after a consumer returned or raised; sender is the worker's class.
consumer_finished = Signal()

#: Sent when a worker is about to run; sender is the worker.
worker_ready = Signal()

#: Sent once in each process of ``runworker``, before ``worker_ready``; sender is the worker.
worker_process_ready = Signal()

consumer_finished.connect(close_old_connections)
