"""The in-flight rule of one socket."""

import pytest

from channels.interface_server.bridge.inbound import Inbound


@pytest.fixture
def inbound():
    """A socket whose connect has been run."""
    inbound = Inbound("web!abc", "/chat")
    inbound.connect({"path": "/chat"})
    inbound.answered()
    return inbound


def following(inbound, most=100, size=10_000):
    inbound.answered()
    return inbound.next(most, size)


def texts(frame):
    return [message.get("text", message.get("bytes")) for message in frame]


def orders(frame):
    return [message["order"] for message in frame]


def test_connect_is_number_0_and_in_flight():
    inbound = Inbound("web!abc", "/chat")

    message = inbound.connect({"path": "/chat", "headers": []})

    assert message == {"path": "/chat", "headers": [], "reply_channel": "web!abc", "order": 0}
    assert inbound.busy


def test_the_first_payload_leaves_at_once(inbound):
    assert inbound.take("hello") == [
        {"reply_channel": "web!abc", "path": "/chat", "order": 1, "text": "hello"}
    ]
    assert inbound.busy


def test_bytes_travel_under_their_own_key(inbound):
    assert inbound.take(b"\x00") == [
        {"reply_channel": "web!abc", "path": "/chat", "order": 1, "bytes": b"\x00"}
    ]


def test_what_comes_while_a_frame_is_in_flight_leaves_together(inbound):
    inbound.take("1")
    assert [inbound.take(text) for text in ("2", b"3", "4")] == [None, None, None]
    assert inbound.next(100, 10_000) is None

    frame = following(inbound)

    assert texts(frame) == ["2", b"3", "4"]
    assert orders(frame) == [2, 3, 4]
    assert inbound.busy


def test_nothing_follows_when_nothing_waits(inbound):
    inbound.take("1")

    assert following(inbound) is None
    assert not inbound.busy
    assert inbound.take("2")[0]["order"] == 2


def test_a_held_payload_is_not_overtaken(inbound):
    inbound.hold("1")
    assert inbound.take("2") is None
    assert texts(inbound.next(100, 10_000)) == ["1", "2"]


def test_a_frame_is_bounded_by_count(inbound):
    inbound.take("0")
    for n in range(5):
        inbound.take(str(n))

    assert texts(following(inbound, most=2)) == ["0", "1"]
    assert texts(following(inbound, most=2)) == ["2", "3"]
    assert texts(following(inbound, most=2)) == ["4"]


def test_a_frame_is_bounded_by_size_but_holds_one_message(inbound):
    inbound.take("0")
    for payload in ("x" * 50, "aaa", "bbb", "ccc"):
        inbound.take(payload)

    assert texts(following(inbound, size=6)) == ["x" * 50]
    assert texts(following(inbound, size=6)) == ["aaa", "bbb"]
    assert texts(following(inbound, size=6)) == ["ccc"]


def test_what_waits_is_counted(inbound):
    inbound.take("0")
    inbound.take("abc")
    inbound.take(b"de")
    assert (inbound.waiting, inbound.size) == (2, 5)

    following(inbound)

    assert (inbound.waiting, inbound.size) == (0, 0)


def test_text_counts_as_it_travels(inbound):
    inbound.take("0")
    inbound.take("\u20ac")
    assert inbound.size == 3
    inbound.discard()
    assert inbound.size == 0


def test_a_refused_frame_leaves_next_with_its_numbers(inbound):
    frame = inbound.take("1")
    inbound.take("2")

    inbound.put_back(frame)
    assert inbound.waiting == 2
    assert inbound.take("3") is None

    again = inbound.next(100, 10_000)
    assert texts(again) == ["1", "2", "3"]
    assert orders(again) == [1, 2, 3]


def test_discarding_leaves_no_gap_in_the_numbers(inbound):
    inbound.take("1")
    inbound.take("2")

    assert inbound.discard() == 1

    assert following(inbound) is None
    inbound.end = 1001
    assert inbound.farewell() == {
        "reply_channel": "web!abc",
        "path": "/chat",
        "order": 2,
        "code": 1001,
    }


def test_discarding_a_refused_frame_takes_its_numbers_back(inbound):
    frame = inbound.take("1")
    inbound.take("2")
    inbound.put_back(frame)

    assert inbound.discard() == 2

    assert inbound.waiting == 0
    assert inbound.farewell()["order"] == 1


def test_discarding_nothing_is_no_harm(inbound):
    assert inbound.discard() == 0


def test_the_farewell_of_a_silent_socket_is_number_1(inbound):
    assert inbound.farewell()["order"] == 1
