"""Session stores: Django's engines, taught to keep a key that is not theirs to choose.

A *channel session* belongs to one connection: its key is derived from the name of the
reply channel, so that every worker finds it.  Django's engines drop or change a
session's key at several occasions: unknown on load, ``flush()``, ``cycle_key()`` (which
``auth.get_user`` calls when a secret was rotated), an expired file.  Here the key stays,
and these occasions only tell whether anything is stored under it.

An *http session* is the browser's, found by its cookie.  It keeps Django's behaviour
but for one thing: nobody can give the browser a new cookie over a socket, so looking up
its user must not change its key.

Both load nothing before they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError

from channels import conf
from channels.channel import Group
from channels.message import Message
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")


class ChannelSession(SessionBase):
    """Mixed into an engine's store: a session with a derived key.

    ``save()`` stores a session that is not stored yet.  If another worker was faster,
    its keys are kept beside ours.

    Args:
        session_key: The key, for good.
    """

    def __init__(self, session_key: str) -> None:
        self._derived_key = session_key
        #: Whether something is stored under the key; None while that is not known.
        self._stored: bool | None = None
        self._loading = False
        self._ended = False
        self._on_load: Callable[[dict[str, Any]], bool] | None = None
        super().__init__(session_key)

    def _get_key(self) -> str:
        return self._derived_key

    def _set_key(self, key: str | None) -> None:
        if key != self._derived_key:  # how engines say that they found or left nothing
            self._stored = False

    session_key = property(_get_key)  # pyright: ignore[reportIncompatibleMethodOverride]
    _session_key = property(_get_key, _set_key)  # pyright: ignore[reportIncompatibleMethodOverride]

    # -- loading -------------------------------------------------------------------

    def load(self) -> dict[str, Any]:
        """Return what is stored; ``{}`` if nothing is, or it has expired."""
        self._stored, self._loading = True, True
        try:
            data: dict[str, Any] = super().load()
        except BaseException:
            self._stored = None
            raise
        finally:
            self._loading = False
        if self._on_load is not None:
            hook, self._on_load = self._on_load, None
            self.modified = hook(data) or self.modified
        return data

    def load_now(self) -> None:
        """Load, if that was not done yet."""
        self.keys()

    def start_empty(self) -> None:
        """Take for granted that nothing is stored: for a connection that was just opened."""
        self._session_cache: dict[str, Any] = {}
        self._stored = False

    def when_loaded(self, hook: Callable[[dict[str, Any]], bool]) -> None:
        """Have the data completed when it is loaded, or now if it is.

        Args:
            hook: Called once with the data; returns whether it changed it.
        """
        try:
            data = self._session_cache
        except AttributeError:
            self._on_load = hook
        else:
            self.modified = hook(data) or self.modified

    def is_empty(self) -> bool:
        """Whether nothing is stored and there is nothing to store."""
        return self._stored is False and not getattr(self, "_session_cache", None)

    # -- storing -------------------------------------------------------------------

    def save(self, must_create: bool = False) -> None:
        """Store the data.

        Raises:
            CreateError: Something is stored already, and ``must_create`` was asked for.
            UpdateError: What had been loaded was deleted since, as by a log-out in
                another worker.
        """
        if self._ended:
            return
        if must_create:
            super().save(must_create=True)
        elif self._stored is False:
            self._save_first()
        else:
            try:
                super().save()
            except UpdateError:
                if self._stored:
                    raise
                self._save_first()
        self._stored = True

    def _save_first(self) -> None:
        try:
            super().save(must_create=True)
        except CreateError:
            # By another worker a moment ago, or long ago and expired.
            ours = self._session_cache
            self._session_cache = {**self.load(), **ours}
            super().save()

    def create(self) -> None:
        """Store an empty session."""
        if self._loading:  # some engines do so when they find nothing
            self._stored = False
            return
        self.clear()
        self.save()

    def delete(self, session_key: str | None = None) -> None:
        """Delete what is stored, under this key or another one."""
        super().delete(session_key)
        if session_key in (None, self._derived_key):
            self._stored = False

    def end(self) -> None:
        """Delete what is stored, for good: the data can be read on, and is never saved again."""
        self.load_now()
        if self._stored:
            self.delete()
        self._ended = True

    def cycle_key(self) -> None:
        """Keep data and key."""
        self.load_now()
        self.modified = True

    # -- the same for coroutines; the engines' own know nothing of the above ------------

    async def aload(self) -> dict[str, Any]:
        """Return what is stored; see :meth:`load`."""
        return await sync_to_async(self.load)()

    async def asave(self, must_create: bool = False) -> None:
        """Store the data; see :meth:`save`."""
        await sync_to_async(self.save)(must_create)

    async def acreate(self) -> None:
        """Store an empty session."""
        await sync_to_async(self.create)()

    async def adelete(self, session_key: str | None = None) -> None:
        """Delete what is stored."""
        await sync_to_async(self.delete)(session_key)

    async def acycle_key(self) -> None:
        """Keep data and key."""
        await sync_to_async(self.cycle_key)()


class HttpSession(SessionBase):
    """Mixed into an engine's store: a browser's session, whose cookie can't be changed here."""

    def __init__(self, session_key: str | None = None) -> None:
        self._loading = False
        self._keeping = False
        super().__init__(session_key)

    def load(self) -> dict[str, Any]:
        """Return what is stored; if nothing is, the key is None from then on."""
        self._loading = True
        try:
            data: dict[str, Any] = super().load()
        finally:
            self._loading = False
        return data

    def create(self) -> None:
        """Store an empty session under a new key."""
        if self._loading:  # some engines do so when they find nothing
            self._session_key = None
        else:
            super().create()

    @contextlib.contextmanager
    def keeping_key(self) -> Iterator[None]:
        """Let :meth:`cycle_key` do nothing, while this is open."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping = False

    def cycle_key(self) -> None:
        """Move the data to a new key, unless :meth:`keeping_key`."""
        if self._keeping:
            self.keys()  # loads
            self.modified = True
        else:
            super().cycle_key()


@lru_cache
def _mix(mixin: type[Any], engine: type[Any]) -> type[Any]:
    # Django signs the data with the class's qualified name in the salt.  With the
    # engine's own name, each reads what the other has written.
    body = {"__module__": engine.__module__, "__qualname__": engine.__qualname__}
    return type(engine.__name__, (mixin, engine), body)


def channel_session_store(name: str) -> Any:
    """Return the channel session of a reply channel, not loaded.

    Raises:
        ValueError: The session engine keeps its data in cookies.
    """
    module = conf.channel_session_engine()
    engine = importlib.import_module(module).SessionStore
    if issubclass(engine, signed_cookies.SessionStore):
        raise ValueError(
            f"channel sessions cannot be kept in signed cookies ({module}): a worker has no"
            " cookies to set. Set CHANNEL_SESSION_ENGINE, for example to"
            ' "django.contrib.sessions.backends.db".'
        )
    digest = hashlib.sha1(name.encode("utf-8"), usedforsecurity=False).hexdigest()
    return _mix(ChannelSession, engine)(f"chn{digest[:29]}")


def http_session_store(key: str) -> Any:
    """Return the http session with this key, neither loaded nor checked."""
    engine = importlib.import_module(settings.SESSION_ENGINE).SessionStore
    return _mix(HttpSession, engine)(key)


def session_for_reply_channel(reply_channel: str) -> Any:
    """Return the channel session of a connection, loaded; nothing is stored by that.

    Args:
        reply_channel: Name of its reply channel.

    Raises:
        ValueError: The session engine keeps its data in cookies.
    """
    session = channel_session_store(reply_channel)
    session.load_now()
    return session


def save_changes(session: Any, consumer: object) -> None:
    """Save a session if it was modified, and there is something to save.

    A browser's session without a key is not: it was not found, and no cookie can be set.
    One that was deleted since it was loaded stays deleted: someone has logged out.

    Args:
        session: The session.
        consumer: What may have changed it, for the log.
    """
    if not session.modified:
        return
    session.modified = False
    if session.is_empty() or (isinstance(session, HttpSession) and not session.session_key):
        return
    try:
        session.save()
    except UpdateError:
        logger.warning(
            "A session was deleted while consumer %s ran; its changes are dropped",
            name_that_thing(consumer),
        )
    session.modified = False


# -- which sockets were opened with a browser's session --------------------------------------
#
# A group for each session key.  A socket joins it as a decorator looks for the http session of
# its ``websocket.connect``, so one that has no such decorator, or no cookie, joins none.


def session_group(session_key: str) -> str:
    """Return the name of the group of the sockets that were opened with an http session."""
    # Hashed: the key is a credential, and any cookie's value may come here.
    return f"__session__.{hashlib.sha256(session_key.encode()).hexdigest()[:40]}"


def note_socket(message: Message, session_key: str) -> None:
    """Have a log-out find the socket, if the message opens one and log-outs close sockets."""
    if message.channel.name != "websocket.connect" or message.reply_channel is None:
        return
    layer = message.channel_layer
    if "groups" in getattr(layer, "extensions", ()) and conf.close_on_logout():
        Group(session_group(session_key), channel_layer=layer).add(message.reply_channel)
