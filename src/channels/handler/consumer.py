"""The consumer that answers ``http.request`` with Django's views."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from channels.exceptions import RequestAborted
from channels.handler.handler import AsgiHandler
from channels.handler.replies import ReplySender
from channels.message import Message
from channels.names import FAILED

logger = logging.getLogger("django.channels")


class ViewConsumer:
    """Answers a request with the view that its path leads to.

    Replies leave as :mod:`channels.handler.replies` says; what the view sends
    to channels and groups leaves after them.

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
        """Run the view and send its replies.

        Args:
            message: An ``http.request``.
            kwargs: What the route matched; views get theirs from Django's URLs.

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
