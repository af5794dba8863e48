"""``manage.py rundelay``: deliver delayed messages until told to stop.

The options are docs/channels1.md#commands.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from logging import Logger
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from channels import startup
from channels.asgi import ChannelLayerWrapper
from channels.delay.worker import Worker


class Command(BaseCommand):
    """Runs a delay worker."""

    help = (
        "Store the messages that are sent to asgi.delay, and deliver them when they are due. Run"
        " one process, or several: each message is delivered by one of them. Stops on SIGTERM,"
        " SIGINT or SIGHUP after the message in hand; a second signal, at least a second later,"
        " ends it at once. Exit status 0: stopped as asked; 1: not configured."
    )
    leave_locale_alone = True
    # It says so at the start if the table is missing.
    requires_migrations_checks = True

    # Set by handle().
    verbosity: int
    logger: Logger
    channel_layer: ChannelLayerWrapper

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        startup.add_arguments(parser)
        parser.add_argument(
            "--sleep",
            type=_seconds,
            default=1.0,
            metavar="SECONDS",
            help="longest time between two looks at the database, for messages that other"
            " processes put there; its own are delivered on time (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop.

        Raises:
            CommandError: The layer is not configured, serves one process only, or can't be
                reached.
        """
        startup.set_up(self, "delay", options)
        self.logger.info("Running delay against channel layer %s", self.channel_layer)
        worker = Worker(channel_layer=self.channel_layer, database_sleep_duration=options["sleep"])
        worker.run()


def _seconds(text: str) -> float:
    number = startup.seconds(text)
    if number == 0:
        raise ArgumentTypeError(f"must be more than 0, not {text}")
    return number
