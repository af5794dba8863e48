"""Routes that can never match, because one before them always does."""

from __future__ import annotations

from collections.abc import Iterator

from channels.routing.includes import Include
from channels.routing.matching import RoutingObject
from channels.routing.routes import Route, RouteClass


def find_shadowed(include: Include) -> Iterator[tuple[RoutingObject, RoutingObject]]:
    """Find entries that no message gets to, here and in the includes below.

    Only what is certain: an earlier route takes every message of a channel that a
    later entry could take if it has no other filters than that one, with the same
    patterns.  Routing objects from elsewhere are never blamed, and take nothing.

    Yields:
        The entry, and the earlier route of its first channel that shadows it.
    """
    for place, entry in enumerate(include.routing):
        shadows = [
            _find_shadow(channel, entry, include.routing[:place])
            for channel in sorted(entry.channel_names())
        ]
        if shadows and shadows[0] is not None and None not in shadows:
            yield entry, shadows[0]
        elif type(entry) is Include:
            yield from find_shadowed(entry)


def _find_shadow(
    channel: str, entry: RoutingObject, before: list[RoutingObject]
) -> RoutingObject | None:
    own = _patterns(entry)
    if own is None:
        return None
    for earlier in before:
        if type(earlier) in (Route, RouteClass) and channel in earlier.channel_names():
            theirs = _patterns(earlier) or {}
            if theirs.items() <= own.items():
                return earlier
    return None


def _patterns(entry: RoutingObject) -> dict[str, object] | None:
    """Return what a message must pass to be the entry's; None for objects from elsewhere."""
    if type(entry) in (Route, RouteClass):
        assert isinstance(entry, Route)
        return dict(entry.filters)
    # What an include asks of the text, its entries may ask of the rest: not comparable.
    return {} if type(entry) is Include else None
