"""What runserver writes about each request and socket (docs/channels1.md#commands)."""

from __future__ import annotations

import io
import re

import pytest

from channels.management.commands import runserver
from channels.management.commands.runserver import Command


class TestTheLog:
    DETAILS = {
        "method": "GET",
        "path": "/a/?b=c",
        "status": 200,
        "time_taken": 0.12345,
        "client": "127.0.0.1:1234",
        "size": 3,
    }
    TIME = r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] "

    def log(self, monkeypatch, protocol, action, force_color=False, **details):
        stream = io.StringIO()
        monkeypatch.setattr(runserver.sys, "stderr", stream)
        Command(force_color=force_color, no_color=not force_color).log_action(
            protocol, action, {**self.DETAILS, **details}
        )
        return stream.getvalue()

    def test_a_request(self, monkeypatch):
        line = self.log(monkeypatch, "http", "complete")

        expected = re.escape("HTTP GET /a/?b=c 200 [0.12, 127.0.0.1:1234]\n")
        assert re.fullmatch(self.TIME + expected, line)

    @pytest.mark.parametrize(
        ("action", "word"),
        [
            ("connected", "CONNECT"),
            ("disconnected", "DISCONNECT"),
            ("connecting", "HANDSHAKING"),
            ("rejected", "REJECT"),
        ],
    )
    def test_a_socket(self, monkeypatch, action, word):
        line = self.log(monkeypatch, "websocket", action, path="/ws/")

        expected = re.escape(f"WebSocket {word} /ws/ [127.0.0.1:1234]\n")
        assert re.fullmatch(self.TIME + expected, line)

    @pytest.mark.parametrize(
        ("protocol", "action"),
        [("http", "started"), ("websocket", "x"), ("test", "complete"), ("http", "connected")],
    )
    def test_anything_else_is_only_a_time(self, monkeypatch, protocol, action):
        assert re.fullmatch(self.TIME, self.log(monkeypatch, protocol, action))

    def test_the_colour_is_by_the_class_of_the_status(self, monkeypatch):
        statuses = [101, 200, 302, 304, 404, 418, 500]
        lines = [
            self.log(monkeypatch, "http", "complete", force_color=True, status=status)
            for status in statuses
        ]

        colours = [re.sub(r"HTTP GET.*", "", line.split("] ", 1)[1], flags=re.S) for line in lines]
        # A success has none in Django's default palette.
        assert len(set(colours)) == len(statuses)
