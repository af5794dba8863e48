"""Request bodies: in memory while small, on disk past that."""

from __future__ import annotations

import tempfile
from typing import IO

#: How much of a body stays in memory and travels inside the request's message.
INLINE_LIMIT = 64 * 1024


def spool() -> IO[bytes]:
    """Return a file for a body; it moves to disk when it grows past the inline limit."""
    return tempfile.SpooledTemporaryFile(max_size=INLINE_LIMIT)


class SpooledBody:
    """The rest of a body, behind what was sent inline.

    Args:
        file: Positioned at the first byte of the rest; closed by :meth:`close`.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; never blocks on the client."""
        return b"" if self._file.closed else self._file.read(size)

    def close(self) -> None:
        """Forget the body and delete what was spooled; harmless afterwards."""
        self._file.close()
