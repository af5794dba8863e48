"""Which pages may open a WebSocket (docs/channels1.md#origins).

Browsers let any page open a socket to any server, and send the server's cookies along.
Only the ``Origin`` header tells whose page it is.  Decorate a ``websocket.connect`` consumer with
:func:`allowed_hosts_only`, or name a validator in the setting ``CHANNELS_ORIGIN_VALIDATOR`` to have
every connection checked before any consumer (docs/channels1.md#origins)::

    CHANNELS_ORIGIN_VALIDATOR = "channels.security.websockets.AllowedHostsOnlyOriginValidator"

Clients that are not browsers may send no ``Origin``; the validators here refuse them.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http.request import validate_host

from channels import conf
from channels.exceptions import DenyConnection
from channels.message import Message
from channels.seldom import Seldom
from channels.utils import import_object, name_that_thing

logger = logging.getLogger("django.channels")

#: What was refused lately; and most of what a client chose that is remembered of it.
_refused = Seldom()
_SHOWN = 200

#: Hosts that are allowed in development, as Django does.
_LOCAL_HOSTS = [".localhost", "localhost", "127.0.0.1", "[::1]"]


class BaseOriginValidator:
    """Decorator for ``websocket.connect`` consumers: refuses what :meth:`validate_origin` does.

    Args:
        func: The consumer; ``async def`` ones too.

    Attributes:
        remedy: What to change to have an origin admitted, a sentence for the log.
    """

    remedy = (
        "Its validate_origin() decides, where the consumer or CHANNELS_ORIGIN_VALIDATOR names it."
    )

    def __init__(self, func: Callable[..., Any]) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        if iscoroutinefunction(func):
            markcoroutinefunction(self)

    def __call__(self, message: Message, *args: Any, **kwargs: Any) -> Any:
        """Call the consumer and return its result.

        Raises:
            DenyConnection: The origin is missing, malformed or not valid.
        """
        try:
            origin: str | None = self.get_origin(message)
        except DenyConnection:
            self._tell_refused(message, None)
            raise
        if origin is None or not self.validate_origin(message, origin):
            self._tell_refused(message, origin)
            raise DenyConnection
        return self.func(message, *args, **kwargs)

    def _tell_refused(self, message: Message, origin: str | None) -> None:
        """Log what was refused, by whom, and what to change; once a minute for each origin."""
        path = message.content.get("path")
        if not _refused.due((type(self), str(path)[:_SHOWN], str(origin)[:_SHOWN])):
            return
        name = name_that_thing(type(self))
        if origin is None:
            logger.warning(
                "Refused a WebSocket at %.200r: its client sent no Origin that could be read, and"
                " %s lets none in without. Browsers send one; have a client of your own send the"
                " address of your site, as in Origin: https://example.com.",
                path,
                name,
            )
            return
        logger.warning(
            "Refused a WebSocket at %.200r: its page has Origin %.200r, and %s does not let it"
            " in. %s",
            path,
            origin,
            name,
            self.remedy,
        )

    def get_header(self, message: Message, name: bytes) -> Any:
        """Return what follows a header's name: a sequence with its value.

        What is no header at all is passed over; a dict of headers is read too.

        Raises:
            KeyError: There is no such header.
        """
        headers = message.content["headers"]
        if isinstance(headers, dict):
            headers = [(_bytes(key), value) for key, value in headers.items()]
        for header in headers:
            if isinstance(header, Sequence) and header and header[0] == name:
                return header[1:]
        raise KeyError(f"no header {name!r}")

    def get_origin(self, message: Message) -> str:
        """Return the value of the ``Origin`` header, which may be empty.

        Raises:
            DenyConnection: There is none, or it is not ASCII.
        """
        try:
            return _bytes(self.get_header(message, b"origin")[0]).decode("ascii")
        except (LookupError, UnicodeError):
            raise DenyConnection from None

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Return whether the origin may connect; subclasses must override it."""
        raise NotImplementedError(f"{type(self).__name__} does not define validate_origin()")


class AllowedHostsOnlyOriginValidator(BaseOriginValidator):
    """Admits pages of the hosts in ``ALLOWED_HOSTS``; in development also of this machine."""

    remedy = "If it is yours, add its host to ALLOWED_HOSTS."

    def validate_origin(self, message: Message, origin: str) -> bool:
        """Return whether the origin's host is allowed; ``null`` and ``file://`` have none."""
        allowed = settings.ALLOWED_HOSTS
        if settings.DEBUG and not allowed:
            allowed = _LOCAL_HOSTS
        try:
            host = urlsplit(origin).hostname
        except ValueError:  # brackets that don't match, and the like
            return False
        if not host:
            return False
        if ":" in host:
            host = f"[{host}]"  # as it is written in the setting
        return validate_host(host.removesuffix("."), allowed)


allowed_hosts_only = AllowedHostsOnlyOriginValidator


def check_origin(message: Message) -> None:
    """Ask the validator of the setting ``CHANNELS_ORIGIN_VALIDATOR``, if there is one.

    Raises:
        DenyConnection: It was refused.
        ImportError: There is no such validator.
    """
    path = conf.origin_validator()
    if path is not None:
        import_object(path)(_admit)(message)


def _admit(message: Message) -> None:
    """Do nothing: the consumer of :func:`check_origin`."""


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
