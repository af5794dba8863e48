"""``manage.py runworker``: run consumers until told to stop (docs/channels1.md#commands)."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from argparse import ArgumentParser
from functools import partial
from logging import Logger
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from channels import startup
from channels.asgi import ChannelLayerWrapper
from channels.message import Message
from channels.signals import worker_process_ready
from channels.worker import Worker, WorkerGroup
from channels.worker.hand import WINDOW
from channels.worker.loop import DEFAULT_DRAIN
from channels.worker.pool import ENVIRONMENT, ChildProcess, Lifeline, run_processes, same_command
from channels.worker.record import SharedRecords, settle_for

__all__ = ["Command", "Worker", "WorkerGroup", "sys"]


class Command(BaseCommand):
    """Runs a worker, a group of threads, or a pool of processes of either."""

    help = (
        "Run consumers for the messages on a channel layer. Stops on SIGTERM, SIGINT or SIGHUP"
        " after the message in hand (see --drain) and gives the rest back to the layer; a second"
        " signal, at least a second later, ends it at once. Exit status 0: stopped as asked; 1: not"
        " configured, or the layer can't be reached at the start."
    )
    leave_locale_alone = True

    # Set by handle().
    verbosity: int
    logger: Logger
    channel_layer: ChannelLayerWrapper

    def add_arguments(self, parser: ArgumentParser) -> None:
        startup.add_arguments(parser)
        parser.add_argument(
            "--only-channels",
            action="append",
            metavar="GLOB",
            help="listen only on channels that match; may be repeated",
        )
        parser.add_argument(
            "--exclude-channels",
            action="append",
            metavar="GLOB",
            help="don't listen on channels that match; may be repeated, wins over --only-channels",
        )
        parser.add_argument(
            "--threads",
            type=startup.positive,
            default=1,
            metavar="N",
            help="threads in each process; they share one interpreter, so they help consumers"
            " that wait rather than compute (default: %(default)s)",
        )
        parser.add_argument(
            "--processes",
            type=startup.positive,
            default=1,
            metavar="N",
            help="processes to keep running, each with its threads: one that dies is replaced."
            " From 2 on, 'kill -HUP' of the command's own pid deploys: each process is replaced"
            " in turn by one with the code then on disk, which takes messages before the old one"
            " leaves, so no client notices; if the new code does not start, the old processes"
            " stay (default: %(default)s)",
        )
        parser.add_argument(
            "--take-ahead",
            type=startup.seconds,
            default=1000 * WINDOW,
            metavar="MS",
            help="take as many messages at once as are expected to run within so many"
            " milliseconds, 64 at most; what has not begun by then goes back, for other workers. 0"
            " takes one at a time (default: 5)",
        )
        parser.add_argument(
            "--drain",
            type=startup.seconds,
            default=DEFAULT_DRAIN,
            metavar="SECONDS",
            help="longest time for which a response may still be streamed after a signal to stop"
            " (a reload of --processes sends it, too); then it is cut off, as server-sent events"
            " would never end (default: 20)",
        )
        parser.add_argument(
            "--disable-graceful-stop",
            dest="stop_gracefully",
            action="store_false",
            help="with --threads: on a signal, end at once and lose the messages in hand",
        )

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Check the project; in a process of a pool without warnings, which the parent wrote."""
        if ENVIRONMENT not in os.environ:
            super().check(*args, **kwargs)
            return
        stderr, self.stderr = self.stderr, OutputWrapper(io.StringIO())
        try:
            super().check(*args, **kwargs)  # errors are raised
        finally:
            self.stderr = stderr

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop.

        Raises:
            CommandError: The layer is not configured, serves one process only, or
                can't be reached.
        """
        startup.set_up(self, "worker", options)
        lifeline = Lifeline.from_environment()
        if options["processes"] > 1 and lifeline is None:
            if not getattr(self, "_called_from_command_line", False):
                raise CommandError(
                    "--processes runs this very command line again for each process, so it can't"
                    " be used through call_command()"
                )
            layer = self.channel_layer.channel_layer
            run_processes(
                options["processes"],
                lambda: ChildProcess(
                    same_command(), options["threads"], partial(settle_for, layer)
                ),
            )
            return
        # Django's views, and static files in development, have what no route takes.
        if settings.DEBUG and apps.is_installed("django.contrib.staticfiles"):
            from channels.staticfiles import StaticFilesConsumer

            self.channel_layer.router.check_default(http_consumer=StaticFilesConsumer())
        else:
            self.channel_layer.router.check_default()
        self._run_worker(options, lifeline)

    def _run_worker(self, options: dict[str, Any], lifeline: Lifeline | None) -> None:
        worker = self._make_worker(options)
        worker.drain = options["drain"]
        worker.take_ahead = options["take_ahead"] / 1000
        if (records := SharedRecords.from_environment()) is not None:
            worker.record_in(records)
        if lifeline is not None:
            worker.listening = lifeline.tell_listening
        worker_process_ready.send(sender=worker)
        worker.ready()
        # What is loaded by now stays: the garbage collector needs not look at it again.
        gc.collect()
        gc.freeze()
        if lifeline is not None:
            lifeline.stop_with_parent()
        with contextlib.suppress(KeyboardInterrupt):
            worker.run()

    def _make_worker(self, options: dict[str, Any]) -> Worker:
        arguments: dict[str, Any] = {
            "channel_layer": self.channel_layer,
            "callback": self.consumer_called if self.verbosity > 1 else None,
            "only_channels": options["only_channels"],
            "exclude_channels": options["exclude_channels"],
        }
        threads = options["threads"]
        several = f" with {threads} threads" if threads > 1 else ""
        self.logger.info("Running worker%s against channel layer %s", several, self.channel_layer)
        if threads == 1:
            return Worker(**arguments)
        if not options["stop_gracefully"]:
            arguments["stop_gracefully"] = False
        return WorkerGroup(**arguments, n_threads=threads)

    def consumer_called(self, channel: str, message: Message) -> None:
        """Log which channel the message came from."""
        self.logger.debug("%s", channel)
