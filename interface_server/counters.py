"""What an interface server counts since its process started, and shows of itself in the layer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class ConnectionCounters:
    """What happened to connections."""

    requests: int = 0  # HTTP requests that were passed on
    sockets: int = 0  # WebSockets that were announced
    http_timeouts: int = 0  # responses given up
    handshake_timeouts: int = 0  # WebSockets that the application did not answer
    ping_timeouts: int = 0  # WebSockets dropped because no pong came
    slow_readers: int = 0  # WebSockets closed because their client did not read
    violations: int = 0  # WebSockets failed for what their client sent
    too_large: int = 0  # requests and messages over their limit


@dataclass(slots=True)
class BridgeCounters:
    """What was dropped, refused, lost or skipped."""

    connects_refused: int = 0  # sockets answered 503: queue full, layer down or draining
    requests_refused: int = 0  # requests answered 503 for the same reasons
    malformed: int = 0  # replies that could not be carried out
    unknown: int = 0  # replies for a socket or request that is not (or no longer) here
    held_back: int = 0  # frames that found their channel full and waited
    stalled: int = 0  # sockets closed with 1013: not read for too long
    too_large: int = 0  # sockets closed with 1009: a message larger than the layer carries
    discarded: int = 0  # messages of clients dropped as the application closed the socket
    undelivered: int = 0  # messages of clients dropped as they did not leave in time
    unanswered: int = 0  # disconnects sent without the receipt of the frame before
    lost: int = 0  # frames that a worker took and did not finish
    retried: int = 0  # of these, those that were sent again
    expired: int = 0  # frames that waited for a worker until they expired
    unreadable: int = 0  # frames that the worker which took them could not read
    unattended: int = 0  # requests and handshakes that no worker was there for
    disconnects_repeated: int = 0  # disconnects sent again after an outage of the layer
    late_receipts: int = 0  # receipts of frames that were given up before
    fenced: int = 0  # replies of frames that were lost, from a worker that stood still
    group_malformed: int = 0  # group messages that could not be carried out
    responses_broken: int = 0  # responses cut short: layer down, or past the spool limit


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
