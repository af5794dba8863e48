"""Test cases with layers of their own, and a client that runs consumers without a worker.

No test touches the layers that the settings name: each gets fresh in-memory ones, with
room for 10 messages on each channel.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import random
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.db import close_old_connections
from django.test import TestCase, TransactionTestCase
from django.test.utils import modify_settings, override_settings

from channels import DEFAULT_CHANNEL_LAYER, channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.channel import Group
from channels.exceptions import ChannelSocketException
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.routing import Router, include
from channels.signals import consumer_finished, consumer_started
from channels.worker.contexts import run_coroutine
from channels.worker.outcome import accept_if_asked

if TYPE_CHECKING:
    # For a type checker the mixin stands on what it is mixed into.
    from django.test import SimpleTestCase as _Base
else:
    _Base = object

#: Letters that make the reply channel of a client its own.
_REPLY_LETTERS = 5


class ChannelTestCaseMixin(_Base):
    """Replaces layers by in-memory ones with the same routing, for any of Django's test cases.

    The class gets layers, for what ``setUpClass``, ``setUpTestData`` and fixtures send; and each
    test gets new ones, from before its ``setUp`` until after its clean-ups.

    Attributes:
        test_channel_aliases: The layers to replace.
    """

    test_channel_aliases: list[str] = [DEFAULT_CHANNEL_LAYER]

    @classmethod
    def setUpClass(cls) -> None:
        """Replace the layers before anything is sent, by fixtures for instance."""
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(in_memory_layers(_routings(cls)))
        super().setUpClass()

    # Not ``_pre_setup``: that is called on the class or on the instance, once or per
    # test, as Django's version and the kind of test case have it.
    def __call__(self, result: Any = None) -> Any:
        """Run the test with new layers."""
        with in_memory_layers(_current_routings(self.test_channel_aliases)):
            return super().__call__(result)

    def debug(self) -> None:
        """Run the test with new layers, without catching what it raises."""
        with in_memory_layers(_current_routings(self.test_channel_aliases)):
            super().debug()

    def get_next_message(
        self, channel: Any, alias: str = DEFAULT_CHANNEL_LAYER, require: bool = False
    ) -> Message | None:
        """Return the next message that waits on a channel, taken off it; ``None`` if none does.

        Args:
            channel: Name, or :class:`~channels.channel.Channel`.
            alias: Its layer.
            require: Fail the test if there is none.
        """
        message = _next_message(channel_layers[alias], channel)
        if message is None and require:
            self.fail(f"Expected a message on channel {channel}, got none")
        return message


class ChannelTestCase(ChannelTestCaseMixin, TestCase):
    """Django's ``TestCase`` with in-memory layers."""


class TransactionChannelTestCase(ChannelTestCaseMixin, TransactionTestCase):
    """Django's ``TransactionTestCase`` with in-memory layers."""


class Client:
    """Sends messages as an interface server would, and runs their consumers on demand.

    Args:
        alias: Layer to use.
        reply_channel: What the name of its reply channel starts with; the alias by default.

    Attributes:
        alias: As given.
        reply_channel: Name of the channel that consumers reply to; an ordinary one.
    """

    def __init__(
        self, alias: str = DEFAULT_CHANNEL_LAYER, reply_channel: str | None = None
    ) -> None:
        own = "".join(random.choices(string.ascii_letters, k=_REPLY_LETTERS))
        self.alias = alias
        self.reply_channel = (alias if reply_channel is None else reply_channel) + own

    @property
    def channel_layer(self) -> Any:
        """The layer's wrapper, as it is now."""
        return channel_layers[self.alias]

    # -- messages ----------------------------------------------------------------------

    def get_next_message(self, channel: Any) -> Message | None:
        """Return the next message that waits on a channel, taken off it; ``None`` if none does."""
        return _next_message(self.channel_layer, channel)

    def send(self, to: Any, content: dict[str, Any] | None = None) -> None:
        """Send a copy of the content to a channel, with this client as the one to reply to."""
        content = copy.deepcopy(content or {})
        content.setdefault("reply_channel", self.reply_channel)
        self.channel_layer.send(str(to), content)

    def receive(self) -> Any:
        """Return the content of the next reply; ``None`` if there is none."""
        message = self.get_next_message(self.reply_channel)
        return None if message is None else message.content

    def join_group(self, group_name: str) -> None:
        """Add this client to a group."""
        Group(group_name, channel_layer=self.channel_layer).add(self.reply_channel)

    # -- consumers ---------------------------------------------------------------------

    def get_consumer_by_channel(self, channel: Any) -> Any:
        """Return the consumer of an empty message on a channel; ``None`` if it has none."""
        message = Message({"text": ""}, str(channel), self.channel_layer)
        match = self.channel_layer.router.match(message)
        return None if match is None else match[0]

    def send_and_consume(
        self, channel: Any, content: dict[str, Any] | None = None, fail_on_none: bool = True
    ) -> Any:
        """Send a message and run its consumer; see :meth:`send` and :meth:`consume`."""
        self.send(channel, content)
        return self.consume(channel, fail_on_none=fail_on_none)

    def consume(self, channel: Any, fail_on_none: bool = True) -> Any:
        """Run the consumer of the next message on a channel.

        What it raises is raised here, but for a
        :class:`~channels.exceptions.ChannelSocketException`, which is carried out.

        Returns:
            What the consumer returns: for a class the instance.

        Raises:
            AssertionError: There is no message, or no consumer for it, and ``fail_on_none``.
        """
        message = self.get_next_message(channel)
        if message is None:
            if fail_on_none:
                raise AssertionError(f"There is no message on channel {channel}")
            return None
        match = self.channel_layer.router.match(message)
        if match is None:
            if fail_on_none:
                raise AssertionError(f"No consumer takes the message on channel {channel}")
            return None
        consumer, kwargs = match
        try:
            consumer_started.send(sender=self.__class__)
            result = consumer(message, **kwargs)
            if inspect.iscoroutine(result):
                result = run_coroutine(result)
            accept_if_asked(message)
            return result
        except ChannelSocketException as error:
            error.run(message)
            return None
        finally:
            self._finish()

    def _finish(self) -> None:
        """Send what the consumer left, and keep the database connections of the test open."""
        connected = consumer_finished.disconnect(close_old_connections)
        try:
            consumer_finished.send(sender=self.__class__)
        finally:
            if connected:
                consumer_finished.connect(close_old_connections)


class apply_routes:
    """Gives layers other routes: for a block, a function, or each test of a class.

    Args:
        routes: A route, or a list of routes; a list in that list, or the dotted path of
            one, is included.
        aliases: The layers.
    """

    def __init__(self, routes: Any, aliases: Iterable[str] | str | None = None) -> None:
        self.routing = _as_routing(routes)
        if aliases is None:
            aliases = [DEFAULT_CHANNEL_LAYER]
        self.aliases = [aliases] if isinstance(aliases, str) else list(aliases)
        # A stack, because the same object may be entered again before it is left.
        self._before: list[list[tuple[Any, Any, Any]]] = []

    def __enter__(self) -> None:
        layers = [channel_layers[alias] for alias in self.aliases]
        routers = [Router(self.routing) for _ in layers]
        self._before.append([(layer, layer.routing, layer.router) for layer in layers])
        for layer, router in zip(layers, routers, strict=True):
            layer.routing, layer.router = list(self.routing), router

    def __exit__(self, *exc_info: object) -> None:
        for layer, routing, router in self._before.pop():
            layer.routing, layer.router = routing, router

    def __call__(self, decorated: Any) -> Any:
        """Return the function wrapped, or the class with its ``setUp`` replaced."""
        if inspect.isclass(decorated):
            return self._decorate_class(decorated)
        if inspect.iscoroutinefunction(decorated):

            @functools.wraps(decorated)
            async def inner_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await decorated(*args, **kwargs)

            return inner_async

        @functools.wraps(decorated)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with self:
                return decorated(*args, **kwargs)

        return inner

    def _decorate_class(self, decorated: Any) -> Any:
        original: Callable[[Any], Any] | None = getattr(decorated, "setUp", None)
        if original is None or not hasattr(decorated, "addCleanup"):
            raise TypeError(f"apply_routes can decorate test cases and functions, not {decorated}")

        @functools.wraps(original)
        def set_up(case: Any) -> Any:
            # As a clean-up it is undone after tearDown, and also if setUp fails.
            self.__enter__()
            case.addCleanup(self.__exit__, None, None, None)
            return original(case)

        decorated.setUp = set_up
        return decorated


@contextlib.contextmanager
def in_memory_layers(routings: Mapping[str, Any]) -> Iterator[None]:
    """Replace layers by new in-memory ones.

    Args:
        routings: Alias to routing, which is copied.
    """
    before: dict[str, ChannelLayerWrapper | None] = {}
    try:
        for alias, routing in routings.items():
            replacement = ChannelLayerWrapper(InMemoryChannelLayer(), alias, copy.copy(routing))
            before[alias] = channel_layers.set(alias, replacement)
        yield
    finally:
        for alias, wrapper in before.items():
            channel_layers.set(alias, wrapper)


def _routings(cls: type[ChannelTestCaseMixin]) -> dict[str, Any]:
    """Return the routing of each layer to replace, as the settings of the class have it.

    Django applies those settings too, but not before fixtures may be loaded.
    """
    overridden = getattr(cls, "_overridden_settings", None) or {}
    modified = getattr(cls, "_modified_settings", None)
    with contextlib.ExitStack() as stack:
        if overridden:
            stack.enter_context(override_settings(**overridden))
        if modified:
            stack.enter_context(modify_settings(modified))
        # What was built by other settings says nothing about these.
        anew = "CHANNEL_LAYERS" in overridden
        layers = {
            alias: channel_layers.make_backend(alias) if anew else channel_layers[alias]
            for alias in cls.test_channel_aliases
        }
        return {alias: layer.routing for alias, layer in layers.items()}


def _current_routings(aliases: Iterable[str]) -> dict[str, Any]:
    return {alias: channel_layers[alias].routing for alias in aliases}


def _as_routing(routes: Any) -> list[Any]:
    if not isinstance(routes, (list, tuple)):
        routes = [routes]
    return [include(one) if isinstance(one, (list, tuple, str, dict)) else one for one in routes]


def _next_message(layer: Any, channel: Any) -> Message | None:
    name = str(channel)
    _, content = layer.receive([name])
    return None if content is None else Message(content, name, layer)
