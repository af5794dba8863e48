"""What every channel layer has in common, and the synchronous interface.

By docs/channels1.md#channel-layer: names, capacities, the two exceptions as attributes
of the layer, and the methods that applications and third-party code call.  The
two clients that only this project's processes use are in
:mod:`channels.layers.clients`.
"""

from __future__ import annotations

import contextlib
import enum
import fnmatch
import functools
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from channels import exceptions, names

if TYPE_CHECKING:
    from channels.layers.clients import ServerClient, WorkerClient

#: How long an unread message lives, in seconds.
DEFAULT_EXPIRY = 60

#: How long a membership lives after the last ``group_add``, in seconds.
DEFAULT_GROUP_EXPIRY = 86400

#: How many messages may wait on one channel.
DEFAULT_CAPACITY = 100

#: Most bytes of one packed message; the contract asks for at least 1 MB.
DEFAULT_MAX_MESSAGE_SIZE = 4 * 1024 * 1024

ChannelCapacity = Mapping["str | re.Pattern[str]", int]


class Presence(enum.Enum):
    """Whether anybody is there to take what is sent to a process-local channel."""

    #: As far as is known.
    HERE = "here"
    #: Its process said that what the channel led to is gone for good.
    GONE = "gone"
    #: Its process is an interface server without a heartbeat: it has stopped or died, or
    #: the layer stood still and it is about to write one.
    SILENT = "silent"


class BaseChannelLayer:
    """Settings, checks and the abstract interface of a channel layer.

    Args:
        expiry: Seconds that an unread message lives.
        group_expiry: Seconds that a membership lives after its last
            ``group_add``.
        capacity: Messages that may wait on one channel.
        channel_capacity: Capacities for some channels: a glob or a compiled
            regular expression (matched at the start) to a number.  The first
            pattern that fits wins.  A process-local name is looked up whole
            first and then by its mailbox, so both ``"web.*!"`` and
            ``"web.*!*"`` work (docs/channels1.md#capacity-patterns).
        max_message_size: Bytes that one packed message may have.

    Numbers may be given as text, as environment variables have them.

    Raises:
        ValueError: One of them is no number, or negative; the text says which.
    """

    extensions: list[str] = []

    ChannelFull = exceptions.ChannelFull
    MessageTooLarge = exceptions.MessageTooLarge

    def __init__(
        self,
        expiry: float = DEFAULT_EXPIRY,
        group_expiry: float = DEFAULT_GROUP_EXPIRY,
        capacity: int = DEFAULT_CAPACITY,
        channel_capacity: ChannelCapacity | None = None,
        max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    ) -> None:
        self.expiry: float = _as_number("expiry", expiry)
        self.group_expiry: float = _as_number("group_expiry", group_expiry)
        self.capacity: int = _as_number("capacity", capacity)
        self.channel_capacity = compile_capacities(channel_capacity)
        self.max_message_size: int = _as_number("max_message_size", max_message_size)
        self._capacities: dict[str, int | None] = {}

    # -- the interface ---------------------------------------------------------

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Store a message for the next reader of the channel.

        Never blocks for room.  Delivery is at most once: the message is lost
        when its reader dies, or when nobody takes it within ``expiry`` seconds.

        Raises:
            TypeError: The name is invalid, or the message holds a value that
                cannot travel.  Nothing was stored.
            AssertionError: The message is not a dict, or uses the reserved key
                ``__asgi_channel__``.  Nothing was stored.
            ChannelFull: Nothing was stored.
            MessageTooLarge: Nothing was stored.
            LayerUnavailable: It may or may not have been stored.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define send()")

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str, dict[str, Any]] | tuple[None, None]:
        """Return the next ``(channel, message)``, or ``(None, None)`` if there is none.

        Args:
            channels: Names to look at, fairly; a process-local name must end at
                its ``!`` and yields messages under their full names.
            block: Wait for a message, at most a few seconds.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define receive()")

    def new_channel(self, pattern: str) -> str:
        """Return an unused single-reader name that starts with ``pattern``, which ends in ``?``."""
        raise NotImplementedError(f"{type(self).__name__} does not define new_channel()")

    def receive_many(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str, dict[str, Any]] | tuple[None, None]:
        """Old name of :meth:`receive`."""
        warnings.warn(
            "receive_many() is the old name of receive(); call that instead",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.receive(channels, block)

    def send_body(self, channel: str, message: Mapping[str, Any]) -> None:
        """Send the next chunk of a long response to its process-local reply channel.

        Layers with a server client keep chunks on a list of their own, which the server reads
        as its client drains it: a slow client does not fill the mailbox of the others.
        Elsewhere a chunk is a message like any other.

        Raises:
            ChannelFull: The server is too far behind.  Nothing was stored.
            TypeError, AssertionError, MessageTooLarge, LayerUnavailable: As :meth:`send`.
        """
        self.send(channel, message)

    def presence(self, channel: str) -> Presence:
        """Return whether what is sent to the channel has a reader.

        One round trip at most.  Layers without a server client can't tell: ``HERE``.

        Raises:
            LayerUnavailable: There is no answer.
        """
        return Presence.HERE

    def listened_on(self) -> frozenset[str] | None:
        """Return the channels that workers listen on now; ``None`` if the layer can't tell.

        Raises:
            LayerUnavailable: There is no answer.
        """
        return None

    # -- the clients that only our own processes use -------------------------------

    def open_worker(
        self, channels: Collection[str], *, held: Callable[[], Collection[bytes]]
    ) -> WorkerClient:
        """Return the :class:`~channels.layers.clients.WorkerClient` that takes frames."""
        raise NotImplementedError(f"{type(self).__name__} does not define open_worker()")

    def open_server(self, mailbox: str) -> ServerClient:
        """Return an interface server's side; see :class:`~channels.layers.clients.ServerClient`."""
        raise NotImplementedError(f"{type(self).__name__} does not define open_server()")

    # -- capacities --------------------------------------------------------------

    def get_capacity(self, channel: str) -> int:
        """Return how many messages may wait on the channel (or share its mailbox)."""
        configured = self.configured_capacity(channel)
        return self.capacity if configured is None else configured

    def configured_capacity(self, channel: str) -> int | None:
        """Return what ``channel_capacity`` says of the channel, ``None`` if nothing."""
        mailbox = names.non_local_name(channel)
        if mailbox == channel:
            # Unbounded only by the number of distinct names, so keep it small:
            # new ``?`` names come with every large request.
            if len(self._capacities) > 1000:
                self._capacities.clear()
            if channel not in self._capacities:
                self._capacities[channel] = self._match_capacity(channel)
            return self._capacities[channel]
        whole = self._match_capacity(channel) if self.channel_capacity else None
        return self.configured_capacity(mailbox) if whole is None else whole

    def _match_capacity(self, name: str) -> int | None:
        for pattern, capacity in self.channel_capacity:
            if pattern.match(name):
                return capacity
        return None

    # -- checks (docs/channels1.md#names-of-channels-and-groups) ------------------------

    def valid_channel_name(self, name: object, receive: bool = False) -> bool:
        """Return True, or raise ``TypeError`` with the reason."""
        names.check_channel_name(name, receive=receive)
        return True

    def valid_group_name(self, name: object) -> bool:
        """Return True, or raise ``TypeError`` with the reason."""
        names.check_group_name(name)
        return True

    def valid_channel_names(self, names: object, receive: bool = False) -> bool:
        """Return True for a non-empty list of valid names.

        Raises:
            AssertionError: It is not a list, or it is empty.
            TypeError: One of the names is invalid.
        """
        if not isinstance(names, list) or not names:
            raise AssertionError("channel names must be a non-empty list")
        for name in names:
            self.valid_channel_name(name, receive=receive)
        return True

    def non_local_name(self, name: str) -> str:
        """Return the part of a channel name up to and including its ``!``."""
        return names.non_local_name(name)


#: What the clients, and ``send_body``, do past the methods of this name.
_DONE_BY_CLIENTS = frozenset({"send", "send_group", "receive", "receive_many"})


def clients_may_replace(layer: Any, opener: str = "open_worker") -> bool:
    """Whether a layer has clients, and no project or test wants done otherwise what they do.

    Projects subclass a layer to give it a ``send`` or ``receive`` of their own, and tests
    assign to one.  Then every message must go through these methods.

    Args:
        layer: Any layer, or a wrapper's.
        opener: ``"open_worker"`` or ``"open_server"``.
    """
    found = getattr(type(getattr(layer, "channel_layer", layer)), opener, None)
    return (
        found is not None
        and found is not getattr(BaseChannelLayer, opener)
        and not is_customised(layer)
    )


def is_customised(layer: Any) -> bool:
    """Whether methods that the clients go past were overridden, or assigned to layer or wrapper."""
    own: Mapping[str, Any] = getattr(layer, "__dict__", {})
    if not _DONE_BY_CLIENTS.isdisjoint(own):
        return True
    wrapped = own.get("channel_layer")
    return is_customised(wrapped) if wrapped is not None else _overrides(type(layer))  # type: ignore[arg-type]  # mypy takes Any for unhashable


@functools.lru_cache(maxsize=64)
def _overrides(layer_class: type[Any]) -> bool:
    """Whether a class overrides such a method, but not the clients that it inherits."""
    overrides = False
    for one in layer_class.__mro__:
        if "open_worker" in vars(one) or "send_body" in vars(one):
            return overrides
        overrides = overrides or any(name in vars(one) for name in _DONE_BY_CLIENTS)
    return False


def compile_capacities(
    channel_capacity: ChannelCapacity | None,
) -> list[tuple[re.Pattern[str], int]]:
    """Turn globs and regular expressions to a list of compiled patterns, in order.

    Raises:
        ValueError: It is no dict, or a capacity is no number or negative.
    """
    if not isinstance(channel_capacity or {}, Mapping):
        raise ValueError(
            "channel_capacity must be a dict of patterns to numbers, not"
            f" {type(channel_capacity).__name__}"
        )
    compiled = []
    for pattern, capacity in (channel_capacity or {}).items():
        number = _as_number(f"channel_capacity[{pattern!r}]", capacity)
        if isinstance(pattern, str):
            pattern = re.compile(fnmatch.translate(pattern))
        compiled.append((pattern, number))
    return compiled


def _as_number(name: str, value: Any) -> Any:
    """Return a setting as a number; text such as ``"60"`` is one.

    Raises:
        ValueError: It is no number, or a negative or endless one.
    """
    number = value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = float(value)
            number = int(value)
    if not isinstance(number, (int, float)) or not 0 <= number < math.inf:
        raise ValueError(f"{name} must be a number that is not negative, not {value!r}")
    return number
