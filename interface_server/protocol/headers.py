"""What request headers say about a request, beyond being passed on.

By docs/channels1.md#request-headers: which headers the application sees, which client
address a proxy reports, and the root path.  No I/O; names and values are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

#: Header that sets ``root_path`` of one request (docs/channels1.md#root-path: anyone can
#: send it, so it is believed only where a proxy is said to overwrite it).
ROOT_PATH = b"daphne-root-path"

Pairs = list[tuple[bytes, bytes]]

#: What an address is in a message.
Address = list[Any]

#: Schemes that a proxy can report; a client may have written anything else into its header.
_SCHEMES = frozenset(["http", "https", "ws", "wss"])


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
            request, or without an address: both originals are returned.  A port
            behind an address, and brackets round one, are not part of it.
        port_header_name: Header with the port; 0 is returned without a valid one.
        proto_header_name: Header with the scheme, in any case; the original is
            returned without one of ``http``, ``https``, ``ws`` and ``wss``.
        original_addr: Address of the socket's other end.
        original_scheme: Scheme of the connection.
        trusted_proxies: How many proxies of ours append to the headers: what the
            outermost of them wrote counts, the item that is this many from the
            right (the first, if there are fewer).  0 takes the leftmost, which any
            client can forge (docs/channels1.md#x-forwarded-for).
    """
    if not address_header_name:
        return original_addr, original_scheme
    values = _by_name(headers)

    def item(name: str | None) -> str:
        return _item(values.get(name.lower(), []) if name else [], trusted_proxies)

    host = _without_port(item(address_header_name))
    if not host:
        return original_addr, original_scheme
    scheme = item(proto_header_name).lower()
    return [host, _port(item(port_header_name))], scheme if scheme in _SCHEMES else original_scheme


def _item(lines: list[str], trusted_proxies: int) -> str:
    """Return the item of a list that counts, empty if there is none."""
    items = ",".join(lines).split(",")
    return items[max(0, len(items) - trusted_proxies) if trusted_proxies else 0].strip()


def _without_port(address: str) -> str:
    """Return ``1.2.3.4`` of ``1.2.3.4:56``, ``::1`` of ``[::1]:56`` and of ``[::1]``."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _port(text: str) -> int:
    """Return a port, 0 for what is none."""
    port = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    return port if port <= 65535 else 0


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
