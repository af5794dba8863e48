"""A route: from some channels, past some patterns, to one consumer.

What is wrong with a route is found when it is built, at import of the application's
routing, or when the router is, and never when a message arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from channels.routing.matching import (
    Consumer,
    Match,
    Routable,
    compile_patterns,
    import_dotted,
    normalise_re_arg,
    text_of,
    where_written,
)
from channels.utils import name_that_thing


class Route:
    """Sends messages of some channels to a consumer.

    Args:
        channels: A channel name or several; bytes must be ASCII.
        consumer: What to call, or a dotted path to it.
        filters: Key of the content to a regular expression, which must match
            from the start of that key's value.  Named groups become keyword
            arguments of the consumer; unnamed ones are refused, because there
            is no argument that they could become.

    Attributes:
        channels: The names, as a list.
        consumer: The object itself, imported.
        filters: The patterns, compiled, in the order in which they were given.
        place: Where it was written, see :func:`~channels.routing.matching.where_written`.

    Raises:
        ImproperlyConfigured: The consumer cannot be imported.  One that cannot be called
            is refused by the router, not here.
        ValueError: A pattern is no regular expression or has an unnamed group.
    """

    place: str = ""

    def __init__(
        self,
        channels: str | bytes | Iterable[str | bytes],
        consumer: Consumer | str,
        **filters: Any,
    ) -> None:
        names = [channels] if isinstance(channels, (str, bytes)) else channels
        self.channels: list[str] = [normalise_re_arg(name) for name in names]
        self.place = where_written()
        owner = f"route {'/'.join(self.channels)!r}"
        self.consumer: Consumer = _resolve_consumer(consumer, owner + self.place)
        owner += f" to {name_that_thing(self.consumer)}{self.place}"
        self.filters = compile_patterns(filters, owner)
        for key, pattern in self.filters.items():
            if pattern.groups > len(pattern.groupindex):
                raise ValueError(
                    f"{owner}: {key}={pattern.pattern!r} has an unnamed group;"
                    " write (?P<name>...) to pass it on, or (?:...) to only group"
                )

    def match(self, message: Routable) -> Match | None:
        """Return ``(consumer, keyword arguments)``, or None if this route is not for it."""
        if message.channel.name not in self.channels:
            return None
        return self.find(message.channel.name, message.content, message)

    def find(self, channel: str, content: Mapping[str, Any], message: Any) -> Match | None:
        """Match a message that is known to be from one of this route's channels."""
        arguments: dict[str, Any] = {}
        for key, pattern in self.filters.items():
            text = text_of(content.get(key))
            found = None if text is None else pattern.match(text)
            if found is None:
                return None
            arguments.update(found.groupdict())
        return self.consumer, arguments

    def channel_names(self) -> set[str]:
        """Return the channels that this route listens on."""
        return set(self.channels)

    def find_mistakes(self) -> Iterator[str]:
        """Say what is wrong with the route, and where it was written."""
        consumer: object = self.consumer
        if not callable(consumer):
            yield (
                f"route {'/'.join(self.channels)!r}{self.place}: the consumer {consumer!r}"
                " cannot be called"
            )

    def __str__(self) -> str:
        parts = ["/".join(self.channels)]
        if self.filters:
            filters = ", ".join(f"{key}={one.pattern}" for key, one in self.filters.items())
            parts.append(f"({filters})")
        return " ".join([*parts, "->", name_that_thing(self.consumer)])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class RouteClass(Route):
    """Sends messages to a consumer class, on the channels that the class names.

    Args:
        consumer: A class with ``channel_names()``, or a dotted path to it.
        filters: As of :class:`Route`.

    Raises:
        ImproperlyConfigured: The consumer cannot be imported.
        ValueError: The consumer has no ``channel_names()``, or a pattern is wrong.
    """

    def __init__(self, consumer: Any, **filters: Any) -> None:
        place = where_written()
        consumer = _resolve_consumer(consumer, f"route_class{place}")
        if not callable(getattr(consumer, "channel_names", None)):
            raise ValueError(
                f"route_class{place} needs a consumer class with channel_names();"
                f" {name_that_thing(consumer)} has none: use route(channel, consumer)"
            )
        super().__init__(sorted(consumer.channel_names()), consumer, **filters)


def _resolve_consumer(consumer: Any, owner: str) -> Any:
    """Return the consumer itself.

    Raises:
        ImproperlyConfigured: It cannot be imported.
    """
    return import_dotted(consumer, f"{owner}: consumer") if isinstance(consumer, str) else consumer
