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

from channels.interface_server.protocol.messages import Pairs

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


def error_page(status: int, paragraph: str, retry_after: int) -> tuple[bytes, Pairs]:
    """Return a page whose title and heading are the status and its phrase, and its headers.

    A 503 tells the client to come again after so many seconds.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown Status"
    title = f"{status} {phrase}"
    page = _PAGE.format(title=html.escape(title), paragraph=html.escape(paragraph)).encode()
    headers = _headers(page, b"text/html; charset=utf-8")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"Retry-After", b"%d" % retry_after))
    return page, headers


def health_page(
    *,
    layer_up: bool,
    draining: bool,
    attended: bool,
    sockets: int,
    requests: int,
    counters: Mapping[str, int],
) -> tuple[int, bytes, Pairs]:
    """Return status, JSON body and headers: 200 while new work is welcome, else 503."""
    if draining:
        word = "draining"
    elif not layer_up:
        word = "no layer"
    else:
        word = "ok" if attended else "no workers"
    told: dict[str, Any] = {
        "status": word,
        "sockets": sockets,
        "requests": requests,
        "counters": dict(counters),
    }
    body = json.dumps(told).encode()
    headers = [*_headers(body, b"application/json"), (b"Cache-Control", b"no-store")]
    return 200 if word == "ok" else 503, body, headers


def _headers(body: bytes, kind: bytes) -> Pairs:
    return [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(body))]
