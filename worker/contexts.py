"""A clean context for each message.

Language, time zone, URL conf and script prefix are context variables, as are those of
applications and the context of ``decimal``.  What one client's message sets must not be
there when the next client's is run, whatever became of the first.

So each message runs in a copy of the worker's own context, which costs less than a
microsecond.  Database connections stay with the thread.  Caches do not by themselves: Django
keeps them in a context variable too, and each message would connect to them anew.
"""

from __future__ import annotations

import contextlib
import decimal
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TypeVar

from django.conf import settings
from django.core.cache import caches
from django.urls import set_script_prefix

_T = TypeVar("_T")

#: What the variable of ``decimal`` is called, in C and in Python.
_DECIMAL = "decimal_context"


class CleanContexts:
    """Calls functions, each in a context of its own; for one thread.

    What the context of the first call has, all have.
    """

    def __init__(self) -> None:
        self._base: Context | None = None
        self._decimals: decimal.Context | None = None

    def run(self, function: Callable[[], _T]) -> _T:
        """Return what the function returns, or raise what it raises."""
        context = (self._prepare() if self._base is None else self._base).copy()
        if self._decimals is not None:
            context.run(decimal.setcontext, self._decimals.copy())
        return context.run(function)

    def _prepare(self) -> Context:
        base = self._base = Context()
        for variable, value in copy_context().items():
            if variable.name != _DECIMAL:
                base.run(variable.set, value)
            elif _is_changed(value):
                # It is changed in place, so copies of the variable would share it; and copying
                # it takes 3 microseconds, so not if a new one does.
                self._decimals = value.copy()
        base.run(_prepare_django)
        return base


def _is_changed(context: decimal.Context) -> bool:
    context = context.copy()
    context.clear_flags()
    return repr(context) != repr(decimal.Context())


def _prepare_django() -> None:
    if settings.FORCE_SCRIPT_NAME is not None:
        # django.setup() set it too, but perhaps in another thread.
        set_script_prefix(settings.FORCE_SCRIPT_NAME)
    for alias in settings.CACHES:
        with contextlib.suppress(Exception):  # whoever uses it is told what is wrong with it
            caches[alias] = caches.create_connection(alias)
