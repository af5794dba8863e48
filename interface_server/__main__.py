"""``interface-server`` and ``python -m channels.interface_server``."""

from __future__ import annotations

from typing import NoReturn

from channels.distributions import warn_if_overwritten


def main() -> NoReturn:
    """Run the command; say so first if another distribution replaced what it needs."""
    warn_if_overwritten()
    from channels.interface_server.cli import CommandLineInterface

    CommandLineInterface.entrypoint()


if __name__ == "__main__":
    main()
