"""The body of a request: its start is in the message, the rest may follow on a channel.

What follows is spooled: in memory up to a size, in a temporary file beyond it
(docs/channels1.md#large-request-bodies), so a large upload costs a worker no memory.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from channels.exceptions import RequestAborted, RequestTimeout

#: Shortest time between two receives that find nothing, in seconds: not every
#: layer waits by itself.
EMPTY_PAUSE = 0.01


@dataclass
class Body:
    """A complete body.

    Attributes:
        stream: At its start; can be rewound.
        size: Bytes in it.
        spooled: Whether it may be a temporary file, to be closed after use.
    """

    stream: IO[bytes]
    size: int
    spooled: bool


def read_body(
    start: bytes,
    body_channel: str | None,
    layer: Any,
    *,
    timeout: float,
    memory_limit: int,
    gone: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Body:
    """Return the body, waiting for what is still on its way.

    Args:
        start: What came with the request.
        body_channel: Channel that brings the rest; falsy if there is no rest.
        layer: Layer of that channel.
        timeout: Seconds that all of it may take.
        memory_limit: Bytes from which on it is kept in a file.
        gone: Asked while nothing comes: whether nothing will.
        clock: Monotonic time, in seconds.
        sleep: Waits for so many seconds.

    Raises:
        RequestTimeout: It was not complete in time.
        RequestAborted: The client went away.
        AssertionError: A part of the body is not bytes.
        LayerUnavailable: A part may have been lost, so the body is of no use.
    """
    _check_part(start)
    if not body_channel:
        return Body(BytesIO(start), len(start), spooled=False)
    # A limit of 0 means "always a file" in Django's settings, "never" to tempfile.
    spool = tempfile.SpooledTemporaryFile(max_size=max(1, memory_limit))  # noqa: SIM115 (closed by the request)
    try:
        size = spool.write(start)
        started = clock()
        more = True
        while more:
            asked = clock()
            if asked - started >= timeout:
                raise RequestTimeout(f"the body was not complete within {timeout:g} seconds")
            _, chunk = layer.receive([body_channel], block=True)
            if chunk is None:
                if gone():
                    raise RequestAborted("whoever sent its body is gone")
                sleep(max(0.0, EMPTY_PAUSE - (clock() - asked)))
                continue
            if chunk.get("closed"):
                raise RequestAborted("the client went away before its request was complete")
            content = chunk.get("content") or b""
            _check_part(content)
            size += spool.write(content)
            more = bool(chunk.get("more_content"))
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return Body(spool, size, spooled=True)


def _check_part(part: object) -> None:
    if not isinstance(part, bytes):
        raise AssertionError(f"a request body must be bytes, not {type(part).__name__}")
