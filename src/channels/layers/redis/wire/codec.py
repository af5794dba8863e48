"""Messages as payloads: packed, encrypted if there are keys, and read back without trust.

A payload is one or more msgpack maps, one after the other, or a Fernet token of that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgpack

from channels.exceptions import MessageTooLarge
from channels.layers.clients import Message
from channels.layers.values import MAX_DEPTH, OTHER_KEYS, packed_copy

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: Flag of a frame whose payload is encrypted.
ENCRYPTED = 2

#: How much older than its own lifetime an encrypted payload may be, in seconds:
#: the clocks of two processes differ.
CLOCK_TOLERANCE = 10

#: Types that travel as they are, or are refused by msgpack itself: half of a surrogate pair
#: in text, and integers of more than 64 bits.
_LEAVES = frozenset({str, bytes, int, float, bool, type(None)})
_CONTAINERS = frozenset({dict, list, tuple})
_TEXT = frozenset({str})
_KEYS = OTHER_KEYS | _TEXT

#: Its type stubs say that it may return None, which only another mode of it does.
_packb: Any = msgpack.packb
_UNPACK_ERRORS = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
_UNPACKING: dict[str, Any] = {"raw": False, "strict_map_key": False}


class Undecodable(ValueError):
    """Bytes from Redis are not what this layer writes: another version, other keys, or damage."""


class Codec:
    """Turns messages to payloads and back.

    The first of the keys encrypts, all decrypt; without keys nothing is encrypted.

    Raises:
        ValueError: There are keys but the package ``cryptography`` is missing.
    """

    def __init__(self, max_message_size: int, keys: Iterable[str | bytes] | None = None) -> None:
        self.max_message_size = max_message_size
        self._keys = [_derive(key) for key in keys or ()]
        self._fernet = _make_fernet(self._keys) if self._keys else None
        self.flags = ENCRYPTED if self._fernet else 0

    def digests(self, salt: bytes) -> list[bytes]:
        """Return a digest of each key under a salt, the one that encrypts first."""
        return [hmac.digest(key, salt, "sha256")[:8] for key in self._keys]

    def payload(self, name: str, *messages: Mapping[str, Any]) -> bytes:
        """Return messages, at least one, as a payload.

        ``name``, a channel or group, is for the error's text.

        Raises:
            TypeError: One holds a value that cannot travel.
            MessageTooLarge: One is larger than ``max_message_size``.
        """
        parts = []
        for message in messages:
            values = message.values()
            plain = _LEAVES.issuperset(map(type, values)) or _are_plain(values)
            if not plain or type(message) is not dict or not _TEXT.issuperset(map(type, message)):
                # Says what is wrong and where, or turns subclasses to what they stand for.
                message, _ = packed_copy(message, name, self.max_message_size)
            try:
                packed: bytes = _packb(message, use_bin_type=True)
            except (UnicodeEncodeError, OverflowError):
                packed_copy(message, name, self.max_message_size)
                raise
            if len(packed) > self.max_message_size:
                raise MessageTooLarge(name, len(packed), self.max_message_size)
            parts.append(packed)
        payload = b"".join(parts)
        return self._fernet.encrypt(payload) if self._fernet else payload

    def messages(self, payload: bytes, lifetime: float) -> list[Message]:
        """Return the messages of a payload, at least one.

        An encrypted payload that is older than ``lifetime`` seconds is refused.

        Raises:
            Undecodable: It is not what :meth:`payload` returned.
        """
        if self._fernet:
            payload = self._decrypt(payload, lifetime)
        try:
            try:
                messages = [msgpack.unpackb(payload, **_UNPACKING)]
            except msgpack.ExtraData:
                messages = _unpack_many(payload)
        except _UNPACK_ERRORS as error:
            raise Undecodable(f"not msgpack: {error}") from error
        for message in messages:
            if type(message) is not dict:
                raise Undecodable(f"a message is a {type(message).__name__}, not a map")
        return messages

    def _decrypt(self, payload: bytes, lifetime: float) -> bytes:
        from cryptography.fernet import InvalidToken

        assert self._fernet is not None
        try:
            return self._fernet.decrypt(payload, ttl=int(lifetime + CLOCK_TOLERANCE))
        except InvalidToken as error:
            raise Undecodable("not encrypted with one of our keys, or too old") from error


def _are_plain(values: Iterable[Any], depth: int = 1) -> bool:
    """Whether there is nothing in a message, or in a container, but what travels as it is."""
    for value in values:
        kind = type(value)
        if kind in _LEAVES:
            continue
        if kind not in _CONTAINERS or depth >= MAX_DEPTH:
            return False
        if kind is dict and not _KEYS.issuperset(map(type, value)):
            return False
        if not _are_plain(value.values() if kind is dict else value, depth + 1):
            return False
    return True


def _unpack_many(packed: bytes) -> list[Message]:
    unpacker = msgpack.Unpacker(max_buffer_size=len(packed), **_UNPACKING)
    unpacker.feed(packed)
    messages: list[Message] = []
    end = 0
    for message in unpacker:
        messages.append(message)
        end = unpacker.tell()
    if end != len(packed):
        raise ValueError("incomplete input")
    return messages


def _make_fernet(keys: Iterable[bytes]) -> MultiFernet:
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise ValueError(
            "symmetric_encryption_keys needs the package cryptography: pip install cryptography"
        ) from error
    return MultiFernet([Fernet(key) for key in keys])


def _derive(key: str | bytes) -> bytes:
    secret = key.encode() if isinstance(key, str) else key
    return base64.urlsafe_b64encode(hashlib.sha256(secret).digest())
