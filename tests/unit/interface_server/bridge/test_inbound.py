"""The in-flight rule of one socket."""

import pytest

from channels.interface_server.bridge.inbound import InboundBuffer


@pytest.fixture
def buffer():
    """A socket whose connect has been run."""
    buffer = InboundBuffer("web!abc", "/chat")
    buffer.connect({"path": "/chat"})
    buffer.answered()
    return buffer


def following(buffer, most=100, size=10_000):
    buffer.answered()
    return buffer.next(most, size)


def texts(frame):
    return [message.get("text", message.get("bytes")) for message in frame]


def orders(frame):
    return [message["order"] for message in frame]


def test_connect_is_number_0_and_in_flight():
    buffer = InboundBuffer("web!abc", "/chat")

    message = buffer.connect({"path": "/chat", "headers": []})

    assert message == {"path": "/chat", "headers": [], "reply_channel": "web!abc", "order": 0}
    assert buffer.busy


def test_the_first_payload_leaves_at_once(buffer):
    assert buffer.take("hello") == [
        {"reply_channel": "web!abc", "path": "/chat", "order": 1, "text": "hello"}
    ]
    assert buffer.busy


def test_bytes_travel_under_their_own_key(buffer):
    assert buffer.take(b"\x00") == [
        {"reply_channel": "web!abc", "path": "/chat", "order": 1, "bytes": b"\x00"}
    ]


def test_what_comes_while_a_frame_is_in_flight_leaves_together(buffer):
    buffer.take("1")
    for payload in ("2", b"3", "4"):
        buffer.hold(payload)
    assert buffer.next(100, 10_000) is None

    frame = following(buffer)

    assert texts(frame) == ["2", b"3", "4"]
    assert orders(frame) == [2, 3, 4]
    assert buffer.busy


def test_nothing_follows_when_nothing_waits(buffer):
    buffer.take("1")

    assert following(buffer) is None
    assert not buffer.busy
    assert buffer.take("2")[0]["order"] == 2


def test_what_waits_leaves_in_order(buffer):
    buffer.hold("1")
    buffer.hold("2")
    assert texts(buffer.next(100, 10_000)) == ["1", "2"]


def test_a_frame_is_bounded_by_count(buffer):
    buffer.take("0")
    for n in range(5):
        buffer.hold(str(n))

    assert texts(following(buffer, most=2)) == ["0", "1"]
    assert texts(following(buffer, most=2)) == ["2", "3"]
    assert texts(following(buffer, most=2)) == ["4"]


def test_a_frame_is_bounded_by_size_but_holds_one_message(buffer):
    buffer.take("0")
    for payload in ("x" * 50, "aaa", "bbb", "ccc"):
        buffer.hold(payload)

    assert texts(following(buffer, size=6)) == ["x" * 50]
    assert texts(following(buffer, size=6)) == ["aaa", "bbb"]
    assert texts(following(buffer, size=6)) == ["ccc"]


def test_what_waits_is_counted(buffer):
    buffer.take("0")
    buffer.hold("abc")
    buffer.hold(b"de")
    assert (buffer.waiting, buffer.size) == (2, 5)

    following(buffer)

    assert (buffer.waiting, buffer.size) == (0, 0)


def test_text_counts_as_it_travels(buffer):
    buffer.take("0")
    buffer.hold("\u20ac")
    assert buffer.size == 3
    buffer.discard()
    assert buffer.size == 0


def test_a_refused_frame_leaves_next_with_its_numbers(buffer):
    buffer.take("1")
    buffer.hold("2")

    buffer.put_back()
    assert buffer.waiting == 2
    buffer.hold("3")

    again = buffer.next(100, 10_000)
    assert texts(again) == ["1", "2", "3"]
    assert orders(again) == [1, 2, 3]


def test_a_lost_frame_leaves_next_alone_with_its_numbers(buffer):
    buffer.take("1")
    buffer.hold("2")

    for losses in (1, 2):
        assert buffer.lost() == losses
        assert buffer.waiting == 2
        again = buffer.next(100, 10_000)
        assert (texts(again), orders(again)) == (["1"], [1])

    behind = following(buffer)
    assert (texts(behind), orders(behind)) == (["2"], [2])
    assert buffer.lost() == 1


def test_a_lost_frame_that_is_refused_still_leaves_alone(buffer):
    buffer.take("1")
    buffer.hold("2")
    buffer.lost()
    buffer.next(100, 10_000)
    buffer.put_back()

    assert texts(buffer.next(100, 10_000)) == ["1"]
    assert texts(following(buffer)) == ["2"]


def test_discarding_a_lost_frame_keeps_its_numbers_as_it_may_have_been_seen(buffer):
    buffer.take("1")
    buffer.hold("2")
    buffer.lost()

    assert buffer.discard() == 2

    assert orders(buffer.take("3")) == [2]


def test_discarding_leaves_no_gap_in_the_numbers(buffer):
    buffer.take("1")
    buffer.hold("2")

    assert buffer.discard() == 1

    assert following(buffer) is None
    buffer.end = 1001
    assert buffer.disconnect() == {
        "reply_channel": "web!abc",
        "path": "/chat",
        "order": 2,
        "code": 1001,
    }


def test_discarding_a_refused_frame_takes_its_numbers_back(buffer):
    buffer.take("1")
    buffer.hold("2")
    buffer.put_back()

    assert buffer.discard() == 2

    assert buffer.waiting == 0
    assert buffer.disconnect()["order"] == 1


def test_discarding_nothing_is_no_harm(buffer):
    assert buffer.discard() == 0


def test_the_disconnect_of_a_silent_socket_is_number_1(buffer):
    assert buffer.disconnect()["order"] == 1
