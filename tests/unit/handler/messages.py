"""Makes ``http.request`` messages."""

from __future__ import annotations

from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message

REPLY_CHANNEL = "server!client"


def http_request(path="/", *, layer=None, **content):
    """Return a message as the interface server sends it; ``None`` leaves a key out."""
    whole = {
        "reply_channel": REPLY_CHANNEL,
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        **content,
    }
    return Message(
        {key: value for key, value in whole.items() if value is not None},
        "http.request",
        layer or InMemoryChannelLayer(capacity=1000),
    )


def form_post(path, body, content_type, **content):
    """Return a POST with a body."""
    headers = [
        (b"host", b"testserver"),
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
    ]
    return http_request(path, method="POST", headers=headers, body=body, **content)


def multipart(*parts: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return body and content type of a form; each part is ``(disposition, content)``."""
    body = b"".join(
        b"--XX\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"
        for disposition, content in parts
    )
    return body + b"--XX--\r\n", b"multipart/form-data; boundary=XX"
