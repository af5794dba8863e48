"""A connection's protocol with scripted bytes, without sockets."""

from __future__ import annotations

import pytest
from redis.exceptions import InvalidResponse, ResponseError

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import Target
from channels.layers.redis.net.errors import UnsupportedRedis
from channels.layers.redis.net.protocol import RedisClock, RedisProtocol, pack
from channels.layers.redis.wire import scripts

PING = ("PING",)
CALL = scripts.PUSH_QUEUE.call(("q",), 100)
UNKNOWN = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"
VERSION_7 = b"# Server\r\nredis_version:7.0.15\r\n"


@pytest.fixture
def protocol():
    return RedisProtocol(Target("tcp", {"host": "example.org"}))


def answered(protocol, data):
    """Feed bytes; return the answers of each request that is complete by them."""
    protocol.feed(data)
    found = []
    while (complete := protocol.next()) is not None:
        found.append(complete[1])
    return found


def texts(answers):
    return [str(answer) for answer in answers]


class TestAnswers:
    def test_commands_leave_in_one_write_packed_or_not(self, protocol):
        packed = protocol.request([("ECHO", "a"), pack(PING), ("SET", "k", 1)])

        assert packed == (
            b"*2\r\n$4\r\nECHO\r\n$1\r\na\r\n"
            b"*1\r\n$4\r\nPING\r\n"
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n"
        )

    def test_a_command_that_cannot_be_packed_is_not_waited_for(self, protocol):
        with pytest.raises(Exception, match="must be str"):
            protocol.request([PING, ("SET", "k", object())])

        assert not protocol.unanswered

    def test_answers_go_to_their_requests_however_they_are_cut(self, protocol):
        protocol.request([PING, ("GET", "k")])
        protocol.request([("LRANGE", "l", 0, -1)])
        stream = b"+PONG\r\n$1\r\nv\r\n*2\r\n:1\r\n$-1\r\n"

        found = []
        for at in range(len(stream)):
            found += answered(protocol, stream[at : at + 1])

        assert found == [[b"PONG", b"v"], [[1, None]]]
        assert not protocol.unanswered

    def test_errors_stand_in_their_place(self, protocol):
        protocol.request([PING, ("LPUSH", "k", 1), PING])

        ((first, error, last),) = answered(protocol, b"+PONG\r\n-WRONGTYPE no list\r\n+PONG\r\n")

        assert (first, last) == (b"PONG", b"PONG")
        assert isinstance(error, ResponseError)
        assert str(error) == "WRONGTYPE no list"
        assert protocol.end is None

    def test_an_error_within_an_answer_is_part_of_it(self, protocol):
        protocol.request([("EXEC",)])

        (((number, error),),) = answered(protocol, b"*2\r\n:1\r\n-READONLY no\r\n")

        assert (number, str(error)) == (1, "READONLY no")
        assert protocol.end is None

    def test_what_no_request_asked_for_is_refused(self, protocol):
        with pytest.raises(InvalidResponse, match="answer to no question"):
            answered(protocol, b"+OK\r\n")

    def test_what_is_no_redis_is_refused(self, protocol):
        protocol.request([PING])

        with pytest.raises(InvalidResponse):
            answered(protocol, b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def test_the_context_of_a_request_comes_back_with_its_answers(self, protocol):
        protocol.request([PING], "mine")
        protocol.feed(b"+PONG\r\n")

        assert protocol.next() == ("mine", [b"PONG"])

    @pytest.mark.parametrize("code", ["READONLY", "MASTERDOWN", "LOADING", "MOVED", "NOAUTH"])
    def test_some_errors_end_the_connection(self, protocol, code):
        protocol.request([PING, ("INCR", "k")])

        assert texts(answered(protocol, f"+PONG\r\n-{code} x\r\n".encode())[0])[1] == f"{code} x"
        assert str(protocol.end) == f"{code} x"


class TestRepair:
    def repair_of(self, *calls):
        return b"".join(pack(scripts.PUSH_QUEUE.load()) + pack(call) for call in calls)

    def test_an_unknown_script_is_loaded_and_that_call_repeated(self, protocol):
        protocol.request([PING, CALL, PING])

        assert answered(protocol, b"+PONG\r\n" + UNKNOWN + b"+PONG\r\n") == []
        assert protocol.take_repairs() == self.repair_of(CALL)
        assert protocol.repairs == b""
        assert answered(protocol, b"$3\r\nsha\r\n") == []
        assert answered(protocol, b":7\r\n") == [[b"PONG", 7, b"PONG"]]

    def test_what_was_asked_meanwhile_does_not_wait(self, protocol):
        protocol.request([CALL])
        protocol.request([PING])

        assert answered(protocol, UNKNOWN + b"+PONG\r\n") == [[b"PONG"]]
        assert answered(protocol, b"$3\r\nsha\r\n:7\r\n") == [[7]]

    def test_several_calls_of_one_request_are_repeated(self, protocol):
        other = scripts.PUSH_QUEUE.call(("r",), 100)
        protocol.request([CALL, other])

        assert answered(protocol, UNKNOWN * 2) == []
        assert protocol.take_repairs() == self.repair_of(CALL, other)
        assert answered(protocol, b"$3\r\nsha\r\n:1\r\n") == []
        assert answered(protocol, b"$3\r\nsha\r\n:2\r\n") == [[1, 2]]

    def test_it_is_tried_once(self, protocol):
        """Where loading is forbidden it would never end."""
        protocol.request([CALL])
        answered(protocol, UNKNOWN)
        protocol.take_repairs()

        ((error,),) = answered(protocol, b"-NOPERM no\r\n" + UNKNOWN)

        assert str(error).startswith("NOSCRIPT")
        assert protocol.repairs == b""

    def test_a_repeated_call_can_end_the_connection_too(self, protocol):
        protocol.request([CALL])
        answered(protocol, UNKNOWN)

        ((error,),) = answered(protocol, b"$3\r\nsha\r\n-READONLY no\r\n")

        assert protocol.end is error

    def test_all_that_is_incomplete_at_the_end_is_known_once(self, protocol):
        protocol.request([CALL, CALL], "repaired")
        protocol.request([PING], "asked")
        answered(protocol, UNKNOWN * 2)

        assert protocol.abandon() == ["asked", "repaired"]
        assert protocol.abandon() == []


class TestSetUp:
    def answers(self, client_id=3, info=VERSION_7, role=(), load=b"sha"):
        return [client_id, info, *role, *(load for _ in scripts.ALL)]

    def test_all_scripts_are_loaded_first_thing(self, protocol):
        names, *loads = protocol.set_up()[1:]

        assert names == ("INFO", "server")
        assert loads == [script.load() for script in scripts.ALL]
        assert protocol.check_set_up(self.answers()) == 3

    def test_a_server_that_is_too_old_is_refused(self, protocol):
        with pytest.raises(UnsupportedRedis, match=r"example\.org:6379 is Redis 6\.2\.1"):
            protocol.check_set_up(self.answers(info=b"redis_version:6.2.1\r\n"))

    def test_valkey_is_taken_for_the_redis_that_it_stands_for(self, protocol):
        info = b"# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\n"

        assert protocol.check_set_up(self.answers(info=info)) == 3

    def test_what_an_acl_forbids_is_done_without(self, protocol):
        forbidden = ResponseError("NOPERM no")

        assert protocol.check_set_up(self.answers(forbidden, forbidden)) == 0

    def test_a_server_that_loads_no_scripts_is_not_ready(self, protocol):
        with pytest.raises(LayerUnavailable, match="does not load scripts: LOADING"):
            protocol.check_set_up(self.answers(load=ResponseError("LOADING it is")))

    def test_a_master_is_asked_whether_it_is_one(self):
        protocol = RedisProtocol(Target("tcp", {}, service="mymaster"))

        assert protocol.set_up()[2] == ("ROLE",)
        assert protocol.check_set_up(self.answers(role=([b"master", 0, []],))) == 3
        assert protocol.check_set_up(self.answers(role=(ResponseError("NOPERM no"),))) == 3
        with pytest.raises(LayerUnavailable, match="is not the master of 'mymaster'"):
            protocol.check_set_up(self.answers(role=([b"slave", b"other", 1, b"connect", 0],)))


def test_redis_time_goes_on_between_measurements():
    now = [100.0]
    clock = RedisClock(lambda: now[0])
    assert not clock.fresh
    clock.measure((b"1800000000", b"500000"), 98.0)

    assert clock.fresh
    assert clock.now_ms() == 1_800_000_001_500
    now[0] += 60
    assert not clock.fresh
    assert clock.now_ms() == 1_800_000_061_500
