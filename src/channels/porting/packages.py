"""Which distributions a project may go on requiring, and in which versions."""

from __future__ import annotations

import re

#: The least versions of what channels-classic needs: a pin below them can't be installed.
_LEAST = {
    "asgiref": (3, 8),
    "autobahn": (24, 4),
    "django": (5, 2),
    "msgpack": (1, 0, 8),
    "redis": (6, 4),
    "twisted": (24, 10),
}

_DELETED = {
    "asgi-redis": "the Redis layer is part of channels-classic",
    "asgi-amqp": "there is no such layer: use Redis",
    "asgi-ipc": "there is no such layer: use Redis",
    "asgi-rabbitmq": "there is no such layer: use Redis",
    "daphne": "the server is part of channels-classic",
    "msgpack-python": "channels-classic brings msgpack",
    "txredisapi": "nothing uses it any more",
}

DJANGO = ">=5.2,<6.2"

#: ``>=1.8,<2``, ``==1.11.*``, and ``^1.11`` of Poetry.
VERSIONS = re.compile(r"\s*(?:===?|~=|!=|<=?|>=?|\^|~|=)\s*v?[\d.*]+\w*\s*,?")

_SOURCE = re.compile(
    r"[#&]egg=([\w.-]+)|/(channels|daphne|asgi[_-]redis|asgi[_-]ipc|asgi[_-]amqp|asgiref)(?:\.git)?(?:@|#|/|\.zip|$)"
)


def normalized(name: str) -> str:
    """Return the name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def verdict(name: str, version: str) -> tuple[str, str | None] | None:
    """Say what is to be done about a requirement.

    Args:
        name: The distribution.
        version: What follows it: ``==1.1.8``, ``>=1.0,<2``, or nothing.

    Returns:
        A message, and what to write instead: ``""`` if nothing.  ``None`` if all is well.
    """
    plain = normalized(name)
    if plain == "channels":
        return "channels is channels-classic", "channels-classic"
    if plain in _DELETED:
        return f"delete {name}: {_DELETED[plain]}", ""
    least = _LEAST.get(plain)
    if least is None or not _is_below(version, least):
        return None
    if plain == "django":
        return "Django must be 5.2 to 6.1", f"{name}{DJANGO}"
    return f"delete {name} {version.strip()}: channels-classic says which versions it needs", ""


def from_source(line: str) -> str | None:
    """Return which distribution a line takes from a repository or an archive."""
    if "://" not in line:
        return None
    found = _SOURCE.search(line)
    return (found[1] or found[2]) if found else None


def _is_below(version: str, least: tuple[int, ...]) -> bool:
    """Return whether the least version that is needed is not allowed."""
    for found in re.finditer(r"(===?|~=|<=?|\^|(?<![<>=!~])[=~])\s*v?(\d+(?:\.\d+)*)", version):
        given = tuple(int(number) for number in found[2].split("."))
        if found[1] in ("~=", "^", "~"):
            # What these allow begins with the first number at least.
            most = given[: max(1, len(given) - 1)] if found[1] != "^" else given[:1]
            if most < least[: len(most)]:
                return True
        elif given <= least if found[1] == "<" else given < least[: len(given)]:
            return True
    return False
