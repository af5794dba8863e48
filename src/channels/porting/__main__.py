"""``python -m channels.porting``."""

import sys

from channels.porting.cli import main

sys.exit(main(sys.argv[1:]))
