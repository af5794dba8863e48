"""What a message may hold, and copies of it.

The rules are docs/channels1.md#messages-in-a-layer.
Nested values are bytes, str, int (from -2^63 to 2^64-1), float,
list, tuple, dict, bool and None.  Keys of the message itself are str; keys of dicts in it
may be int, bool, None or bytes as well, as the legacy layer carried them.  Anything else is
refused with a ``TypeError`` that says where in the message it is.  Subclasses become plain types,
and ``bytearray`` and ``memoryview`` become ``bytes``, as they would on their way
through Redis.  Tuples stay tuples.

No I/O, no clock; safe in any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from channels.exceptions import MessageTooLarge

#: How deep containers may be nested.  msgpack ends at 511; we earlier, because the
#: copy is recursive and a consumer's own stack may be deep already.
MAX_DEPTH = 100

#: Steps of the path to a bad value that an error shows.
_SHOWN_STEPS = 10

#: What msgpack has a form for.
MIN_INT = -(2**63)
MAX_INT = 2**64 - 1

#: Types of keys below the message itself; and str, which is looked at more closely.
OTHER_KEYS = frozenset({int, bool, bytes, type(None)})

_PLAIN = frozenset({bytes, float, bool, type(None)})


class _CannotTravel(Exception):
    """Carries the reason up, and collects the path on its way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[object] = []


def check_message(message: object) -> None:
    """Refuse what no layer carries.

    Raises:
        AssertionError: Not a dict, or it uses a reserved key.
    """
    if not isinstance(message, dict):
        raise AssertionError(f"a message must be a dict, not {type(message).__name__}")
    if "__asgi_channel__" in message:
        raise AssertionError("the key '__asgi_channel__' is reserved for channel layers")


def packed_copy(message: Mapping[str, Any], target: str, limit: int) -> tuple[dict[str, Any], int]:
    """Return a deep copy of a message and the bytes that it packs to.

    Args:
        message: What is to be sent.
        target: Channel or group that it is meant for; appears in errors.
        limit: Most bytes that it may pack to.

    Raises:
        AssertionError: It is not a dict, or uses a reserved key.
        TypeError: It holds a value that cannot travel.
        MessageTooLarge: It packs to more than ``limit`` bytes.
    """
    check_message(message)
    try:
        copied: dict[str, Any] = _copy(message, 0)
    except _CannotTravel as found:
        path = "".join(f"[{step!r}]" for step in found.path[: -_SHOWN_STEPS - 1 : -1])
        raise TypeError(
            f"cannot send to {target!r}: message{path} {found.reason}; a message may hold"
            " bytes, str, int of 64 bits, float, bool, None, and lists, tuples and dicts of"
            " these; its keys are str, those of dicts in it also int, bool, None or bytes"
        ) from None
    packed: bytes = msgpack.Packer().pack(copied)
    size = len(packed)
    if size > limit:
        raise MessageTooLarge(target, size, limit)
    return copied, size


def packed_copies(
    messages: Sequence[Mapping[str, Any]], target: str, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return copies of the messages of a frame and the bytes that they pack to in all.

    Raises:
        AssertionError, TypeError, MessageTooLarge: As :func:`packed_copy` does, for the
            first message that is not good.
    """
    packed = [packed_copy(message, target, limit) for message in messages]
    return [message for message, _ in packed], sum(size for _, size in packed)


def copy_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a message that :func:`packed_copy` made."""
    copied: dict[str, Any] = _copy(message, 0)
    return copied


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    # Of the type itself: a lazy object says that it is a str and behaves as none.
    if issubclass(kind, str):
        return _copy_str(value)
    if issubclass(kind, int):
        return _copy_int(value)
    if isinstance(value, (dict, list, tuple)):
        return _copy_container(value, depth + 1)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if issubclass(kind, float):
        return float(value)
    raise _CannotTravel(f"is of type {kind.__name__}, which cannot travel")


def _copy_str(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _CannotTravel("holds half of a surrogate pair, which is not text") from None
    return value if type(value) is str else str.__str__(value)


def _copy_int(value: int) -> int:
    if not MIN_INT <= value <= MAX_INT:
        raise _CannotTravel("is an integer that does not fit in 64 bits")
    return int(value)


def _copy_container(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _CannotTravel(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        copy_key = _copy_text_key if depth == 1 else _copy_key
        return {copy_key(key): _copy_item(item, key, depth) for key, item in value.items()}
    copied = [_copy_item(item, at, depth) for at, item in enumerate(value)]
    return tuple(copied) if isinstance(value, tuple) else copied


def _copy_text_key(key: object) -> str:
    if not isinstance(key, str):
        raise _CannotTravel(f"has the key {key!r}, which is not a str")
    return _copy_str(key)


def _copy_key(key: object) -> Any:
    if type(key) in OTHER_KEYS or isinstance(key, (str, int, bytes)):
        return _copy(key, 0)
    raise _CannotTravel(f"has the key {key!r}, which is not a str, int, bool, None or bytes")


def _copy_item(item: Any, key: object, depth: int) -> Any:
    try:
        return _copy(item, depth)
    except _CannotTravel as found:
        found.path.append(key)
        raise
