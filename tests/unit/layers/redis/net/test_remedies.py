"""What whoever starts a process is told to do about a Redis that is not reached."""

from __future__ import annotations

import socket

import pytest
import redis.exceptions as errors

from channels.layers.redis.net.errors import remedy_for


def caused_by(cause):
    try:
        raise errors.ConnectionError("Error connecting") from cause
    except errors.ConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (caused_by(ConnectionRefusedError()), "apt install redis-server"),
        (caused_by(FileNotFoundError()), "apt install redis-server"),
        (caused_by(socket.gaierror()), "name of the host"),
        (errors.AuthenticationError("Authentication required."), "redis://:PASSWORD@"),
        (errors.InvalidResponse("Protocol error"), "no Redis"),
    ],
)
def test_each_cause_has_its_own_remedy(error, said):
    """To install a Redis is advice for one case: that nothing listens where one should."""
    remedy = remedy_for(error, 6379)

    assert said in remedy
    assert ("apt install" in remedy) == (said == "apt install redis-server")


def test_a_port_that_is_not_the_usual_one_is_doubted():
    assert "correct the port" in remedy_for(caused_by(ConnectionRefusedError()), 16379)
    assert "correct the port" not in remedy_for(caused_by(ConnectionRefusedError()), 6379)
