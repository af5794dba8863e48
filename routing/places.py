"""Where a route was written, for what is said about it."""

from __future__ import annotations

import sys


def where_written() -> str:
    """Return `` in file:line`` of the nearest caller outside of this package.

    Empty for what the settings name, which is built by whoever first asks for the layer.
    """
    frame = sys._getframe(1)
    while True:
        module = frame.f_globals.get("__name__", "")
        if module == "channels.asgi":
            return ""
        if not module.startswith("channels.") or frame.f_back is None:
            return f" in {frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
