"""The copy of a process's memberships against an authority that is driven at random."""

from __future__ import annotations

import random
from collections import deque

import pytest

from channels.layers.redis.server.memberships import Drift, Membership, Memberships

FAR = 1000.0


def test_a_member_that_joined_is_a_member():
    copy = Memberships()

    assert copy.join(1, "room", "a", FAR) is Drift.NONE

    assert copy.members("room", now=0) == ("a",)
    assert copy.memberships("a") == ("room",)


def test_members_come_in_the_order_in_which_they_joined():
    copy = Memberships()
    for number, local in enumerate("cab", 1):
        copy.join(number, "room", local, FAR + number)

    copy.join(4, "room", "c", FAR + 9)  # a renewal keeps the place

    assert copy.members("room", now=0) == ("c", "a", "b")


def test_a_member_that_left_is_none_and_leaves_nothing_behind():
    copy = Memberships()
    copy.join(1, "room", "a", FAR)

    copy.leave(2, "room", "a")

    assert copy.members("room", now=0) == ()
    assert copy.memberships("a") == ()
    assert copy.all_memberships(now=0) == []


def test_an_expired_member_is_skipped_and_a_renewed_one_is_not():
    copy = Memberships()
    copy.join(1, "room", "a", 10.0)
    copy.join(2, "room", "b", 10.0)
    copy.join(3, "room", "c", 30.0)

    assert copy.renew("b", 20.0) == ["room"]

    assert copy.members("room", now=9.0) == ("a", "b", "c")
    assert copy.members("room", now=10.0) == ("b", "c")
    assert copy.members("room", now=25.0) == ("c",)
    assert copy.memberships("a") == ()


def test_renewing_never_shortens_and_knows_nobody_else():
    copy = Memberships()
    copy.join(1, "room", "a", 10.0)

    copy.renew("a", 5.0)

    assert copy.members("room", now=9.0) == ("a",)
    assert copy.renew("stranger", FAR) == []


def test_a_gap_in_the_numbers_of_changes_asks_for_a_rebuild():
    copy = Memberships()
    copy.join(1, "room", "a", FAR)

    assert copy.join(3, "room", "c", FAR) is Drift.MISSED
    assert copy.leave(3, "room", "a") is Drift.MISSED

    assert copy.members("room", now=0) == ("a",)


def test_a_group_item_that_knows_of_more_changes_asks_for_a_rebuild():
    copy = Memberships()

    assert copy.check(0) is Drift.NONE
    assert copy.check(1) is Drift.MISSED


def test_a_rebuild_passes_over_changes_that_were_queued_before_it():
    copy = Memberships()
    assert copy.join(2, "room", "b", FAR) is Drift.MISSED
    copy.rebuild(4, [("room", "b", FAR), ("room", "d", FAR)])

    assert copy.join(2, "room", "b", FAR) is Drift.NONE
    assert copy.join(3, "room", "c", FAR) is Drift.NONE
    assert copy.leave(4, "room", "c") is Drift.NONE
    assert copy.check(4) is Drift.NONE
    assert copy.join(5, "room", "e", FAR) is Drift.NONE

    assert copy.members("room", now=0) == ("b", "d", "e")


def test_a_rebuild_keeps_the_order_of_those_known_before():
    copy = Memberships()
    copy.join(1, "room", "z", FAR)
    copy.join(2, "room", "a", FAR)

    copy.rebuild(9, [("room", "a", FAR), ("room", "m", FAR), ("room", "z", FAR)])

    assert copy.members("room", now=0) == ("z", "a", "m")


def test_numbers_that_go_backwards_mean_that_the_authority_counts_anew():
    copy = Memberships()
    copy.rebuild(0, [])
    for number in (1, 2, 3):
        copy.join(number, "room", str(number), FAR)

    assert copy.join(1, "room", "x", FAR) is Drift.RESTARTED
    assert copy.check(0) is Drift.RESTARTED


def test_what_the_authority_lost_is_kept_joined_with_what_it_learnt_and_written_back():
    copy = Memberships()
    copy.join(1, "room", "old", FAR)
    copy.join(2, "room", "gone", FAR)
    copy.authority_lost()

    assert copy.join(1, "room", "new", FAR) is Drift.NONE
    assert copy.join(2, "room", "gone", FAR) is Drift.NONE
    assert copy.leave(3, "room", "gone") is Drift.NONE
    assert copy.members("room", now=0) == ("old", "new")
    assert copy.rebuild(7, [("hall", "late", FAR)]) is Drift.NONE  # adds, takes nothing away
    copy.written_back()

    assert copy.all_memberships(now=0) == [
        ("room", "old", FAR),
        ("room", "new", FAR),
        ("hall", "late", FAR),
    ]
    assert copy.join(8, "room", "next", FAR) is Drift.NONE
    assert copy.leave(9, "room", "next") is Drift.NONE


def test_an_authority_that_restarted_is_noticed_by_a_rebuild_too():
    copy = Memberships()
    for number in (1, 2, 3):
        copy.join(number, "room", str(number), FAR)

    assert copy.rebuild(1, [("room", "4", FAR)]) is Drift.RESTARTED

    assert copy.members("room", now=0) == ("1", "2", "3", "4")


def test_a_change_from_before_the_loss_cannot_ask_for_rebuilds_for_ever():
    copy = Memberships()
    assert copy.check(50) is Drift.MISSED

    copy.rebuild(0, [])  # the authority has forgotten it

    assert copy.check(50) is Drift.NONE
    assert copy.join(1, "room", "a", FAR) is Drift.RESTARTED


def test_the_same_item_asks_again_if_there_was_no_rebuild():
    copy = Memberships()

    assert copy.check(50) is Drift.MISSED
    assert copy.check(50) is Drift.MISSED


def test_expired_memberships_are_not_written_back():
    copy = Memberships()
    copy.join(1, "room", "a", 10.0)
    copy.join(2, "room", "b", 20.0)

    assert copy.all_memberships(now=10.0) == [("room", "b", 20.0)]


class Authority:
    """What Redis holds, and the mailbox it fills, with items that can be lost."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.members: dict[tuple[str, str], float] = {}
        self.mailbox: deque[tuple[object, ...]] = deque()

    def join(self, group: str, local: str, expiry: float) -> None:
        self.number += 1
        self.members[group, local] = expiry
        self.push("J", self.number, group, local, expiry)

    def leave(self, group: str, local: str) -> None:
        if self.members.pop((group, local), None) is not None:
            self.number += 1
            self.push("L", self.number, group, local)

    def send(self, group: str) -> None:
        members = {m for (g, m) in self.members if g == group}
        self.push("G", self.number, group, frozenset(members))

    def push(self, *item: object) -> None:
        if self.rng.random() > 0.1:  # one in ten never arrives
            self.mailbox.append(item)

    def snapshot(self) -> list[Membership]:
        return [(group, local, expiry) for (group, local), expiry in self.members.items()]

    def lose_memory(self) -> None:
        self.number = 0
        self.members.clear()
        self.mailbox.clear()


def feed(copy: Memberships, authority: Authority) -> tuple[str, int, frozenset[str]] | None:
    """Take one item as a server does, rebuilding when told to; return it if it is a group item."""
    kind, number, group, *rest = authority.mailbox.popleft()
    while True:
        if kind == "J":
            drift = copy.join(number, group, *rest)
        elif kind == "L":
            drift = copy.leave(number, group, *rest)
        else:
            drift = copy.check(number)
        if drift is Drift.NONE:
            return (group, number, rest[0]) if kind == "G" else None
        if drift is Drift.MISSED:
            assert copy.rebuild(authority.number, authority.snapshot()) is Drift.NONE
        else:
            copy.authority_lost()


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_lost_the_copy_agrees_with_the_authority_in_the_end(seed):
    rng = random.Random(seed)
    authority, copy = Authority(rng), Memberships()
    for _ in range(300):
        step = rng.random()
        group, local = rng.choice("gh"), rng.choice("abcdef")
        if step < 0.3:
            authority.join(group, local, FAR + rng.random())
        elif step < 0.5:
            authority.leave(group, local)
        elif step < 0.7:
            authority.send(group)
        elif authority.mailbox and (item := feed(copy, authority)):
            group, number, expected = item
            if copy.number == number:  # no rebuild has looked into the future
                assert set(copy.members(group, 0)) == expected
        elif step > 0.99:  # a rebuild is safe at any time
            copy.rebuild(authority.number, authority.snapshot())

    while authority.mailbox:
        feed(copy, authority)
    authority.mailbox.append(("G", authority.number, "g", frozenset()))
    feed(copy, authority)

    assert sorted(copy.all_memberships(0)) == sorted(authority.snapshot())
    for local in "abcdef":
        groups = sorted(g for (g, m) in authority.members if m == local)
        assert list(copy.memberships(local)) == groups


@pytest.mark.parametrize("seed", range(100))
def test_memberships_survive_an_authority_that_lost_its_memory(seed):
    rng = random.Random(seed)
    authority, copy = Authority(rng), Memberships()
    for n in range(20):
        authority.join("g", f"old{n}", FAR)
    while authority.mailbox:
        feed(copy, authority)
    copy.rebuild(authority.number, authority.snapshot())
    expected = set(authority.members)

    authority.lose_memory()
    for n in range(rng.randrange(5)):  # the application goes on before anyone notices
        authority.join("g", f"new{n}", FAR)
        expected.add(("g", f"new{n}"))
    if rng.random() < 0.5:
        copy.authority_lost()  # told by the epoch; else the numbers tell
    while authority.mailbox:
        feed(copy, authority)
    copy.authority_lost()
    copy.rebuild(authority.number, authority.snapshot())
    for group, local, expiry in copy.all_memberships(0):
        authority.members[group, local] = expiry
    copy.written_back()

    assert {(g, m) for g, m, _ in copy.all_memberships(0)} == expected
    assert set(authority.members) == expected
    authority.send("g")
    while authority.mailbox:
        feed(copy, authority)
    assert copy.number == authority.number
