"""Every order in which messages can reach a response (docs/channels1.md#http-messages)."""

import pytest

from channels.interface_server.protocol.http import (
    Fail,
    Finish,
    Response,
    ResponseState,
    Start,
    Write,
)
from channels.replies import Malformed


@pytest.fixture
def waiting():
    return Response()


@pytest.fixture
def started():
    response = Response()
    response.reply({"status": 200, "more_content": True})
    return response


def test_the_smallest_response(waiting):
    assert waiting.reply({"status": 204}) == [Start(204, []), Finish()]
    assert waiting.state is ResponseState.COMPLETE


def test_a_whole_response(waiting):
    actions = waiting.reply(
        {
            "status": 200,
            "headers": [(b"Content-Type", b"text/plain"), [b"X-A", b" 1 "]],
            "content": b"hello",
            "status_text": b"Fine",
            "another": "key",
        }
    )

    assert actions == [
        Start(200, [(b"Content-Type", b"text/plain"), (b"X-A", b" 1 ")]),
        Write(b"hello"),
        Finish(),
    ]


def test_a_response_in_chunks(waiting):
    first = waiting.reply({"status": 200, "content": b"a", "more_content": True})
    assert waiting.state is ResponseState.STARTED
    second = waiting.reply({"content": b"b", "more_content": True})
    third = waiting.reply({"content": b"c"})

    assert first == [Start(200, []), Write(b"a")]
    assert second == [Write(b"b")]
    assert third == [Write(b"c"), Finish()]
    assert waiting.state is ResponseState.COMPLETE


def test_an_empty_chunk_writes_nothing(started):
    assert started.reply({"more_content": True}) == []
    assert started.reply({"content": None}) == [Finish()]


def test_str_headers_are_taken_as_latin_1(waiting):
    actions = waiting.reply({"status": 200, "headers": (("X-Name", "J\xf6rg"),)})

    assert actions[0] == Start(200, [(b"X-Name", b"J\xf6rg")])


def test_absent_headers_are_none(waiting):
    assert waiting.reply({"status": 200, "headers": None})[0] == Start(200, [])


@pytest.mark.parametrize(
    "value", [b"a\r\nSet-Cookie: b", b"a\nSet-Cookie: b", "a\r\0Set-Cookie: b"]
)
def test_a_value_cannot_start_another_header(waiting, value):
    actions = waiting.reply({"status": 200, "headers": [(b"X-A", value)]})

    assert actions[0] == Start(200, [(b"X-A", b"a Set-Cookie: b")])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "needs a status"),
        ({"content": b"a"}, "needs a status"),
        ({"text": "a"}, "needs a status"),
        ({"status": "200"}, "status must be an int, not str"),
        ({"status": True}, "status must be an int, not bool"),
        ({"status": None}, "status must be an int, not NoneType"),
        ({"status": 101}, "status 101 cannot be sent"),
        ({"status": 1000}, "status 1000 cannot be sent"),
        ({"status": 200, "headers": 5}, "headers must be a list of pairs, not int"),
        ({"status": 200, "headers": {"a": "b"}}, "headers must be a list of pairs, not dict"),
        ({"status": 200, "headers": "ab"}, "headers must be a list of pairs, not str"),
        ({"status": 200, "headers": [b"ab"]}, "must be a pair"),
        ({"status": 200, "headers": [(b"a", b"b", b"c")]}, "must be a pair"),
        ({"status": 200, "headers": [(b"a", 5)]}, "header value must be bytes, not int"),
        ({"status": 200, "headers": [(None, b"a")]}, "header name must be bytes, not NoneType"),
        ({"status": 200, "headers": [(b"", b"a")]}, "not a valid header name"),
        ({"status": 200, "headers": [(b"a b", b"a")]}, "not a valid header name"),
        ({"status": 200, "headers": [(b"a\r\nb", b"a")]}, "not a valid header name"),
        ({"status": 200, "headers": [(b"a", "\u20ac")]}, "beyond latin-1"),
        ({"status": 200, "content": "text"}, "content must be bytes, not str"),
        ([], "must be a dict, not list"),
    ],
)
def test_a_malformed_first_message_is_ignored_and_a_correct_one_still_counts(
    waiting, message, said
):
    (malformed,) = waiting.reply(message)

    assert isinstance(malformed, Malformed)
    assert said in malformed.problem
    assert waiting.reply({"status": 200}) == [Start(200, []), Finish()]


@pytest.mark.parametrize(
    ("message", "said"),
    [({"status": 200}, "a second status"), ([], "a reply must be a dict, not list")],
)
def test_a_malformed_later_message_is_ignored_and_the_response_goes_on(started, message, said):
    (malformed,) = started.reply(message)

    assert said in malformed.problem
    assert started.reply({"content": b"a"}) == [Write(b"a"), Finish()]


def test_a_malformed_chunk_fails_as_the_body_can_never_be_complete(started):
    malformed, *rest = started.reply({"content": "text"})

    assert "content must be bytes" in malformed.problem
    assert rest == [Fail(500)]


ERROR_PAGE = {"status": 500, "content": b"Internal Server Error", "__failed__": True}


def test_a_worker_that_failed_ends_a_response_that_has_begun(started):
    assert started.reply(ERROR_PAGE) == [Fail(500)]
    assert started.reply({"content": b"a"}) == []


def test_a_worker_that_failed_answers_a_request_that_waits(waiting):
    assert waiting.reply(ERROR_PAGE) == [Start(500, []), Write(b"Internal Server Error"), Finish()]


def test_contradicting_lengths_are_malformed_and_equal_ones_do_not(waiting):
    one, two = (b"Content-Length", b"1"), (b"content-length", b"2")

    assert Response().reply({"status": 200, "headers": [one, one]}) == [
        Start(200, [one, one]),
        Finish(),
    ]
    assert waiting.reply({"status": 200, "headers": [one, two]}) == [
        Malformed("more than one Content-Length: 1, 2")
    ]


def test_a_server_push_is_dropped(waiting):
    assert waiting.reply({"request": {"path": "/style.css"}}) == []
    assert waiting.state is ResponseState.WAITING
    assert waiting.reply({"status": 200}) == [Start(200, []), Finish()]


def test_nothing_follows_a_complete_response(waiting):
    waiting.reply({"status": 200})

    assert waiting.reply({"content": b"more"}) == []
    assert waiting.reply({"status": 200}) == []


def test_nothing_follows_a_failure(started):
    started.reply({"content": 5})
    assert started.reply({"content": b"a"}) == []


def test_nothing_follows_the_end(started):
    started.end()
    assert started.reply({"content": b"a"}) == []
