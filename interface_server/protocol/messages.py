"""Builds the messages of docs/channels1.md#messages that a connection starts with.

Without ``reply_channel``, ``order`` and ``body_channel``, which the bridge adds.
Exactly the keys of the contract may be present: applications' tests fail on
any other.  No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from channels.interface_server.protocol.headers import Origin, joined


@dataclass(slots=True)
class Malformed:
    """What became of a message in the other direction: log why it could not be carried out."""

    problem: str


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
    method: bytes, target: bytes, http_version: bytes, origin: Origin, body: bytes
) -> dict[str, Any]:
    """Return the ``http.request`` message (docs/channels1.md#http-messages).

    Args:
        method: As the client spelled it.
        target: The whole request target.
        http_version: ``b"HTTP/1.1"`` and the like.
        origin: Where the request comes from, with its headers.
        body: The whole body, or its start if the rest follows elsewhere.
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
