"""A test case with a real interface server and a real worker, for browsers and other clients."""

from __future__ import annotations

import contextlib
import pickle
import sys
import unittest
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.test import TransactionTestCase, modify_settings, override_settings

from channels import channel_layers
from channels.test import isolation
from channels.test.processes import LiveProcess, ServerProcess, WorkerProcess


class ChannelLiveServerTestCase(TransactionTestCase):
    """Runs a server and a worker for each test, from before ``setUp`` until after the clean-ups.

    Both are processes of their own on the databases of the tests, with the settings of the
    class, and on a layer made by ``TEST_CONFIG`` in ``CHANNEL_LAYERS``, which is emptied
    first and is the one of the test too.  The databases must be reachable from other processes:
    for SQLite set ``TEST NAME`` to a file.

    Attributes:
        host: Where the server listens, on a free port.
        ProtocolServerProcess: Class of the server's process.
        WorkerProcess: Class of the worker's process.
        worker_threads: Threads of the worker.
        serve_static: Whether static files are served beside the views.
    """

    host = "localhost"
    ProtocolServerProcess: type[LiveProcess] = ServerProcess
    WorkerProcess: type[LiveProcess] = WorkerProcess
    worker_threads = 1
    serve_static = True

    _live: contextlib.ExitStack | None = None
    _port: int | None = None

    @property
    def live_server_url(self) -> str:
        """Where the server is, for HTTP; without a slash at the end."""
        return f"http://{self.host}:{self._port}"

    @property
    def live_server_ws_url(self) -> str:
        """Where the server is, for WebSockets; without a slash at the end."""
        return f"ws://{self.host}:{self._port}"

    # In ``run`` and ``debug``, not in ``_pre_setup``, which Django calls on the class or on the
    # instance as its version has it.  Fixtures are loaded by then, and the database is
    # flushed afterwards.
    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test between start and end of the processes."""
        if self._is_skipped():
            return super().run(result)
        try:
            live = self._start()
        except Exception:
            result = result or self.defaultTestResult()
            result.startTest(self)
            result.addError(self, sys.exc_info())
            result.stopTest(self)
            return result
        with live:
            return super().run(result)

    def debug(self) -> None:
        """Run the test between start and end of the processes, without catching what it raises."""
        with contextlib.nullcontext() if self._is_skipped() else self._start():
            super().debug()

    def _is_skipped(self) -> bool:
        method = getattr(self, self._testMethodName)
        return any(getattr(one, "__unittest_skip__", False) for one in (type(self), method))

    # -- the processes -------------------------------------------------------------------

    def _start(self) -> contextlib.ExitStack:
        """Start both processes; return what ends them.

        Raises:
            ImproperlyConfigured: The settings do not allow for it.
            InvalidChannelLayerError: ``CHANNEL_LAYERS`` lacks a ``TEST_CONFIG``.
            RuntimeError: A process did not become ready.
        """
        stack = contextlib.ExitStack()
        try:
            self._start_on(stack)
        except BaseException:
            stack.close()
            raise
        return stack

    def _start_on(self, stack: contextlib.ExitStack) -> None:
        databases = isolation.databases()
        alias = _only_alias()
        stack.enter_context(modify_settings(ALLOWED_HOSTS={"append": self.host}))
        layer, config = _make_layer(alias)
        if hasattr(layer.channel_layer, "close"):
            stack.callback(layer.channel_layer.close)
        stack.callback(channel_layers.set, alias, channel_layers.set(alias, layer))
        changed, deleted = isolation.changed_settings()
        options = {
            "alias": alias,
            "host": self.host,
            "threads": self.worker_threads,
            "serve_static": self.serve_static,
            "settings_module": isolation.settings_module(),
            "settings": isolation.pickle_settings(changed),
            "deleted": deleted,
            "databases": pickle.dumps(databases),
            "test_config": pickle.dumps(config),
        }
        server, worker = self.ProtocolServerProcess(options), self.WorkerProcess(options)
        stack.callback(_end, server, worker)
        for process in (server, worker):
            process.start()
        self._port = server.wait_ready()["port"]
        worker.wait_ready()


def _only_alias() -> str:
    """Return the alias of the one layer there is.

    Raises:
        ImproperlyConfigured: There are more, or none.
    """
    aliases = list(channel_layers.configs)
    if len(aliases) != 1:
        raise ImproperlyConfigured(
            "a live test needs exactly one layer in CHANNEL_LAYERS, not"
            f" {', '.join(map(repr, aliases)) or 'none'}"
        )
    return aliases[0]


def _make_layer(alias: str) -> tuple[Any, dict[str, Any]]:
    """Return the emptied layer for the test, and the arguments that it was made with."""
    setting = f'CHANNEL_LAYERS["{alias}"]'
    entry = channel_layers.configs[alias]
    config: dict[str, Any] = entry.get("TEST_CONFIG", {})
    if "TEST_CONFIG" in entry and "BACKEND" in entry:
        config = isolation.own_config(entry["BACKEND"], config, setting)
        entry = {**entry, "TEST_CONFIG": config}
    with override_settings(CHANNEL_LAYERS={alias: entry}):
        layer = channel_layers.make_test_backend(alias)
    if layer.local_only():
        raise ImproperlyConfigured(
            f"{setting} is an in-memory layer, which the processes of a live test can't share:"
            " configure a Redis layer"
        )
    if "flush" in layer.extensions:
        layer.flush()
    return layer, config


def _end(*processes: LiveProcess) -> None:
    """End processes, all at the same time."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
