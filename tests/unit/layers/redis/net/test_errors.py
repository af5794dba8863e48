"""What Redis' errors mean, as both kinds of connection see them."""

from __future__ import annotations

import hiredis
import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ResponseError

from channels.layers.redis.net.asynchronous import is_unknown_script, is_useless
from channels.layers.redis.net.errors import cannot_serve, code_of, refusal

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
    "ASK 3999 127.0.0.1:6381": False,
    "BUSY Redis is busy running a script.": False,
    "NOPERM User default has no permissions to run the 'lmpop' command": False,
    "NOSCRIPT No matching script. Please use EVAL.": False,
    "WRONGTYPE Operation against a key holding the wrong kind of value": False,
    "ERR unknown command 'LMPOP'": False,
}


def as_redis_py(text):
    """What a connection of redis-py makes of an error; it strips some codes off."""
    return BaseParser.parse_error(text)


def as_hiredis(text):
    """What our asyncio connection makes of it."""
    reader = hiredis.Reader(replyError=ResponseError)
    reader.feed(f"-{text}\r\n".encode())
    return reader.gets()


@pytest.mark.parametrize("read", [as_redis_py, as_hiredis])
@pytest.mark.parametrize(("text", "useless"), ERRORS.items())
def test_it_is_known_whether_the_connection_is_of_use(read, text, useless):
    answer = read(text)

    assert code_of(answer) == text.partition(" ")[0]
    assert cannot_serve(answer) is useless
    assert is_useless(answer) is useless


@pytest.mark.parametrize("read", [as_redis_py, as_hiredis])
def test_a_slot_that_moved_is_followed_by_one_kind_and_ends_the_other(read):
    answer = read("MOVED 3999 127.0.0.1:6381")

    assert not cannot_serve(answer)
    assert is_useless(answer)


@pytest.mark.parametrize("read", [as_redis_py, as_hiredis])
def test_an_unknown_script_is_told_apart(read):
    assert is_unknown_script(read("NOSCRIPT No matching script. Please use EVAL."))
    assert not is_unknown_script(read("ERR no"))


@pytest.mark.parametrize("answer", [None, 1, b"READONLY", [b"MISCONF x"], ValueError("LOADING x")])
def test_an_ordinary_answer_has_no_code(answer):
    assert code_of(answer) == ""
    assert not cannot_serve(answer)


@pytest.mark.parametrize("read", [as_redis_py, as_hiredis])
def test_a_refusal_says_the_code_and_what_to_do(read):
    error = refusal(read("OOM command not allowed when used memory > 'maxmemory'."))

    assert str(error).startswith("Redis refused: OOM command not allowed")
    assert "raise maxmemory" in str(error)
