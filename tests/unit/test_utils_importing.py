"""What is said when a dotted path of the settings leads nowhere, or to a file with a mistake."""

from __future__ import annotations

import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import autoreload

from channels.checks import check_layers
from channels.management.commands.runserver import _reload_after_change_of
from channels.routing import Router
from channels.utils import import_object

MODULE = "module_with_a_slip"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes the module and returns its file."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)

    def write(text):
        file = tmp_path / f"{MODULE}.py"
        file.write_text(text)
        return file

    yield write
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("import re\n\nre.conpile\n", 3, "AttributeError: module 're' has no attribute 'conpile'"),
        ("routes = [\n    conect]\n", 2, "NameError: name 'conect' is not defined"),
        ("\ndef (\n", 2, "SyntaxError: invalid syntax"),
        ("import nowhere\n", 1, "No module named 'nowhere'"),
        ("from re import conpile\n", 1, "cannot import name 'conpile' from 're'"),
        (
            "from channels import route\n\n\ndef connect(message): ...\n\n\n"
            "routes = [route(connect, 'websocket.connect')]\n",
            7,
            "TypeError: 'function' object is not iterable",
        ),
    ],
)
def test_a_mistake_inside_of_a_module_is_told_with_its_line(write, text, line, said):
    """And never as if the module lacked the name: it does not get that far."""
    file = write(text)

    with pytest.raises(ImportError) as caught:
        import_object(f"{MODULE}.routes")

    assert f"{file}:{line}: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere.at.all", "No module named 'nowhere'"),
        (f"{MODULE}.within.routes", f"No module named '{MODULE}.within'"),
        (f"{MODULE}.routs", f"module {MODULE} has no 'routs'"),
        ("routes", "routes is not a dotted path"),
    ],
)
def test_what_is_not_there_is_told_alone(write, path, said):
    write("routes = []\n")

    with pytest.raises(ImportError) as caught:
        import_object(path)

    assert str(caught.value).startswith(said)


def test_a_routing_is_never_suggested_in_place_of_itself(settings, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "site_with_a_slip"
    package.mkdir()
    (package / "routing.py").write_text("from channels import route\n\nroutes = [rout]\n")
    settings.ROOT_URLCONF = "site_with_a_slip.urls"
    settings.CHANNEL_LAYERS = {
        "slip": {
            "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
            "ROUTING": "site_with_a_slip.routing.routes",
        }
    }

    (found,) = check_layers()

    assert "routing.py:3: NameError: name 'rout' is not defined" in found.msg
    assert "Do you mean" not in found.msg


@pytest.mark.parametrize("text", ["oops\n", "def (\n", "import nowhere\n"])
def test_the_autoreloader_watches_the_file_that_has_to_be_mended(write, monkeypatch, text):
    """It is no imported module, so without this runserver would never notice."""
    monkeypatch.setattr(autoreload, "_error_files", [])
    file = write(text)
    with pytest.raises(ImproperlyConfigured) as caught:
        Router(f"{MODULE}.routes")

    _reload_after_change_of(caught.value)

    assert str(file) in autoreload._error_files


def test_a_consumer_of_a_file_with_a_mistake_is_told_with_both_places(write):
    file = write("oops\n")

    with pytest.raises(ImproperlyConfigured, match=r"route 'a\.one'") as caught:
        Router({"a.one": f"{MODULE}.consumer"})

    assert f"{file}:1: NameError" in str(caught.value)


def test_an_origin_validator_that_is_not_there_is_found_by_check(settings):
    settings.CHANNEL_LAYERS = {}
    settings.CHANNELS_ORIGIN_VALIDATOR = "channels.security.websockets.AllowedHostsOnly"

    (found,) = check_layers()

    assert found.id == "channels.E003"
    assert "has no 'AllowedHostsOnly'" in found.msg
