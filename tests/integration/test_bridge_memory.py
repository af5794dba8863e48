"""The bridge on the real in-memory layer, with a real worker thread and a real event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from channels.interface_server.bridge.hub import Hub, open_client
from channels.interface_server.settings import Settings
from channels.layers.inmemory import InMemoryChannelLayer
from tests.support.echo_worker import EchoWorker
from tests.support.waiting import until
from tests.unit.interface_server.fakes import FakeBody, FakeRequest, FakeSocket

CONNECT = {"path": "/", "headers": [], "query_string": b""}


class PlainOnly:
    """The same layer as if it came from elsewhere: no clients."""

    def __init__(self, layer: InMemoryChannelLayer) -> None:
        self.send = layer.send
        self.receive = layer.receive


@contextlib.asynccontextmanager
async def bridged(layer: Any, server_layer: Any = None, **settings: Any) -> AsyncIterator[Hub]:
    hub = Hub(open_client(server_layer or layer), Settings(**settings))
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


@contextlib.contextmanager
def working(layer: Any) -> Any:
    worker = EchoWorker(layer).start()
    try:
        yield worker
    finally:
        worker.stop()


async def open_socket(hub: Hub, **details: Any) -> tuple[FakeSocket, Any]:
    port = FakeSocket()
    end = hub.open_websocket(port, {**CONNECT, **details})
    await until(lambda: port.calls, "the handshake is answered")
    assert port.calls == [("accept",)]
    port.calls.clear()
    return port, end


def ran(worker: EchoWorker, channel: str) -> list[dict[str, Any]]:
    return [message for name, message in list(worker.ran) if name == channel]


def test_echoes_in_order_and_one_disconnect() -> None:
    layer = InMemoryChannelLayer()

    async def scenario() -> None:
        with working(layer) as worker:
            async with bridged(layer) as hub:
                port, end = await open_socket(hub)
                for n in range(200):
                    end.received(str(n))
                await until(lambda: len(port.calls) == 200, "everything is echoed")
                assert port.calls == [("text", str(n)) for n in range(200)]
                end.gone(1001)
                await until(lambda: ran(worker, "websocket.disconnect"), "the disconnect is run")
            (disconnect,) = ran(worker, "websocket.disconnect")
            assert (disconnect["order"], disconnect["code"]) == (201, 1001)

    asyncio.run(scenario())


def test_a_full_channel_holds_back_and_loses_nothing() -> None:
    layer = InMemoryChannelLayer(channel_capacity={"websocket.receive": 1})

    async def scenario() -> None:
        async with bridged(layer) as hub:
            with working(layer):
                sockets = [await open_socket(hub) for _ in range(20)]
            for _, end in sockets:
                end.received("a")
                end.received("b")
            await until(lambda: hub.counters.held_back, "a frame is held back")
            with working(layer):
                for port, end in sockets:
                    await until(lambda port=port: len(port.calls) == 2, "both are echoed")
                    assert port.calls == [("text", "a"), ("text", "b")]
                    end.gone(1000)
                await until(lambda: not hub._state.unfinished, "the disconnects have left")

    asyncio.run(scenario())


def test_a_full_connect_queue_turns_sockets_away() -> None:
    layer = InMemoryChannelLayer(channel_capacity={"websocket.connect": 1})

    async def scenario() -> None:
        async with bridged(layer) as hub:
            ports = [FakeSocket() for _ in range(3)]
            ends = [hub.open_websocket(port, CONNECT) for port in ports]
            await until(lambda: hub.counters.connects_refused == 2, "two are refused")
            assert [port.calls for port in ports] == [
                [],
                [("reject", 503)],
                [("reject", 503)],
            ]
            for end in ends:
                end.gone(1006)
            with working(layer) as worker:
                await until(lambda: ran(worker, "websocket.disconnect"), "the disconnect is run")
            assert len(ran(worker, "websocket.disconnect")) == 1

    asyncio.run(scenario())


def test_groups_reach_members_and_memberships_end_with_the_socket() -> None:
    layer = InMemoryChannelLayer()

    async def scenario() -> None:
        with working(layer):
            async with bridged(layer) as hub:
                sockets = [await open_socket(hub, path="/group") for _ in range(5)]
                await until(lambda: len(layer.group_channels("everyone")) == 5, "all have joined")
                layer.send_group("everyone", {"text": "hello"})
                for port, _ in sockets:
                    await until(lambda port=port: port.calls, "the message arrives")
                    assert port.calls == [("text", "hello")]
                assert sum(port.prepared for port, _ in sockets) == 1

                for _, end in sockets:
                    end.gone(1000)
                assert len(layer.group_channels("everyone")) == 0

                # A join that comes too late is discarded again.
                layer.group_add("everyone", sockets[0][1].reply_channel)
                await until(lambda: not layer.group_channels("everyone"), "it is discarded")

    asyncio.run(scenario())


def test_requests_with_bodies_are_answered() -> None:
    layer = InMemoryChannelLayer()

    async def scenario() -> None:
        with working(layer):
            async with bridged(layer, body_chunk=100) as hub:
                small, large = FakeRequest(), FakeRequest()
                hub.open_http(small, {"path": "/", "body": b"small"}, None)
                body = FakeBody(b"x" * 4990)
                hub.open_http(large, {"path": "/", "body": b"start " + b"y" * 4}, body)
                await until(lambda: small.calls and large.calls, "both are answered")
                assert small.body == b"5 small"
                assert large.body.startswith(b"5000 x")
                assert body.closed

    asyncio.run(scenario())


def test_a_layer_without_our_face_carries_the_same() -> None:
    layer = InMemoryChannelLayer(capacity=1000)

    async def scenario() -> None:
        with working(layer) as worker:
            async with bridged(layer, PlainOnly(layer)) as hub:
                port, end = await open_socket(hub)
                for n in range(50):
                    end.received(str(n))
                await until(lambda: len(port.calls) == 50, "everything is echoed")
                assert port.calls == [("text", str(n)) for n in range(50)]
                end.gone(1001)
                await until(lambda: ran(worker, "websocket.disconnect"), "the disconnect is run")

    asyncio.run(scenario())
