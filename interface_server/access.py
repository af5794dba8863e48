"""The access log: one NCSA-like line for each request and each step of a socket.

By docs/channels1.md#access-log, with the zone in the time and the seconds that it took at the end.
"""

from __future__ import annotations

import functools
import io
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from channels.interface_server.net.endpoints import close_unless_standard
from channels.log import LogFormat, json_line

log = logging.getLogger(__name__)

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
    """An action logger that writes lines to a text stream.

    Args:
        stream: Line-buffered if lines are to appear at once.
        clock: Returns the time in seconds since the epoch.
        log_format: ``"json"`` for one JSON object a line.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.time,
        log_format: LogFormat = "text",
    ) -> None:
        self.stream = stream
        self._entry = _json_entry if log_format == "json" else _text_entry
        self._clock = clock
        self._failing = False

    def reopen(self, path: str) -> None:
        """Write to the file that has the name now."""
        try:
            stream = open_access_log(path)
        except OSError as error:
            log.error("the access log cannot be opened anew, the file before goes on: %s", error)
            return
        assert stream is not None  # only a file is opened anew
        before, self.stream = self.stream, stream
        self._failing = False
        try:
            before.close()
        except OSError as error:  # its disk is full; then its last lines are lost
            log.warning("the access log before could not be closed: %s", error)

    def close(self) -> None:
        try:
            if self.stream is sys.stdout:
                self.stream.flush()
            else:
                self.stream.close()
        except OSError:  # nobody reads it any more, or its disk is full; it was told already
            if self.stream is sys.stdout:
                # Or Python would try again as it exits, and fail with a status of its own.
                close_unless_standard(self.stream.fileno())

    def __call__(self, protocol: str, action: str, details: Mapping[str, Any]) -> None:
        """Write the line of an action, which nothing that a client sent can make two."""
        if protocol == "http" and action == "complete":
            verb = details["method"]
        elif protocol == "websocket" and action in _WEBSOCKET_VERBS:
            verb = _WEBSOCKET_VERBS[action]
        else:
            return
        line = self._entry(self._clock(), f"{verb} {details['path']}", details)
        try:
            self.stream.write(line)
        except OSError as error:
            if not self._failing:
                self._failing = True
                log.warning("the access log cannot be written, lines are lost: %s", error)
        else:
            self._failing = False


def open_access_log(path: str) -> TextIO | None:
    """Return what to write the access log to: a file, or stdout for ``-``, if there is one."""
    if path != "-":
        return open(path, "a", buffering=1, encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe or a file would get nothing for a long time, and the last lines never.
        sys.stdout.reconfigure(line_buffering=True)
    return sys.stdout


def _text_entry(now: float, request: str, details: Mapping[str, Any]) -> str:
    client, seconds = details["client"], details.get("time_taken")
    # With --proxy-headers the client may be whatever a client says it is.
    shown = None if client is None else client.translate(_ESCAPES).replace(" ", "\\x20")
    status, size = details.get("status") or "-", details.get("size") or "-"
    took = "-" if seconds is None else f"{seconds:.3f}"
    quoted = request.translate(_ESCAPES)
    return f'{shown} - - [{_date(int(now))}] "{quoted}" {status} {size} {took}\n'


def _json_entry(now: float, request: str, details: Mapping[str, Any]) -> str:
    seconds = details.get("time_taken")
    facts = {
        "client": details["client"],
        "message": request,
        "status": details.get("status"),
        "size": details.get("size"),
        "seconds": None if seconds is None else round(seconds, 6),
    }
    given = {key: value for key, value in facts.items() if value is not None}
    return json_line(now, "INFO", __name__, given) + "\n"


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
