"""What an interface server counts since its process started, and shows of itself in the layer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class ConnectionCounters:
    """What happened to connections.

    Attributes:
        requests: HTTP requests that were passed on.
        sockets: WebSockets that were announced.
        http_timeouts: Responses given up.
        handshake_timeouts: WebSockets that the application did not answer.
        ping_timeouts: WebSockets dropped because no pong came.
        slow_readers: WebSockets closed because their client did not read.
        violations: WebSockets failed for what their client sent.
        too_large: Requests and messages over their limit.
    """

    requests: int = 0
    sockets: int = 0
    http_timeouts: int = 0
    handshake_timeouts: int = 0
    ping_timeouts: int = 0
    slow_readers: int = 0
    violations: int = 0
    too_large: int = 0


@dataclass(slots=True)
class BridgeCounters:
    """What was dropped, refused, lost or skipped.

    Attributes:
        connects_refused: Sockets answered 503: queue full, layer down or draining.
        requests_refused: Requests answered 503 for the same reasons.
        malformed: Replies that could not be carried out.
        unknown: Replies for a socket or request that is not (or no longer) here.
        held_back: Frames that found their channel full and waited.
        stalled: Sockets closed with 1013: not read for too long.
        too_large: Sockets closed with 1009: a message larger than the layer carries.
        discarded: Messages of clients dropped as the application closed the socket.
        undelivered: Messages of clients dropped as they did not leave in time.
        unanswered: Disconnects sent without the receipt of the frame before.
        lost: Frames that a worker took and did not finish.
        expired: Frames that waited for a worker until they expired.
        unreadable: Frames that the worker which took them could not read.
        unattended: Requests and handshakes that no worker was there for.
        disconnects_repeated: Disconnects sent again after an outage of the layer.
        late_receipts: Receipts of frames that were given up before.
        group_malformed: Group messages that could not be carried out.
        responses_broken: Responses cut short: layer down, or past the spool limit.
    """

    connects_refused: int = 0
    requests_refused: int = 0
    malformed: int = 0
    unknown: int = 0
    held_back: int = 0
    stalled: int = 0
    too_large: int = 0
    discarded: int = 0
    undelivered: int = 0
    unanswered: int = 0
    lost: int = 0
    expired: int = 0
    unreadable: int = 0
    unattended: int = 0
    disconnects_repeated: int = 0
    late_receipts: int = 0
    group_malformed: int = 0
    responses_broken: int = 0


class LiveInfo(Mapping[str, Any]):
    """What other processes are shown of this one, as it is at each look, from any thread."""

    def __init__(self, read: Callable[[], Mapping[str, Any]]) -> None:
        self._process = {"host": socket.gethostname(), "pid": os.getpid()}
        self._more = read

    def _read(self) -> dict[str, Any]:
        return {**self._process, **self._more()}

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
