"""Who waits for a full channel, and when who is tried again."""

import pytest

from channels.interface_server.bridge.waitlist import WIDEST, Waitlists
from tests.unit.interface_server.fakes import FakeClock

CHANNEL = "websocket.receive"


class Waitlisted:
    def __init__(self, name, log):
        self.name = name
        self.log = log

    def attempt(self):
        self.log.append(self.name)


class Scene:
    def __init__(self):
        self.clock = FakeClock()
        self.up = True
        self.waitlists = Waitlists(self.clock.call_later, lambda: self.up)
        self.tried = []

    def waiters(self, count):
        waiters = [Waitlisted(n, self.tried) for n in range(count)]
        for waiter in waiters:
            self.waitlists.join(CHANNEL, waiter)
        return waiters


@pytest.fixture
def scene():
    return Scene()


def test_the_head_is_tried_after_50_ms_doubling_to_a_second(scene):
    (waiter,) = scene.waiters(1)
    times = []

    for _ in range(8):
        before = len(scene.tried)
        started = scene.clock.now
        while len(scene.tried) == before:
            scene.clock.advance(0.05)
        times.append(round(scene.clock.now - started, 3))
        scene.waitlists.wait(CHANNEL, waiter)

    assert times == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_a_line_has_one_timer_however_many_wait(scene):
    scene.waiters(50)
    assert scene.clock.timers == 1


def test_a_receipt_tries_the_head_at_once(scene):
    scene.waiters(3)

    scene.waitlists.room(CHANNEL)
    assert scene.tried == [0]

    scene.waitlists.room(CHANNEL)
    assert scene.tried == [0, 1]


def test_a_receipt_from_elsewhere_tries_nobody(scene):
    scene.waiters(1)
    scene.waitlists.room("other")
    assert scene.tried == []


def test_a_receipt_for_a_line_that_is_being_tried_whole_is_no_harm(scene):
    scene.waiters(1)
    scene.waitlists.room(CHANNEL)
    scene.waitlists.room(CHANNEL)
    assert scene.tried == [0]


def test_success_widens_the_tries_and_a_refusal_narrows_them(scene):
    waiters = scene.waiters(20)

    scene.waitlists.room(CHANNEL)
    scene.waitlists.stored(CHANNEL, waiters[0])
    assert scene.tried == [0, 1, 2]
    scene.waitlists.stored(CHANNEL, waiters[1])
    assert scene.tried == [0, 1, 2, 3, 4, 5]

    scene.waitlists.wait(CHANNEL, waiters[2])
    for n in (3, 4, 5):
        scene.waitlists.wait(CHANNEL, waiters[n])
    scene.tried.clear()
    scene.clock.advance(0.05)
    assert scene.tried == [2]  # back at its place, and alone


def test_tries_never_get_wider_than_the_bound(scene):
    waiters = scene.waiters(3 * WIDEST)
    scene.waitlists.room(CHANNEL)
    for waiter in waiters[:WIDEST]:
        scene.waitlists.stored(CHANNEL, waiter)
    assert len(scene.tried) == 2 * WIDEST


def test_refused_ones_keep_their_places_whatever_the_order_of_the_news(scene):
    waiters = scene.waiters(4)
    for _ in range(3):
        scene.waitlists.room(CHANNEL)
    for n in (2, 0, 1):
        scene.waitlists.wait(CHANNEL, waiters[n])
    scene.tried.clear()

    for _ in range(4):
        scene.waitlists.room(CHANNEL)

    assert scene.tried == [0, 1, 2, 3]


def test_the_line_and_its_timer_end_with_the_last(scene):
    (waiter,) = scene.waiters(1)
    assert CHANNEL in scene.waitlists.by_channel

    scene.waitlists.room(CHANNEL)
    scene.waitlists.stored(CHANNEL, waiter)

    assert CHANNEL not in scene.waitlists.by_channel
    assert scene.clock.timers == 0


def test_success_starts_the_delays_anew(scene):
    first, second = scene.waiters(2)
    for _ in range(6):
        scene.clock.advance(1)
        scene.waitlists.wait(CHANNEL, first)
    scene.waitlists.room(CHANNEL)
    scene.waitlists.stored(CHANNEL, first)
    scene.waitlists.wait(CHANNEL, second)
    scene.tried.clear()

    scene.clock.advance(0.05)

    assert scene.tried == [1]


def test_who_leaves_is_not_tried(scene):
    waiters = scene.waiters(3)
    scene.waitlists.leave(CHANNEL, waiters[0])
    scene.waitlists.leave(CHANNEL, waiters[0])
    scene.waitlists.leave("other", waiters[0])

    scene.waitlists.room(CHANNEL)

    assert scene.tried == [1]


def test_joining_twice_keeps_the_place(scene):
    waiters = scene.waiters(2)
    scene.waitlists.join(CHANNEL, waiters[0])

    scene.waitlists.room(CHANNEL)
    scene.waitlists.room(CHANNEL)
    scene.waitlists.room(CHANNEL)

    assert scene.tried == [0, 1]


def test_news_of_who_never_waited_is_no_harm(scene):
    scene.waiters(1)
    scene.waitlists.stored(CHANNEL, Waitlisted("stranger", scene.tried))
    assert scene.tried == []


def test_nobody_is_tried_while_the_layer_is_away(scene):
    scene.waiters(2)
    scene.up = False

    scene.waitlists.room(CHANNEL)
    scene.clock.advance(10)
    assert scene.tried == []
    assert scene.clock.timers == 0

    scene.up = True
    scene.waitlists.resume()
    assert scene.tried == [0]
    assert scene.clock.timers == 1


def test_a_line_whose_timer_stopped_with_the_layer_goes_on(scene):
    waiters = scene.waiters(3)
    scene.waitlists.room(CHANNEL)
    scene.up = False
    scene.clock.advance(10)
    scene.up = True

    scene.waitlists.stored(CHANNEL, waiters[0])

    assert scene.tried == [0, 1, 2]
    assert scene.clock.timers == 1


def test_a_line_whose_timer_stopped_with_the_layer_can_be_left(scene):
    (waiter,) = scene.waiters(1)
    scene.up = False
    scene.clock.advance(10)
    scene.waitlists.leave(CHANNEL, waiter)
    assert not scene.waitlists.by_channel


def test_news_of_an_older_frame_does_not_end_the_wait(scene):
    (waiter,) = scene.waiters(1)
    scene.waitlists.stored(CHANNEL, waiter)
    scene.waitlists.room(CHANNEL)
    assert scene.tried == [0]


def test_the_timer_tries_nobody_while_a_try_is_under_way(scene):
    scene.waiters(2)
    scene.waitlists.room(CHANNEL)

    scene.clock.advance(5)

    assert scene.tried == [0]


def test_who_enters_is_tried_at_once_if_nobody_waits(scene):
    scene.waitlists.enter(CHANNEL, Waitlisted("one", scene.tried))
    assert scene.tried == ["one"]
    assert not scene.waitlists.by_channel


def test_who_enters_a_waitlist_waits_in_turn(scene):
    scene.waiters(1)
    scene.waitlists.enter(CHANNEL, Waitlisted("late", scene.tried))
    assert scene.tried == []

    scene.waitlists.room(CHANNEL)
    scene.waitlists.room(CHANNEL)

    assert scene.tried == [0, "late"]


def test_who_enters_while_the_layer_is_away_waits_for_it(scene):
    scene.up = False
    one, two = Waitlisted("one", scene.tried), Waitlisted("two", scene.tried)
    scene.waitlists.enter(CHANNEL, one)
    scene.waitlists.enter(CHANNEL, two)
    scene.clock.advance(5)
    assert scene.tried == []

    scene.up = True
    scene.waitlists.resume()
    scene.waitlists.stored(CHANNEL, one)

    assert scene.tried == ["one", "two"]


def test_the_last_of_a_large_waitlist_comes_as_soon_as_the_first(scene):
    """Each try looks at those being tried only, not at all that have left before."""
    waiters = scene.waiters(20_000)
    for waiter in waiters:
        scene.waitlists.room(CHANNEL)
        scene.waitlists.leave(CHANNEL, waiter)
    assert len(scene.tried) == 20_000
    assert not scene.waitlists.by_channel
