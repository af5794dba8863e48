"""What a message is matched against: dotted paths, patterns and the routing protocol; and
where a route was written, for what is said about it.

Patterns are regular expressions over one key of a message's content.  They are
anchored at the start and not at the end (docs/channels1.md#routing).  A value that
is no text, or bytes that are not ASCII, never matches and never raises: one odd
message must not be able to stop a worker (docs/channels1.md#nothing-ends-a-worker).
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from django.core.exceptions import ImproperlyConfigured

from channels.utils import import_object

Consumer = Callable[..., Any]

#: A consumer and the keyword arguments that the patterns found for it.
Match = tuple[Consumer, dict[str, Any]]


class RoutableChannel(Protocol):
    """The part of a channel that routing looks at."""

    name: Any


class Routable(Protocol):
    """The part of a message that routing looks at."""

    @property
    def channel(self) -> RoutableChannel:
        """The channel that the message came from."""
        ...

    content: dict[str, Any]


class RoutingObject(Protocol):
    """What may stand in a routing; ours and anybody else's."""

    def match(self, message: Any) -> Match | None:
        """Return the consumer of a message with its arguments, or None."""
        ...

    def channel_names(self) -> set[str]:
        """Return the channels that a worker must listen on for this object."""
        ...


#: How a routing asks one of its entries: ``find(channel name, content, message)``.
#: ``content`` is what the entry sees; inside a prefixed include it differs from
#: ``message.content`` by the parts that were cut off.
Finder = Callable[[str, Mapping[str, Any], Any], "Match | None"]


def foreign_finder(entry: RoutingObject) -> Finder:
    """Return how to ask a routing object that only has ``match``."""

    def find(channel: str, content: Mapping[str, Any], message: Any) -> Match | None:
        if content is not message.content:
            message = copy.copy(message)
            message.content = content
        return entry.match(message)

    return find


def import_dotted(path: str, what: str) -> Any:
    """Return the object that a dotted path names; ``what`` it was given as is for the error.

    Raises:
        ImproperlyConfigured: There is no such thing, or importing it failed.
    """
    if not all(part.isidentifier() for part in path.split(".")):
        raise ImproperlyConfigured(f"{what} {path!r} is not a dotted path to import")
    try:
        return import_object(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"{what} {path!r} cannot be imported: {error}") from error


def normalise_re_arg(value: Any) -> Any:
    """Return bytes as ASCII text, and anything else as it is.

    Raises:
        UnicodeDecodeError: The bytes are not ASCII.
    """
    return value.decode("ascii") if isinstance(value, bytes) else value


def compile_patterns(patterns: Mapping[str, Any], owner: str) -> dict[str, re.Pattern[str]]:
    """Compile the keyword arguments of a route or an include, in their order.

    Each is text, ASCII bytes, or compiled from text; ``owner`` is for the error.

    Raises:
        ValueError: One of them is no regular expression; the text says which.
    """
    compiled = {}
    for key, pattern in patterns.items():
        try:
            compiled[key] = re.compile(normalise_re_arg(pattern))
        except (re.error, TypeError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{owner}: {key}={pattern!r} is not a valid regular expression: {error}"
            ) from error
        if not isinstance(compiled[key].pattern, str):
            raise ValueError(f"{owner}: {key}={pattern!r} must be compiled from text, not bytes")
    return compiled


def text_of(value: Any) -> str | None:
    """Return a value as text to match on; None if it is not text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            return None
    return None


def where_written() -> str:
    """Return `` in file:line`` of the nearest caller outside of this package.

    Empty for what the settings name, which is built when a layer is first asked for.
    """
    frame = sys._getframe(1)
    while True:
        module = frame.f_globals.get("__name__", "")
        if module == "channels.asgi":
            return ""
        if not module.startswith("channels.") or frame.f_back is None:
            return f" in {frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
