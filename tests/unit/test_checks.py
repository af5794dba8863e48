"""System checks, and the versions that are checked when Django starts."""

from __future__ import annotations

import sys
import types

import pytest
from django.core import checks as django_checks
from django.core import mail

from channels import checks, models, package_checks
from channels.exceptions import LayerUnavailable
from channels.routing import include, route
from tests.support.recording import RECORDING, entry

IN_MEMORY = "channels.layers.inmemory.InMemoryChannelLayer"


class Unreachable:
    """A layer that asks its server something when it is built."""

    def __init__(self):
        raise LayerUnavailable("nobody is there")


@pytest.fixture
def production(settings, monkeypatch):
    """As a server sees it: no DEBUG, and no test runner that turned it off."""
    settings.DEBUG = False
    monkeypatch.delattr(mail, "outbox")


def ids(found):
    return [one.id for one in found]


SHADOWED_LINE = sys._getframe().f_lineno + 2
SHADOWED = [
    route("websocket.connect", ids),
    route("websocket.connect", ids, path=r"^/chat/"),
]

NOTHING: list[object] = []

MISTAKEN = [
    include(include([route("chat", ids)])),
    route("chat", "tests.unit.test_checks.IN_MEMORY"),
]


def test_the_checks_are_registered_once():
    before = len(django_checks.registry.registry.registered_checks)

    checks.register()
    checks.register()

    assert len(django_checks.registry.registry.registered_checks) == before
    assert "channels" in django_checks.registry.registry.tags_available()


def test_django_runs_them(settings):
    settings.CHANNEL_LAYERS = {"default": {}}

    assert "channels.E002" in ids(django_checks.run_checks(tags=["channels"]))


def test_the_other_distribution_is_found(tmp_path, monkeypatch):
    info = tmp_path / "channels-4.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: channels\nVersion: 4.2.0\n")
    assert models.check_distributions() == []

    monkeypatch.syspath_prepend(tmp_path)

    (found,) = models.check_distributions()
    assert found.id == "channels.E001"
    assert found.is_serious()
    assert "'channels' 4.2.0 is installed beside 'channels-classic'" in found.msg
    assert "pip uninstall" in found.hint


def test_good_layers_are_silent(settings, production):
    settings.CHANNEL_LAYERS = {"default": entry(), "other": entry()}

    assert checks.check_layers() == []


def test_every_bad_layer_is_an_error_that_names_its_setting(settings):
    settings.CHANNEL_LAYERS = {
        "a": {"ROUTING": []},
        "b": entry(ROUTING="no.such.routing"),
        "c": entry(ROUTING={"a.one": "no.such.consumer"}),
        "d": entry(ROUTING="tests.unit.bad_routing.routing"),
        "e": entry(),
    }

    found = checks.check_layers()

    assert ids(found) == ["channels.E002"] * 4
    for alias, one in zip("abcd", found, strict=True):
        assert one.msg.startswith(f'CHANNEL_LAYERS["{alias}"]')
        assert one.is_serious()


@pytest.mark.parametrize("wrong", [[], "redis", {"default": "redis"}, {"BACKEND": "redis"}])
def test_a_setting_of_another_shape_is_an_error_that_shows_the_right_one(settings, wrong):
    settings.CHANNEL_LAYERS = wrong or ["redis"]

    (found,) = checks.check_layers()

    assert found.id == "channels.E002"
    assert 'CHANNEL_LAYERS must be a dict of dicts, {"default": {"BACKEND": ' in found.msg


@pytest.fixture
def project(settings, tmp_path, monkeypatch):
    """A project whose URLconf has a ``routing.py`` beside it; call it with the text of that."""
    folder = tmp_path / "a_site"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    settings.ROOT_URLCONF = "a_site.urls"

    def write(text):
        (folder / "routing.py").write_text(text)

    yield write
    sys.modules.pop("a_site", None)


ROUTING = """
from channels import route
others = [1]
my_routes: list = [
    route("websocket.connect", print),
]
"""


@pytest.mark.parametrize("nothing", [None, {}])
def test_routes_that_no_layer_names_are_told(settings, project, nothing):
    settings.CHANNEL_LAYERS = nothing
    assert checks.check_layers() == []
    project("from rest_framework import routers\nroutes = []\n")
    assert checks.check_layers() == []

    project(ROUTING)

    (found,) = checks.check_layers()
    assert found.id == "channels.W004"
    assert '"ROUTING": "a_site.routing.my_routes"' in found.msg


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ROUTING": "a_site.routing.routes"}, "Do you mean 'a_site.routing.my_routes'?"),
        ({"ROUTING": "a_site.routes"}, "Do you mean 'a_site.routing.my_routes'?"),
        ({}, "the list of routes, for instance 'a_site.routing.my_routes'"),
    ],
)
def test_where_the_routes_are_is_said_when_the_setting_leads_elsewhere(
    settings, project, wrong, said
):
    project(ROUTING)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": RECORDING, **wrong}}

    (found,) = checks.check_layers()

    assert said in found.msg


def test_a_layer_in_memory_is_a_warning_in_production(settings, production):
    settings.CHANNEL_LAYERS = {"default": entry(BACKEND=IN_MEMORY)}

    (found,) = checks.check_layers()

    assert found.id == "channels.W001"
    assert not found.is_serious()
    assert found.msg.startswith('CHANNEL_LAYERS["default"]["BACKEND"]')


def test_a_layer_in_memory_is_right_for_development_and_tests(settings, monkeypatch):
    settings.CHANNEL_LAYERS = {"default": entry(BACKEND=IN_MEMORY)}
    assert checks.check_layers() == []

    monkeypatch.delattr(mail, "outbox")
    settings.DEBUG = True
    assert checks.check_layers() == []


def test_an_old_name_is_a_warning(settings):
    settings.CHANNEL_LAYERS = {"default": entry(BACKEND="asgiref.inmemory.ChannelLayer")}

    with pytest.warns(DeprecationWarning, match="old name"):
        found = checks.check_layers()

    assert ids(found) == ["channels.W002"]
    assert IN_MEMORY in found[0].hint
    assert "CHANNELS_CLOSE_ON_LOGOUT" in found[0].hint


def test_a_route_that_can_never_match_is_a_warning(settings):
    routing = {"ROUTING": "tests.unit.test_checks.SHADOWED"}
    settings.CHANNEL_LAYERS = {"default": entry(**routing)}

    found = checks.check_layers()

    assert ids(found) == ["channels.W003"]
    assert found[0].msg.startswith('CHANNEL_LAYERS["default"]["ROUTING"]: the route')
    assert f"{__file__}:{SHADOWED_LINE + 1} can never match" in found[0].msg


DOUBTFUL = [
    route("websocket.connect", ids, path="chat/<str:room>/"),
    include([route("websocket.recieve", ids)], path="^/chat/"),
]


def test_routes_that_are_hardly_meant_are_warnings_that_say_what_to_write(settings):
    settings.CHANNEL_LAYERS = {"default": entry(ROUTING="tests.unit.test_checks.DOUBTFUL")}

    found = checks.check_layers()

    assert ids(found) == ["channels.W005"] * 2
    for one in found:
        assert one.msg.startswith('CHANNEL_LAYERS["default"]["ROUTING"]: the route')
        assert f"{__file__}:" in one.msg
    assert [one.hint for one in found] == [
        'Write path=r"^/chat/(?P<room>[^/]+)/$".',
        "Write 'websocket.receive', if that is meant.",
    ]


def test_a_routing_with_mistakes_is_an_error_that_names_each_file_and_route(settings):
    settings.CHANNEL_LAYERS = {"default": entry(ROUTING="tests.unit.test_checks.MISTAKEN")}

    (found,) = checks.check_layers()

    assert found.id == "channels.E002"
    lines = found.msg.splitlines()
    assert [line.count(__file__) for line in lines] == [1, 1]
    assert "is of type Include, not a list of routes" in lines[0]
    assert "route 'chat'" in lines[1]


def test_mistakes_in_a_routing_that_nobody_uses_stop_nobody(settings):
    """``MISTAKEN`` is in this module, whose import did not fail."""
    settings.CHANNEL_LAYERS = {"default": entry(ROUTING="tests.unit.test_checks.NOTHING")}

    assert checks.check_layers() == []


def test_a_layer_that_cannot_be_reached_is_no_mistake_in_the_settings(settings):
    settings.CHANNEL_LAYERS = {"default": entry(BACKEND="tests.unit.test_checks.Unreachable")}

    assert checks.check_layers() == []


def test_consumers_that_query_a_table_that_is_not_there_yet_do_not_keep_it_from_being_made(
    settings, tmp_path, monkeypatch
):
    (tmp_path / "eager_consumers.py").write_text(
        "from django.db import ProgrammingError\nraise ProgrammingError('no such table')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHANNEL_LAYERS = {"default": entry(ROUTING="eager_consumers.routing")}

    assert checks.check_layers() == []


def test_checking_builds_no_layer_that_stays(settings):
    from channels import channel_layers

    settings.CHANNEL_LAYERS = {"checked": entry()}
    checks.check_layers()

    assert "checked" not in channel_layers.backends
    assert entry()["BACKEND"] == RECORDING


# -- versions of third-party layers ------------------------------------------------------


@pytest.fixture
def package(monkeypatch):
    """Pretend that asgi_redis is installed: ``package("1.0")``."""

    def pretend(version=None):
        module = types.ModuleType("asgi_redis")
        if version is not None:
            module.__version__ = version
        monkeypatch.setitem(sys.modules, "asgi_redis", module)

    return pretend


def test_missing_packages_do_not_matter():
    package_checks.check_all()


@pytest.mark.parametrize("version", ["1.2.0", "1.2.1.dev3", "2", "1.4.3rc1", "1.10", None])
def test_new_enough_and_unversioned_packages_pass(package, version):
    package(version)
    package_checks.check_all()


@pytest.mark.parametrize("version", ["1.1.9", "0.9", "1", "unknown"])
def test_an_old_package_is_refused_with_what_to_do(package, version):
    package(version)

    with pytest.raises(RuntimeError, match=f"asgi_redis {version} is too old.*pip install"):
        package_checks.check_all()


def test_the_versions_are_those_of_the_contract():
    assert package_checks.required_versions == {
        "asgi_rabbitmq": "0.4.0",
        "asgi_redis": "1.2.0",
        "asgi_ipc": "1.3.0",
    }


def test_a_package_that_python_cannot_read_any_more_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "asgi_ipc.py").write_text("def connect(async): pass\n")
    monkeypatch.syspath_prepend(tmp_path)

    package_checks.check_all()
