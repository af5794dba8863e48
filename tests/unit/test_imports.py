"""What each entry point leaves out, seen by a fresh interpreter.

Importing a sub-module always runs the ``__init__`` of its packages, which
import-linter cannot see; and what is imported late or by Django itself shows
only in ``sys.modules``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Folder to the package that it is imported as.
FOLDERS = {
    "src/channels": "channels",
    "routing": "channels.routing",
    "worker": "channels.worker",
    "interface_server": "channels.interface_server",
}

#: Must not need Django: the interface server and the layers.
WITHOUT_DJANGO = [
    "channels",
    "channels.exceptions",
    "channels.names",
    "channels.layers",
    "channels.layers.inmemory",
    "channels.layers.redis",
    "channels.interface_server",
    "channels.interface_server.cli",
    "channels.interface_server.server",
]

#: Must not need the network stack of the interface server.
WITHOUT_TWISTED = [
    "channels.asgi",
    "channels.handler",
    "channels.message",
    "channels.routing",
    "channels.worker",
    "channels.layers.redis",
]

#: Imported while INSTALLED_APPS is read, or at the top of a project's ``models.py``.
BEFORE_SETTINGS = [
    "channels",
    "channels.apps",
    "channels.asgi",
    "channels.auth",
    "channels.binding",
    "channels.binding.base",
    "channels.binding.websockets",
    "channels.channel",
    "channels.checks",
    "channels.conf",
    "channels.exceptions",
    "channels.generic",
    "channels.generic.base",
    "channels.generic.websockets",
    "channels.hacks",
    "channels.log",
    "channels.message",
    "channels.outbox",
    "channels.package_checks",
    "channels.routing",
    "channels.security.websockets",
    "channels.sessions",
    "channels.signals",
    "channels.utils",
]


def run_fresh(code, cwd, **environ):
    """Run code in a new interpreter outside of the repository; return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env={"PATH": "", "PYTHONPATH": environ.pop("PYTHONPATH", ""), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loaded_by(code, cwd, **environ):
    """Return the modules that are loaded after running the code."""
    return set(
        run_fresh(f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))", cwd, **environ)
    )


def modules_of(package):
    """Return the names of all modules in the tree that belong to a package."""
    found = set()
    for folder, name in FOLDERS.items():
        top = ROOT / folder
        for path in top.rglob("*.py"):
            if path.name == "__main__.py":
                continue  # runs when it is imported
            parts = path.relative_to(top).with_suffix("").parts
            found.add(".".join([name, *(part for part in parts if part != "__init__")]))
    return sorted(one for one in found if one == package or one.startswith(f"{package}."))


@pytest.mark.parametrize("module", WITHOUT_DJANGO)
def test_servers_and_layers_do_without_django(module, tmp_path):
    loaded = loaded_by(f"import {module}", tmp_path)

    assert module in loaded
    assert "django" not in loaded


@pytest.mark.parametrize("package", ["channels.interface_server", "channels.layers"])
def test_no_module_of_servers_and_layers_needs_django(package, tmp_path):
    """One interpreter for all of them: the culprit, if any, is in the tests above or below."""
    modules = modules_of(package)
    assert len(modules) > 5

    loaded = loaded_by("\n".join(f"import {module}" for module in modules), tmp_path)

    assert set(modules) <= loaded
    assert "django" not in loaded


@pytest.mark.parametrize(
    "build", ["RedisChannelLayer()", "RedisSentinelChannelLayer(services=['main'])"]
)
def test_a_redis_layer_is_built_without_django_and_twisted(build, tmp_path):
    name = build.partition("(")[0]
    loaded = loaded_by(f"from channels.layers.redis import {name}; {build}", tmp_path)

    assert not {"django", "twisted", "autobahn"} & loaded


def test_the_memory_layer_needs_no_redis(tmp_path):
    assert "redis" not in loaded_by("import channels.layers.inmemory", tmp_path)


@pytest.mark.parametrize("module", WITHOUT_TWISTED)
def test_workers_do_without_the_network_stack(module, tmp_path):
    loaded = loaded_by(f"import {module}", tmp_path)

    assert module in loaded
    assert not {"twisted", "autobahn"} & loaded


@pytest.mark.parametrize("package", ["channels.worker", "channels.routing"])
def test_no_module_of_workers_needs_the_network_stack(package, tmp_path):
    modules = modules_of(package)

    loaded = loaded_by("\n".join(f"import {module}" for module in modules), tmp_path)

    assert set(modules) <= loaded
    assert not {"twisted", "autobahn"} & loaded


def test_a_project_starts_without_the_network_stack(tmp_path):
    """Everything that ``runworker`` and every other command has loaded once Django is up."""
    loaded = loaded_by(
        "import django; django.setup(); from channels import *",
        tmp_path,
        PYTHONPATH=str(ROOT),
        DJANGO_SETTINGS_MODULE="tests.settings",
    )

    assert "channels.management.commands.runserver" in loaded
    assert not {"twisted", "autobahn"} & loaded


@pytest.mark.parametrize("command", ["runserver", "runworker"])
def test_a_command_is_imported_without_installing_a_reactor(command, tmp_path):
    loaded = loaded_by(f"import channels.management.commands.{command}", tmp_path)

    assert "twisted.internet.reactor" not in loaded


@pytest.mark.parametrize("module", BEFORE_SETTINGS)
def test_what_projects_import_early_needs_no_settings_and_no_models(module, tmp_path):
    loaded = loaded_by(f"import {module}", tmp_path)

    assert module in loaded
    assert "django.contrib.auth.models" not in loaded
    assert "django.contrib.sessions.models" not in loaded


def test_the_public_names_come_without_settings(tmp_path):
    names = run_fresh(
        "import json\n"
        "from channels import Channel, Group, channel_layers, include, route, route_class\n"
        "print(json.dumps([Channel.__name__, Group.__name__, route.__name__, include.__name__]))",
        tmp_path,
    )

    assert names == ["Channel", "Group", "Route", "Include"]


@pytest.mark.parametrize(
    "name", ["asgi", "channel", "exceptions", "message", "routing", "signals", "utils"]
)
def test_importing_the_package_is_enough_to_reach_its_first_modules(name, tmp_path):
    """Earlier versions imported them at once, and apps write ``channels.routing.route``."""
    loaded = run_fresh(
        f"import json, channels; print(json.dumps([channels.{name}.__name__]))", tmp_path
    )

    assert loaded == [f"channels.{name}"]


def test_a_project_s_asgi_module_gets_django_set_up_but_no_script_prefix(tmp_path):
    """``channel_layer = get_channel_layer()`` is the whole module, and the first thing to run."""
    said = run_fresh(
        "import json\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['channels'], FORCE_SCRIPT_NAME='/below',\n"
        "    CHANNEL_LAYERS={'default': {'ROUTING': {},\n"
        "        'BACKEND': 'channels.layers.inmemory.InMemoryChannelLayer'}})\n"
        "from channels.asgi import channel_layers, get_channel_layer\n"
        "assert channel_layers.backends == {}\n"
        "layer = get_channel_layer()\n"
        "from django.apps import apps\n"
        "from django.urls import get_script_prefix\n"
        "print(json.dumps([type(layer).__name__, apps.ready, get_script_prefix()]))",
        tmp_path,
    )

    assert said == ["InMemoryChannelLayer", True, "/"]


def test_the_package_says_its_version_where_django_is_not_installed(tmp_path):
    said = run_fresh(
        "import json, sys; sys.modules['django'] = None\n"
        "import channels\n"
        "print(json.dumps([channels.__version__, channels.DEFAULT_CHANNEL_LAYER]))",
        tmp_path,
    )

    assert said[0]
    assert said[1] == "default"


def test_unknown_names_of_the_package_are_attribute_errors(tmp_path):
    said = run_fresh(
        "import json, channels\n"
        "print(json.dumps([hasattr(channels, 'nothing'), 'Channel' in dir(channels)]))",
        tmp_path,
    )

    assert said == [False, True]
