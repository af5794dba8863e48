"""What Redis' errors mean, and what to do about a Redis that is not reached."""

from __future__ import annotations

import socket

import hiredis
import pytest
import redis.exceptions as errors
from redis.exceptions import ResponseError

from channels.layers.redis.net.errors import cannot_serve, code_of, refusal, remedy_for

#: As Redis 7 writes them, and whether this connection is of no use any more.
ERRORS = {
    "READONLY You can't write against a read only replica.": True,
    "READONLY You can't write against a read only replica. script: 5a1, on @user_script:1.": True,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": True,
    "UNBLOCKED force unblock from blocking operation, instance state changed": True,
    "NOREPLICAS Not enough good replicas to write.": True,
    "CLUSTERDOWN The cluster is down": True,
    "CLUSTERDOWN Hash slot not served": True,
    "LOADING Redis is loading the dataset in memory": True,
    "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist": True,
    "NOAUTH Authentication required.": True,
    "OOM command not allowed when used memory > 'maxmemory'.": False,
    "TRYAGAIN Multiple keys request during rehashing of slot": False,
    "MOVED 3999 127.0.0.1:6381": True,
    "ASK 3999 127.0.0.1:6381": False,
    "BUSY Redis is busy running a script.": False,
    "NOPERM User default has no permissions to run the 'lmpop' command": False,
    "NOSCRIPT No matching script. Please use EVAL.": False,
    "WRONGTYPE Operation against a key holding the wrong kind of value": False,
    "ERR unknown command 'LMPOP'": False,
}


def answer(text):
    """What a connection of the layer makes of an error."""
    reader = hiredis.Reader(replyError=ResponseError)
    reader.feed(f"-{text}\r\n".encode())
    return reader.gets()


@pytest.mark.parametrize(("text", "useless"), ERRORS.items())
def test_it_is_known_whether_the_connection_is_of_use(text, useless):
    assert code_of(answer(text)) == text.partition(" ")[0]
    assert cannot_serve(answer(text)) is useless


@pytest.mark.parametrize("answer", [None, 1, b"READONLY", [b"MISCONF x"], ValueError("LOADING x")])
def test_an_ordinary_answer_has_no_code(answer):
    assert code_of(answer) == ""
    assert not cannot_serve(answer)


def test_a_refusal_says_the_code_and_what_to_do():
    error = refusal(answer("OOM command not allowed when used memory > 'maxmemory'."))

    assert str(error).startswith("Redis refused: OOM command not allowed")
    assert "raise maxmemory" in str(error)


def test_a_command_that_is_missing_is_called_so():
    assert "lacks a command" in str(refusal(answer("ERR unknown command 'LMPOP'")))


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
