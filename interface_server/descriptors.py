"""The descriptors of this process: how many it may have, and the first three.

Most systems start processes with a soft limit of 1024 for programs of old that use
``select``, and a much higher hard limit that any process may go up to.

Some supervisors start them with standard input, output or error closed.  What is opened
next gets such a number, and uvloop ends the process when it is to close one of them.
"""

from __future__ import annotations

import logging
import os
import sys

log = logging.getLogger(__name__)

#: What is asked for where the hard limit is no number.
PLENTY = 1_048_576

#: Standard error.
_LAST_STANDARD = 2


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


def fill_standard() -> None:
    """Open the null device as whichever of the first three descriptors is closed."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


def close_unless_standard(number: int) -> None:
    """Close a descriptor; one of the first three becomes the null device instead."""
    if number > _LAST_STANDARD:
        os.close(number)
        return
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    os.close(null)
