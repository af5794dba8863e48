"""Tools for testing applications (docs/channels1.md#test-tools).

===================================  ================================================
:class:`ChannelTestCase`             a fresh in-memory layer for each test
:class:`Client`, :class:`WSClient`   send messages, run their consumers, read replies
:func:`apply_routes`                 other routes for the length of a block or a test
:class:`ChannelLiveServerTestCase`   a real server and a real worker, in processes
===================================  ================================================

All work under ``manage.py test``, also with ``--parallel``, and under pytest with pytest-django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from channels.test.base import (
    ChannelTestCase,
    ChannelTestCaseMixin,
    Client,
    TransactionChannelTestCase,
    apply_routes,
)
from channels.test.liveserver import ChannelLiveServerTestCase
from channels.test.websocket import WSClient

if TYPE_CHECKING:
    from channels.test.http import HttpClient

__all__ = [
    "ChannelLiveServerTestCase",
    "ChannelTestCase",
    "ChannelTestCaseMixin",
    "Client",
    "HttpClient",
    "TransactionChannelTestCase",
    "WSClient",
    "apply_routes",
]


def __getattr__(name: str) -> Any:
    # Its module warns; without the old name there is nothing to hear.
    if name == "HttpClient":
        from channels.test.http import HttpClient

        return HttpClient
    raise AttributeError(f"module 'channels.test' has no attribute {name!r}")
