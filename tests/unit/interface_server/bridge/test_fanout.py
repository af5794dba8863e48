"""Group messages to many members: some in each turn of the loop, and nothing overtakes."""

import pytest

from channels.interface_server.bridge.fanout import BETWEEN_LOOKS, MOST_WAITING, SLICE
from channels.layers.clients import GroupMessage, Reply
from tests.unit.interface_server.fakes import FakeRequest, local_of


class Group:
    """Members of a group; to write to one of them takes so long that a slice serves few."""

    def __init__(self, bench, count):
        self.bench = bench
        self.members = [bench.open() for _ in range(count)]
        #: What was sent at once, in order: the member and its frames.
        self.writes = []
        for at, (port, _) in enumerate(self.members):
            port.send_now = self.writing(at, port.send_now)

    def writing(self, at, send_now):
        def write(frames):
            self.bench.clock.now += SLICE / BETWEEN_LOOKS
            self.writes.append((at, [text for _, text in frames]))
            send_now(frames)

        return write

    def local(self, at):
        return local_of(self.members[at][1])

    def message(self, text, members=None):
        members = self.members if members is None else [self.members[at] for at in members]
        return GroupMessage("chat", [local_of(end) for _, end in members], {"text": text})

    def calls(self, at):
        return self.members[at][0].calls

    def turns(self, count=1):
        clock = self.bench.clock
        for _ in range(count):
            wait = clock.heap[0][0] - clock.now
            if wait < 1:  # else that is no next turn
                clock.advance(wait)


@pytest.fixture
def group(bench):
    return Group(bench, 3 * BETWEEN_LOOKS)


def test_a_slice_of_the_members_is_served_in_each_turn_in_the_order_of_joining(bench, group):
    served = []
    bench.hub.deliver([group.message("hi")])
    for _ in range(3):
        served.append([at for at, _ in group.writes])
        group.turns()

    assert [len(members) for members in served] == [16, 32, 48]
    assert served[-1] == list(range(48))
    assert bench.clock.timers == 1  # the renewal of memberships: the loop is not kept awake


def test_what_comes_in_a_turn_adds_no_slice_to_it(bench, group):
    bench.hub.deliver([group.message("hi")])
    bench.hub.deliver([Reply("nobody", {"text": "late"})])
    bench.hub.deliver([group.message("again")])
    assert len(group.writes) == BETWEEN_LOOKS


def test_others_get_their_replies_before_the_last_member_is_served(bench, group):
    port, end = bench.open()
    bench.hub.deliver([group.message("hi"), Reply(local_of(end), {"text": "echo"})])
    assert port.calls == [("text", "echo")]
    assert group.calls(-1) == []


def test_a_reply_does_not_overtake_a_group_message(bench, group):
    bench.hub.deliver([group.message("first"), group.message("second")])
    bench.hub.deliver([Reply(group.local(-1), {"text": "reply"})])
    assert group.calls(-1) == [("text", "first"), ("text", "second"), ("text", "reply")]

    group.turns(3)
    assert len(group.calls(-1)) == 3  # each of them once


def test_messages_between_replies_come_between_them_and_once(bench, group):
    items = [
        (group.message(f"group {n}"), Reply(group.local(20), {"text": f"reply {n}"}))
        for n in range(3)
    ]
    members = items[0][0].members
    for message, _ in items:
        message.members = members  # as when nobody joins or leaves
    bench.hub.deliver([one for pair in items for one in pair])
    group.turns(3)

    both = [f"{what} {n}" for n in range(3) for what in ("group", "reply")]
    assert [text for _, text in group.calls(20)] == both
    assert [text for _, text in group.calls(21)] == ["group 0", "group 1", "group 2"]
    assert [at for at, _ in group.writes].count(21) == 1


def test_messages_to_several_groups_keep_their_order(bench, group):
    last = 3 * BETWEEN_LOOKS - 1
    bench.hub.deliver([group.message("to all")])
    bench.hub.deliver([group.message("to two", [last, 0]), group.message("to one", [last])])
    group.turns(3)

    assert group.calls(last) == [("text", "to all"), ("text", "to two"), ("text", "to one")]
    assert group.calls(0) == [("text", "to all"), ("text", "to two")]


def test_a_member_with_several_messages_due_gets_them_in_one_write(bench, group):
    bench.hub.deliver([group.message("one"), group.message("two", [0, 1]), group.message("three")])
    assert group.writes[:3] == [
        (0, ["one", "two", "three"]),
        (1, ["one", "two", "three"]),
        (2, ["one", "three"]),
    ]


def test_a_message_that_closes_comes_in_its_place(bench, group):
    close = GroupMessage("chat", [group.local(0)], {"text": "bye", "close": 4000})
    bench.hub.deliver([group.message("one"), close, group.message("two")])
    assert group.calls(0) == [("text", "one"), ("text", "bye"), ("close", 4000)]
    assert group.calls(1) == [("text", "one"), ("text", "two")]


def test_members_that_leave_meanwhile_are_skipped(bench, group):
    bench.hub.deliver([group.message("hi")])
    bench.layer.reply(group.members[20][1], {"close": 4000})
    group.members[21][1].gone(1001)
    group.turns(3)

    assert group.calls(20) == [("text", "hi"), ("close", 4000)]  # its own consumer closed it
    assert group.calls(21) == []
    assert group.calls(22) == [("text", "hi")]


def test_what_waits_for_members_is_bounded(bench, group):
    texts = [str(n) for n in range(MOST_WAITING + 1)]
    for text in texts[:-1]:
        bench.hub.deliver([group.message(text)])
    assert group.calls(-1) == []

    bench.hub.deliver([group.message(texts[-1])])
    assert group.calls(-1) == [("text", text) for text in texts[:-1]]

    group.turns(3)
    assert group.calls(-1) == [("text", text) for text in texts]


def test_a_server_that_stops_closes_no_member_before_it_has_its_message(bench, group):
    bench.hub.deliver([group.message("last orders")])
    bench.hub.drain(0)
    assert group.calls(-1) == [("text", "last orders"), ("close", 1012)]


def test_requests_that_wait_in_a_group_get_theirs_in_order(bench, group):
    request = FakeRequest()
    end = bench.hub.open_http(request, {"path": "/poll"}, None)
    parts = [{"status": 200, "content": b"a", "more_content": True}, {"content": b"b"}]
    for part in parts:
        members = [*map(group.local, range(20)), local_of(end)]
        bench.hub.deliver([GroupMessage("chat", members, part)])
    group.turns(3)
    assert request.body == b"ab"
