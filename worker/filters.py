"""Which channels a worker listens on: ``--only-channels`` and ``--exclude-channels``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase


def apply_channel_filters(
    channels: Collection[str],
    only: Iterable[str] | None,
    exclude: Iterable[str] | None,
) -> Collection[str]:
    """Return the channels that some ``only`` glob matches and no ``exclude`` glob does.

    Keeps the order of ``channels``.  Without any glob they are returned as they
    came, the same object.
    """
    only, exclude = list(only or ()), list(exclude or ())
    if not only and not exclude:
        return channels
    return [
        channel
        for channel in channels
        if (not only or _any_matches(only, channel)) and not _any_matches(exclude, channel)
    ]


def _any_matches(globs: list[str], channel: str) -> bool:
    return any(fnmatchcase(channel, glob) for glob in globs)
