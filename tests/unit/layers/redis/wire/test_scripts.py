"""The scripts, each against a real Redis."""

from __future__ import annotations

import struct

import pytest

from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.keys import Keys
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

KEYS = Keys()
BOX = "web.abc!"
DAY = 86_400_000


@pytest.fixture
def run(redis_server):
    client = redis_server.client
    for script in scripts.ALL:
        client.script_load(script.text)

    def run(script, keys, *arguments):
        return client.execute_command(*script.call(keys, *arguments))

    return run


@pytest.fixture
def now(redis_server):
    def now():
        seconds, micros = redis_server.client.time()
        return seconds * 1000 + micros // 1000

    return now


@pytest.fixture
def queue(run):
    """Push frames to the queue ``work``."""
    keys = [KEYS.queue("work"), KEYS.statistics("work"), KEYS.global_statistics]

    def push(*frames, capacity=100, ttl=60_000):
        return run(scripts.PUSH_QUEUE, keys, capacity, ttl, *frames)

    return push


@pytest.fixture
def mail(run):
    """Push ``(class, item)`` pairs to the mailbox."""
    keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.entry(BOX)]

    def push(*pairs, capacity=100, size=1 << 25, fixed=0, ttl=60_000):
        flat = [part for pair in pairs for part in pair]
        return run(scripts.PUSH_MAILBOX, keys, capacity, size, fixed, ttl, DAY, *flat)

    return push


@pytest.fixture
def change(run):
    def change(script, local, group, ttl=DAY):
        keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.members(BOX, group), KEYS.groups(BOX)]
        return run(script, keys, local, group, ttl)

    return change


@pytest.fixture
def pop(run):
    def pop():
        keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.members(BOX, ""), KEYS.body(BOX, "")]
        raw = run(scripts.POP_MAILBOX, keys)
        return None if raw is None else items.read_item(raw)

    return pop


@pytest.fixture
def waiting(redis_server):
    def waiting():
        raw = redis_server.client.lrange(KEYS.mail(BOX), 0, -1)
        return [items.read_item(item) for item in raw]

    return waiting


def m(text):
    return (scripts.MESSAGE, items.reply_item("a", text))


def g(text, group="room"):
    return (scripts.GROUP, items.group_item(group, text))


def frame(receipt=b"\0", ttl=60_000):
    return items.frame(b"\x80", ttl, receipt=receipt)


def meta(server):
    return {k.decode(): int(v) for k, v in server.client.hgetall(KEYS.meta(BOX)).items()}


class TestQueues:
    def test_a_push_stores_as_many_as_fit_and_counts_the_rest(self, queue, redis_server):
        assert queue(*[frame()] * 3, capacity=5) == [3]
        assert queue(*[frame()] * 3, capacity=5) == [2]
        assert queue(frame(), capacity=5) == [0]

        assert redis_server.client.llen(KEYS.queue("work")) == 5
        counters = redis_server.client.hgetall(KEYS.statistics("work"))
        assert counters == {b"messages_count": b"5", b"channel_full_count": b"2"}
        assert redis_server.client.hgetall(KEYS.global_statistics) == counters
        assert 3590 < redis_server.client.ttl(KEYS.statistics("work")) <= 3600
        assert 86390 < redis_server.client.ttl(KEYS.global_statistics) <= 86400

    def test_counters_of_a_channel_with_one_reader_are_kept_briefly(self, run, redis_server):
        """Each large request body has such a channel of its own."""
        channel = "http.request.body?abc"
        keys = [KEYS.queue(channel), KEYS.statistics(channel), KEYS.global_statistics]
        run(scripts.PUSH_QUEUE, keys, 100, 60_000, frame())

        assert 50 < redis_server.client.ttl(KEYS.statistics(channel)) <= 60

    def test_a_push_past_the_capacity_is_never_refused(self, queue):
        assert queue(*[frame()] * 7, capacity=-1) == [7]

    def test_the_stamp_is_the_expiry_in_redis_time(self, queue, redis_server, now):
        before = now()
        queue(frame(ttl=5000), ttl=5000)

        stored = redis_server.client.lindex(KEYS.queue("work"), 0)

        expiry_ms, _, ttl_ms = struct.unpack_from(">QBI", stored)
        assert before + 5000 <= expiry_ms <= now() + 5000
        assert ttl_ms == 5000

    def test_a_long_lived_frame_keeps_the_whole_list(self, queue, redis_server):
        queue(frame(), ttl=1000)
        queue(frame(), ttl=DAY, capacity=-1)
        queue(frame(), ttl=1000)

        assert redis_server.client.pttl(KEYS.queue("work")) > 80_000_000

    def test_expired_frames_make_room_and_their_receipts_come_back(self, queue, run, now):
        receipt = items.receipt_for(BOX, 77)
        expired = struct.pack(">Q", now() - 1)
        run(
            scripts.GIVE_BACK,
            [KEYS.queue("work")],
            "tail",
            expired + frame(),
            expired + frame(receipt),
            struct.pack(">Q", now() + 9000) + frame(),
        )

        assert queue(frame(), frame(), capacity=3) == [2, receipt]
        assert queue(frame(), capacity=3) == [0]

    def test_frames_go_back_to_the_head_in_their_order(self, queue, run, redis_server, now):
        queue(items.frame(b"last", 9))
        stamp = struct.pack(">Q", now() + 9000)
        run(
            scripts.GIVE_BACK,
            [KEYS.queue("work")],
            "head",
            stamp + items.frame(b"one", 9),
            stamp + items.frame(b"two", 9),
        )
        run(scripts.GIVE_BACK, [KEYS.queue("work")], "tail", stamp + items.frame(b"end", 9))

        stored = redis_server.client.lrange(KEYS.queue("work"), 0, -1)
        header = 8 + len(items.frame(b"", 9))

        assert [raw[header:] for raw in stored] == [b"one", b"two", b"last", b"end"]

    def test_giving_back_to_an_empty_queue_sets_its_lifetime(self, run, redis_server, now):
        run(
            scripts.GIVE_BACK,
            [KEYS.queue("work")],
            "head",
            struct.pack(">Q", now() + 9000) + frame(),
        )

        left = redis_server.client.pttl(KEYS.queue("work")) - scripts.GRACE_MS
        assert 8000 < left <= 9000

    def test_a_queue_outlives_its_frames_so_that_they_can_be_answered(self, queue, redis_server):
        queue(frame(items.receipt_for(BOX, 1)), ttl=1)
        wait_until(lambda: queue(capacity=0) != [0], "the frame has expired")

        assert not redis_server.client.exists(KEYS.queue("work"))

    def test_trimming_answers_and_stores_nothing(self, queue, run, redis_server, now):
        receipt = items.receipt_for(BOX, 7)
        stamp = struct.pack(">Q", now() - 1)
        run(scripts.GIVE_BACK, [KEYS.queue("work")], "tail", stamp + frame(receipt))
        queue(frame())

        assert queue(capacity=0) == [0, receipt]
        assert queue(capacity=0) == [0]
        assert redis_server.client.llen(KEYS.queue("work")) == 1
        assert redis_server.client.hgetall(KEYS.statistics("work")) == {
            b"messages_count": b"1",
            b"expired_count": b"1",
        }

    def test_receipts_that_wait_are_found(self, queue, run):
        mine = [items.receipt_for(BOX, number) for number in range(4)]
        queue(frame(mine[1]), frame(), frame(mine[3]), frame(items.receipt_for("web.other!", 2)))

        assert run(scripts.FIND_RECEIPTS, [KEYS.queue("work")], *mine) == [mine[1], mine[3]]


class TestMailboxes:
    def test_items_carry_the_counters_in_order(self, mail, waiting, change):
        assert mail(m(b"1"), (scripts.CONTROL, items.receipt_item(9)), g(b"22")) == [3, 0, 0]
        assert change(scripts.JOIN, "a", "room") == 1

        found = waiting()

        assert [item.kind for item in found] == ["R", "A", "G", "J"]
        assert [item.pushed for item in found] == [1, 1, 2, 2]
        assert [item.pushed_bytes for item in found] == [4, 4, 12, 12]
        assert [item.number for item in found] == [0, 0, 0, 1]
        assert found[1].receipt == 9
        assert (found[3].local, found[3].group) == ("a", "room")

    def test_nothing_overtakes_a_message_that_found_it_full(self, mail, waiting, redis_server):
        control = (scripts.CONTROL, items.receipt_item(1))

        assert mail(m(b"1"), m(b"2"), m(b"3"), control, m(b"4"), capacity=2) == [2, 0, 0]

        assert len(waiting()) == 2
        assert meta(redis_server)["full"] == 2

    def test_full_group_items_are_skipped_and_counted(self, mail, waiting, redis_server):
        control = (scripts.CONTROL, items.receipt_item(1))

        assert mail(m(b"1"), g(b"2"), control, g(b"3"), capacity=1) == [4, 2, 0]

        assert [item.kind for item in waiting()] == ["R", "A"]
        assert meta(redis_server)["skipped"] == 2

    def test_bytes_count_too_but_one_message_always_fits(self, mail):
        assert mail(m(b"x" * 500), size=100) == [1, 0, 0]
        assert mail(m(b"x"), size=100) == [0, 0, 0]

    def test_what_the_reader_reports_makes_room(self, mail, redis_server):
        mail(*[m(b"1")] * 3, capacity=3)
        taken = items.read_item(redis_server.client.lpop(KEYS.mail(BOX), 2)[-1])
        redis_server.client.hset(
            KEYS.meta(BOX), mapping={"tm": taken.pushed, "tb": taken.pushed_bytes}
        )

        assert mail(m(b"1"), m(b"2"), m(b"3"), capacity=3) == [2, 0, 0]

    def test_a_list_that_expired_whole_leaves_no_trace_in_the_count(self, mail, redis_server):
        mail(*[m(b"1")] * 3, capacity=3)
        redis_server.client.delete(KEYS.mail(BOX))

        assert mail(m(b"1"), capacity=3) == [1, 0, 0]
        assert mail(m(b"2"), m(b"3"), m(b"4"), capacity=3) == [2, 0, 0]

    def test_expired_messages_make_room(self, mail, redis_server, now):
        mail(m(b"1"), m(b"2"), capacity=2, ttl=60_000)
        for index in range(2):
            raw = redis_server.client.lindex(KEYS.mail(BOX), index)
            redis_server.client.lset(KEYS.mail(BOX), index, struct.pack(">Q", now() - 1) + raw[8:])

        assert mail(m(b"3"), m(b"4"), m(b"5"), capacity=2) == [2, 0, 0]
        assert meta(redis_server)["expired"] == 2

    def test_the_reader_s_own_capacity_counts_unless_the_name_is_configured(
        self, mail, redis_server
    ):
        redis_server.client.hset(KEYS.meta(BOX), mapping={"cap": 4, "capb": 1 << 25})
        redis_server.client.hset(KEYS.entry(BOX), "kind", "server")

        assert mail(*[m(b"1")] * 5, capacity=2) == [4, 0, 0]
        assert mail(m(b"1"), capacity=5, fixed=1) == [1, 0, 0]

    def test_a_full_mailbox_of_a_dead_server_drops_messages_and_takes_the_rest(
        self, mail, redis_server, waiting
    ):
        redis_server.client.hset(KEYS.meta(BOX), mapping={"cap": 1, "capb": 1 << 25})
        mail(m(b"1"), capacity=1)

        control = (scripts.CONTROL, items.receipt_item(1))
        assert mail(m(b"2"), control, m(b"3"), capacity=1) == [3, 0, 2]

        assert [item.kind for item in waiting()] == ["R", "A"]
        assert meta(redis_server)["dropped"] == 2

    def test_a_control_item_keeps_the_list_for_longer(self, mail, redis_server):
        mail(m(b"1"))
        assert redis_server.client.pttl(KEYS.mail(BOX)) <= 60_000
        mail((scripts.CONTROL, items.receipt_item(1)))
        assert redis_server.client.pttl(KEYS.mail(BOX)) > 60_000


class TestMemberships:
    def test_joins_and_leaves_are_numbered_and_travel_in_the_mailbox(
        self, change, waiting, redis_server, now
    ):
        assert change(scripts.JOIN, "a", "room") == 1
        assert change(scripts.JOIN, "a", "room") == 2
        assert change(scripts.LEAVE, "a", "room") == 3
        # Told of all the same: the process may know more than a Redis that lost its memory.
        assert change(scripts.LEAVE, "b", "room") == 4

        found = waiting()
        assert [(i.kind, i.local, i.group, i.number) for i in found] == [
            ("J", "a", "room", 1),
            ("J", "a", "room", 2),
            ("L", "a", "room", 3),
            ("L", "b", "room", 4),
        ]
        joins = redis_server.client.lrange(KEYS.mail(BOX), 0, 1)
        assert [raw[-1] for raw in joins] == [1, 0]  # whether it was no member before
        assert abs(found[0].member_expiry_ms - now() - DAY) < 10_000
        assert not redis_server.client.exists(KEYS.members(BOX, "room"), KEYS.groups(BOX))

    def test_a_snapshot_has_every_membership_and_the_number(self, change, run):
        change(scripts.JOIN, "a", "room")
        change(scripts.JOIN, "b", "room")
        change(scripts.JOIN, "a", "hall")

        number, *rest = run(
            scripts.SNAPSHOT, [KEYS.meta(BOX), KEYS.groups(BOX), KEYS.members(BOX, "")]
        )

        members = {group: found[::2] for group, found in zip(rest[::2], rest[1::2], strict=True)}
        assert number == 3
        assert members == {b"room": [b"a", b"b"], b"hall": [b"a"]}


class TestPlainReceive:
    def test_messages_come_in_order_and_leave_no_list(self, mail, pop, redis_server):
        mail(m(b"1"), m(b"2"))

        assert [pop().payload, pop().payload, pop()] == [b"1", b"2", None]
        assert not redis_server.client.exists(KEYS.mail(BOX))
        assert meta(redis_server)["tm"] == 2

    def test_a_group_item_becomes_one_message_for_each_member(self, mail, pop, change):
        change(scripts.JOIN, "a", "room")
        change(scripts.JOIN, "b", "room")
        mail(g(b"hello"), m(b"after"))

        found = [pop() for _ in range(3)]

        assert sorted(item.local for item in found[:2]) == ["a", "b"]
        assert [item.payload for item in found] == [b"hello", b"hello", b"after"]
        assert pop() is None

    def test_members_are_those_at_the_time_of_the_send(self, mail, pop, change):
        change(scripts.JOIN, "old", "room")
        change(scripts.JOIN, "gone", "room")
        mail(g(b"hello"))
        change(scripts.JOIN, "new", "room")
        change(scripts.JOIN, "old", "room")  # renewed, not new
        change(scripts.LEAVE, "gone", "room")

        assert pop().local == "old"
        assert pop() is None

    def test_what_expired_is_counted_and_left_out(self, mail, pop, redis_server, now):
        mail(m(b"1"), m(b"2"))
        raw = redis_server.client.lindex(KEYS.mail(BOX), 0)
        redis_server.client.lset(KEYS.mail(BOX), 0, struct.pack(">Q", now() - 1) + raw[8:])

        assert pop().payload == b"2"
        assert meta(redis_server)["expired"] == 1

    def test_body_chunks_come_in_order_with_what_follows_them_behind(self, mail, pop, run):
        keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.body(BOX, "a")]
        for chunk in (b"one", b"two", b"three"):
            assert run(scripts.SEND_BODY, keys, 100, 60_000, DAY, b"B\1a", chunk) == 1
        mail(m(b"after"))

        found = [pop() for _ in range(4)]

        assert [item.payload for item in found] == [b"one", b"two", b"three", b"after"]
        assert {item.local for item in found} == {"a"}


def test_a_body_list_tells_the_process_once_and_has_a_limit(run, redis_server, waiting):
    keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.body(BOX, "a")]

    def send(chunk):
        return run(scripts.SEND_BODY, keys, 10, 60_000, DAY, b"B\1a", chunk)

    assert [send(b"x" * 50), send(b"x")] == [1, 0]  # an empty list takes any chunk
    redis_server.client.lpop(KEYS.body(BOX, "a"), 2)
    assert [send(b"12345"), send(b"67890"), send(b"!")] == [1, 1, 0]
    assert redis_server.client.lpop(KEYS.body(BOX, "a"), 4)[1::2] == [
        b"12345",
        b"67890",
    ]
    assert [item.kind for item in waiting()] == ["B", "B"]


def test_a_full_body_list_of_a_dead_server_takes_anything_and_keeps_nothing(run, redis_server):
    keys = [KEYS.mail(BOX), KEYS.meta(BOX), KEYS.body(BOX, "a"), KEYS.entry(BOX)]
    client = redis_server.client

    def send():
        return run(scripts.SEND_BODY, keys, 10, 60_000, DAY, b"B\1a", b"x" * 10)

    client.hset(KEYS.meta(BOX), "cap", 10)
    client.set(KEYS.entry(BOX), "alive")
    assert [send(), send()] == [1, 0]

    client.delete(KEYS.entry(BOX))
    assert send() == 1
    assert client.llen(KEYS.body(BOX, "a")) == 2  # stamp and payload of the first
    assert meta(redis_server)["dropped"] == 1
