"""Conformance of the server's client: groups, response bodies, sockets and the register."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from channels.layers.base import Presence
from channels.layers.clients import (
    HEARTBEAT_INTERVAL,
    GroupMessage,
    GroupSend,
    Joined,
    MoreBody,
    ProcessEntry,
    Reply,
    Send,
    SocketEntry,
)
from channels.layers.conformance.common import CAPACITY, Clock, Layer, MakeLayer
from tests.conformance.suites.serving import MAILBOX, MEBIBYTE, Servers


class ProcessRules(Servers):
    """Groups, response bodies, sockets and the register."""

    # -- groups --------------------------------------------------------------------------

    def test_a_group_message_comes_once_with_its_members(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                for local in ("c", "a", "b"):
                    layer.group_add("group", MAILBOX + local)
                layer.group_add("group", "web.other!x")
                layer.group_discard("group", MAILBOX + "a")

                layer.send_group("group", {"n": 1})

                (item,) = await self.delivered(listener, 1)
                await client.mark()
                assert isinstance(item, GroupMessage)
                assert (item.group, item.message) == ("group", {"n": 1})
                assert list(item.members) == ["c", "b"]
                assert len(listener.messages()) == 1

        self.run(test())

    def test_the_members_are_those_at_the_moment_of_the_send(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                layer.group_add("group", MAILBOX + "b")
                layer.send_group("group", {"n": 2})
                layer.group_discard("group", MAILBOX + "a")
                layer.send_group("group", {"n": 3})

                items = await self.delivered(listener, 3)
                assert [list(item.members) for item in items if isinstance(item, GroupMessage)] == [
                    ["a"],
                    ["a", "b"],
                    ["b"],
                ]

        self.run(test())

    def test_each_server_gets_its_own_members(self, layer: Layer) -> None:
        async def test() -> None:
            async with (
                self.serving(layer, "web.one!") as (_, told_one),
                self.serving(layer, "web.two!") as (_, told_two),
            ):
                for channel in ("web.one!a", "web.two!b", "web.one!c"):
                    layer.group_add("group", channel)
                layer.send_group("group", {"n": 1})
                (one,) = await self.delivered(told_one, 1)
                (two,) = await self.delivered(told_two, 1)
            assert isinstance(one, GroupMessage)
            assert isinstance(two, GroupMessage)
            assert (list(one.members), list(two.members)) == (["a", "c"], ["b"])

        self.run(test())

    def test_a_group_without_members_here_sends_nothing_here(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.group_discard("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                await client.mark()
                # An item that finds nobody is allowed, but it must name nobody.
                for item in listener.messages():
                    assert isinstance(item, GroupMessage)
                    assert list(item.members) == []

        self.run(test())

    def test_replies_and_group_messages_of_one_exchange_keep_their_order(
        self, layer: Layer
    ) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.group_add("group", MAILBOX + "a")
                with self.working(layer, "work") as worker:
                    await self.exchanged(
                        worker,
                        Send(MAILBOX + "a", {"n": 1}),
                        GroupSend("group", {"n": 2}),
                        Send(MAILBOX + "a", {"n": 3}),
                    )
                items = await self.delivered(listener, 3)
                assert [
                    item.message["n"] for item in items if isinstance(item, (Reply, GroupMessage))
                ] == [1, 2, 3]
                assert [type(item) for item in items] == [Reply, GroupMessage, Reply]

        self.run(test())

    def test_a_join_is_told_before_the_groups_messages(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                await self.delivered(listener, 1)
                assert listener.items[0] == Joined("group", "a")
                assert set(client.memberships("a")) == {"group"}
                assert set(client.memberships("b")) == set()

        self.run(test())

    def test_a_membership_forgotten_is_discarded(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                for group in ("first", "second"):
                    for local in ("a", "b"):
                        layer.group_add(group, MAILBOX + local)
                await listener.until(lambda: len(listener.items) >= 4, self.patience)

                client.forget([("first", "a"), ("second", "a"), ("second", "nobody")])
                await client.mark()

                await listener.until(lambda: not client.memberships("a"), self.patience)
                assert set(client.memberships("b")) == {"first", "second"}
            # stop() has sent what was queued, so it is seen everywhere.
            assert MAILBOX + "a" not in layer.group_channels("first")
            assert MAILBOX + "a" not in layer.group_channels("second")

        self.run(test())

    def test_memberships_expire_unless_kept(self, short_lived: Layer, clock: Clock) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (client, listener):
                for local in ("kept", "gone"):
                    short_lived.group_add("group", MAILBOX + local)
                await listener.until(lambda: len(listener.items) >= 2, self.patience)
                await asyncio.to_thread(clock.advance, self.group_expiry * 0.6)
                client.keep(["kept", "unknown"])
                await client.mark()
                await asyncio.to_thread(clock.advance, self.group_expiry * 0.6)

                short_lived.send_group("group", {"n": 1})

                (item,) = await self.delivered(listener, 1)
                assert isinstance(item, GroupMessage)
                assert list(item.members) == ["kept"]
                assert list(short_lived.group_channels("group")) == [MAILBOX + "kept"]

        self.run(test())

    # -- response bodies -----------------------------------------------------------------

    def test_a_body_is_told_of_once_and_read_in_order(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                for n in range(5):
                    layer.send_body(MAILBOX + "a", {"n": n})
                assert await self.delivered(listener, 1) == [MoreBody("a")]

                first = await client.read_body("a", 3)
                second = await client.read_body("a", 3)
                third = await client.read_body("a", 3)
                assert [chunk["n"] for chunk in first] == [0, 1, 2]
                assert [chunk["n"] for chunk in second] == [3, 4]
                assert third == []
                assert await client.read_body("other", 3) == []

                layer.send_body(MAILBOX + "a", {"n": 5})
                items = await self.delivered(listener, 2)
                assert items == [MoreBody("a"), MoreBody("a")]
                assert await client.read_body("a", 3) == [{"n": 5}]

        self.run(test())

    def test_a_body_takes_no_room_in_the_mailbox(self, make_layer: MakeLayer) -> None:
        layer = make_layer(channel_capacity={"web.*!": 1})

        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                for n in range(300):  # the loop does not run meanwhile
                    layer.send_body(MAILBOX + "a", {"n": n})
                layer.send(MAILBOX + "b", {})
                assert await self.delivered(listener, 2) == [MoreBody("a"), Reply("b", {})]

        self.run(test())

    def test_a_body_that_nobody_reads_is_bounded(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                chunk = {"content": b"x" * MEBIBYTE}
                stored = 0
                with contextlib.suppress(layer.ChannelFull):
                    while stored < 20:
                        layer.send_body(MAILBOX + "a", chunk)
                        stored += 1
                assert 7 <= stored <= 8
                layer.send_body(MAILBOX + "b", chunk)

                assert len(await client.read_body("a", 2)) == 2
                layer.send_body(MAILBOX + "a", chunk)

        self.run(test())

    def test_who_sends_to_a_client_that_is_gone_can_know(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                for local in ("a", "b"):
                    layer.send_body(MAILBOX + local, {"n": 1})
                assert layer.presence(MAILBOX + "a") is Presence.HERE
                await client.mark()

                client.gone("a")
                await client.mark()

                assert layer.presence(MAILBOX + "a") is Presence.GONE
                assert layer.presence(MAILBOX + "b") is Presence.HERE
                assert layer.presence("web.plain!a") is Presence.HERE
                assert layer.presence("main") is Presence.HERE
                assert await client.read_body("a", 3) == []
                assert await client.read_body("b", 3) == [{"n": 1}]

        self.run(test())

    def test_it_tells_what_workers_listen_on(self, layer: Layer) -> None:
        assert layer.listened_on() == frozenset()
        with self.working(layer, "main", "other"), self.working(layer, "main", "third"):
            assert layer.listened_on() == {"main", "other", "third"}
        assert layer.listened_on() == frozenset()

    # -- sockets and processes -----------------------------------------------------------

    def test_a_socket_is_written_down_with_its_frames(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                for local in ("a", "b"):
                    socket = SocketEntry(local, "/chat/", client.now())
                    assert await self.sent(client, "main?c", {}, opens=socket) is None
                assert self.open_sockets(layer, MAILBOX) == {"a", "b"}

                assert await self.sent(client, "main?d", {}, closes="a") is None
                assert self.open_sockets(layer, MAILBOX) == {"b"}

        self.run(test())

    def test_a_socket_whose_frame_was_refused_is_not_written_down(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                for _ in range(CAPACITY):
                    await self.sent(client, "main?c", {})
                socket = SocketEntry("a", "/chat/", client.now())
                refused = await self.sent(client, "main?c", {}, opens=socket)
                assert isinstance(refused, layer.ChannelFull)
                assert self.open_sockets(layer, MAILBOX) == set()

        self.run(test())

    def test_servers_and_workers_are_on_the_register(self, layer: Layer, clock: Clock) -> None:
        async def test() -> None:
            held: set[bytes] = set()
            async with self.serving(layer) as (client, _):
                with self.working(layer, "one", "two", held=held):
                    entries = await self.eventually(client.processes, lambda e: len(e) == 2, clock)
                    server, worker = sorted(entries, key=lambda entry: entry.kind)
                    assert (server.kind, server.name) == ("server", MAILBOX)
                    assert server.info["version"] == "test"
                    assert server.channels == frozenset()
                    assert worker.kind == "worker"
                    assert worker.channels == {"one", "two"}
                    assert worker.unanswered == frozenset()
                    assert abs(worker.seen - client.now()) < self.patience

                    held.add(client.receipt_bytes(12))
                    await self.eventually(
                        client.processes, lambda e: self.of_worker(e).unanswered == held, clock
                    )
                await self.eventually(client.processes, lambda e: len(e) == 1, clock)

        self.run(test())

    def test_heartbeats_are_numbered(self, layer: Layer, clock: Clock) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                with self.working(layer, "one"):
                    before = self.of_worker(
                        await self.eventually(client.processes, lambda e: len(e) == 2, clock)
                    )
                    await asyncio.to_thread(clock.advance, HEARTBEAT_INTERVAL)
                    after = self.of_worker(
                        await self.eventually(
                            client.processes, lambda e: self.of_worker(e).beat > before.beat, clock
                        )
                    )
                    assert after.name == before.name
                    assert after.seen > before.seen

        self.run(test())

    def test_a_server_that_stopped_is_off_the_register(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer, "web.one!") as (one, _):
                async with self.serving(layer, "web.two!"):
                    names = {entry.name for entry in await one.processes()}
                    assert names == {"web.one!", "web.two!"}
                assert {entry.name for entry in await one.processes()} == {"web.one!"}

        self.run(test())

    def test_a_server_that_runs_is_settled(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                assert client.mailbox == MAILBOX
                assert client.settled_since <= client.now()

        self.run(test())

    def of_worker(self, entries: Sequence[ProcessEntry]) -> ProcessEntry:
        """Return the entry of the only worker."""
        (worker,) = (entry for entry in entries if entry.kind == "worker")
        return worker
