"""What a connection starts with: where a request comes from, and the message that tells of it.

By docs/channels1.md#request-headers: which headers the application sees, which client
address a proxy reports, and the root path.  The messages have exactly the keys of
docs/channels1.md#messages, without ``reply_channel``, ``order`` and ``body_channel``, which the
bridge adds.  No I/O; names and values of headers are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from channels.interface_server.settings import Settings

#: Header that sets ``root_path`` of one request (docs/channels1.md#root-path: anyone can
#: send it, so it is believed only where a proxy is said to overwrite it).
ROOT_PATH = b"daphne-root-path"

Pairs = list[tuple[bytes, bytes]]

#: What an address is in a message.
Address = list[Any]

#: Schemes that a proxy can report, and what they are without the WebSocket; a client may have
#: written anything else into its header.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(slots=True)
class Origin:
    """Where a request comes from, by its socket or by a trusted proxy.

    ``client`` is ``None`` on a UNIX socket without a proxy's word; ``forwarded`` says whether a
    proxy named it.  The headers are as the application gets them.
    """

    client: Address | None
    server: Address | None
    scheme: str
    root_path: str
    headers: Pairs
    forwarded: bool = False

    def describe(self) -> str | None:
        """Return the client for the logs; ``None`` if nobody knows it.

        The port that a proxy reports is the one that it was asked on, so it tells nothing
        about the client.
        """
        if self.client is None:
            return None
        host, port = self.client
        return str(host) if self.forwarded else f"{host}:{port}"


def find_origin(
    settings: Settings,
    raw_headers: Iterable[tuple[bytes, Iterable[bytes]]],
    channel: Any,
    websocket: bool = False,
) -> Origin:
    """Work out what :class:`Origin` tells, of the headers as they came and Twisted's channel.

    A handshake keeps all of its headers.
    """
    headers = request_headers(raw_headers)
    forwarded, forwarded_scheme = parse_forwarded(headers, settings)
    asked, rest = take_root_path(headers)
    if asked is None or not settings.trust_root_path_header:
        asked = settings.root_path
    return Origin(
        client=_address(channel.getPeer()) if forwarded is None else forwarded,
        server=_address(channel.getHost()),
        scheme=forwarded_scheme or ("https" if channel.isSecure() else "http"),
        root_path=asked,
        headers=headers if websocket else rest,
        forwarded=forwarded is not None,
    )


def request_headers(raw: Iterable[tuple[bytes, Iterable[bytes]]]) -> Pairs:
    """Return lowercased names with their values, repeats as separate pairs.

    Names with an underscore are left out: frameworks turn both ``-`` and ``_`` to ``_``, so that
    a client could pose as the proxy in front (CVE-2015-0219).
    """
    return [(name.lower(), value) for name, values in raw if b"_" not in name for value in values]


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


def parse_forwarded(headers: Pairs, settings: Settings) -> tuple[Address | None, str | None]:
    """Return the client's address and scheme as a proxy reports them, nothing without an address.

    0 stands for a port that is none, ``None`` for a scheme that is not known.  With
    ``trusted_proxies`` what the outermost of them wrote counts, the item that is this many from
    the right (the first, if there are fewer); 0 takes the leftmost, which any client can forge
    (docs/channels1.md#x-forwarded-for).
    """
    if not settings.proxy_forwarded_address_header:
        return None, None
    proxies = settings.trusted_proxies

    def item(header: str | None) -> str:
        name = (header or "").lower().encode()
        values = b",".join(value for key, value in headers if key == name)
        items = values.decode("latin-1").split(",")
        return items[max(0, len(items) - proxies) if proxies else 0].strip()

    host = _without_port(item(settings.proxy_forwarded_address_header))
    if not host:
        return None, None
    port = _port(item(settings.proxy_forwarded_port_header))
    scheme = item(settings.proxy_forwarded_proto_header).lower()
    return [host, port], _SCHEMES.get(scheme)


def _without_port(address: str) -> str:
    """Return ``1.2.3.4`` of ``1.2.3.4:56``, ``::1`` of ``[::1]:56`` and of ``[::1]``."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _port(text: str) -> int:
    """Return a port, 0 for what is none."""
    port = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    return port if port <= 65535 else 0


def _address(twisted_address: Any) -> Address | None:
    """Return ``[host, port]`` of a TCP address, ``None`` of any other kind."""
    host = getattr(twisted_address, "host", None)
    port = getattr(twisted_address, "port", None)
    return None if host is None or port is None else [str(host), int(port)]


def split_target(target: bytes) -> tuple[str, bytes]:
    """Return the decoded path and the raw query string of a request target; never raises."""
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("utf-8", "replace"), query


def http_request(
    method: bytes, target: bytes, http_version: bytes, origin: Origin, body: bytes
) -> dict[str, Any]:
    """Return the ``http.request`` message (docs/channels1.md#http-messages).

    ``http_version`` is ``b"HTTP/1.1"`` and the like, ``body`` the whole or the start of it.
    """
    path, query_string = split_target(target)
    return {
        "http_version": http_version.rpartition(b"/")[2].decode("latin-1"),
        "method": method.decode("latin-1"),
        "scheme": origin.scheme,
        "path": path,
        "query_string": query_string,
        "root_path": origin.root_path,
        "headers": origin.headers,
        "body": body,
        "client": origin.client,
        "server": origin.server,
    }


def websocket_connect(target: bytes, origin: Origin) -> dict[str, Any]:
    """Return the ``websocket.connect`` message (docs/channels1.md#websocket-messages).

    ``scheme`` and ``root_path`` are the optional keys that the original never sent
    (docs/channels1.md#connect-messages).  Repeated headers are joined.
    """
    path, query_string = split_target(target)
    return {
        "path": path,
        "headers": joined(origin.headers),
        "query_string": query_string,
        "client": origin.client,
        "server": origin.server,
        "scheme": "wss" if origin.scheme == "https" else "ws",
        "root_path": origin.root_path,
    }
