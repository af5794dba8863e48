"""Conformance of the interface server's client (:class:`channels.layers.clients.ServerClient`)."""

from __future__ import annotations

from collections.abc import Callable

from channels.layers.clients import UNREADABLE, NotRun, Reply
from channels.layers.conformance.common import Layer
from tests.conformance.suites.frames import FrameRules
from tests.conformance.suites.processes import ProcessRules
from tests.conformance.suites.serving import MAILBOX, Servers


class ServerClientConformance(FrameRules, ProcessRules):
    """Rules for interface servers; see :mod:`channels.layers.conformance` for the fixtures."""


class UndecodableConformance(Servers):
    """Rules for layers that store bytes; needs the fixture ``spoil`` besides the others."""

    def test_an_undecodable_frame_is_reported_and_left_out(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                with self.working(layer, "main?abc") as worker:
                    await self.sent(client, "main?abc", {"n": 1}, receipt=1)
                    spoil(layer, "main?abc")
                    await self.sent(client, "main?abc", {"n": 2}, receipt=2)
                    frame = await self.taken(worker)
                assert frame.messages == [{"n": 2}]
                assert await self.delivered(listener, 1) == [NotRun(1, UNREADABLE)]

        self.run(test())

    def test_plain_receive_passes_over_an_undecodable_message(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        layer.send("main?abc", {"n": 1})
        spoil(layer, "main?abc")
        layer.send("main?abc", {"n": 2})

        assert self.receive_all(layer, "main?abc") == [("main?abc", {"n": 2})]

    def test_an_undecodable_reply_does_not_stop_the_mailbox(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        layer.send(MAILBOX + "a", {"n": 1})
        spoil(layer, MAILBOX)
        layer.send(MAILBOX + "a", {"n": 2})

        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.send(MAILBOX + "a", {"n": 3})
                items = await self.delivered(listener, 1)
                await listener.until(lambda: Reply("a", {"n": 3}) in listener.items, self.patience)
                assert Reply("a", {"n": 1}) not in items

        self.run(test())
