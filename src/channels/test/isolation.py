"""What a live test shares with its processes, and keeps from tests that run at the same time."""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
from collections.abc import Mapping
from typing import Any

from django.conf import UserSettingsHolder, global_settings, settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import runner

from channels.backends import load_backend

#: Arguments of a layer that keep its keys apart from those of others.
_PREFIXES = ("prefix", "stats_prefix")


def changed_settings() -> tuple[dict[str, Any], set[str]]:
    """Return the settings that are not as in the settings module, and those that were deleted.

    By ``override_settings`` and the like at whatever level, by the test runner, by assignment.
    """
    holders = []
    base = _settings_in_use()
    while isinstance(base, UserSettingsHolder):
        holders.append(base)
        base = base.default_settings
    changed = _assigned(base)
    deleted: set[str] = set()
    for holder in reversed(holders):
        values = {name: value for name, value in vars(holder).items() if name.isupper()}
        changed.update(values)
        deleted -= values.keys()
        gone = vars(holder).get("_deleted", set())
        deleted |= gone
        for name in gone:
            changed.pop(name, None)
    return changed, deleted


def _assigned(base: Any) -> dict[str, Any]:
    """Return what was assigned to the settings object itself; test runners do so."""
    module_name = settings_module()
    if module_name is None:
        return {}
    module = importlib.import_module(module_name)
    unset = object()
    return {
        name: value
        for name, value in vars(base).items()
        if name.isupper()
        and name != "SETTINGS_MODULE"
        and value is not getattr(module, name, getattr(global_settings, name, unset))
    }


def settings_module() -> str | None:
    """Return the name of the settings module; ``None`` after ``settings.configure()``."""
    base = _settings_in_use()
    while isinstance(base, UserSettingsHolder):
        base = base.default_settings
    name: str | None = getattr(base, "SETTINGS_MODULE", None)
    return name


def _settings_in_use() -> Any:
    lazy: Any = settings
    lazy.INSTALLED_APPS  # loads them, if nobody has  # noqa: B018
    return lazy._wrapped


def pickle_settings(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Return each value pickled.

    Raises:
        ImproperlyConfigured: One can't be.
    """
    pickled = {}
    for name, value in values.items():
        try:
            pickled[name] = pickle.dumps(value)
        except Exception as error:  # whatever an object raises that is asked to be pickled
            raise ImproperlyConfigured(
                f"the setting {name} was changed for a live test to something that can't be sent"
                f" to another process: {error}"
            ) from error
    return pickled


def databases() -> dict[str, Any]:
    """Return the settings of the databases that the tests use, by alias.

    Raises:
        ImproperlyConfigured: One of them is in the memory of this process.
    """
    connection: Any
    for connection in connections.all():
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            raise ImproperlyConfigured(
                f'the test database of DATABASES["{connection.alias}"] is in memory, where the'
                " processes of a live test can't reach it: set its TEST NAME to a file"
            )
    return {connection.alias: connection.settings_dict for connection in connections.all()}


def own_config(backend: str, config: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the arguments of a layer of this process's own, if tests run in several at once.

    Args:
        backend: Dotted path of the layer's class.
        config: Arguments of the layer for tests.
        setting: Where they come from.
    """
    number = process_number()
    if not number:
        return dict(config)
    parameters = inspect.signature(load_backend(backend, setting)).parameters
    mine = {
        name: f"{config.get(name, parameters[name].default)}{number}:"
        for name in _PREFIXES
        if name in parameters
    }
    return {**config, **mine}


def process_number() -> str:
    """Return what tells this process from others that run tests; ``""`` if there is only one."""
    worker = getattr(runner, "_worker_id", 0)
    return str(worker) if worker else os.environ.get("PYTEST_XDIST_WORKER", "")
