"""What is legal in a routing and hardly meant.

Misspelt channels, paths that none has, and routes that can never match because one before
them always does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from channels.routing.includes import Include
from channels.routing.matching import RoutingObject
from channels.routing.routes import Route, RouteClass

#: Channels that servers and ``rundelay`` know; every other name is the project's own.
KNOWN_CHANNELS = (
    "http.request",
    "http.disconnect",
    "websocket.connect",
    "websocket.receive",
    "websocket.disconnect",
    "asgi.delay",
)

#: How alike a name must be to be taken for a misspelt one.  "websocket.keepalive" is 0.83, and a
#: channel of its own; "websocket.recv" is 0.9.
_ALIKE = 0.85

#: What the converters of Django's ``path()`` stand for.
_CONVERTERS = {
    "str": "[^/]+",
    "int": "[0-9]+",
    "slug": "[-a-zA-Z0-9_]+",
    "uuid": "[0-9a-f-]{36}",
    "path": ".+",
}

_DJANGO_PART = re.compile(r"(?<!\?P)<(?:(\w+):)?([a-zA-Z_]\w*)>")

#: A start that takes no slash: a letter, or a class of such, perhaps in a group.
_NO_SLASH = re.compile(r"\^?(?:\(\?P<\w+>|\(\?:)*(?:\\[wd]|[\w-])(?![?*{])")

#: A group that may match nothing.
_OPTIONAL_GROUP = re.compile(r"\)[?*{]")

#: A start that takes a slash, and not only perhaps.
_SLASH = re.compile(r"\^?/(?![?*{])")


def find_doubts(include: Include) -> Iterator[tuple[str, str]]:
    """Look at each entry, here and in the includes below.

    Yields:
        What is odd, with the place where it was written; and what to write.
    """
    yield from _doubts(include, None)


def _doubts(include: Include, outer: str | None) -> Iterator[tuple[str, str]]:
    """Go through the entries; ``outer`` is the pattern that cut their path, if one did."""
    for entry in include.routing:
        if isinstance(entry, Include):
            prefix = entry.prefixes.get("path")
            if prefix is not None:
                yield from _doubts_of_path(prefix.pattern, outer, f"the include{entry.place}")
            yield from _doubts(entry, outer if prefix is None else prefix.pattern)
        elif isinstance(entry, Route):
            yield from _doubts_of_channels(entry)
            pattern = entry.filters.get("path")
            if pattern is not None and _has_path(entry):
                yield from _doubts_of_path(pattern.pattern, outer, _describe(entry))


def _doubts_of_channels(route: Route) -> Iterator[tuple[str, str]]:
    for name in route.channels:
        # A project may divide ours further: "websocket.receive.chat".
        if name in KNOWN_CHANNELS or name.startswith(tuple(f"{one}." for one in KNOWN_CHANNELS)):
            continue
        for meant in difflib.get_close_matches(name.lower(), KNOWN_CHANNELS, 1, _ALIKE):
            yield (
                f"{_describe(route)}: nothing of ours sends to a channel {name!r}",
                f"Write {meant!r}, if that is meant.",
            )


def _doubts_of_path(pattern: str, outer: str | None, what: str) -> Iterator[tuple[str, str]]:
    if _DJANGO_PART.search(pattern):
        yield (
            f"{what}: path={pattern!r} is in the syntax of Django's path(), and is taken for a"
            " regular expression here",
            f'Write path=r"{_as_expression(pattern, outer)}".',
        )
    elif "|" in pattern:
        return  # one of several may be meant to match
    elif outer is None:
        if _NO_SLASH.match(pattern) and not _OPTIONAL_GROUP.search(pattern):
            yield (
                f"{what}: path={pattern!r} matches no path, as each begins with a slash",
                f'Write path=r"^/{pattern.removeprefix("^")}".',
            )
    elif "|" in outer:
        return
    elif outer.endswith("$") and not outer.endswith("\\$") and not re.match(pattern, ""):
        yield (
            f"{what}: path={pattern!r} sees nothing of a path, as the include round it takes all"
            f" of it with path={outer!r}",
            f'Write path=r"{outer.removesuffix("$")}" for the include.',
        )
    elif outer.endswith("/") and _SLASH.match(pattern):
        yield (
            f"{what}: path={pattern!r} expects two slashes in a row, as the include round it takes"
            f" the first with path={outer!r}",
            f'Write path=r"{pattern.replace("/", "", 1)}".',
        )


def _as_expression(pattern: str, outer: str | None) -> str:
    """Return a pattern of Django's ``path()`` as a regular expression."""

    def group(part: re.Match[str]) -> str:
        return f"(?P<{part[2]}>{_CONVERTERS.get(part[1] or 'str', '[^/]+')})"

    start = "^" if outer is not None else "^/"
    return start + _DJANGO_PART.sub(group, pattern.strip("^$").lstrip("/")) + "$"


def _has_path(route: Route) -> bool:
    """Whether messages of the route's channels have a path of a URL."""
    return any(name.startswith(("http.", "websocket.")) for name in route.channels)


def _describe(route: Route) -> str:
    return f"the route {route}{route.place}"


# -- a socket that nobody wants ------------------------------------------------------------


def is_wanted(entries: list[RoutingObject], channel: str, path: str) -> bool:
    """Whether a route may take messages of a channel with this path, by what it asks of the path.

    What is not certain counts as wanted: other filters, and routing objects from elsewhere.
    """
    for entry in entries:
        if isinstance(entry, Include):
            prefix = entry.prefixes.get("path")
            found = prefix.match(path) if prefix is not None else None
            if prefix is not None and found is None:
                continue
            rest = path if found is None else path[found.end() :]
            if is_wanted(entry.routing, channel, rest):
                return True
        elif isinstance(entry, Route):
            pattern = entry.filters.get("path")
            if channel in entry.channels and (pattern is None or pattern.match(path)):
                return True
        else:
            return True
    return False


def nearest_route(entries: list[RoutingObject], channel: str, path: str) -> str | None:
    """Return the route of a channel whose path is most like this one, in words; None for none."""
    found = max(
        _paths(entries, channel, ""),
        key=lambda one: difflib.SequenceMatcher(None, path, one[0]).ratio(),
        default=None,
    )
    return None if found is None else f"{found[1]}{found[1].place}"


def asked_keys(entries: list[RoutingObject], channel: str) -> set[str]:
    """Return the keys of a message that routes of its channel, and their includes, look at."""
    keys: set[str] = set()
    for entry in entries:
        if isinstance(entry, Include) and channel in entry.channel_names():
            keys |= entry.prefixes.keys() | asked_keys(entry.routing, channel)
        elif isinstance(entry, Route) and channel in entry.channels:
            keys |= entry.filters.keys()
    return keys


def _paths(entries: list[RoutingObject], channel: str, outer: str) -> Iterator[tuple[str, Route]]:
    """Yield each route of a channel with its whole path, about as a client would write it."""
    for entry in entries:
        if isinstance(entry, Include):
            prefix = entry.prefixes.get("path")
            start = outer + (_plain(prefix.pattern) if prefix is not None else "")
            yield from _paths(entry.routing, channel, start)
        elif isinstance(entry, Route) and channel in entry.channels:
            pattern = entry.filters.get("path")
            yield outer + (_plain(pattern.pattern) if pattern is not None else ""), entry


def _plain(pattern: str) -> str:
    return re.sub(r"\(\?P<(\w+)>[^)]*\)", r"\1", pattern).strip("^$")


# -- routes that can never match ------------------------------------------------------------


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
