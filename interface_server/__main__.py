"""``python -m channels.interface_server``."""

from channels.interface_server.cli import main

main()
