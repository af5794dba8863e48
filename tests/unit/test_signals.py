"""Signals: who is connected to them from the start."""

from __future__ import annotations

from django import db
from django.dispatch import Signal

from channels import signals


def test_there_are_four_signals():
    for name in ("consumer_started", "consumer_finished", "worker_ready", "worker_process_ready"):
        assert isinstance(getattr(signals, name), Signal)


def test_connections_are_looked_after_by_django_s_own_function():
    """Test helpers disconnect and reconnect it by identity."""
    assert signals.consumer_finished.disconnect(db.close_old_connections)
    signals.consumer_finished.connect(db.close_old_connections)

    receivers, _ = signals.consumer_finished._live_receivers(None)
    assert db.close_old_connections in receivers


def test_a_young_connection_survives_the_end_of_a_consumer(monkeypatch):
    """``CONN_MAX_AGE`` decides, as after a request."""
    asked = []

    class Connection:
        def close_if_unusable_or_obsolete(self):
            asked.append("by its age")

    monkeypatch.setattr(db.connections, "all", lambda initialized_only: [Connection()])

    signals.consumer_finished.send(sender=None)

    assert asked == ["by its age"]
