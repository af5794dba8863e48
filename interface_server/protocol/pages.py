"""What the server itself answers with: error pages, and whether it can do its work.

Error pages are small HTML (docs/channels1.md#error-pages).  The health page is JSON for load
balancers and monitors, on a path that the operator chooses (``--health-path``); off by default,
because the path would be taken from the application.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
  <head><meta charset="utf-8"><title>{title}</title></head>
  <body>
    <h1>{title}</h1>
    <p>{paragraph}</p>
    <footer>channels-classic interface server</footer>
  </body>
</html>
"""


def phrase(status: int) -> str:
    """Return the reason phrase of a status, ``"Unknown Status"`` for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"


def error_page(status: int, paragraph: str) -> bytes:
    """Return a page whose title and heading are the status and its phrase."""
    title = f"{status} {phrase(status)}"
    return _PAGE.format(title=html.escape(title), paragraph=html.escape(paragraph)).encode()


def error_headers(body: bytes, retry_after: int | None = None) -> list[tuple[bytes, bytes]]:
    """Return the headers of such a page; ``retry_after`` is seconds."""
    headers = [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", b"%d" % len(body)),
    ]
    if retry_after is not None:
        headers.append((b"Retry-After", b"%d" % retry_after))
    return headers


def health_page(
    *,
    layer_up: bool,
    draining: bool,
    attended: bool,
    sockets: int,
    requests: int,
    counters: Mapping[str, int],
) -> tuple[int, bytes]:
    """Return status and JSON body: 200 while new work is welcome, else 503.

    Args:
        layer_up: Whether the channel layer answers.
        draining: Whether the server is about to stop.
        attended: Whether some worker is there, or may be soon.
        sockets: WebSockets that are connected.
        requests: HTTP requests that are not answered.
        counters: What happened so far.
    """
    if draining:
        word = "draining"
    elif not layer_up:
        word = "no layer"
    else:
        word = "ok" if attended else "no workers"
    status = 200 if word == "ok" else 503
    body: dict[str, Any] = {
        "status": word,
        "sockets": sockets,
        "requests": requests,
        "counters": dict(counters),
    }
    return status, json.dumps(body).encode()
