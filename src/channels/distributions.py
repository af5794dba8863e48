"""Whether another distribution put its files over ours.

The distribution ``channels`` provides the same package.  Installed after ours, which is the usual
order, it replaces ``channels/__init__.py``, ``apps.py`` and others of ours, so what finds it out
stands where it has no file, imports nothing of ours, and goes by the metadata.
"""

from __future__ import annotations

import warnings
from importlib import metadata

#: What to do about it.
REMEDY = "Run 'pip uninstall channels channels-classic', then install the one you want."


def find_mixture() -> str | None:
    """Return what is wrong, in a sentence; ``None`` if the package is ours alone."""
    try:
        other = metadata.distribution("channels")
    except metadata.PackageNotFoundError:
        return None
    return (
        f"The distribution 'channels' {other.version} is installed beside 'channels-classic':"
        " both provide the package 'channels', and their files are mixed."
    )


def warn_if_overwritten() -> None:
    """Warn if modules of ours were replaced: an ``ImportError`` is about to come, or odder."""
    from channels import exceptions

    mixture = find_mixture()
    if mixture is not None and not hasattr(exceptions, "LayerUnavailable"):
        warnings.warn(f"{mixture} {REMEDY}", RuntimeWarning, stacklevel=2)
