"""What a source hands to the loop."""

from __future__ import annotations

from typing import Any, NamedTuple


class Taken(NamedTuple):
    """One message to run: the arguments of :meth:`channels.worker.dispatch.Dispatcher.run`."""

    channel: str
    content: dict[str, Any]
    #: Whether nothing else of its connection can be running.
    ordered: bool
