"""``manage.py channels_port``: find and make the changes that a Channels 1 project needs.

A project that does not start yet has ``python -m channels.porting`` instead.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from channels.porting import cli


class Command(BaseCommand):
    """See the help text."""

    help = (
        "List what a code base that was written for Channels 1 must change to run on today's"
        " Django and channels-classic; with --fix, change what is mechanical. Exits with 1 if"
        " something is left. The code is not imported: if this project does not start yet, run"
        " 'python -m channels.porting PATH' instead."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = cli.run(cli.options(options), self.stdout, sys.stderr, input)  # type: ignore[arg-type]  # writes like a file
        except cli.PortingError as error:
            raise CommandError(str(error), returncode=2) from error
        if status:
            sys.exit(status)
