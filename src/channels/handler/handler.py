"""Django's request handler: a message in, the messages of its response out; and its consumer.

:class:`AsgiHandler` knows no layer but for the body of a request: :class:`ViewConsumer` sends
the replies.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections.abc import Generator, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers import exception as django_errors
from django.core.handlers.base import BaseHandler
from django.core.signals import request_finished, request_started
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseServerError,
)
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from channels.exceptions import RequestAborted, RequestTimeout, ResponseLater
from channels.handler.replies import ClientMonitor, ReplySender, encode_headers, iterate_async
from channels.handler.request import AsgiRequest, script_name_of
from channels.message import Message
from channels.names import FAILED

logger = logging.getLogger("django.channels")
request_logger = logging.getLogger("django.request")

#: How much of a file is read at once, in bytes.
FILE_BLOCK_SIZE = 512 * 1024


class HttpResponseLater(HttpResponse):
    """Returned by a view or a middleware: nothing is sent, as with a raised ``ResponseLater``.

    Something else answers on the request's ``reply_channel``, before the server's time-out.
    """

    #: Informational and unassigned, so that no middleware takes it for an error.
    status_code = 113


class AsgiHandler(BaseHandler):
    """Calls Django's middleware and views.

    Building one loads the project's middleware: build it once, use it for every
    request.  It may be used by several threads.

    Attributes:
        request_class: What requests are made with.
        chunk_size: Most bytes of content in one reply.
    """

    request_class: type[AsgiRequest] = AsgiRequest
    chunk_size = 512 * 1024

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    def __call__(self, message: Message) -> Generator[dict[str, Any], None, None]:
        """Yield the replies to a request; none if it is answered later or its client is gone."""
        set_script_prefix(script_name_of(message))
        request_started.send(sender=self.__class__, message=message)
        request: AsgiRequest | None = None
        response: HttpResponseBase | None
        try:
            request = self.request_class(message)
        except RequestAborted:
            response = None
        except (RequestTimeout, UnicodeDecodeError, SuspiciousOperation) as error:
            response = _refuse(message, error)
        else:
            response = self._respond(request)
        if response is None:
            # The request stays open: what answers later may still read it.
            request_finished.send(sender=self.__class__)
            return
        response._handler_class = self.__class__  # type: ignore[attr-defined]  # sender of request_finished
        if response.streaming:
            client, leaves = ClientMonitor(message.reply_channel), message.worker_leaves
            response._unwanted = (  # type: ignore[attr-defined]  # see _encode_content
                client.gone if leaves is None else lambda: client.gone() or leaves()
            )
            response._path = message.get("path")  # type: ignore[attr-defined]  # the same
        try:
            if response.streaming and request is not None and _is_bodiless(request, response):
                # Making its parts may take for ever, and they are not sent.
                yield _head(response)
            else:
                yield from self.encode_response(response)
        finally:
            response.close()
            if request is not None:
                request.close()

    def _respond(self, request: AsgiRequest) -> HttpResponseBase | None:
        """Return the view's response; None if there will be none."""
        try:
            response: HttpResponseBase = self.get_response(request)
        except ResponseLater:
            return None
        except Exception:
            # A view's errors are responses already; this is one of Django's own
            # error handling, or of the project's handler500.
            return _last_resort(request)
        if isinstance(response, HttpResponseLater):
            return None
        if isinstance(response, FileResponse):
            response.block_size = FILE_BLOCK_SIZE
        return response

    def process_exception_by_middleware(
        self, exception: Exception, request: HttpRequest
    ) -> HttpResponse:
        if isinstance(exception, ResponseLater):
            # Else it became a 500 before it gets to _respond (docs/channels1.md#responselater).
            return HttpResponseLater()
        response: HttpResponse = super().process_exception_by_middleware(exception, request)
        return response

    def handle_uncaught_exception(
        self, request: HttpRequest, resolver: Any, exc_info: Any
    ) -> HttpResponseBase:
        try:
            response: HttpResponseBase = django_errors.handle_uncaught_exception(
                request, resolver, exc_info
            )
        except Exception:
            return _last_resort(request)
        return response

    @classmethod
    def encode_response(cls, response: HttpResponseBase) -> Iterator[dict[str, Any]]:
        """Yield the replies that carry a response, the first with status and headers."""
        first = _head(response)
        for part in cls._encode_content(response):
            yield {**first, **part}
            first = {}

    @classmethod
    def _encode_content(cls, response: Any) -> Iterator[dict[str, Any]]:
        if not response.streaming:
            for chunk, last in cls.chunk_bytes(response.content):
                yield {"content": chunk, "more_content": not last}
            return
        parts = response
        if getattr(response, "is_async", False):
            # Part by part: Django's own synchronous handler collects them in memory first.
            unwanted, path = getattr(response, "_unwanted", None), getattr(response, "_path", "")
            parts = iterate_async(response, unwanted, path)
        for part in parts:
            for chunk, _ in cls.chunk_bytes(part):
                yield {"content": chunk, "more_content": True}
        # Which part is the last was not known before.
        yield {"more_content": False}

    @classmethod
    def chunk_bytes(cls, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield ``(chunk, is last)``, at least once; no chunk is longer than ``chunk_size``."""
        for start in range(0, max(1, len(data)), cls.chunk_size):
            end = start + cls.chunk_size
            yield data[start:end], end >= len(data)


class ViewConsumer:
    """Answers an ``http.request`` with the view that its path leads to.

    What the view sends to channels and groups leaves after the replies.

    Attributes:
        handler_class: What runs the views.
    """

    handler_class: type[AsgiHandler] = AsgiHandler

    def __init__(self) -> None:
        self._handler: AsgiHandler | None = None
        self._building = threading.Lock()

    @property
    def handler(self) -> AsgiHandler:
        """The handler, built by the first request and kept: it loads the middleware."""
        if self._handler is None:
            with self._building:
                if self._handler is None:
                    self._handler = self.handler_class()
        return self._handler

    def __call__(self, message: Message, **kwargs: Any) -> None:
        """Run the view and send its replies; what the route matched is not for views.

        Raises:
            ValueError: The message has no reply channel.  The view was not run.
        """
        if message.reply_channel is None:
            raise ValueError("an http.request needs a reply_channel: there is no one to answer")
        leaves = message.worker_leaves
        sender = ReplySender(message.reply_channel, leaves)
        unfinished = False
        try:
            with contextlib.closing(self.handler(message)) as replies:
                for reply in replies:
                    sent = sender.send(reply)
                    unfinished = bool(reply.get("more_content"))
                    if not sent or (unfinished and leaves is not None and leaves()):
                        break
        except RequestAborted:
            logger.debug("Nobody waits for the response to %s any more", message.get("path"))
        if unfinished and leaves is not None and leaves():
            logger.warning(
                "The response to %s was cut off, as its worker was told to stop and it had no end;"
                " clients of server-sent events connect anew by themselves (see --drain)",
                message.get("path"),
            )
            message.reply_channel.send({FAILED: True}, immediately=True)


def _head(response: HttpResponseBase) -> dict[str, Any]:
    return {"status": response.status_code, "headers": encode_headers(response)}


def _is_bodiless(request: HttpRequest, response: HttpResponseBase) -> bool:
    return request.method == "HEAD" or response.status_code in (204, 304)


def _refuse(message: Message, error: Exception) -> HttpResponse:
    """Return the answer to a request that cannot be made of its message."""
    response: HttpResponse = HttpResponseBadRequest()
    if isinstance(error, RequestTimeout):
        response = HttpResponse(
            "408 Request Timeout (upload too slow)", status=408, content_type="text/plain"
        )
    request_logger.warning(
        "Refused a request for %s: %s",
        message.get("path"),
        error,
        extra={"status_code": response.status_code},
    )
    return response


def _last_resort(request: HttpRequest) -> HttpResponse:
    """Return the answer to the exception being handled, without the project's help."""
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise
    request_logger.exception("Handling an error of %s failed itself", request.path)
    text = traceback.format_exc() if settings.DEBUG else "Internal Server Error"
    return HttpResponseServerError(text, content_type="text/plain")
