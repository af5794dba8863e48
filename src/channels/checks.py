"""System checks: what is wrong with the environment or the settings, in one sentence each.

=================  =======================================================
``channels.E001``  another distribution provides the same package (:mod:`channels.models`)
``channels.E002``  an entry of ``CHANNEL_LAYERS`` cannot be used
``channels.E003``  ``CHANNELS_ORIGIN_VALIDATOR`` names nothing
``channels.W001``  a layer in the memory of one process, in production
``channels.W002``  an entry of ``CHANNEL_LAYERS`` has an old ``BACKEND`` string
``channels.W003``  a route can never match, because one before it always does
``channels.W004``  there are routes beside the URLconf, and no ``CHANNEL_LAYERS``
``channels.W005``  a route is legal and hardly meant: a misspelt channel, a path that none has
=================  =======================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks, mail
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from channels import conf
from channels.asgi import ChannelLayerWrapper, channel_layers
from channels.backends import CONSEQUENCE, translate
from channels.exceptions import LayerUnavailable
from channels.routing.doubts import find_doubts, find_shadowed
from channels.routing.includes import Include
from channels.routing.routes import Route
from channels.utils import import_object


def register() -> None:
    """Register the checks with Django; harmless when called again."""
    checks.register(check_layers, "channels")


def check_layers(**kwargs: Any) -> list[checks.CheckMessage]:
    """Build every layer of ``CHANNEL_LAYERS`` with its routing, and look at it."""
    found: list[checks.CheckMessage] = []
    try:
        configs = channel_layers.configs
        unused = conf.unused_routing()
    except ValueError as error:
        return [checks.Error(str(error), id="channels.E002")]
    if unused is not None:
        found.append(checks.Warning(unused, id="channels.W004"))
    found.extend(_look_at_validator())
    for alias in configs:
        try:
            wrapper = channel_layers.make_backend(alias)
        except (ImproperlyConfigured, ValueError) as error:
            found.append(checks.Error(str(error), id="channels.E002"))
            continue
        except (LayerUnavailable, DatabaseError):
            # Its server is down, or consumers query a table as they are imported, which
            # the ``migrate`` that runs these checks has yet to make: no mistake in the settings.
            continue
        found.extend(_look_at(alias, wrapper))
    return found


def _look_at_validator() -> Iterator[checks.CheckMessage]:
    path = conf.origin_validator()
    try:
        if path is not None:
            import_object(path)
    except ImportError as error:
        yield checks.Error(
            f"CHANNELS_ORIGIN_VALIDATOR is {path!r}, which cannot be imported: {error}.",
            hint="One of ours is 'channels.security.websockets.AllowedHostsOnlyOriginValidator'.",
            id="channels.E003",
        )


def _look_at(alias: str, wrapper: ChannelLayerWrapper) -> Iterator[checks.CheckMessage]:
    setting = f'CHANNEL_LAYERS["{alias}"]["BACKEND"]'
    backend = channel_layers.configs[alias]["BACKEND"]
    path, note = translate(backend)
    if path != backend:
        yield checks.Warning(
            f"{setting} is {backend!r}, an old name of {path!r}{note}.",
            hint=f"Write {path!r}. {CONSEQUENCE}.",
            id="channels.W002",
        )
    if wrapper.local_only() and not settings.DEBUG and not _under_test():
        yield checks.Warning(
            f"{setting} is {backend!r}, which lives in the memory of one process, and DEBUG is"
            " off: interface servers and workers in other processes will not be reached.",
            hint="Use 'channels.layers.redis.RedisChannelLayer' in production.",
            id="channels.W001",
        )
    for entry, earlier in find_shadowed(wrapper.router.root):
        yield checks.Warning(
            f'CHANNEL_LAYERS["{alias}"]["ROUTING"]: {_describe(entry)} can never match:'
            f" {_describe(earlier)} stands before it and takes every message that it could.",
            hint="Put the one with more filters first, or remove one of them.",
            id="channels.W003",
        )
    for problem, remedy in find_doubts(wrapper.router.root):
        yield checks.Warning(
            f'CHANNEL_LAYERS["{alias}"]["ROUTING"]: {problem}.', hint=remedy, id="channels.W005"
        )


def _describe(entry: Any) -> str:
    if isinstance(entry, Route):
        return f"the route {entry}{entry.place}"
    place = entry.place if isinstance(entry, Include) else ""
    return f"the include of {', '.join(sorted(entry.channel_names()))}{place}"


def _under_test() -> bool:
    """Whether a test runner turned DEBUG off; an in-memory layer is right for it."""
    return hasattr(mail, "outbox")  # documented to exist during tests only
