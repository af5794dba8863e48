"""What an operator can set of the bridge, and what it counts."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class BridgeSettings:
    """How the bridge behaves.

    Attributes:
        expiry: Seconds that a message lives in the layer.
        group_expiry: Seconds that a membership, and an unread disconnect, live.
        buffer_messages: Messages of one socket that wait in the server while a
            frame of it is in flight; past it the socket is not read.
        buffer_size: The same in bytes; also the most that one frame carries
            (but always one message).
        frame_messages: Messages that one frame carries at most.
        stall_timeout: Seconds that a socket may go unread before it is closed
            with 1013.
        disconnect_timeout: Seconds that a disconnect waits for the frame in flight.
        on_lost_message: Whether a socket whose frame was lost, expired or could not be
            read goes on (``skip``) or is closed with 1011 (``close``).
        retry_after: Seconds, told to clients that get a 503.
        body_chunk: Bytes of one chunk of a request body.
        body_ahead: Chunks of a request body that may wait unread in the layer.
        write_ahead: Bytes of a response that may wait in a client's transport
            before what follows is spooled.
        spool_limit: Bytes of one response spooled on disk before the body list
            is no longer read.
        worker_wait: Seconds that requests and handshakes wait while no worker listens,
            before they get 503 until one does; negative for ever.
        stop_timeout: Seconds that the last disconnects may take to leave, once nothing
            else is waited for.
    """

    expiry: float = 60.0
    group_expiry: float = 86400.0
    buffer_messages: int = 128
    buffer_size: int = 1024 * 1024
    frame_messages: int = 1024
    stall_timeout: float = 120.0
    disconnect_timeout: float = 10.0
    on_lost_message: Literal["skip", "close"] = "skip"
    retry_after: int = 5
    body_chunk: int = 256 * 1024
    body_ahead: int = 8
    write_ahead: int = 256 * 1024
    spool_limit: int = 64 * 1024 * 1024
    worker_wait: float = 30.0
    stop_timeout: float = 2.0


@dataclass(slots=True)
class Counters:
    """What was dropped, refused, lost or skipped since this process started.

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

    def as_dict(self) -> dict[str, int]:
        """Return every counter by its name."""
        return asdict(self)


class LiveInfo(Mapping[str, Any]):
    """What the register shows of this process; values are current at each look.

    A heartbeat thread may read it at any time.

    Args:
        counters: Shown one by one.
        sockets: Returns how many there are.
        extra: More to show; what can be called is, at each look.
    """

    def __init__(
        self,
        counters: Counters,
        sockets: Callable[[], int],
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._fixed = {"host": socket.gethostname(), "pid": os.getpid(), **(extra or {})}
        self._counters = counters
        self._names = tuple(field.name for field in fields(counters))
        self._sockets = sockets

    def __getitem__(self, key: str) -> Any:
        if key in self._fixed:
            value = self._fixed[key]
            return value() if callable(value) else value
        if key == "sockets":
            return self._sockets()
        if key in self._names:
            return getattr(self._counters, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        yield from self._fixed
        yield "sockets"
        yield from self._names

    def __len__(self) -> int:
        return len(self._fixed) + 1 + len(self._names)
