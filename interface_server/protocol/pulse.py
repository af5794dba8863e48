"""What is due on an open WebSocket as time passes.  No I/O, no state of its own.

Times are seconds on the caller's clock.
"""

from __future__ import annotations

import enum

from channels.interface_server.settings import Settings


class Due(enum.Enum):
    """What to do now."""

    NOTHING = "nothing"
    PING = "ping"
    DROP = "drop"
    END = "end"


def look(
    settings: Settings,
    now: float,
    *,
    born: float,
    heard_at: float,
    pinged_at: float | None,
    paused: bool,
) -> tuple[Due, float | None]:
    """Return what is due, and in how many seconds to look again (``None``: no need to).

    Args:
        settings: Holds the limits.
        now: The time.
        born: When the socket came: it ends after ``websocket_timeout``.
        heard_at: When its client sent something last: it is pinged after
            ``ping_interval`` of silence.
        pinged_at: When the ping was sent that is not answered yet, if any: the
            socket is dropped after ``ping_timeout``.
        paused: Whether it is not read at the moment, so that no pong could be seen.
    """
    deadlines = []
    if settings.websocket_timeout >= 0:
        deadlines.append((born + settings.websocket_timeout, Due.END))
    if paused:
        pass  # the bridge watches for how long
    elif pinged_at is not None:
        deadlines.append((pinged_at + settings.ping_timeout, Due.DROP))
    elif settings.ping_interval > 0:
        deadlines.append((heard_at + settings.ping_interval, Due.PING))
    if not deadlines:
        return Due.NOTHING, None
    time, due = min(deadlines, key=lambda deadline: deadline[0])
    return (due, None) if time <= now else (Due.NOTHING, time - now)
