"""An include: a routing inside a routing, behind patterns that cut off what they match.

Entries are indexed by channel when the include is built, so that a message is
only tried against routes of its own channel; and a prefixed include shows its
entries a shallow copy of the content in which only the matched keys differ
(known-flaws.md F-18).  The consumer always gets the original message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from channels.routing.matching import (
    Finder,
    Match,
    Routable,
    RoutingObject,
    compile_patterns,
    foreign_finder,
    import_dotted,
    text_of,
)
from channels.routing.routes import Route


class Include:
    """Tries the entries of another routing, in their order.

    Args:
        routing: Routing objects in a sequence, a dict of channel to consumer,
            or a dotted path to either.  It is copied (known-flaws.md F-47).
        prefixes: Key of the content to a regular expression, which must match
            from the start of that key's value.  The entries see the rest of it.
            Named groups become keyword arguments, behind those of the entries.

    Attributes:
        routing: The entries, as a list of this include's own.
        prefixes: The patterns, compiled, in the order in which they were given.

    Raises:
        ImproperlyConfigured: The routing cannot be imported or is no routing.
        ValueError: A pattern is no regular expression.
    """

    def __init__(self, routing: Any, **prefixes: Any) -> None:
        owner = f"include({routing!r})" if isinstance(routing, str) else "include"
        self.prefixes = compile_patterns(prefixes, owner)
        self.routing: list[RoutingObject] = resolve_routing(routing)
        #: How to ask the entries for a channel, and for a channel that none of them names.
        self._finders: dict[str, list[Finder]] = {}
        self._finders_of_any: list[Finder] = []
        self._index()

    def append(self, entry: RoutingObject) -> None:
        """Add an entry that is tried after all others."""
        self.routing.append(_check_entry(entry, "the route to add"))
        self._index()

    def match(self, message: Routable) -> Match | None:
        """Return ``(consumer, keyword arguments)`` of the first entry that matches, or None."""
        return self.find(message.channel.name, message.content, message)

    def find(self, channel: str, content: Mapping[str, Any], message: Any) -> Match | None:
        """Match a message whose content may have been cut by an outer include."""
        finders = self._finders.get(channel, self._finders_of_any)
        if not finders:
            return None
        arguments: dict[str, Any] = {}
        if self.prefixes:
            rest = self._cut(content, arguments)
            if rest is None:
                return None
            content = rest
        for find in finders:
            found = find(channel, content, message)
            if found is not None:
                return (found[0], {**arguments, **found[1]}) if arguments else found
        return None

    def _cut(self, content: Mapping[str, Any], arguments: dict[str, Any]) -> dict[str, Any] | None:
        """Return the content without the prefixes, whose named groups go to ``arguments``."""
        rests = {}
        for key, pattern in self.prefixes.items():
            text = text_of(content.get(key))
            found = None if text is None else pattern.match(text)
            if text is None or found is None:
                return None
            arguments.update(found.groupdict())
            rests[key] = text[found.end() :]
        return {**content, **rests}

    def channel_names(self) -> set[str]:
        """Return the channels that any entry listens on."""
        return self._names_of_entries()

    def _names_of_entries(self) -> set[str]:
        return set().union(*(entry.channel_names() for entry in self.routing))

    def _index(self) -> None:
        """Sort the entries by channel.

        Entries of other classes are asked for every message: what they match is
        theirs to say, ``channel_names`` only tells where to listen.
        """
        finders: dict[str, list[Finder]] = {name: [] for name in self._names_of_entries()}
        of_any: list[Finder] = []
        for entry in self.routing:
            if isinstance(entry, (Route, Include)) and _is_plain(entry):
                for name in entry.channel_names():
                    finders[name].append(entry.find)
                if isinstance(entry, Include) and entry._finders_of_any:
                    of_any.append(entry.find)
                    for name in finders.keys() - entry.channel_names():
                        finders[name].append(entry.find)
            else:
                find = foreign_finder(entry)
                of_any.append(find)
                for several in finders.values():
                    several.append(find)
        self._finders = finders
        self._finders_of_any = of_any


def _is_plain(entry: Route | Include) -> bool:
    """Whether the index may stand for the entry: a subclass's own methods must be asked."""
    ours = Include if isinstance(entry, Include) else Route
    own = type(entry)
    return own.match is ours.match and own.channel_names is ours.channel_names


def resolve_routing(routing: Any) -> list[RoutingObject]:
    """Return the entries of a routing as a new list.

    Args:
        routing: Routing objects in a sequence, a dict of channel to consumer,
            or a dotted path to either.

    Raises:
        ImproperlyConfigured: It cannot be imported, or it is something else.
    """
    what = "the routing"
    if isinstance(routing, str):
        what = f"routing {routing!r}"
        routing = import_dotted(routing, "routing")
    if isinstance(routing, Mapping):
        return [Route(channel, consumer) for channel, consumer in routing.items()]
    if isinstance(routing, (str, bytes)) or not isinstance(routing, Iterable):
        raise ImproperlyConfigured(
            f"{what} is of type {type(routing).__name__}, not a list of routes or a dict of"
            " channels to consumers"
        )
    return [_check_entry(entry, f"entry {n} of {what}") for n, entry in enumerate(routing)]


def _check_entry(entry: Any, what: str) -> RoutingObject:
    if callable(getattr(entry, "match", None)) and callable(getattr(entry, "channel_names", None)):
        return entry  # type: ignore[no-any-return]  # the two methods are the whole protocol
    raise ImproperlyConfigured(
        f"{what} is {entry!r}, which has no match() and channel_names():"
        " use route(), route_class() or include()"
    )
