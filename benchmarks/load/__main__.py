"""Run one measurement: ``python -m benchmarks.load '{"measure": "echo", "ports": [8000], …}'``.

Prints one JSON object: ``figures``, ``counts`` of what went wrong with the messages, and
``stopped``: why the measurement ended early, if it did.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict

from benchmarks.load import echo, others
from benchmarks.load.content import Counts
from benchmarks.load.sockets import sockets
from benchmarks.processes import Processor

MEASURES: dict[str, Callable[..., echo.Figures]] = {
    "echo": echo.echo,
    "mixed": echo.mixed,
    "broadcast": others.broadcast,
    "storm": others.storm,
    "http": others.http,
    "hold": others.hold,
}

#: Neither of these has answers to wait for at its end.
UNCOUNTED = ("http", "hold")


def main() -> None:
    """Run the measurement that the command line describes."""
    options = json.loads(sys.argv[1])
    name = options.pop("measure")
    processor = Processor(options.pop("pids", {}))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # its pauses would be the server's
    with sockets(options.pop("ports")) as pool:
        figures, counts, stopped = {}, Counts(), ""
        try:
            figures = MEASURES[name](pool, processor, **options)
            if name not in UNCOUNTED:
                counts = pool.settle()
        except OSError as error:  # also TimeoutError and ConnectionError
            stopped, counts = str(error), pool.counts()
    print(json.dumps({"figures": figures, "counts": asdict(counts), "stopped": stopped}))


if __name__ == "__main__":
    main()
