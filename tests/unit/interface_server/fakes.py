"""What the bridge talks to, scripted: a clock that tests move, a layer, and the network's side."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, fields
from typing import Any

from channels.interface_server.timers import TimerWheel
from channels.layers.clients import HEARTBEAT_TTL, PLAIN, ProcessEntry, Receipt, Reply


class Handle:
    def __init__(self, clock, call):
        self.clock = clock
        self.call = call
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class FakeClock:
    """Time stands still until :meth:`advance`."""

    def __init__(self):
        self.now = 1000.0
        self.heap = []
        self.count = 0
        self.wheel = TimerWheel(self.monotonic, self.call_later)

    def monotonic(self):
        return self.now

    def call_later(self, seconds, call):
        self.count += 1
        handle = Handle(self, call)
        heapq.heappush(self.heap, (self.now + seconds, self.count, handle))
        return handle

    def advance(self, seconds):
        until = self.now + seconds
        while self.heap and self.heap[0][0] <= until + 1e-9:
            when, _, handle = heapq.heappop(self.heap)
            self.now = max(self.now, when)
            if not handle.cancelled:
                handle.call()
        self.now = until

    @property
    def timers(self):
        return sum(not handle.cancelled for _, _, handle in self.heap)


def run_now(coroutine):
    """Run a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the coroutine waited for something")


@dataclass
class Sent:
    channel: str
    messages: list
    receipt: int
    done: Any
    expiry: float | None
    past_capacity: bool
    opens: Any
    closes: str | None
    redelivered: bool


class FakeClient:
    """Keeps what is sent; the test says what becomes of it."""

    mailbox = "web.test!"

    def __init__(self, clock):
        self.clock = clock
        self.settled_since = clock.now - HEARTBEAT_TTL
        self.sent: list[Sent] = []
        self.unresolved: deque[Sent] = deque()
        self.forgotten: list[tuple[str, str]] = []
        self.groups: dict[str, list[str]] = {}
        self.kept: list[list[str]] = []
        self.bodies: dict[str, list[dict]] = {}
        self.register: list[ProcessEntry] = []
        self.waiting: dict[str, set[int]] = {}
        self.marks = 0
        self.gone_locals: list[str] = []
        self.on_mark = lambda: None
        self.failing: Exception | None = None
        self.stopped = False
        self.info: Any = None

    def now(self):
        return self.clock.now

    async def start(self, listener, info):
        if self.failing:
            raise self.failing
        self.listener = listener
        self.info = info

    def send(
        self,
        channel,
        messages,
        receipt=0,
        done=None,
        options=PLAIN,
    ):
        details = {field.name: getattr(options, field.name) for field in fields(options)}
        sent = Sent(channel, list(messages), receipt, done, **details)
        self.sent.append(sent)
        self.unresolved.append(sent)

    def forget(self, memberships):
        self.forgotten.extend(memberships)

    def memberships(self, local):
        return self.groups.get(local, [])

    def keep(self, locals_):
        self.kept.append(list(locals_))

    def gone(self, local):
        self.gone_locals.append(local)

    async def read_body(self, local, limit):
        if self.failing:
            raise self.failing
        body = self.bodies.get(local, [])
        taken, self.bodies[local] = body[:limit], body[limit:]
        return taken

    async def processes(self):
        if self.failing:
            raise self.failing
        return self.register

    async def queued(self, channel, receipts):
        return self.waiting.get(channel, set()) & set(receipts)

    def receipt_bytes(self, receipt):
        return b"held-%d" % receipt

    async def mark(self):
        self.marks += 1
        self.on_mark()

    async def stop(self):
        self.stopped = True

    # -- for the test ----------------------------------------------------------

    def resolve(self, error=None, count=None):
        """Tell the outcome of everything that was sent (or of the first ``count``)."""
        for _ in range(len(self.unresolved) if count is None else count):
            sent = self.unresolved.popleft()
            if sent.done is not None:
                sent.done(error)

    def answer(self, *sents):
        """Give receipts back; of the last frame if none is named."""
        sents = sents or (self.last,)
        self.listener.deliver([Receipt(sent.receipt) for sent in sents])

    def settle(self):
        """Store and run everything that was sent, until nothing more is."""
        while self.unresolved:
            batch = list(self.unresolved)
            self.resolve(count=len(batch))
            self.answer(*[sent for sent in batch if sent.receipt])

    def reply(self, end, message):
        self.listener.deliver([Reply(local_of(end), message)])

    @property
    def last(self):
        return self.sent[-1]

    def on(self, channel):
        return [sent for sent in self.sent if sent.channel == channel]


def local_of(end):
    return end.reply_channel.partition("!")[2]


def texts(sent):
    return [message["text"] for message in sent.messages]


def disconnects(bench):
    """Return the messages that tell consumers of the end of a request."""
    return [sent.messages[0] for sent in bench.layer.on("http.disconnect")]


class FakeSocket:
    """The network's side of one WebSocket: writes down what it is told."""

    def __init__(self, framing="plain"):
        self.framing = framing
        self.calls: list[tuple] = []
        self.reading = True
        self.prepared = 0
        self.fails: Exception | None = None

    def accept(self):
        self.calls.append(("accept",))

    def reject(self, status):
        self.calls.append(("reject", status))

    def frame(self, payload):
        if self.fails:
            raise self.fails
        self.prepared += 1
        return ("text" if isinstance(payload, str) else "bytes", payload)

    def send(self, frame):
        self.calls.append(frame)

    def send_now(self, frames):
        self.calls.extend(frames)

    def close(self, code, reason=""):
        self.calls.append(("close", code))

    def pause_reading(self):
        assert self.reading
        self.reading = False

    def resume_reading(self):
        assert not self.reading
        self.reading = True


class FakeRequest:
    """The network's side of one HTTP request."""

    def __init__(self):
        self.unsent = 0
        self.calls: list[tuple] = []
        self.body = b""

    def start(self, status, headers):
        self.calls.append(("start", status, headers))

    def write(self, data):
        self.body += data
        self.unsent += len(data) if self.slow else 0

    slow = False

    def finish(self):
        self.calls.append(("finish",))

    def fail(self, status, reason):
        self.calls.append(("fail", status))


class FakeBody:
    """A spooled request body."""

    def __init__(self, content):
        self.content = content
        self.closed = False

    def read(self, size):
        assert not self.closed
        data, self.content = self.content[:size], self.content[size:]
        return data

    def close(self):
        self.closed = True
