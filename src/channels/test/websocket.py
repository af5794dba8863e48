"""A client with cookies, headers, a session and a user: a browser's WebSocket, near enough."""

from __future__ import annotations

import copy
import importlib
import json as json_module
from http.cookies import SimpleCookie
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest

from channels.test.base import Client

CONNECT = "websocket.connect"


class WSClient(Client):
    """Sends what a browser's WebSocket would make the interface server send.

    Args:
        ordered: Number the messages, as ``enforce_ordering`` wants it.
        kwargs: As of :class:`~channels.test.base.Client`.

    Attributes:
        order: Number of the next message, if ``ordered``.
    """

    def __init__(self, ordered: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = 0
        self._ordered = ordered
        self._session: Any = None
        self._headers: dict[str, Any] = {}
        self._cookies: dict[str, str] = {}
        # Legacy tests set it, to send the session's cookie or not.
        self._session_cookie = True

    # -- what a browser sends along ------------------------------------------------------

    def set_cookie(self, key: str, value: str) -> None:
        """Send a cookie with all messages from now on."""
        self._cookies[key] = value

    def set_header(self, key: str, value: Any) -> None:
        """Send a header with all messages from now on.

        Raises:
            ValueError: It is the one of the cookies.
        """
        if key.lower() == "cookie":
            raise ValueError("cookies are set one by one: use set_cookie()")
        self._headers[key] = value

    def get_cookies(self) -> dict[str, str]:
        """Return the cookies that are sent: with the first message the session's too."""
        cookies = dict(self._cookies)
        if self._session_cookie and apps.is_installed("django.contrib.sessions"):
            cookies[settings.SESSION_COOKIE_NAME] = self.session.session_key
        return cookies

    @property
    def headers(self) -> dict[str, Any]:
        """The headers that are sent: those that were set, and all cookies as ASCII bytes."""
        return {**self._headers, "cookie": _encode_cookies(self.get_cookies())}

    @property
    def session(self) -> Any:
        """The session of this client, saved where it is changed; a new one after a login.

        Raises:
            EnvironmentError: ``django.contrib.sessions`` is not installed.
        """
        if not apps.is_installed("django.contrib.sessions"):
            raise OSError(
                "a session needs 'django.contrib.sessions' in INSTALLED_APPS, which lacks it"
            )
        if self._session is None:
            from channels.sessions import session_for_reply_channel

            self._session = session_for_reply_channel(self.reply_channel)
        return self._session

    # -- users ---------------------------------------------------------------------------

    def login(self, **credentials: Any) -> bool:
        """Log in the user of the credentials; False if there is no active one."""
        from django.contrib.auth import authenticate

        user = authenticate(**credentials)
        if user is None or not user.is_active:
            return False
        self._login(user, None)
        return True

    def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log a user in.

        Args:
            user: Whom.
            backend: Dotted path of the authentication backend; by default the first one
                that can find users.
        """
        self._login(user, backend or _first_backend())

    def _login(self, user: Any, backend: str | None) -> None:
        from django.contrib.auth import login

        # The browser's session from now on: with a key of its own, as after any login,
        # and not the one that the connection's session is found by.
        before = self.session
        store = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
        store.update(dict(before.items()))
        request = HttpRequest()
        request.session = store
        login(request, user, backend)
        store.save()
        before.delete()
        self._session = store

    # -- messages ------------------------------------------------------------------------

    def send(
        self,
        to: Any,
        content: dict[str, Any] | None = None,
        text: Any = None,
        path: str = "/",
    ) -> None:
        """Send a message to a channel.

        Args:
            to: Channel.
            content: Content to start from; what it has is not replaced.
            text: Becomes the key ``text``.  There, what is no text is sent as JSON.
            path: Path of the connection, with a query string for ``websocket.connect``.
        """
        to = str(to)
        if to != CONNECT:
            path = path.partition("?")[0]
        super().send(to, self._get_content(content, text, path))
        self._session_cookie = False

    def _get_content(
        self, content: dict[str, Any] | None = None, text: Any = None, path: str = "/"
    ) -> dict[str, Any]:
        """Return the content of a message; legacy tests call this."""
        content = copy.deepcopy(content or {})
        content.setdefault("reply_channel", self.reply_channel)
        path, has_query, query = path.partition("?")
        content.setdefault("path", path)
        if has_query:
            content.setdefault("query_string", query)
        content.setdefault("headers", self.headers)
        if self._ordered:
            if "order" in content:
                raise ValueError("the client is ordered: it numbers its messages itself")
            content["order"] = self.order
            self.order += 1
        if text is None:
            text = content.get("text")
        if text is not None:
            content["text"] = text if isinstance(text, (str, bytes)) else json_module.dumps(text)
        return content

    def receive(self, json: bool = True) -> Any:
        """Return the next reply, ``None`` if there is none: its text, or else all of it.

        Args:
            json: Decode the text.
        """
        content = super().receive()
        if content is None or "text" not in content:
            return content
        text = content["text"]
        return json_module.loads(text) if json and isinstance(text, str) else text

    # -- consumers -----------------------------------------------------------------------

    def send_and_consume(  # type: ignore[override]  # the legacy order  # pyright: ignore
        self,
        channel: Any,
        content: dict[str, Any] | None = None,
        text: Any = None,
        path: str = "/",
        fail_on_none: bool = True,
        check_accept: bool = True,
    ) -> Any:
        """Send a message and run its consumer; see :meth:`send` and :meth:`consume`."""
        self.send(channel, content, text, path)
        return self.consume(channel, fail_on_none=fail_on_none, check_accept=check_accept)

    def consume(self, channel: Any, fail_on_none: bool = True, check_accept: bool = True) -> Any:
        """Run the consumer of the next message on a channel; see :meth:`Client.consume`.

        Args:
            channel: Where the message is.
            fail_on_none: Whether it is an error if nothing runs.
            check_accept: For ``websocket.connect``: take the next reply, which must accept
                the socket and do nothing else.

        Raises:
            AssertionError: Nothing ran, or the socket was not accepted.
        """
        result = super().consume(channel, fail_on_none=fail_on_none)
        if check_accept and str(channel) == CONNECT:
            reply = self.receive(json=False)
            if reply != {"accept": True}:
                # Word for word: legacy tests compare it.
                raise AssertionError(f"Connection rejected: {reply} != '{{accept: True}}'")
        return result


def _encode_cookies(cookies: dict[str, str]) -> bytes:
    """Return the value of a ``Cookie`` header; values are quoted as Django reads them."""
    jar: SimpleCookie = SimpleCookie()
    for key, value in cookies.items():
        jar[key] = value
    return "; ".join(f"{key}={morsel.coded_value}" for key, morsel in jar.items()).encode("ascii")


def _first_backend() -> str:
    """Return the path of the first authentication backend that can find users.

    Raises:
        ImproperlyConfigured: None can.
    """
    from django.contrib.auth import load_backend
    from django.core.exceptions import ImproperlyConfigured

    for path in settings.AUTHENTICATION_BACKENDS:
        if hasattr(load_backend(path), "get_user"):
            return path
    raise ImproperlyConfigured("no backend in AUTHENTICATION_BACKENDS can find users")
