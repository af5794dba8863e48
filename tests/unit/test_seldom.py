"""Facts that repeat are logged once a minute for each key."""

from channels.seldom import MOST_KEYS, PAUSE, Seldom
from tests.support.clock import Clock


def test_a_key_is_due_once_a_minute_and_others_have_their_own_minute():
    clock = Clock(0.0)
    seldom = Seldom(clock)

    assert seldom.due("/chat/")
    assert not seldom.due("/chat/")
    assert seldom.due("/game/")

    clock.now = PAUSE - 0.1
    assert not seldom.due("/chat/")
    clock.now = PAUSE
    assert seldom.due("/chat/")
    assert not seldom.due("/chat/")


def test_the_memory_is_bounded_and_forgets_the_oldest_first():
    clock = Clock(0.0)
    seldom = Seldom(clock)
    for n in range(MOST_KEYS + 1):
        assert seldom.due(n)

    assert not seldom.due(MOST_KEYS)
    assert seldom.due(0)
