"""The old name of :mod:`channels.test`."""

from __future__ import annotations

import warnings
from typing import Any

from channels import test
from channels.test import (
    ChannelLiveServerTestCase,
    ChannelTestCase,
    ChannelTestCaseMixin,
    Client,
    TransactionChannelTestCase,
    WSClient,
    apply_routes,
)

warnings.warn(
    "channels.tests is the old name of channels.test; import from that instead",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = [
    "ChannelLiveServerTestCase",
    "ChannelTestCase",
    "ChannelTestCaseMixin",
    "Client",
    "TransactionChannelTestCase",
    "WSClient",
    "apply_routes",
]


def __getattr__(name: str) -> Any:
    if name == "HttpClient":  # warns by itself
        return test.HttpClient
    raise AttributeError(f"module 'channels.tests' has no attribute {name!r}")
