"""Builds the messages of docs/channels1.md#messages that a connection starts with.

Without ``reply_channel``, ``order`` and ``body_channel``, which the bridge adds.
Exactly the keys of the contract may be present: applications' tests fail on
any other.  No I/O.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from channels.interface_server.protocol.headers import Address, Pairs, joined


def split_target(target: bytes) -> tuple[str, bytes]:
    """Return the decoded path and the raw query string of a request target.

    Absolute-form and ``*`` targets are passed as paths, undecodable bytes become
    U+FFFD: whatever a client sends, this does not raise.
    """
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("utf-8", "replace"), query


def http_request(
    *,
    method: bytes,
    target: bytes,
    http_version: bytes,
    scheme: str,
    root_path: str,
    headers: Pairs,
    body: bytes,
    client: Address | None,
    server: Address | None,
) -> dict[str, Any]:
    """Return the ``http.request`` message (docs/channels1.md#http-messages).

    Args:
        method: As the client spelled it.
        target: The whole request target.
        http_version: ``b"HTTP/1.1"`` and the like.
        scheme: ``"http"`` or ``"https"``, or what a trusted proxy said.
        root_path: Part of the path that belongs to the server.
        headers: Lowercased, repeats as separate pairs.
        body: The whole body, or its start if the rest follows elsewhere.
        client: ``[host, port]``, ``None`` if it has none.
        server: The socket's own address.
    """
    path, query_string = split_target(target)
    return {
        "http_version": http_version.rpartition(b"/")[2].decode("latin-1"),
        "method": method.decode("latin-1"),
        "scheme": scheme or "http",
        "path": path,
        "query_string": query_string,
        "root_path": root_path,
        "headers": headers,
        "body": body,
        "client": client,
        "server": server,
    }


def websocket_connect(
    *,
    target: bytes,
    scheme: str,
    root_path: str,
    headers: Pairs,
    client: Address | None,
    server: Address | None,
) -> dict[str, Any]:
    """Return the ``websocket.connect`` message (docs/channels1.md#websocket-messages).

    ``scheme`` and ``root_path`` are the optional keys that the original never sent
    (docs/channels1.md#connect-messages).  ``headers`` may hold repeats; they are joined here.
    """
    path, query_string = split_target(target)
    return {
        "path": path,
        "headers": joined(headers),
        "query_string": query_string,
        "client": client,
        "server": server,
        "scheme": "wss" if scheme in ("https", "wss") else "ws",
        "root_path": root_path,
    }
