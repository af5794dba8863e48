"""The channel layers of a project, by their alias in ``CHANNEL_LAYERS``.

A layer is built when it is first asked for, once for each process, and wrapped
together with its routing (docs/channels1.md#channel-layers).
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from typing import Any

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from channels import conf
from channels.backends import IN_MEMORY, REDIS, adapt, load_backend
from channels.exceptions import InvalidChannelLayerError
from channels.names import DEFAULT_CHANNEL_LAYER
from channels.routing import Router
from channels.utils import name_that_thing

__all__ = [
    "ChannelLayerManager",
    "ChannelLayerWrapper",
    "InvalidChannelLayerError",
    "channel_layers",
    "get_channel_layer",
]


class ChannelLayerManager:
    """Builds the layers of ``CHANNEL_LAYERS`` and keeps them.

    Attributes:
        backends: The layers built so far, by alias.
    """

    def __init__(self) -> None:
        self.backends: dict[str, ChannelLayerWrapper] = {}
        # Two threads must not build an in-memory layer each.  Building imports
        # the project's routing, which may ask for a layer in turn.
        self._building = threading.RLock()
        self._in_memory_default = False

    @property
    def configs(self) -> Mapping[str, dict[str, Any]]:
        """The entries by alias, read from the settings at each access."""
        configured = conf.channel_layers()
        if configured is None and self._in_memory_default:
            return {DEFAULT_CHANNEL_LAYER: {"BACKEND": IN_MEMORY, "ROUTING": []}}
        return configured or {}

    def use_in_memory_default(self) -> None:
        """Let a project without any ``CHANNEL_LAYERS`` setting have an in-memory layer here.

        For ``runserver``, where server and workers are one process: in a shell or a worker such
        a layer reaches nobody.  A setting that exists is never added to, not even an empty one.
        """
        self._in_memory_default = True

    def make_backend(self, name: str) -> ChannelLayerWrapper:
        """Build a layer by its ``CONFIG``; it is not kept.

        Raises:
            KeyError: ``CHANNEL_LAYERS`` has no such alias.
            InvalidChannelLayerError: The entry cannot be used; the text names the setting.
            ImproperlyConfigured: The routing or a consumer of it cannot be imported; likewise.
        """
        entry = self.configs.get(name)
        if entry is None:
            unused = conf.unused_routing()
            raise KeyError(f"{setting_of(name)} is not configured. {unused}" if unused else name)
        return self._build(name, entry, "CONFIG", entry.get("CONFIG", {}))

    def make_test_backend(self, name: str) -> ChannelLayerWrapper:
        """Build a layer by its ``TEST_CONFIG``; it is not kept.

        Raises:
            InvalidChannelLayerError: As of :meth:`make_backend`; also if there is no such
                alias, or no ``TEST_CONFIG``.
            ImproperlyConfigured: As of :meth:`make_backend`.
        """
        entry = self.configs.get(name, {})
        if "TEST_CONFIG" not in entry:
            raise InvalidChannelLayerError(
                f'{setting_of(name)}["TEST_CONFIG"] is missing: tests with live servers need the'
                " arguments of a layer of their own there"
            )
        return self._build(name, entry, "TEST_CONFIG", entry["TEST_CONFIG"])

    def _build(
        self, name: str, entry: Mapping[str, Any], config_key: str, config: Mapping[str, Any]
    ) -> ChannelLayerWrapper:
        setting = setting_of(name)
        if "BACKEND" not in entry:
            raise InvalidChannelLayerError(
                f'{setting}["BACKEND"] is missing: in production it is {REDIS!r}'
            )
        if not isinstance(config, Mapping):
            raise InvalidChannelLayerError(
                f'{setting}["{config_key}"] must be a dict of arguments, not {config!r}'
            )
        backend, config = adapt(entry["BACKEND"], config, f'{setting}["{config_key}"]')
        backend_class = load_backend(backend, setting)
        if "ROUTING" not in entry:
            raise InvalidChannelLayerError(
                f'{setting}["ROUTING"] is missing: it is the dotted path of the list of routes,'
                f" for instance {conf.suggest_routing() or 'mysite.routing.channel_routing'!r}"
            )
        layer = _construct(backend_class, config, f'{setting}["{config_key}"]')
        routing_setting = f'{setting}["ROUTING"]'
        try:
            return ChannelLayerWrapper(layer, name, entry["ROUTING"])
        except ImproperlyConfigured as error:
            there = ""
            if str(error).startswith(f"routing {entry['ROUTING']!r}"):
                routes = conf.suggest_routing() or entry["ROUTING"]
                there = f". Do you mean {routes!r}?" if routes != entry["ROUTING"] else ""
            raise ImproperlyConfigured(f"{routing_setting}: {error}{there}") from error
        except ValueError as error:
            raise InvalidChannelLayerError(f"{routing_setting}: {error}") from error

    def __getitem__(self, key: str) -> ChannelLayerWrapper:
        try:
            return self.backends[key]
        except KeyError:
            pass
        with self._building:
            if key not in self.backends:
                built = self.make_backend(key)
                self.backends.setdefault(key, built)
            return self.backends[key]

    def __contains__(self, key: object) -> bool:
        return key in self.configs

    def set(self, key: str, layer: ChannelLayerWrapper | None) -> ChannelLayerWrapper | None:
        """Replace the layer of an alias, and return what had been built before; tests do so.

        ``None`` in either direction is no layer: it is built when it is asked for.
        """
        old = self.backends.pop(key, None)
        if layer is not None:
            self.backends[key] = layer
        return old


class ChannelLayerWrapper:
    """A channel layer with its alias and its routing; everything else is the layer's own.

    All attributes may be assigned, methods of the layer too (tests replace ``send``); so look
    methods up on the wrapper at each call.

    Attributes:
        channel_layer: The layer itself.
        alias: Its key in ``CHANNEL_LAYERS``.
        routing: As it was configured.
        router: What was built from it.
    """

    def __init__(self, channel_layer: Any, alias: str, routing: Any) -> None:
        self.channel_layer = channel_layer
        self.alias = alias
        self.routing = routing
        self.router = Router(routing)

    def __getattr__(self, name: str) -> Any:
        if name == "channel_layer":  # while unpickling or copying
            raise AttributeError(name)
        if name == "receive":
            # Legacy tests and layers may know it by its old name only.
            if "receive_many" in vars(self):
                return vars(self)["receive_many"]
            if not hasattr(self.channel_layer, "receive"):
                return self.channel_layer.receive_many
        return getattr(self.channel_layer, name)

    def __str__(self) -> str:
        return f"{self.alias} ({name_that_thing(self.channel_layer)})"

    def local_only(self) -> bool:
        """Whether it lives in this process's memory, by its class's module: tests rely on that."""
        return "inmemory" in type(self.channel_layer).__module__


channel_layers = ChannelLayerManager()


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> Any:
    """Set Django up and return a layer, not wrapped; for a project's ``asgi.py``.

    Raises:
        KeyError: ``CHANNEL_LAYERS`` has no such alias.
    """
    # Only once: it sets logging up anew, and a worker whose consumers call this would lose
    # its log.  While apps get ready, it would refuse.
    if not apps.models_ready:
        django.setup(set_prefix=False)
    return channel_layers[alias].channel_layer


def setting_of(name: str) -> str:
    """Return the entry of a layer in the settings, for messages."""
    return f'CHANNEL_LAYERS["{name}"]'


def _construct(backend_class: type[Any], config: Mapping[str, Any], setting: str) -> Any:
    """Build a layer, blaming the setting for arguments that it does not take."""
    try:
        inspect.signature(backend_class).bind(**config)
    except TypeError as error:
        raise InvalidChannelLayerError(
            f"{setting} does not fit {name_that_thing(backend_class)}: {error}"
        ) from error
    except ValueError:
        pass  # a class without a readable signature has to speak for itself
    try:
        return backend_class(**config)
    except ValueError as error:
        raise InvalidChannelLayerError(f"{setting}: {error}") from error
