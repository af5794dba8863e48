"""Which extension of a WebSocket's handshake is used, if any: RFC 6455 section 9.1, RFC 7692.

What a client offers and we don't understand, or can't do, is declined, and never a reason to
refuse its handshake.  Only a header that is no list of offers at all is one.  No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# A separator stands for itself, a token has a "t" before it, one that was quoted a quote.
_LEXEME = re.compile(
    r"""[ \t]*(?:([,;=])|([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"((?:[^"\\]|\\.)*)")""", re.DOTALL
)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

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
    text = b",".join(values).decode("latin-1").rstrip(" \t")
    elements = _split(list(_lexemes(text)), ",")
    return [_parse_offer(element) for element in elements if element]


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


def _lexemes(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:
            raise ValueError(f"the extensions can't be read at {text[at : at + 20]!r}")
        separator, token, quoted = found.groups()
        if quoted is not None:
            token = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            if not _TOKEN.fullmatch(token):
                raise ValueError(f"a quoted value of an extension is no token: {token[:20]!r}")
            yield '"' + token
        else:
            yield separator or "t" + token
        at = found.end()


def _parse_offer(lexemes: list[str]) -> Offer:
    name, *parameters = _split(lexemes, ";")
    return _token(*name).lower(), [_parse_parameter(*part) for part in parameters]


def _parse_parameter(*lexemes: str) -> tuple[str, str | None]:
    if len(lexemes) == 3 and lexemes[1] == "=" and lexemes[2] not in (",", ";", "="):
        return _token(lexemes[0]).lower(), lexemes[2][1:]
    return _token(*lexemes).lower(), None


def _token(*lexemes: str) -> str:
    if len(lexemes) != 1 or not lexemes[0].startswith("t"):
        raise ValueError("the extensions are no list of tokens with parameters")
    return lexemes[0][1:]


def _split(lexemes: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for lexeme in lexemes:
        if lexeme == separator:
            parts.append([])
        else:
            parts[-1].append(lexeme)
    return parts
