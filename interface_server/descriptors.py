"""How many connections this process may have: its limit of open files.

Most systems start processes with a soft limit of 1024 for programs of old that use
``select``, and a much higher hard limit that any process may go up to.
"""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

#: What is asked for where the hard limit is no number.
PLENTY = 1_048_576


def raise_limit() -> int | None:
    """Raise the soft limit to the hard one; return how many files may be open.

    Never lowers it, and never raises: with the limit as it was the server still works.
    ``None`` where there are no limits.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    wanted = PLENTY if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # the kernel may have a lower one of its own
            log.debug("the limit of open files stays at %d: %s", soft, error)
        else:
            log.debug("raised the limit of open files from %d to %d", soft, wanted)
            soft = wanted
    return soft
