"""What takes messages from the channel layer and runs consumers with them.

:class:`Worker` is one loop in one thread, :class:`WorkerGroup` several loops in one
process; :mod:`channels.worker.pool` keeps several processes of either.  Workers
hold nothing between two messages: they may be stopped, killed and multiplied
while sockets stay open.
"""

from channels.worker.loop import Worker, WorkerGroup

__all__ = ["Worker", "WorkerGroup"]
