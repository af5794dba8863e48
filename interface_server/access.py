"""The access log: one NCSA-like line for each request and each step of a socket.

By docs/channels1.md#access-log, with the zone in the time and the seconds that it took at the end.
Whoever wants something else passes its own action logger, a callable ``(protocol, action,
details)``, to the server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from channels.log import LogFormat, json_line

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
        log_format: ``"json"`` for one JSON object a line.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.time,
        log_format: LogFormat = "text",
    ) -> None:
        self.stream = stream
        self._json = log_format == "json"
        self._clock = clock
        self._second = -1
        self._stamp = ""
        self._failing = False

    def reopen(self, stream: TextIO) -> None:
        """Write to another stream from now on, and close the one before."""
        before, self.stream = self.stream, stream
        self._failing = False
        try:
            before.close()
        except OSError as error:  # its disk is full; then its last lines are lost
            log.warning("the access log before could not be closed: %s", error)

    def __call__(self, protocol: str, action: str, details: Mapping[str, Any]) -> None:
        """Write the line of an action; actions that are not known are left out."""
        if protocol == "http" and action == "complete":
            self.write_entry(
                client=details["client"],
                request=f"{details['method']} {details['path']}",
                status=details["status"],
                length=details["size"],
                seconds=details["time_taken"],
            )
        elif protocol == "websocket" and action in _WEBSOCKET_VERBS:
            self.write_entry(
                client=details["client"],
                request=f"{_WEBSOCKET_VERBS[action]} {details['path']}",
                seconds=details.get("time_taken"),
            )

    def write_entry(
        self,
        client: str | None,
        request: str,
        status: int | None = None,
        length: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Write one line; nothing that a client sent can forge a second one.

        Args:
            client: Who it was; ``None`` if nobody knows.
            request: Method and URI, or what happened to the socket of which path.
            status: Status code of the response.
            length: Bytes of its body.
            seconds: How long the response took, the handshake lasted or the socket lived.
        """
        if self._json:
            line = self._as_json(client, request, status, length, seconds)
        else:
            line = self._as_text(client, request, status, length, seconds)
        try:
            self.stream.write(line)
        except OSError as error:
            if not self._failing:
                self._failing = True
                log.warning("the access log cannot be written, lines are lost: %s", error)
        else:
            self._failing = False

    def _as_text(
        self,
        client: str | None,
        request: str,
        status: int | None,
        length: int | None,
        seconds: float | None,
    ) -> str:
        # With --proxy-headers the client may be whatever a client says it is.
        shown = None if client is None else client.translate(_ESCAPES).replace(" ", "\\x20")
        took = "-" if seconds is None else f"{seconds:.3f}"
        return (
            f'{shown} - - [{self._date()}] "{request.translate(_ESCAPES)}"'
            f" {status or '-'} {length or '-'} {took}\n"
        )

    def _as_json(
        self,
        client: str | None,
        request: str,
        status: int | None,
        length: int | None,
        seconds: float | None,
    ) -> str:
        facts: dict[str, Any] = {
            "client": client,
            "message": request,
            "status": status,
            "size": length,
        }
        if seconds is not None:
            facts["seconds"] = round(seconds, 6)
        given = {key: value for key, value in facts.items() if value is not None}
        return json_line(self._clock(), "INFO", __name__, given) + "\n"

    def _date(self) -> str:
        now = int(self._clock())
        if now != self._second:
            self._second = now
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(now))
        return self._stamp
