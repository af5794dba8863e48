"""Endpoint strings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from channels.interface_server.net.endpoints import (
    build_endpoint_description_strings as build,
)
from channels.interface_server.net.endpoints import choose_endpoints


def test_nothing_is_nothing():
    assert build() == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"host": "127.0.0.1", "port": 8000}, ["tcp:port=8000:interface=127.0.0.1"]),
        ({"host": "[200a::1]", "port": 8000}, [r"tcp:port=8000:interface=200a\:\:1"]),
        ({"host": "200a::1", "port": 8000}, [r"tcp:port=8000:interface=200a\:\:1"]),
        ({"host": "127.0.0.1", "port": 0}, ["tcp:port=0:interface=127.0.0.1"]),
        ({"unix_socket": "/tmp/a.sock"}, ["unix:/tmp/a.sock"]),
        ({"file_descriptor": 5}, ["fd:fileno=5"]),
        ({"file_descriptor": 0}, ["fd:fileno=0"]),
        (
            {"host": "::1", "port": 1, "unix_socket": "/a", "file_descriptor": 3},
            [r"tcp:port=1:interface=\:\:1", "unix:/a", "fd:fileno=3"],
        ),
    ],
)
def test_each_option_becomes_a_string(options, expected):
    assert build(**options) == expected


@pytest.mark.parametrize("options", [{"host": "127.0.0.1"}, {"port": 8000}])
def test_half_an_address_is_an_error(options):
    with pytest.raises(ValueError, match="host and port"):
        build(**options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (([], None, None, None, None), ["tcp:port=8000:interface=127.0.0.1"]),
        (([], None, 123, None, None), ["tcp:port=123:interface=127.0.0.1"]),
        (([], "1.2.3.4", None, None, None), ["tcp:port=8000:interface=1.2.3.4"]),
        (([], None, None, "/a", None), ["unix:/a"]),
        (([], None, None, None, 3), ["fd:fileno=3"]),
        ((["imap:"], None, None, None, None), ["imap:"]),
        (
            (["ssl:1"], None, 80, "/a", 3),
            ["fd:fileno=3", "ssl:1", "tcp:port=80:interface=127.0.0.1", "unix:/a"],
        ),
        (
            (["unix:/a"], "::1", None, "/a", None),
            [r"tcp:port=8000:interface=\:\:1", "unix:/a", "unix:/a"],
        ),
    ],
)
def test_defaults_fill_in_and_the_result_is_sorted(given, expected):
    assert choose_endpoints(*given) == expected


PROGRAM = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from channels.interface_server.net.endpoints import raise_limit
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 200), (200, 200)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft, hard):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert ran.stdout == f"{hard} ({hard}, {hard})\n"
