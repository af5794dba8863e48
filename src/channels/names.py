"""Names of channels and groups: what is valid, and what their parts mean; and a key of ours.

======================  =================================================
``http.request``        normal: any number of readers
``body?Qx3f``           single-reader: one reader, somewhere
``web.Zk81!Qx3f``       process-local: one reader, the process whose
                        *mailbox* is ``web.Zk81!``
======================  =================================================

Names are ASCII, shorter than :data:`MAX_LENGTH`, and hold at most one of ``?`` and
``!`` (docs/channels1.md#names-of-channels-and-groups), tightened to ASCII.
"""

from __future__ import annotations

import re
import secrets
import string

#: Alias of the channel layer that is used where none is named.
DEFAULT_CHANNEL_LAYER = "default"

#: Names must be shorter than this, in characters.
MAX_LENGTH = 100

#: Key of a message by which a worker ends, with an error, what waits at a reply channel: a
#: response that may have begun (beside the keys of an error page), or a socket.
FAILED = "__failed__"

#: Key by which a worker writes the consumer's name onto a reply that the server is going to
#: find malformed, for its log.
CONSUMER = "__consumer__"

_CHANNEL = re.compile(r"[a-zA-Z0-9\-_.]+(?:[?!][a-zA-Z0-9\-_.]*)?")
_GROUP = re.compile(r"[a-zA-Z0-9\-_.]+")

# Turns a random byte to a letter.  The last 48 values are left out, so that each of the 52
# letters stands for four values and all are equally likely.
_TO_LETTER = (string.ascii_letters * 4).encode().ljust(256)
_LEFT_OUT = bytes(range(208, 256))


def check_channel_name(name: object, *, receive: bool = False) -> str:
    """Return ``name`` if a channel may be called so.

    To ``receive``, a process-local name ends at its ``!``: the whole mailbox is read at once.

    Raises:
        TypeError: It is not a valid name; the text says why and shows it.
    """
    name = _check("channel", name, _CHANNEL, ", and at most one '?' or '!' after the first part")
    if name.endswith("?"):
        raise TypeError(f"a single-reader channel name must not end in '?': {name!r}")
    if receive and "!" in name and not name.endswith("!"):
        raise TypeError(f"a process-local name must end at its '!' when received on: {name!r}")
    return name


def check_group_name(name: object) -> str:
    """Return ``name`` if a group may be called so.

    Raises:
        TypeError: It is not a valid name; the text says why and shows it.
    """
    return _check("group", name, _GROUP, " only")


def _check(kind: str, name: object, allowed: re.Pattern[str], more: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a {kind} name must be a str, not {type(name).__name__}: {name!r}")
    if len(name) >= MAX_LENGTH:
        raise TypeError(f"a {kind} name must be under {MAX_LENGTH} characters: {name!r}")
    if not allowed.fullmatch(name):
        raise TypeError(
            f"a {kind} name may hold ASCII letters, digits, hyphens, underscores and full stops"
            f"{more}: {name!r}"
        )
    return name


def non_local_name(name: str) -> str:
    """Return the mailbox of a process-local name, and any other name as it is.

    >>> non_local_name("web.Zk81!Qx3f")
    'web.Zk81!'
    """
    mailbox, mark, _ = name.partition("!")
    return mailbox + mark


def is_process_local(name: str) -> bool:
    """Whether one process reads this channel, through its mailbox."""
    return "!" in name


def is_on_one_host(name: str) -> bool:
    """Whether the channel lives on one host only (``?`` and ``!`` names)."""
    return "!" in name or "?" in name


def random_part(length: int) -> str:
    """Return ASCII letters that cannot be guessed (docs/channels1.md#reply-channel-names)."""
    letters = b""
    while len(letters) < length:
        # One call for all of them: a call for each letter would be the dearest
        # thing that the server does for a request.
        letters += secrets.token_bytes(2 * length).translate(_TO_LETTER, _LEFT_OUT)
    return letters[:length].decode()
