"""Sessions of connections and of browsers, for consumers (docs/channels1.md#sessions).

=========================================  ============================================
:func:`channel_session`                    ``message.channel_session``: a connection's own
:func:`http_session`                       ``message.http_session``: the browser's
:func:`channel_and_http_session`           both, the browser's with every message
:func:`enforce_ordering`                   one message after the other
=========================================  ============================================

Nothing is loaded before a consumer reads it, and nothing is stored that was not
changed: a message whose consumer does not touch the session costs no query.  ``async def``
consumers find everything loaded instead.
"""

from channels.sessions.ordering import enforce_ordering
from channels.sessions.parking import requeue_messages, wait_channel_name
from channels.sessions.scopes import channel_and_http_session, channel_session, http_session
from channels.sessions.stores import session_for_reply_channel

__all__ = [
    "channel_and_http_session",
    "channel_session",
    "enforce_ordering",
    "http_session",
    "requeue_messages",
    "session_for_reply_channel",
    "wait_channel_name",
]
