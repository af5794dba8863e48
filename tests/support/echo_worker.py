"""A worker without an application: answers every event in the simplest way.

Runs as a thread of a test, or as a process of its own (``python -m``) that a test can
kill.  Text that starts with ``hold``, and a request for ``/hold``, keep the worker busy until
its ``release`` is set, which SIGUSR1 does to a process.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Answer, Frame, GroupSend, Operation, Send

CHANNELS = (
    "http.request",
    "websocket.connect",
    "websocket.receive",
    "websocket.disconnect",
)


#: Chunks of 64 KiB in the response to ``/large``.
LARGE = 256


class EchoWorker:
    """Takes frames until :meth:`stop`.

    Attributes:
        ran: Channel and message of everything that was run, in order.
        redelivered: Messages that were sent before, as their frames say.
        release: Set it to end a ``hold``.
    """

    def __init__(self, layer: Any, channels: tuple[str, ...] = CHANNELS) -> None:
        self.layer = layer
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.redelivered: list[dict[str, Any]] = []
        self.release = threading.Event()
        self._held: set[bytes] = set()
        self._stopping = False
        self._client = layer.open_worker(channels, held=lambda: set(self._held))
        self._thread = threading.Thread(target=self.loop, daemon=True)

    def start(self) -> EchoWorker:
        """Run in a thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread after the frame that it holds."""
        self._stopping = True
        self.release.set()
        self._client.unblock()
        self._thread.join(15)
        assert not self._thread.is_alive()

    def loop(self) -> None:
        """Take, run, flush; connect again when the layer was away."""
        started = False
        while not self._stopping:
            try:
                if not started:
                    self._client.start()
                    started = True
                self._work()
            except LayerUnavailable:
                threading.Event().wait(0.1)
        self._client.close()

    def _work(self) -> None:
        frames: list[Frame] = []
        while frames or not self._stopping:
            if not frames:
                frames = self._client.take()
            for frame in frames:
                if frame.receipt is not None:
                    self._held.add(frame.receipt)
            taken, frames = frames, []
            for frame in filter(None, map(self._client.open, taken)):
                operations: list[Operation] = []
                if frame.redelivered:
                    self.redelivered += frame.messages
                for message in frame.messages:
                    self.ran.append((frame.channel, message))
                    operations.extend(self.run(frame.channel, message))
                for operation in operations:
                    if isinstance(operation, Send):
                        operation.receipt = frame.receipt
                if frame.receipt is not None:
                    operations.append(Answer(frame.receipt))
                    self._held.discard(frame.receipt)
                _, more = self._client.exchange(operations, take=not self._stopping)
                for frame in more:
                    if frame.receipt is not None:
                        self._held.add(frame.receipt)
                frames.extend(more)

    def run(self, channel: str, message: dict[str, Any]) -> list[Operation]:
        """Return what one event is answered with."""
        reply = message["reply_channel"]
        if channel == "http.request":
            return self._respond(reply, message)
        if channel == "websocket.connect":
            if message["path"] == "/group":
                self.layer.group_add("everyone", reply)
            return [Send(reply, {"accept": True})]
        if channel == "websocket.disconnect":
            self.layer.group_discard("everyone", reply)
            return []
        text = message["text"]
        if text.startswith("hold"):
            self._hold()
        if text.startswith("all "):
            return [GroupSend("everyone", {"text": text[4:]})]
        if text == "malformed":
            return [Send(reply, {"txet": text})]
        return [Send(reply, {"text": text})]

    def _send_chunk(self, reply: str, chunk: dict[str, Any]) -> None:
        """Wait while the body list is full, as the server has not read it yet."""
        for _ in range(1000):
            try:
                self.layer.send_body(reply, chunk)
            except ChannelFull:
                threading.Event().wait(0.01)
            else:
                return
        raise AssertionError("the server does not read the body list")

    def _hold(self) -> None:
        print("holding", flush=True)
        # A signal that another thread gets does not end a wait, and its handler runs after that.
        while not self.release.wait(0.05):
            pass

    def _respond(self, reply: str, message: dict[str, Any]) -> list[Operation]:
        if message["path"] == "/hold":
            self._hold()
        body = message["body"]
        channel = message.get("body_channel")
        while channel:
            _, chunk = self.layer.receive([channel], True)
            if chunk is not None:
                body += chunk.get("content", b"")
                if not chunk.get("more_content"):
                    break
        if message["path"] == "/large":
            self.layer.send(reply, {"status": 200, "more_content": True})
            for n in range(LARGE):
                self._send_chunk(
                    reply, {"content": b"%07d\n" % n * 8192, "more_content": n < LARGE - 1}
                )
            return []
        if message["path"] == "/malformed":
            return [Send(reply, {"content": body})]
        return [Send(reply, {"status": 200, "content": b"%d " % len(body) + body[-20:]})]


if __name__ == "__main__":
    from channels.layers.redis.layer import RedisChannelLayer

    worker = EchoWorker(RedisChannelLayer(hosts=[sys.argv[1]]))
    signal.signal(signal.SIGUSR1, lambda *_: worker.release.set())
    print("ready", flush=True)
    worker.loop()
