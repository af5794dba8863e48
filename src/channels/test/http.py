"""The old name of :class:`channels.test.WSClient`."""

from __future__ import annotations

import warnings

from channels.test.websocket import WSClient

warnings.warn(
    "channels.test.HttpClient is the old name of channels.test.WSClient; use that instead",
    DeprecationWarning,
    stacklevel=2,
)

HttpClient = WSClient
