"""A Django request made of an ``http.request`` message.

Unlike Django's own, its body can be read any number of times and in any way
(``read``, ``body``, ``POST``): applications rely on it.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property

from channels import exceptions
from channels.handler.replies import ClientMonitor
from channels.message import Message

#: Shortest time between two receives that find nothing, in seconds: some layers don't wait.
EMPTY_PAUSE = 0.01


class AsgiRequest(HttpRequest):
    """A request; see the table in docs/channels1.md#views-and-requests for each attribute.

    The constructor waits for the whole body.

    Args:
        message: An ``http.request``; a ``websocket.connect`` with a ``method`` will do.

    Attributes:
        ResponseLater: To be raised by a view that answers by itself, later.
        body_receive_timeout: Seconds that the body may take to arrive.

    Raises:
        KeyError: The message has no ``path`` or no ``method``.
        UnicodeDecodeError: The query string is not UTF-8.
        TooManyFieldsSent: The query string has more fields than the settings allow.
        RequestTimeout, RequestAborted, AssertionError, LayerUnavailable: As :func:`receive_body`.
    """

    ResponseLater = exceptions.ResponseLater
    body_receive_timeout: float = 60

    META: dict[str, Any]
    _files: Any
    _stream: Any

    # Django's own subclasses don't call the base class's constructor either.
    def __init__(self, message: Message) -> None:
        self.message = message
        self.reply_channel = message.reply_channel
        self.resolver_match = None
        self._post_parse_error = False
        self._read_started = False
        self.script_name = script_name_of(message)
        self.path, self.path_info = _paths(message["path"], self.script_name, message)
        self.method = message["method"].upper()
        query = message.get("query_string", "")
        self.META = {
            "REQUEST_METHOD": self.method,
            "QUERY_STRING": query.decode("utf-8") if isinstance(query, bytes) else query,
            "SCRIPT_NAME": self.script_name,
            "PATH_INFO": self.path_info,
            # What is written for WSGI expects these.
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "SERVER_NAME": "unknown",
            "SERVER_PORT": "0",
            **_meta_headers(header_pairs(message)),
        }
        if client := message.get("client"):
            self.META["REMOTE_ADDR"] = self.META["REMOTE_HOST"] = client[0]
            self.META["REMOTE_PORT"] = client[1]
        if server := message.get("server"):
            self.META["SERVER_NAME"], self.META["SERVER_PORT"] = server[0], str(server[1])
        # Django parses the query string here, so META must be complete.
        self._set_content_type_params(self.META)  # type: ignore[attr-defined]  # not in its stubs
        self._take_body()
        if self._body_size and not self.META.get("CONTENT_LENGTH"):
            # Chunked, or HTTP/2: it came without one.  Without it Django REST framework and
            # others take the body for empty, and all of it is here.
            self.META["CONTENT_LENGTH"] = str(self._body_size)
        try:
            self._content_length = int(self.META.get("CONTENT_LENGTH", 0))
        except ValueError:
            self._content_length = 0

    def _take_body(self) -> None:
        self._stream, self._body_size = receive_body(
            self.message.get("body", b""),
            self.message.get("body_channel"),
            self.message.channel_layer,
            timeout=self.body_receive_timeout,
            memory_limit=settings.FILE_UPLOAD_MAX_MEMORY_SIZE,
            gone=ClientMonitor(self.reply_channel).gone,
        )
        if not isinstance(self._stream, BytesIO):
            # For a request that its view keeps (ResponseLater): nothing else closes that.
            weakref.finalize(self, self._stream.close)

    # -- what is parsed when it is asked for -----------------------------------------

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]  # as Django's own subclasses do
        """The fields of the query string."""
        return QueryDict(self.META["QUERY_STRING"], encoding=self.encoding)

    # Written on META and on what _load_post_and_files() leaves; the class itself is about a scope.
    COOKIES: Any = ASGIRequest.COOKIES
    POST: Any = ASGIRequest.POST
    FILES: Any = ASGIRequest.FILES

    def _get_scheme(self) -> str:
        return self.message.get("scheme") or "http"

    # -- the body --------------------------------------------------------------------

    @property
    def body(self) -> bytes:
        """The whole body, wherever reading stands.

        Raises:
            RequestDataTooBig: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``;
                read it by parts (docs/channels1.md#upload-limits).
        """
        if not hasattr(self, "_body"):
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            if limit is not None and max(self._body_size, self._content_length) > limit:
                raise RequestDataTooBig(
                    "Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE."
                )
            with self._rewound():
                self._body = self._stream.read()
        return self._body

    def parse_file_upload(self, META: Mapping[str, Any], post_data: Any) -> Any:
        # Django's parser believes the Content-Length, which may be anything in a message that
        # our server did not make; the body has the length that it has.
        with self._rewound():
            actual = {**META, "CONTENT_LENGTH": str(self._body_size)}
            return super().parse_file_upload(actual, self._stream)

    def _load_post_and_files(self) -> None:
        # Django refuses after a read, because its streams can't be rewound.
        self._read_started = False
        super()._load_post_and_files()

    def _mark_post_parse_error(self) -> None:
        super()._mark_post_parse_error()  # type: ignore[misc]  # Django's, not in its stubs
        self._post_parse_error = True

    @contextlib.contextmanager
    def _rewound(self) -> Iterator[None]:
        position = self._stream.tell()
        self._stream.seek(0)
        try:
            yield
        finally:
            self._stream.seek(position)

    def close(self) -> None:
        super().close()
        self._stream.close()


def script_name_of(message: Message) -> str:
    """Return the part of the URL that is not the project's to route; a forced one wins."""
    forced = settings.FORCE_SCRIPT_NAME
    return (message.get("root_path") or "") if forced is None else forced


def _paths(path: Any, script_name: str, message: Message) -> tuple[Any, str]:
    """Return ``path`` and ``path_info``.

    A proxy may have cut off a script name that is forced: then it is put back.
    """
    info = _path_info(path, script_name)
    if settings.FORCE_SCRIPT_NAME is None or info != path:
        return path, info
    info = _path_info(path, message.get("root_path") or "")
    return script_name.rstrip("/") + info, info


def _path_info(path: str | bytes, script_name: str) -> str:
    """Return the path behind the script name, which must end where a segment does.

    ``/a`` is no part of ``/ab`` (docs/channels1.md#root-path).
    """
    if isinstance(path, bytes):
        path = path.decode("utf-8", "replace")
    prefix = script_name.rstrip("/")
    if path == prefix or path.startswith(f"{prefix}/"):
        return path[len(prefix) :]
    return path


def header_pairs(message: Message) -> Iterable[Any]:
    """Return the headers as pairs; a dict of them, as test clients send, is rewritten in place."""
    headers: Any = message.get("headers")
    if isinstance(headers, dict):
        headers = [[_bytes(name), _bytes(value)] for name, value in headers.items()]
        message["headers"] = headers
    return headers or ()


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value


def _meta_headers(pairs: Iterable[Any]) -> dict[str, str]:
    """Return the headers under their names in ``META``, repeated ones joined."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = _meta_name(_bytes(name))
        if key is None:
            continue
        text = _bytes(value).decode("latin-1")
        if key in headers:
            # HTTP/2 clients send one field for each cookie (docs/channels1.md#repeated-headers).
            text = headers[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        headers[key] = text
    return headers


@functools.lru_cache(maxsize=512)
def _meta_name(header: bytes) -> str | None:
    """Return a header's name in ``META``; None if it could pass for another's."""
    if b"_" in header:
        return None
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{name}"


def receive_body(
    start: bytes,
    body_channel: str | None,
    layer: Any,
    *,
    timeout: float,
    memory_limit: int,
    gone: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[IO[bytes], int]:
    """Return the body, at its start, and its size; wait for what is still on its way.

    ``start`` came with the request, the rest may follow on a channel within ``timeout`` seconds:
    it is spooled in memory up to a limit in bytes, in a temporary file beyond it
    (docs/channels1.md#large-request-bodies).  ``gone`` is asked while nothing comes.

    Raises:
        RequestTimeout: It was not complete in time.
        RequestAborted: The client went away.
        AssertionError: A part of the body is not bytes.
        LayerUnavailable: A part may have been lost, so the body is of no use.
    """
    _check_part(start)
    if not body_channel:
        return BytesIO(start), len(start)
    # A limit of 0 means "always a file" in Django's settings, "never" to tempfile.
    spool = tempfile.SpooledTemporaryFile(max_size=max(1, memory_limit))  # noqa: SIM115 (closed by the request)
    with contextlib.ExitStack() as at_failure:
        at_failure.callback(spool.close)
        spool.write(start)
        started = clock()
        more = True
        while more:
            asked = clock()
            if asked - started >= timeout:
                raise exceptions.RequestTimeout(
                    f"the body was not complete within {timeout:g} seconds"
                )
            _, chunk = layer.receive([body_channel], block=True)
            if chunk is None:
                if gone():
                    raise exceptions.RequestAborted("the sender of its body is gone")
                sleep(max(0.0, EMPTY_PAUSE - (clock() - asked)))
                continue
            if chunk.get("closed"):
                raise exceptions.RequestAborted(
                    "the client went away before its request was complete"
                )
            content = chunk.get("content") or b""
            _check_part(content)
            spool.write(content)
            more = bool(chunk.get("more_content"))
        size = spool.tell()
        spool.seek(0)
        at_failure.pop_all()
    return spool, size


def _check_part(part: object) -> None:
    if not isinstance(part, bytes):
        raise AssertionError(f"a request body must be bytes, not {type(part).__name__}")
