"""The command lines that scripts and service files of old use (docs/channels1.md#commands).

Options are checked by the name under which ``call_command`` and overriding commands see
them too, with the values that they have when nobody gives them.
"""

from __future__ import annotations

import pytest
from django.core.management import load_command_class

OURS = {
    "runserver": {
        "run_worker": True,
        "use_asgi": True,
        "http_timeout": 60,
        "websocket_handshake_timeout": 5,
    },
    "runworker": {
        "layer": "default",
        "only_channels": None,
        "exclude_channels": None,
        "threads": 1,
        "stop_gracefully": True,
    },
    "rundelay": {"layer": "default", "sleep": 1.0},
}

#: What Django and staticfiles declare, which must still be there.
THEIRS = {
    "addrport": None,
    "use_ipv6": False,
    "use_threading": True,
    "use_reloader": True,
    "skip_checks": False,
    "use_static_handler": True,
    "insecure_serving": False,
}

GIVEN = [
    ("runserver", ["--noworker"], {"run_worker": False}),
    ("runserver", ["--noasgi"], {"use_asgi": False}),
    ("runserver", ["--http_timeout", "7"], {"http_timeout": 7}),
    ("runserver", ["--websocket_handshake_timeout=8"], {"websocket_handshake_timeout": 8}),
    ("runserver", ["127.0.0.1:9"], {"addrport": "127.0.0.1:9"}),
    ("runserver", ["-6"], {"use_ipv6": True}),
    ("runserver", ["--ipv6"], {"use_ipv6": True}),
    ("runserver", ["--nothreading"], {"use_threading": False}),
    ("runserver", ["--noreload"], {"use_reloader": False}),
    ("runserver", ["--skip-checks"], {"skip_checks": True}),
    ("runserver", ["--nostatic"], {"use_static_handler": False}),
    ("runserver", ["--insecure"], {"insecure_serving": True}),
    ("runworker", ["--layer", "other"], {"layer": "other"}),
    ("runworker", ["--only-channels=a.*", "--only-channels", "b"], {"only_channels": ["a.*", "b"]}),
    ("runworker", ["--exclude-channels=a", "--exclude-channels=b"], {"exclude_channels": [*"ab"]}),
    ("runworker", ["--threads", "3"], {"threads": 3}),
    ("runworker", ["--threads=1"], {}),
    ("runworker", ["--disable-graceful-stop"], {"stop_gracefully": False}),
    ("rundelay", ["--layer=other"], {"layer": "other"}),
    ("rundelay", ["--sleep", "0.25"], {"sleep": 0.25}),
    ("rundelay", ["--sleep=2"], {"sleep": 2.0}),
]  # fmt: skip


def parse(name: str, arguments: list[str], app: str = "") -> dict[str, object]:
    app = app or ("channels.delay" if name == "rundelay" else "channels")
    parser = load_command_class(app, name).create_parser("manage.py", name)
    return vars(parser.parse_args(arguments))


def numbers(options: dict[str, object]) -> dict[str, type]:
    """Return the types of the numbers: a time-out of ``60.0`` is not what servers were given."""
    return {name: type(value) for name, value in options.items() if isinstance(value, int | float)}


@pytest.mark.parametrize("name", OURS)
def test_options_that_nobody_gives_have_their_old_values(name):
    expected = OURS[name] | (THEIRS if name == "runserver" else {})

    options = parse(name, [])

    found = {option: options[option] for option in expected}
    assert found == expected
    assert numbers(found) == numbers(expected)


@pytest.mark.parametrize(("name", "arguments", "expected"), GIVEN, ids=lambda value: str(value))
def test_each_option_is_understood_under_its_old_name(name, arguments, expected):
    changed = {
        option: value
        for option, value in parse(name, arguments).items()
        if value != parse(name, [])[option]
    }

    assert changed == expected
    assert numbers(changed) == numbers(expected)


def test_the_runserver_of_staticfiles_understands_the_same():
    app = "django.contrib.staticfiles"

    assert parse("runserver", [], app) == parse("runserver", [])
    assert parse("runserver", ["--http_timeout=7", "--noworker"], app)["http_timeout"] == 7
