"""An include: a routing inside a routing, behind patterns that cut off what they match.

Entries are checked and indexed by channel when the include is first used: a routing
that nobody uses stops nobody, whatever is in it.  So a message is only tried against
routes of its own channel; and a prefixed include shows its entries a shallow copy of
the content in which only the matched keys differ (docs/channels1.md#includes).  The consumer
always gets the original message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    where_written,
)
from channels.routing.routes import Route


class Include:
    """Tries the entries of another routing, in their order.

    Args:
        routing: Routing objects in a sequence, a dict of channel to consumer,
            or a dotted path to either.  It is copied (docs/channels1.md#includes).
        prefixes: Key of the content to a regular expression, which must match
            from the start of that key's value.  The entries see the rest of it.
            Named groups become keyword arguments, behind those of the entries.

    Attributes:
        routing: The entries, as a list of this include's own.
        prefixes: The patterns, compiled, in the order in which they were given.
        place: Where it was written, see :func:`~channels.routing.matching.where_written`.

    Raises:
        ImproperlyConfigured: The routing cannot be imported.  What is no routing, or
            no entry of one, is refused by every method, not here.
        ValueError: A pattern is no regular expression.
    """

    def __init__(self, routing: Any, **prefixes: Any) -> None:
        self.place = where_written()
        name = f"include({routing!r})" if isinstance(routing, str) else "include"
        self.prefixes = compile_patterns(prefixes, name + self.place)
        self._what = f"routing {routing!r}" if isinstance(routing, str) else "the routing"
        self._mistake = ""
        self.routing: list[RoutingObject] = []
        routing = _load_routing(routing)
        try:
            self.routing = _entries(routing)
        except TypeError as error:
            self._mistake = str(error)
        #: How to ask the entries for a channel, and for a channel that none of them names.
        self._finders: dict[str, list[Finder]] | None = None
        self._finders_of_any: list[Finder] = []

    def append(self, entry: RoutingObject) -> None:
        """Add an entry that is tried after all others.

        Raises:
            ImproperlyConfigured: It is no routing object.
        """
        if not _is_routable(entry):
            raise ImproperlyConfigured(f"the route to add is {entry!r}, {_NOT_ROUTABLE}")
        self.routing.append(entry)
        self._finders = None

    def find_mistakes(self) -> Iterator[str]:
        """Say what is wrong with the entries, here and in the includes below, and where."""
        what = self._what + (f" given{self.place}" if self.place else "")
        if self._mistake:
            yield f"{what} {self._mistake}"
        for n, entry in enumerate(self.routing):
            if not _is_routable(entry):
                yield f"entry {n} of {what} is {entry!r}, {_NOT_ROUTABLE}"
            elif isinstance(entry, (Route, Include)):
                yield from entry.find_mistakes()

    def match(self, message: Routable) -> Match | None:
        """Return ``(consumer, keyword arguments)`` of the first entry that matches, or None."""
        return self.find(message.channel.name, message.content, message)

    def find(self, channel: str, content: Mapping[str, Any], message: Any) -> Match | None:
        """Match a message whose content may have been cut by an outer include."""
        by_channel = self._index() if self._finders is None else self._finders
        finders = by_channel.get(channel, self._finders_of_any)
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
        if self._finders is None:
            self._index()
        return self._names_of_entries()

    def _names_of_entries(self) -> set[str]:
        return set().union(*(entry.channel_names() for entry in self.routing))

    def _index(self) -> dict[str, list[Finder]]:
        """Check the entries and sort them by channel.

        Entries of other classes are asked for every message: what they match is
        theirs to say, ``channel_names`` only tells where to listen.

        Raises:
            ImproperlyConfigured: There are mistakes; the text has one line for each.
        """
        mistakes = list(self.find_mistakes())
        if mistakes:
            raise ImproperlyConfigured("\n".join(mistakes))
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
        self._finders_of_any = of_any
        self._finders = finders  # last: another thread may look
        return finders


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
    what = f"routing {routing!r}" if isinstance(routing, str) else "the routing"
    try:
        return _entries(_load_routing(routing))
    except TypeError as error:
        raise ImproperlyConfigured(f"{what} {error}") from error


def _load_routing(routing: Any) -> Any:
    return import_dotted(routing, "routing") if isinstance(routing, str) else routing


def _entries(routing: Any) -> list[Any]:
    """Return the entries of a routing; TypeError if it is something else."""
    if isinstance(routing, Mapping):
        return [Route(channel, consumer) for channel, consumer in routing.items()]
    if isinstance(routing, (str, bytes)) or not isinstance(routing, Iterable):
        raise TypeError(
            f"is of type {type(routing).__name__}, not a list of routes or a dict of channels to"
            " consumers"
        )
    return list(routing)


_NOT_ROUTABLE = "which has no match() and channel_names(): use route(), route_class() or include()"


def _is_routable(entry: Any) -> bool:
    return callable(getattr(entry, "match", None)) and callable(
        getattr(entry, "channel_names", None)
    )
