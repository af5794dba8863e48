"""A queue of bytes in a temporary file: what a client has not taken yet."""

from __future__ import annotations

import tempfile


class Spool:
    """First in, first out; small amounts stay in memory, the rest goes to disk.

    Args:
        memory: Bytes that may stay in memory.
    """

    def __init__(self, memory: int = 64 * 1024) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory)  # noqa: SIM115 - closed by close()
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.seek(self._end)
        self._file.write(data)
        self._end += len(data)

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes from the front."""
        self._file.seek(self._start)
        data = self._file.read(min(size, len(self)))
        self._start += len(data)
        if self._start == self._end:
            self._start = self._end = 0  # write over what was read
        return data

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        self._start = self._end = 0
