"""Every order in which replies can reach a socket (docs/channels1.md#websocket-messages)."""

import pytest

from channels.interface_server.protocol.websocket import (
    Accept,
    Close,
    Due,
    Reject,
    SendPayload,
    Socket,
    SocketState,
    look,
)
from channels.interface_server.settings import Settings
from channels.replies import Malformed, payload_of, problem_when_open


@pytest.fixture
def connecting():
    return Socket()


@pytest.fixture
def opened():
    sock = Socket()
    sock.reply({"accept": True})
    return sock


def problem(actions):
    """Return what was found malformed; there must be exactly one such action."""
    (found,) = [action.problem for action in actions if isinstance(action, Malformed)]
    return found


class TestWhileConnecting:
    def test_accept_completes_the_handshake(self, connecting):
        assert connecting.reply({"accept": True}) == [Accept()]
        assert connecting.state is SocketState.OPEN

    def test_any_truthy_accept_accepts(self, connecting):
        assert connecting.reply({"accept": "yes"}) == [Accept()]

    @pytest.mark.parametrize("accept", [False, 0])
    def test_accept_false_rejects_and_ignores_the_rest(self, connecting, accept):
        actions = connecting.reply({"accept": accept, "text": "hello", "close": 3000})

        assert actions == [Reject(403)]
        assert connecting.state is SocketState.CLOSING

    @pytest.mark.parametrize("accept", [None, ""])
    def test_an_empty_accept_says_nothing(self, connecting, accept):
        assert connecting.reply({"accept": accept}) == []
        assert connecting.state is SocketState.CONNECTING

    def test_text_accepts_first(self, connecting):
        assert connecting.reply({"text": "hello"}) == [Accept(), SendPayload("hello")]

    def test_bytes_accept_first(self, connecting):
        assert connecting.reply({"bytes": b"\x00"}) == [Accept(), SendPayload(b"\x00")]

    def test_accept_with_text_accepts_once(self, connecting):
        assert connecting.reply({"accept": True, "text": "hi"}) == [Accept(), SendPayload("hi")]

    def test_accept_with_empty_data_only_accepts(self, connecting):
        assert connecting.reply({"accept": True, "text": "", "bytes": b""}) == [Accept()]

    @pytest.mark.parametrize("empty", ["", b"", None])
    def test_empty_data_does_not_accept(self, connecting, empty):
        key = "bytes" if isinstance(empty, bytes) else "text"
        assert connecting.reply({key: empty}) == []
        assert connecting.state is SocketState.CONNECTING

    def test_text_and_close_accepts_sends_and_closes(self, connecting):
        actions = connecting.reply({"text": "bye", "close": True})

        assert actions == [Accept(), SendPayload("bye"), Close(1000)]
        assert connecting.state is SocketState.CLOSING

    def test_accept_and_close_accepts_and_closes_with_the_code(self, connecting):
        assert connecting.reply({"accept": True, "close": 4001}) == [Accept(), Close(4001)]

    @pytest.mark.parametrize("close", [True, 1000, 4000, 7, -1, "yes", 1.5])
    def test_close_rejects_whatever_the_code(self, connecting, close):
        assert connecting.reply({"close": close}) == [Reject(403)]

    def test_empty_text_and_close_rejects(self, connecting):
        assert connecting.reply({"text": "", "close": True}) == [Reject(403)]

    def test_an_empty_message_does_nothing(self, connecting):
        assert connecting.reply({}) == []
        assert connecting.state is SocketState.CONNECTING

    @pytest.mark.parametrize(
        "message",
        [
            {"status": 200},
            {"text": "a", "type": "websocket.send"},
            {"text": "a", "bytes": b"a"},
            {"accept": True, "subprotocol": "x"},
            {1: 2},
        ],
    )
    def test_a_malformed_reply_is_ignored_and_a_correct_one_still_counts(self, connecting, message):
        actions = connecting.reply(message)

        assert problem(actions)
        assert len(actions) == 1
        assert connecting.state is SocketState.CONNECTING
        assert connecting.reply({"accept": True}) == [Accept()]

    @pytest.mark.parametrize(
        "message", [{"text": 5}, {"bytes": "text"}, {"accept": True, "text": "a", "bytes": b"a"}]
    )
    def test_accepting_counts_although_the_data_is_malformed(self, connecting, message):
        actions = connecting.reply(message)

        assert actions[0] == Accept()
        assert problem(actions)
        assert len(actions) == 2
        assert connecting.state is SocketState.OPEN

    def test_the_server_can_refuse(self, connecting):
        assert connecting.close(1012) == [Reject(503)]
        assert connecting.state is SocketState.CLOSING

    def test_the_server_can_refuse_with_another_status(self, connecting):
        assert connecting.close(1011, 500) == [Reject(500)]


class TestWhileOpen:
    def test_text_is_sent(self, opened):
        assert opened.reply({"text": "hello", "bytes": None}) == [SendPayload("hello")]

    def test_bytes_are_sent(self, opened):
        assert opened.reply({"text": "", "bytes": b"\xff"}) == [SendPayload(b"\xff")]

    @pytest.mark.parametrize("accept", [True, False, 0, None])
    def test_accept_is_ignored_and_the_rest_counts(self, opened, accept):
        assert opened.reply({"accept": accept, "text": "x"}) == [SendPayload("x")]
        assert opened.state is SocketState.OPEN

    def test_accept_alone_does_nothing(self, opened):
        assert opened.reply({"accept": True}) == []
        assert opened.reply({"accept": False}) == []
        assert opened.state is SocketState.OPEN

    def test_an_empty_text_frame_can_be_sent(self, opened):
        assert opened.reply({"text": ""}) == [SendPayload("")]

    def test_an_empty_binary_frame_can_be_sent(self, opened):
        assert opened.reply({"text": None, "bytes": b""}) == [SendPayload(b"")]

    def test_an_empty_message_does_nothing(self, opened):
        assert opened.reply({}) == []

    @pytest.mark.parametrize("absent", [0, False, []])
    def test_a_falsy_value_of_another_type_counts_as_absent(self, opened, absent):
        assert opened.reply({"text": absent}) == []

    @pytest.mark.parametrize(
        ("close", "code"),
        [(True, 1000), *((code, code) for code in (1000, 1001, 1003, 1007, 1014, 3000, 4999))],
    )
    def test_close_sends_the_code(self, opened, close, code):
        assert opened.reply({"close": close}) == [Close(code)]
        assert opened.state is SocketState.CLOSING

    @pytest.mark.parametrize("close", [False, 0, None])
    def test_a_falsy_close_does_nothing(self, opened, close):
        assert opened.reply({"close": close}) == []
        assert opened.state is SocketState.OPEN

    def test_data_goes_before_close(self, opened):
        assert opened.reply({"text": "bye", "close": 3001}) == [SendPayload("bye"), Close(3001)]

    def test_empty_text_with_close_only_closes(self, opened):
        assert opened.reply({"text": "", "close": True}) == [Close(1000)]

    @pytest.mark.parametrize("close", [1, 999, 1004, 1005, 1006, 1015, 2999, 5000, -3000])
    def test_a_code_that_cannot_be_sent_is_malformed(self, opened, close):
        actions = opened.reply({"close": close})

        assert str(close) in problem(actions)
        assert len(actions) == 1
        assert opened.state is SocketState.OPEN

    @pytest.mark.parametrize(
        ("message", "said"),
        [
            ({"text": "a", "bytes": b"b"}, "both text and bytes"),
            ({"text": b"a"}, "text must be str, not bytes"),
            ({"bytes": "a"}, "bytes must be bytes, not str"),
            ({"bytes": bytearray(b"a")}, "bytes must be bytes, not bytearray"),
            ({"close": "1000"}, "close must be True or an int, not str"),
            ({"close": 1000.0}, "close must be True or an int, not float"),
            ({"text": "a", "foo": 1, "bar": 2}, "unknown key 'bar', 'foo'"),
            ("text", "must be a dict, not str"),
            (None, "must be a dict, not NoneType"),
        ],
    )
    def test_a_malformed_reply_is_ignored_and_says_why(self, opened, message, said):
        actions = opened.reply(message)

        assert said in problem(actions)
        assert len(actions) == 1
        assert opened.state is SocketState.OPEN

    def test_data_before_a_bad_code_is_sent(self, opened):
        actions = opened.reply({"text": "bye", "close": 99})

        assert actions[0] == SendPayload("bye")
        assert problem(actions)
        assert len(actions) == 2
        assert opened.state is SocketState.OPEN

    def test_the_server_can_close(self, opened):
        assert opened.close(1012) == [Close(1012)]
        assert opened.state is SocketState.CLOSING


class TestAfterTheEnd:
    @pytest.mark.parametrize("message", [{"text": "a"}, {"close": 5}, {"foo": 1}, {"accept": True}])
    def test_replies_to_a_closing_socket_do_nothing(self, opened, message):
        opened.close(1000)

        assert opened.reply(message) == []
        assert opened.state is SocketState.CLOSING

    def test_closing_again_does_nothing(self, opened):
        opened.close(1000)
        assert opened.close(1012) == []

    def test_nothing_happens_to_a_socket_that_is_gone(self, opened):
        opened.gone()

        assert opened.reply({"text": "a"}) == []
        assert opened.close(1000) == []
        assert opened.state is SocketState.CLOSED

    def test_a_handshake_may_vanish(self, connecting):
        connecting.gone()

        assert connecting.reply({"accept": True}) == []
        assert connecting.close(1000) == []


class TestTheShortWay:
    @pytest.mark.parametrize(
        ("message", "payload"),
        [
            ({"text": "a"}, "a"),
            ({"text": ""}, ""),
            ({"bytes": b"a"}, b"a"),
            ({"text": b"a"}, None),
            ({"bytes": "a"}, None),
            ({"close": True}, None),
            ({"text": "a", "bytes": None}, None),
            ({}, None),
        ],
    )
    def test_one_frame_is_told_from_everything_else(self, message, payload):
        assert payload_of(message) == payload

    @pytest.mark.parametrize("message", [{"text": "a"}, {"text": ""}, {"bytes": b"a"}])
    def test_it_says_what_the_machine_says(self, opened, message):
        (action,) = opened.reply(message)
        payload = payload_of(message)
        assert action == SendPayload(payload)

    def test_a_message_can_be_checked_without_a_socket(self):
        assert problem_when_open({"text": "a", "close": 4000}) is None
        assert "unknown key" in problem_when_open({"foo": 1})

    @pytest.mark.parametrize(
        "message",
        [
            {"text": "a", "foo": 1},
            {"text": "a", "bytes": b"b"},
            {"text": 1},
            {"bytes": "a"},
            {"close": 99},
            {"close": "yes"},
            {"text": "a", "close": 1005},
            {"accept": False, "close": 1.5},
            {"text": "", "bytes": b"", "close": 0, "accept": False},
            {"close": True},
            {},
            {"accept": True, "text": "a", "__consumer__": "app.connect"},
            5,
        ],
    )
    def test_the_check_without_a_socket_says_what_an_open_one_does(self, opened, message):
        problems = [one.problem for one in opened.reply(message) if isinstance(one, Malformed)]
        assert problems == [problem for problem in [problem_when_open(message)] if problem]


SETTINGS = Settings(websocket_timeout=1000, ping_interval=20, ping_timeout=30)


def at(now, settings=SETTINGS, **changes):
    state = {"born": 0, "heard_at": 100, "pinged_at": None, "paused": False, **changes}
    return look(settings, now, **state)


class TestWhatIsDue:
    """A pure function of times."""

    def test_a_socket_is_pinged_after_silence(self):
        assert at(119) == (Due.NOTHING, 1)
        assert at(120) == (Due.PING, None)

    def test_a_ping_without_answer_ends_in_a_drop(self):
        assert at(149, pinged_at=120) == (Due.NOTHING, 1)
        assert at(150, pinged_at=120) == (Due.DROP, None)

    def test_the_end_of_its_life_goes_before_a_ping(self):
        assert at(1000, heard_at=980) == (Due.END, None)
        assert at(990, heard_at=985) == (Due.NOTHING, 10)

    @pytest.mark.parametrize("pinged_at", [None, 120])
    def test_a_socket_that_is_not_read_is_neither_pinged_nor_dropped(self, pinged_at):
        assert at(500, paused=True, pinged_at=pinged_at) == (Due.NOTHING, 500)
        assert at(1000, paused=True, pinged_at=pinged_at) == (Due.END, None)

    def test_limits_can_be_off(self):
        settings = Settings(websocket_timeout=-1, ping_interval=0)

        assert at(10**9, settings) == (Due.NOTHING, None)

    def test_a_life_of_no_time_at_all_ends_at_once(self):
        assert at(0, Settings(websocket_timeout=0)) == (Due.END, None)
