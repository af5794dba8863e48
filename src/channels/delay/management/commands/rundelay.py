"""``manage.py rundelay``: deliver delayed messages until told to stop.

The options are docs/channels1.md#commands.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from channels import DEFAULT_CHANNEL_LAYER
from channels.delay.worker import Worker
from channels.log import describe_process, setup_logger
from channels.startup import add_log_format, check_reachable, find_shared_layer


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

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--layer",
            dest="layer",
            default=DEFAULT_CHANNEL_LAYER,
            metavar="ALIAS",
            help="key in CHANNEL_LAYERS (default: %(default)s)",
        )
        parser.add_argument(
            "--sleep",
            dest="sleep",
            type=_seconds,
            default=1.0,
            metavar="SECONDS",
            help="longest time between two looks at the database, for messages that other"
            " processes put there; its own are delivered on time (default: %(default)s)",
        )
        add_log_format(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop.

        Raises:
            CommandError: The layer is not configured, serves one process only, or can't be
                reached.
        """
        self.verbosity = options.get("verbosity", 1)
        describe_process("delay", options.get("log_format", "text"))
        self.logger = setup_logger("django.channels", self.verbosity)
        self.channel_layer = find_shared_layer(options["layer"])
        check_reachable(self.channel_layer)
        self.logger.info("Running delay against channel layer %s", self.channel_layer)
        worker = Worker(channel_layer=self.channel_layer, database_sleep_duration=options["sleep"])
        worker.run()


def _seconds(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise ArgumentTypeError(f"must be more than 0, not {text}")
    return number
