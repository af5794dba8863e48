"""The access log: one NCSA-like line for each request and each step of a socket.

Contract server.md section 7.  Whoever wants something else passes its own action
logger, a callable ``(protocol, action, details)``, to the server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

log = logging.getLogger(__name__)

ActionLogger = Callable[[str, str, Mapping[str, Any]], None]

_WEBSOCKET_VERBS = {
    "connecting": "WSCONNECTING",
    "connected": "WSCONNECT",
    "disconnected": "WSDISCONNECT",
    "rejected": "WSREJECT",
}

# What would break a line or end its quotes, and what could drive a terminal.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 256))}
_ESCAPES[ord('"')] = '\\"'
_ESCAPES[ord("\\")] = "\\\\"


class AccessLogGenerator:
    """An action logger that writes lines to a stream.

    Args:
        stream: Text stream; line-buffered if lines are to appear at once.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self.stream = stream
        self._clock = clock
        self._second = -1
        self._stamp = ""
        self._failing = False

    def __call__(self, protocol: str, action: str, details: Mapping[str, Any]) -> None:
        """Write the line of an action; actions that are not known are left out."""
        if protocol == "http" and action == "complete":
            self.write_entry(
                client=details["client"],
                request=f"{details['method']} {details['path']}",
                status=details["status"],
                length=details["size"],
            )
        elif protocol == "websocket" and action in _WEBSOCKET_VERBS:
            self.write_entry(
                client=details["client"],
                request=f"{_WEBSOCKET_VERBS[action]} {details['path']}",
            )

    def write_entry(
        self,
        client: str | None,
        request: str,
        status: int | None = None,
        length: int | None = None,
    ) -> None:
        """Write one line; nothing that a client sent can forge a second one."""
        # With --proxy-headers the client may be whatever a client says it is.
        shown = None if client is None else client.translate(_ESCAPES).replace(" ", "\\x20")
        try:
            self.stream.write(
                f'{shown} - - [{self._date()}] "{request.translate(_ESCAPES)}"'
                f" {status or '-'} {length or '-'}\n"
            )
        except OSError as error:
            if not self._failing:
                self._failing = True
                log.warning("the access log cannot be written, lines are lost: %s", error)
        else:
            self._failing = False

    def _date(self) -> str:
        now = int(self._clock())
        if now != self._second:
            self._second = now
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S", time.localtime(now))
        return self._stamp
