"""Faults under load, for as long as one likes: a tool for people, not part of the test run.

Starts an interface server and workers on real Redis, keeps sockets talking, lets one
kind of fault happen again and again, and then looks whether anything is left of it::

    python -m tests.faults.soak workers --seconds 60 --threads 4
    python -m tests.faults.soak freeze --pause 12
    python -m tests.faults.soak --help

Every frame is numbered per socket, and each consumer notes what it ran.  Afterwards every
socket must be open and echo, each group message must reach all of them once, nothing may
have run twice or out of order, and no log may show a traceback.  Figures go to
standard output; the exit status is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from channels.layers.redis.wire.processes import read_entry
from tests.support.processes import BIN, ROOT, Process, fetch, free_port
from tests.support.redis_server import Cluster, RedisServer, SentinelSet

#: Longest time until everything must work again after the last fault, in seconds: a frame may
#: have to be found lost first.
HEALED = 60.0


class Backing:
    """The Redis servers of one run, and what can happen to them."""

    def __init__(self, kind: str, stack: ExitStack) -> None:
        self.kind = kind
        self.backend = "channels.layers.redis.RedisChannelLayer"
        self.config: dict[str, Any]
        self.servers: list[RedisServer]
        if kind == "sentinel":
            self.set = SentinelSet()
            stack.callback(self.set.close)
            self.servers = [self.set.master]
            self.backend = "channels.layers.redis.RedisSentinelChannelLayer"
            self.config = {"hosts": [self.set.address], "services": [self.set.name]}
            host, port = self.set.address
            self.target = f"redis+sentinel://{host}:{port}/{self.set.name}"
        elif kind == "cluster":
            self.set = cluster = Cluster(replica=True)
            stack.callback(cluster.close)
            self.servers = cluster.masters[:2]
            self.target = cluster.url.replace("redis://", "redis+cluster://")
            self.config = {"hosts": [self.target]}
        else:
            self.servers = [RedisServer() for _ in range(2 if kind == "two" else 1)]
            for server in self.servers:
                stack.callback(server.close)
            self.config = {"hosts": [server.url for server in self.servers]}
            self.target = self.servers[0].url if kind == "one" else "tests.faults.site.layer:layer"

    def layer(self) -> RedisChannelLayer:
        if self.kind == "sentinel":
            return RedisSentinelChannelLayer(**self.config)
        return RedisChannelLayer(**self.config)

    def clients(self) -> list[Any]:
        if self.kind == "one" or self.kind == "two":
            return [server.client for server in self.servers]
        if self.kind == "sentinel":
            servers = [self.set.master, self.set.replica]
        else:
            servers = self.set.nodes
        alive = [one for one in servers if one.process and one.process.poll() is None]
        return [one.client for one in alive if one.client.info("replication")["role"] == "master"]

    def entries(self) -> list[Any]:
        found = []
        for client in self.clients():
            for key in client.scan_iter("asgi:*:entry", count=1000):
                name = key.decode()[len("asgi:{") : -len("}:entry")]
                entry = read_entry(name, client.hgetall(key))
                if entry is not None:
                    found.append(entry)
        return found


class Run:
    """One server, its workers, its sockets, and what they saw."""

    def __init__(self, options: argparse.Namespace, backing: Backing, folder: Path) -> None:
        self.options = options
        self.backing = backing
        self.notes = folder / "notes"
        self.notes.touch()
        self.env = {
            "LAYER": json.dumps({"BACKEND": backing.backend, "CONFIG": backing.config}),
            "NOTES": str(self.notes),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings",
        }
        self.port = free_port()
        self.processes: list[Process] = []
        self.old_outputs: list[tuple[str, str]] = []
        self.server = self.start(
            BIN / "interface-server", "-b", "127.0.0.1", "-p", str(self.port), backing.target
        )
        self.workers = [self.start_worker() for _ in range(options.workers)]
        self.server.wait_for_port(self.port)
        fetch(f"http://127.0.0.1:{self.port}/hello/")
        self.sent: collections.Counter[int] = collections.Counter()
        self.echoed: dict[int, list[int]] = collections.defaultdict(list)
        self.heard: dict[int, list[str]] = collections.defaultdict(list)
        self.closed: list[str] = []
        self.talking = True
        self.statuses: collections.Counter[str] = collections.Counter()

    def start(self, *command: Any) -> Process:
        process = Process(command, env=self.env)
        self.processes.append(process)
        return process

    def start_worker(self) -> Process:
        options = self.options
        extra = []
        if options.threads > 1:
            extra = ["--threads", str(options.threads)]
        elif options.processes > 1:
            extra = ["--processes", str(options.processes)]
        worker = self.start(BIN / "python", "-m", "django", "runworker", *extra)
        worker.wait_for_output("Listening on channels")
        return worker

    # -- the sockets -----------------------------------------------------------------

    async def talk(self, number: int, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while self.talking:
                await socket.send(f"{number}:{self.sent[number]}")
                self.sent[number] += 1
                await asyncio.sleep(random.expovariate(self.options.rate))

    async def listen(self, number: int, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                if text.startswith("all:"):
                    self.heard[number].append(text)
                else:
                    self.echoed[number].append(int(text.split(" ")[0].split(":")[1]))
        except ConnectionClosed:
            pass
        if not self.options.done:
            self.closed.append(f"{number}: {socket.close_code} {socket.close_reason}")

    async def browse(self) -> None:
        """Ask for a page now and then: 503 and 502 may come while something is wrong."""
        while self.talking:
            status = await asyncio.to_thread(_status, f"http://127.0.0.1:{self.port}/hello/")
            self.statuses[str(status)] += 1
            await asyncio.sleep(0.2)


def _status(url: str) -> object:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError as error:
        return type(error).__name__


# -- faults --------------------------------------------------------------------------------


async def kill_workers(run: Run) -> None:
    """End workers at random moments, half of them with SIGKILL, and start others."""
    end = time.monotonic() + run.options.seconds
    while time.monotonic() < end:
        await asyncio.sleep(random.uniform(0.5, 3))
        worker = run.workers.pop(0)
        how = random.choice(run.options.signals)
        if how is signal.SIGKILL and run.options.processes > 1 and random.random() < 0.5:
            # One process of the pool; the pool must replace it.
            children = _children(worker.pid)
            if children:
                os.kill(random.choice(children), signal.SIGKILL)
                run.statuses["child killed"] += 1
                run.workers.append(worker)
                continue
        worker.signal(how)
        run.statuses[how.name] += 1
        new = await asyncio.to_thread(run.start_worker)
        run.workers.append(new)
        if how is signal.SIGTERM:
            status = await asyncio.to_thread(worker.wait)
            if status:
                run.closed.append(f"a worker ended with {status}")


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


async def restart(run: Run) -> None:
    """Kill Redis, and start it empty."""
    for _ in range(run.options.times):
        await asyncio.sleep(3)
        server = random.choice(run.backing.servers)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(run.options.pause)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(run.options.seconds / run.options.times)


async def flushall(run: Run) -> None:
    """Let Redis lose its memory without a connection being lost."""
    for _ in range(run.options.times):
        await asyncio.sleep(run.options.seconds / run.options.times)
        for client in run.backing.clients():
            client.flushall()
    await asyncio.sleep(4)  # it is the heartbeat that notices


async def freeze(run: Run) -> None:
    """Stop Redis for a while."""
    for _ in range(run.options.times):
        await asyncio.sleep(3)
        server = random.choice(run.backing.servers)
        with server.frozen():
            await asyncio.sleep(run.options.pause)
        await asyncio.sleep(run.options.seconds / run.options.times)


async def fail_over(run: Run) -> None:
    """Kill the master, so that the replica takes over."""
    await asyncio.sleep(3)
    await asyncio.to_thread(run.backing.set.fail_over)
    await asyncio.sleep(run.options.seconds)


async def nothing(run: Run) -> None:
    """Only load."""
    await asyncio.sleep(run.options.seconds)


FAULTS: dict[str, Callable[[Run], Any]] = {
    "workers": kill_workers,
    "restart": restart,
    "flushall": flushall,
    "freeze": freeze,
    "failover": fail_over,
    "nothing": nothing,
}


# -- the run -------------------------------------------------------------------------------


async def soak(run: Run) -> list[str]:
    options = run.options
    url = f"ws://127.0.0.1:{run.port}/"
    sockets = [await connect(url, ping_interval=None) for _ in range(options.sockets)]
    listening = [asyncio.create_task(run.listen(n, s)) for n, s in enumerate(sockets)]
    talking = [asyncio.create_task(run.talk(n, s)) for n, s in enumerate(sockets)]
    talking.append(asyncio.create_task(run.browse()))
    await FAULTS[options.fault](run)
    run.talking = False
    await asyncio.gather(*talking)
    wrong: list[str] = []

    # Every socket answers.
    started = time.monotonic()
    last = {}
    for number, socket in enumerate(sockets):
        with suppress(ConnectionClosed):
            last[number] = run.sent[number]
            await socket.send(f"{number}:{run.sent[number]}")
            run.sent[number] += 1

    def silent() -> list[int]:
        return [n for n, at in last.items() if not run.echoed[n] or run.echoed[n][-1] < at]

    while silent() and time.monotonic() - started < HEALED:
        await asyncio.sleep(0.1)
    if silent():
        wrong.append(f"stuck sockets: {silent()}")
    print(f"all answered after {time.monotonic() - started:.1f} s")

    # Every group message reaches everyone, once.
    for heard in run.heard.values():
        heard.clear()
    texts = [f"all: {n}" for n in range(20)]
    for text in texts:
        await random.choice(sockets).send(text)
        await asyncio.sleep(0.05)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all(len(run.heard[n]) >= len(texts) for n in range(len(sockets))):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)
    bad = [n for n in range(len(sockets)) if sorted(run.heard[n]) != sorted(texts)]
    if bad:
        wrong.append(f"groups incomplete for {bad}: {[run.heard[n] for n in bad[:3]]}")
    await asyncio.sleep(3)  # a heartbeat, for the counters
    wrong += report(run)
    options.done = True
    for socket in sockets:
        await socket.close()
    await asyncio.gather(*listening)
    deadline = time.monotonic() + HEALED
    while time.monotonic() < deadline:
        told = run.notes.read_text().count("disconnect ")
        if told >= len(sockets):
            break
        await asyncio.sleep(0.2)
    if told != len(sockets):
        wrong.append(f"{told} disconnects for {len(sockets)} sockets")
    return wrong


def report(run: Run) -> list[str]:
    wrong = [f"closed: {one}" for one in run.closed]
    ran: dict[str, list[int]] = collections.defaultdict(list)
    for line in run.notes.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "frame":
            socket, _, number = rest.partition(":")
            ran[socket].append(int(number))
    twice = {s: len(n) - len(set(n)) for s, n in ran.items() if len(n) != len(set(n))}
    if twice:
        wrong.append(f"handled twice: {twice}")
    mixed = [s for s, n in ran.items() if n != sorted(n)]
    if mixed:
        wrong.append(f"handled out of order: {mixed}")
    for number, echoed in run.echoed.items():
        if echoed != sorted(set(echoed)):
            wrong.append(f"echoes of {number} out of order or double")
    sent = sum(run.sent.values())
    handled = sum(map(len, ran.values()))
    echoed = sum(map(len, run.echoed.values()))
    print(f"sent {sent}, handled {handled}, echoed {echoed}; others {dict(run.statuses)}")
    for entry in run.backing.entries():
        counters = {
            k: v for k, v in entry.info.items() if v and k not in ("host", "pid", "version")
        }
        print(f"  {entry.kind} {counters} held {len(entry.unanswered)}")
    return wrong


def show_logs(run: Run) -> list[str]:
    wrong = []
    seen: collections.Counter[str] = collections.Counter()
    for process in run.processes:
        output = process.output
        if "Traceback" in output:
            at = output.index("Traceback")
            wrong.append(
                f"traceback in {process.command[-2:]}: {output[max(0, at - 300) : at + 2500]}"
            )
        for line in output.splitlines():
            if re.search(r"warn|error|lost|critical", line, re.I):
                seen[re.sub(r"[0-9a-zA-Z_.]*![\w]+|\d+", "#", line)[-150:]] += 1
    for line, count in seen.most_common(15):
        print(f"  {count:5} {line}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--redis", choices=["one", "two", "sentinel", "cluster"], default="one")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--pause", type=float, default=1, help="seconds that Redis is away")
    parser.add_argument("--sockets", type=int, default=30)
    parser.add_argument("--rate", type=float, default=15, help="frames a second of each socket")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--term", action="store_true", help="only SIGTERM for workers")
    options = parser.parse_args()
    options.done = False
    options.signals = [signal.SIGTERM] if options.term else [signal.SIGTERM, signal.SIGKILL]
    wrong: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run = Run(options, Backing(options.redis, stack), folder)
        try:
            wrong = asyncio.run(soak(run))
            for process in (*run.workers, run.server):
                started = time.monotonic()
                process.signal(signal.SIGTERM)
                status = process.wait()
                if status or time.monotonic() - started > 5:
                    took = time.monotonic() - started
                    wrong.append(f"{process.command[-2:]} ended with {status} after {took:.1f} s")
            wrong += show_logs(run)
        finally:
            for process in reversed(run.processes):
                process.end(1)
    for one in wrong:
        print("WRONG", one)
    print("wrong" if wrong else "all well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
