"""The small HTML pages that the server itself answers with (docs/channels1.md#error-pages)."""

from __future__ import annotations

import html
from http import HTTPStatus

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
