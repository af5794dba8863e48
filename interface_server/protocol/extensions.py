"""Which extension of a WebSocket's handshake is used, if any: RFC 6455 section 9.1, RFC 7692.

What a client offers and we don't understand, or can't do, is declined, and never a reason to
refuse its handshake.  Only a header that is no list of offers at all is one.  No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

# A name with its value, if any, as a token or quoted, and what separates it from the next.
_PART = re.compile(
    rf"""[ \t]*({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?[ \t]*([,;]|\Z)""",
    re.DOTALL,
)
# An element of the list that says nothing.
_EMPTY = re.compile(r"[ \t]*(?:,|\Z)")

# Sizes of a window, as powers of two, that RFC 7692 allows, without leading zeroes.
_WINDOWS = frozenset(str(bits) for bits in range(8, 16))

# What zlib can't do as a raw stream.
_TOO_SMALL = "8"

#: An offer: the extension's name, and its parameters in order, ``None`` for one without value.
Offer = tuple[str, list[tuple[str, str | None]]]


def parse_offers(values: Iterable[bytes]) -> list[Offer]:
    """Return the offers of all ``Sec-WebSocket-Extensions`` lines of a handshake, in order.

    Raises:
        ValueError: They are no list of offers; the handshake must be refused.
    """
    text = b",".join(values).decode("latin-1")
    offers: list[Offer] = []
    parts: list[tuple[str, str | None]] = []  # of the offer that is being read
    at = 0
    while at < len(text) or parts:
        empty = None if parts else _EMPTY.match(text, at)
        if empty is not None:
            at = empty.end()
            continue
        found = _PART.match(text, at)
        if found is None:
            raise ValueError(f"the extensions can't be read at {text[at : at + 20]!r}")
        at = found.end()
        name, value, quoted, separator = found.groups()
        if quoted is not None:
            value = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            if not re.fullmatch(_TOKEN, value):
                raise ValueError(f"a quoted value of an extension is no token: {value[:20]!r}")
        if value is not None and not parts:
            raise ValueError(f"the name of an extension has no value: {name[:20]!r}")
        parts.append((name.lower(), value))
        if separator != ";":
            offers.append((parts[0][0], parts[1:]))
            parts = []
    return offers


def choose_deflate(offers: Iterable[Offer]) -> str | None:
    """Return the first offer of permessage-deflate that can be accepted, as a client writes it.

    Without what its client only says of itself: that it could use a smaller window or
    no context, if it were asked to.  ``None``: there is none, nothing is negotiated.
    """
    for name, parameters in offers:
        if name != "permessage-deflate" or not _acceptable(parameters):
            continue
        asked = [
            key if value is None else f"{key}={value}"
            for key, value in parameters
            if key.startswith("server_")
        ]
        return "; ".join([name, *asked])
    return None


def _acceptable(parameters: list[tuple[str, str | None]]) -> bool:
    """Whether every parameter is known, valid, feasible and given once (RFC 7692 section 7.1)."""
    given = dict(parameters)
    if len(given) < len(parameters):
        return False
    for key, value in parameters:
        if key in ("server_no_context_takeover", "client_no_context_takeover"):
            valid = value is None
        elif key == "client_max_window_bits":
            valid = value is None or value in _WINDOWS
        elif key == "server_max_window_bits":
            valid = value in _WINDOWS and value != _TOO_SMALL
        else:
            valid = False
        if not valid:
            return False
    return True
