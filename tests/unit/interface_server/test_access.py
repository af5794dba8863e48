"""Lines of the access log."""

from __future__ import annotations

import io
import json
import os
import re
import time
from datetime import datetime

import pytest

from channels.interface_server.access import AccessLogGenerator


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def log(stream):
    return AccessLogGenerator(stream)


def http(**changes):
    return {
        "path": "/a?b=1",
        "status": 200,
        "method": "GET",
        "client": "127.0.0.1:1234",
        "time_taken": 0.1,
        "size": 42,
        **changes,
    }


def test_a_request_is_a_line_with_status_and_size(log, stream):
    log("http", "complete", http())

    line = stream.getvalue()
    assert re.fullmatch(
        r"127\.0\.0\.1:1234 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
        r" \"GET /a\?b=1\" 200 42 0\.100\n",
        line,
    )


def test_nothing_sent_is_a_dash_and_nobody_is_none(log, stream):
    log("http", "complete", http(size=0, client=None))

    assert stream.getvalue().startswith("None - - [")
    assert stream.getvalue().endswith(" 200 - 0.100\n")


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        ("connecting", "WSCONNECTING"),
        ("connected", "WSCONNECT"),
        ("disconnected", "WSDISCONNECT"),
        ("rejected", "WSREJECT"),
    ],
)
def test_a_step_of_a_socket_is_a_line_without_status(log, stream, action, verb):
    log("websocket", action, {"path": "/chat", "client": "::1:5", "time_taken": 61.0})

    assert stream.getvalue().startswith("::1:5 - - [")
    assert stream.getvalue().endswith(f'"{verb} /chat" - - 61.000\n')


def test_each_line_may_be_an_object(stream, monkeypatch):
    monkeypatch.setattr("channels.log._tier", "server")
    log = AccessLogGenerator(stream, clock=lambda: 0.0, log_format="json")
    forged = 'x"}\n{'
    log("http", "complete", http())
    log("websocket", "disconnected", {"path": forged, "client": None, "time_taken": 1.5})

    request, socket = map(json.loads, stream.getvalue().splitlines())
    assert datetime.fromisoformat(request.pop("time")).timestamp() == 0
    assert request == {
        "level": "INFO",
        "tier": "server",
        "pid": os.getpid(),
        "logger": "channels.interface_server.access",
        "client": "127.0.0.1:1234",
        "message": "GET /a?b=1",
        "status": 200,
        "size": 42,
        "seconds": 0.1,
    }
    assert (socket["message"], socket["seconds"]) == (f"WSDISCONNECT {forged}", 1.5)


@pytest.mark.parametrize(
    ("protocol", "action"), [("http", "begun"), ("websocket", "slept"), ("smtp", "sent")]
)
def test_what_is_not_known_is_left_out(log, stream, protocol, action):
    log(protocol, action, http())

    assert stream.getvalue() == ""


def test_what_a_client_sends_can_forge_no_line(log, stream):
    log("http", "complete", http(path='/"\r\n1.2.3.4 - - "x" \\ \x1b[31m\x9b'))

    line = stream.getvalue()
    assert line.count("\n") == 1
    assert '"GET /\\"\\x0d\\x0a1.2.3.4 - - \\"x\\" \\\\ \\x1b[31m\\x9b" 200 42' in line


def test_a_client_that_a_header_names_can_forge_no_line_either(log, stream):
    log("http", "complete", http(client='1.2.3.4:0 - - [x] "GET /" 200 9\x1b\xff'))

    line = stream.getvalue()
    assert line.count(" ") == 9
    assert line.startswith(
        '1.2.3.4:0\\x20-\\x20-\\x20[x]\\x20\\"GET\\x20/\\"\\x20200\\x209\\x1b\\xff - - ['
    )


def test_a_disk_that_is_full_is_told_of_once(caplog):
    class Disk(io.StringIO):
        full = True

        def write(self, text):
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk = Disk()
    log = AccessLogGenerator(disk)
    log("http", "complete", http())
    log("http", "complete", http())
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text

    disk.full = False
    log("http", "complete", http())
    assert disk.getvalue().count("\n") == 1
    disk.full = True
    log("http", "complete", http())
    assert len(caplog.records) == 2


def test_the_time_is_local_and_moves_on(stream):
    now = [0.0]
    log = AccessLogGenerator(stream, clock=lambda: now[0])
    for seconds in (0.0, 0.9, 1.0):
        now[0] = seconds
        log("http", "complete", http())

    stamps = re.findall(r"\[(.*?)\]", stream.getvalue())
    first, later = (
        time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second)) for second in (0, 1)
    )
    assert stamps == [first, first, later]
