"""The parts of a URL that names one or several servers of Redis.

The library's ``urlsplit`` knows of one host only, and how strict it is about brackets differs
between patch releases of Python; so the part between ``//`` and the path is taken apart here.
Errors never quote it: what looks like an address may be a part of the password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from redis.connection import parse_url

#: What to do about an address that cannot be understood.
_ADVICE = (
    "an address in a Redis URL must be host, host:port or, for IPv6, [host]:port; if the password"
    " holds one of / ? # @, write it as %2F %3F %23 %40"
)


@dataclass(frozen=True, slots=True)
class UrlParts:
    """What :func:`split_url` found.

    Attributes:
        scheme: What stands in front of ``://``, in lower case.
        addresses: Hosts, without brackets, and their ports (None where none is given).
        path: What follows, without percent signs, from its slash on.
        options: User, password and what stands behind the ``?``, as arguments for
            redis-py's connections.
    """

    scheme: str
    addresses: list[tuple[str, int | None]]
    path: str
    options: dict[str, Any]


def split_url(url: str) -> UrlParts:
    """Return the parts of ``scheme://[[user]:password@]host[:port][,...][/path][?options]``.

    Raises:
        ValueError: It has no scheme, or an address or option cannot be understood.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        raise ValueError("a host's URL must start with its scheme, for instance redis://")
    rest = rest.partition("#")[0]
    rest, _, query = rest.partition("?")
    netloc, slash, path = rest.partition("/")
    credentials, at, addresses = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    # Only the options are left to redis-py, which knows their types.
    options: dict[str, Any] = parse_url(f"redis://?{query}")  # type: ignore[no-untyped-call]  # redis-py has no types here
    if at and user:
        options["username"] = unquote(user)
    if at and password:
        options["password"] = unquote(password)
    return UrlParts(
        scheme.lower(),
        [_address(text) for text in addresses.split(",") if text],
        unquote(slash + path),
        options,
    )


def bare_host(host: str) -> str:
    """Return a host without the brackets that an IPv6 address may have."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _address(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        known = bool(bracket) and ":" in host
        mark, port = after[:1], after[1:]
    else:
        host, mark, port = text.partition(":")
        known = bool(host or port) and not set(host) & set("[]")
    if not known or mark not in ("", ":") or not _is_port(port):
        raise ValueError(_ADVICE)
    return unquote(host) or "localhost", int(port) if port else None


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and int(text) <= 65535)
