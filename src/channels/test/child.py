"""What runs inside the processes of a live test; the other side is :mod:`channels.test.processes`.

The process reads pickles from its standard input, applies the settings, databases and layer of the
test, and writes one line of JSON once it is ready.  When the input ends, because the test has
ended or was killed, it ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

#: Tells the test that the process is ready, with whatever else it should know.
Report = Callable[[dict[str, Any]], None]


def main() -> None:
    """Do what the test tells; the interpreter was started for nothing else."""
    report = _claim_output()
    try:
        target, options = pickle.load(sys.stdin.buffer)
        _end_with_the_test()
        set_up(options)
        run = _import(target)
    except Exception:
        report({"error": traceback.format_exc()})
        raise SystemExit(1) from None
    try:
        run(options, report)
    except Exception:
        report({"error": traceback.format_exc()})
        raise


def _claim_output() -> Report:
    """Keep standard output for reports; what else is printed goes to the error output."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(content: dict[str, Any]) -> None:
        # One is read: what goes wrong later has nobody waiting for it.
        with contextlib.suppress(BrokenPipeError):
            reports.write(json.dumps(content) + "\n")
            reports.flush()

    return report


def _import(path: str) -> Callable[[dict[str, Any], Report], None]:
    from django.utils.module_loading import import_string

    found: Callable[[dict[str, Any], Report], None] = import_string(path)
    return found


def _end_with_the_test() -> None:
    """End as by SIGTERM when the test closes its end of the pipe, or dies."""

    def end_with_input() -> None:
        # Not through the buffer, whose lock the interpreter would want at its end.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_input, daemon=True).start()


def set_up(options: dict[str, Any]) -> None:
    """Set Django up with what the test has: its settings, and the databases it made for itself."""
    import django
    from django.conf import UserSettingsHolder, settings
    from django.core.exceptions import AppRegistryNotReady

    if options["settings_module"] is None:
        settings.configure()
    else:
        os.environ["DJANGO_SETTINGS_MODULE"] = options["settings_module"]
    lazy: Any = settings
    lazy.INSTALLED_APPS  # loads them  # noqa: B018
    overrides: Any = UserSettingsHolder(lazy._wrapped)
    overrides.SETTINGS_MODULE = options["settings_module"]
    late = {}
    for name, pickled in options["settings"].items():
        try:
            setattr(overrides, name, pickle.loads(pickled))
        except AppRegistryNotReady:  # a class or function from beside the models
            late[name] = pickled
    for name in options["deleted"]:
        delattr(overrides, name)
    overrides.DATABASES = pickle.loads(options["databases"])
    lazy._wrapped = overrides
    django.setup()
    for name, pickled in late.items():
        setattr(overrides, name, pickle.loads(pickled))
    _use_test_config(overrides, options["alias"], pickle.loads(options["test_config"]))


def _use_test_config(overrides: Any, alias: str, config: dict[str, Any]) -> None:
    entry = {**overrides.CHANNEL_LAYERS[alias], "TEST_CONFIG": config}
    overrides.CHANNEL_LAYERS = {alias: entry}


def make_layer(options: dict[str, Any]) -> Any:
    """Return the layer of the test, and let everything here use it."""
    from channels import channel_layers

    layer = channel_layers.make_test_backend(options["alias"])
    channel_layers.set(options["alias"], layer)
    return layer


def serve(options: dict[str, Any], report: Report) -> None:
    """Run an interface server on a free port until SIGTERM."""
    from channels import conf
    from channels.interface_server.server import Server

    def ready() -> None:
        report({"port": server.listeners[0].result.getHost().port})

    server = Server(
        channel_layer=make_layer(options),
        endpoints=[f"tcp:interface={options['host']}:port=0"],
        ws_protocols=conf.ws_protocols(),
        root_path=conf.root_path(),
        on_ready=ready,
    )
    server.run()


def work(options: dict[str, Any], report: Report) -> None:
    """Run a worker, in one thread or several, until SIGTERM."""
    from django.apps import apps

    from channels.handler import ViewConsumer
    from channels.signals import worker_process_ready
    from channels.worker import Worker, WorkerGroup

    layer = make_layer(options)
    consumer = ViewConsumer
    if options["serve_static"] and apps.is_installed("django.contrib.staticfiles"):
        from channels.staticfiles import StaticFilesConsumer

        consumer = StaticFilesConsumer
    layer.router.check_default(http_consumer=consumer())
    if options["threads"] == 1:
        worker = Worker(layer)
    else:
        worker = WorkerGroup(layer, n_threads=options["threads"])
    worker.listening = lambda: report({})
    worker_process_ready.send(sender=worker)
    worker.ready()
    worker.run()
