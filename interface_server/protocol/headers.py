"""What request headers say about a request, beyond being passed on.

Contract server.md sections 2 and 4.1: which headers the application sees, which client
address a proxy reports, and the root path.  No I/O; names and values are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

#: Header that sets ``root_path`` of one request (known-flaws.md F-35: anyone can
#: send it, so that it can be switched off).
ROOT_PATH = b"daphne-root-path"

Pairs = list[tuple[bytes, bytes]]

#: What an address is in a message.
Address = list[Any]


def request_headers(raw: Iterable[tuple[bytes, Iterable[bytes]]]) -> Pairs:
    """Return lowercased names with their values, repeats as separate pairs.

    Names with an underscore are left out: many frameworks turn both ``-`` and
    ``_`` to ``_``, so that a client could pose as the proxy in front
    (CVE-2015-0219).
    """
    pairs = []
    for name, values in raw:
        if b"_" not in name:
            lowered = name.lower()
            for value in values:
                pairs.append((lowered, value))
    return pairs


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """Return one pair for each name, values of repeats joined with a comma."""
    merged: dict[bytes, bytes] = {}
    for name, value in pairs:
        merged[name] = merged[name] + b"," + value if name in merged else value
    return list(merged.items())


def take_root_path(pairs: Pairs) -> tuple[str | None, Pairs]:
    """Return the root path that the headers ask for, if any, and the other headers."""
    for name, value in pairs:
        if name == ROOT_PATH:
            root_path = unquote_to_bytes(value).decode("utf-8", "replace")
            return root_path, [pair for pair in pairs if pair[0] != ROOT_PATH]
    return None, pairs


def parse_x_forwarded_for(
    headers: Any,
    address_header_name: str | None = "X-Forwarded-For",
    port_header_name: str | None = "X-Forwarded-Port",
    proto_header_name: str | None = "X-Forwarded-Proto",
    original_addr: Address | None = None,
    original_scheme: str | None = None,
    trusted_proxies: int = 0,
) -> tuple[Address | None, str | None]:
    """Return the client's address and scheme as a proxy reports them.

    Args:
        headers: A dict (names ``str`` or ``bytes`` in any case, values ``bytes``, ``str``
            or a list of them) or Twisted ``Headers``.
        address_header_name: Header with the addresses; empty or absent from the
            request, or without an address: both originals are returned.
        port_header_name: Header with the port; 0 is returned without one.
        proto_header_name: Header with the scheme.
        original_addr: Address of the socket's other end.
        original_scheme: Scheme of the connection.
        trusted_proxies: How many proxies of ours append to the address header:
            the address is the one that the outermost of them wrote, this many
            from the right.  0 takes the leftmost, which any client can forge
            (known-flaws.md F-36).
    """
    if not address_header_name:
        return original_addr, original_scheme
    values = _by_name(headers)
    forwarded = values.get(address_header_name.lower())
    if not forwarded:
        return original_addr, original_scheme
    if trusted_proxies:
        addresses = ",".join(forwarded).split(",")
        host = addresses[max(0, len(addresses) - trusted_proxies)].strip()
    else:
        host = forwarded[0].split(",")[0].strip()
    if not host:
        return original_addr, original_scheme

    scheme = original_scheme
    if proto_header_name and values.get(proto_header_name.lower()):
        scheme = values[proto_header_name.lower()][0]
    port = 0
    if port_header_name and values.get(port_header_name.lower()):
        try:
            port = int(values[port_header_name.lower()][0])
        except ValueError:
            port = 0
        if not 0 <= port <= 65535:
            port = 0
    return [host, port], scheme


def _by_name(headers: Any) -> dict[str, list[str]]:
    """Return the values of each header by lowercased name, as text."""
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(headers, Mapping):
        pairs = headers.items()
    elif hasattr(headers, "getAllRawHeaders"):
        pairs = headers.getAllRawHeaders()
    else:
        pairs = headers
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = value if isinstance(value, (list, tuple)) else [value]
        found.setdefault(_text(name).lower(), []).extend(_text(one) for one in values)
    return found


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
