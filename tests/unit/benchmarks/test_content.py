"""The check of what a socket receives: what is lost, comes twice, comes late or is not ours."""

import pytest

from benchmarks.load.content import SIZE, Counts, Inbox, Script, total


class Exchange:
    """A script, its inbox, and the answers to what was asked, as a server would send them."""

    def __init__(self, asked):
        self.script = Script(7)
        self.frames = [answer_to(self.script.ask()) for _ in range(asked)]
        self.inbox = Inbox(self.script)

    def arrives(self, *numbers):
        return sum(self.inbox.feed(self.frames[number]) for number in numbers)


def answer_to(frame):
    """What an echoing server sends: the text behind header and mask, with a header of its own."""
    assert frame[:6] == bytes([0x81, 0x80 | SIZE, 0, 0, 0, 0])
    return bytes([0x81, SIZE]) + frame[6:]


def test_each_message_carries_the_number_of_its_socket_and_its_own():
    script = Script(42)

    texts = [script.ask()[6:] for _ in range(2)]

    assert [text[:18] for text in texts] == [b"00000042:00000000:", b"00000042:00000001:"]
    assert {len(text) for text in texts} == {SIZE}


def test_what_arrives_once_and_in_order_is_right():
    exchange = Exchange(asked=3)

    assert exchange.arrives(0, 1, 2) == 3
    assert exchange.inbox.counts() == Counts()
    assert not exchange.inbox.counts()


@pytest.mark.parametrize(
    ("arrivals", "counts"),
    [
        ([], Counts(lost=4)),
        ([0, 1], Counts(lost=2)),
        ([0, 2, 3], Counts(lost=1)),
        ([0, 1, 2, 3, 3], Counts(duplicated=1)),
        ([0, 0, 1, 1, 2, 3], Counts(duplicated=2)),
        ([0, 2, 1, 3], Counts(reordered=1)),
        ([3, 2, 1, 0], Counts(reordered=3)),
        ([1, 0, 0, 1], Counts(lost=2, duplicated=2, reordered=1)),
    ],
)
def test_what_goes_wrong_is_counted_by_its_kind(arrivals, counts):
    exchange = Exchange(asked=4)

    new = exchange.arrives(*arrivals)

    assert exchange.inbox.counts() == counts
    assert new == len(set(arrivals))


@pytest.mark.parametrize("size", [1, 2, 5, 33, 34, 35, 50, 102])
def test_bytes_may_arrive_in_pieces_of_any_size(size):
    exchange = Exchange(asked=3)
    wire = b"".join(exchange.frames)

    new = sum(exchange.inbox.feed(wire[at : at + size]) for at in range(0, len(wire), size))

    assert (new, exchange.inbox.counts()) == (3, Counts())


def test_another_sockets_answer_is_foreign_and_ours_stays_missing():
    exchange = Exchange(asked=1)
    other = answer_to(Script(8).ask())

    assert exchange.inbox.feed(other) == 0
    assert exchange.inbox.counts() == Counts(lost=1, foreign=1)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x81\x0ewho are you???", id="other text"),
        pytest.param(b"\x81\x7e\x00\x80" + b"x" * 128, id="long"),
        pytest.param(b"\x82\x20" + b"00000007:00000000:" + b"x" * 14, id="binary"),
        pytest.param(b"\x81\x20" + b"00000007:00000009:" + b"x" * 14, id="never asked"),
        pytest.param(b"\x81\x20" + b"00000007:00000000:" + b"x" * 13 + b"y", id="damaged"),
        pytest.param(b"\x88\x02\x03\xe8", id="close"),
    ],
)
def test_anything_else_is_foreign_and_what_follows_is_understood(frame):
    exchange = Exchange(asked=1)

    assert exchange.inbox.feed(frame + exchange.frames[0]) == 1
    assert exchange.inbox.counts() == Counts(foreign=1)


def test_a_ping_is_answered_and_counts_as_nothing():
    exchange = Exchange(asked=1)

    exchange.inbox.feed(b"\x89\x02hi" + exchange.frames[0])

    assert exchange.inbox.pinged == [b"\x8a\x82\0\0\0\0hi"]
    assert exchange.inbox.counts() == Counts()


def test_members_of_a_group_are_checked_one_by_one():
    script = Script(0)
    frames = [answer_to(script.ask()) for _ in range(2)]
    first, second, third = (Inbox(script) for _ in range(3))

    first.feed(frames[0] + frames[1])
    second.feed(frames[1] + frames[0])
    third.feed(frames[0] + frames[0])

    assert total([first, second, third]) == Counts(lost=1, duplicated=1, reordered=1)
