"""Versions of third-party layers that are too old to work (docs/channels1.md#system-checks)."""

from __future__ import annotations

import importlib
import re

#: Package to the lowest version that works.
required_versions = {
    "asgi_rabbitmq": "0.4.0",
    "asgi_redis": "1.2.0",
    "asgi_ipc": "1.3.0",
}


def check_all() -> None:
    """Look at each package that can be imported; missing and broken ones don't matter.

    Raises:
        RuntimeError: One of them is too old.
    """
    for package, required in required_versions.items():
        try:
            found = str(importlib.import_module(package).__version__)
        except (ImportError, AttributeError, SyntaxError):
            continue  # "async" was a name like any other when they were written
        if _numbers(found) < _numbers(required):
            raise RuntimeError(
                f"{package} {found} is too old: version {required} or newer is needed."
                f" Run 'pip install --upgrade {package}'."
            )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, however odd it is.

    >>> _numbers("1.3.0rc1")
    (1, 3, 0)
    """
    start = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in start[0].split(".")) if start else ()
