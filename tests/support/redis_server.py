"""Real Redis servers for tests: one, a Sentinel set, a Cluster; and their faults by name.

Everything listens on 127.0.0.1 and free ports, keeps nothing on disk but in a
temporary directory, and dies with the test run (also when that is killed).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import die_with_parent, free_port
from tests.support.waiting import wait_until

#: Longest wait for a server to do what it must, in seconds.
PATIENCE = 20.0


class RedisServer:
    """One redis-server process.

    Args:
        options: Further configuration, as on the command line without ``--``.
        port: Where it listens; None for a free port.
        sentinel: Lines of a Sentinel's configuration, to run as one.
    """

    def __init__(
        self,
        *options: str,
        port: int | None = None,
        sentinel: Sequence[str] | None = None,
    ) -> None:
        self.options = options
        self.sentinel = sentinel
        self.port = port or free_port()
        self._any_port = port is None
        self.directory = Path(tempfile.mkdtemp(prefix="cc-redis-"))
        self.socket_path = str(self.directory / "redis.sock")
        self.process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None
        atexit.register(self.close)
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Where it listens too, database 0."""
        return f"unix://{self.socket_path}?db=0"

    @property
    def client(self) -> redis.Redis:
        """A plain client without retries, for looking behind the layer's back."""
        if self._client is None:
            self._client = redis.Redis(
                host="127.0.0.1", port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=10
            )
        return self._client

    def start(self) -> None:
        """Start it and wait until it answers; on another free port if ours was taken."""
        for _ in range(5):
            with (self.directory / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    self._command(),
                    cwd=self.directory,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=die_with_parent,
                )
            wait_until(self._answers_or_ended, "redis-server answers")
            if self.process.poll() is None:
                return
            if not self._any_port:
                break
            self.port = free_port()
        raise AssertionError((self.directory / "log").read_text())

    def _command(self) -> list[str]:
        configuration = self.directory / "redis.conf"
        lines = ["bind 127.0.0.1", f"port {self.port}"]
        if self.sentinel is None:
            lines += [f"unixsocket {self.socket_path}", 'save ""', "appendonly no"]
        lines += [*self.options, *(self.sentinel or ())]
        configuration.write_text("\n".join(lines) + "\n")
        flags = [] if self.sentinel is None else ["--sentinel"]
        return ["redis-server", str(configuration), *flags]

    def _answers_or_ended(self) -> bool:
        assert self.process is not None
        try:
            return self.process.poll() is not None or bool(self.client.ping())
        except redis.AuthenticationError:
            return True  # it answers, though not to us

    def flush(self) -> None:
        """Forget all data (scripts stay)."""
        self.client.flushall()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait for that."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """End it and start it on the same port, without data and without scripts."""
        self.kill()
        self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop answering without closing a single connection."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its directory."""
        atexit.unregister(self.close)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class SentinelSet:
    """A master with one replica, watched by one Sentinel as ``name``."""

    def __init__(self, name: str = "mymaster") -> None:
        self.name = name
        self.master = RedisServer()
        self.replica = RedisServer(f"replicaof 127.0.0.1 {self.master.port}")
        self.sentinel = RedisServer(
            sentinel=[
                f"sentinel monitor {name} 127.0.0.1 {self.master.port} 1",
                f"sentinel down-after-milliseconds {name} 500",
                f"sentinel failover-timeout {name} 3000",
            ]
        )
        wait_until(self._sees_replica, "the Sentinel knows the replica")

    def _sees_replica(self) -> bool:
        state = self.sentinel.client.execute_command("SENTINEL MASTER", self.name)
        linked = self.replica.client.info("replication")["master_link_status"] == "up"
        return linked and int(state["num-slaves"]) == 1

    @property
    def address(self) -> tuple[str, int]:
        """Where the Sentinel listens."""
        return ("127.0.0.1", self.sentinel.port)

    def fail_over(self) -> None:
        """Kill the master, and return once the Sentinel made the replica master."""
        self.master.kill()

        def promoted() -> bool:
            port = self.sentinel.client.execute_command("SENTINEL MASTER", self.name)["port"]
            role = self.replica.client.info("replication")["role"]
            return int(port) == self.replica.port and role == "master"

        wait_until(promoted, "the replica was made master", 30.0)

    def flush(self) -> None:
        """Forget all data."""
        self.master.flush()

    def close(self) -> None:
        """End all of it."""
        for server in (self.sentinel, self.replica, self.master):
            server.close()


class Cluster:
    """Three masters of a Redis Cluster.

    Args:
        replica: Whether the last of them has a replica, which takes over two seconds after
            its master's end.
    """

    def __init__(self, replica: bool = False) -> None:
        options = ["cluster-enabled yes"] + ["cluster-node-timeout 2000"] * replica
        self.nodes = [
            RedisServer(*options, f"cluster-port {free_port()}") for _ in range(3 + replica)
        ]
        self.masters, self.replicas = self.nodes[:3], self.nodes[3:]
        bounds = [0, 5461, 10923, 16384]
        for node, first, end in zip(self.masters, bounds, bounds[1:], strict=False):
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            bus = int(node.options[-1].split()[1])
            self.nodes[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for node in self.nodes:
            wait_until(lambda node=node: self._complete(node), "the cluster is complete")
        for node in self.replicas:
            master = self.masters[-1].client.execute_command("CLUSTER", "MYID")
            node.client.execute_command("CLUSTER", "REPLICATE", master)
            wait_until(
                lambda node=node: node.client.info("replication")["master_link_status"] == "up",
                "the replica follows",
            )

    def _complete(self, node: RedisServer) -> bool:
        state = node.client.execute_command("CLUSTER INFO")
        return state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(
            len(self.nodes)
        )

    def fail_over(self) -> None:
        """Kill the master that has a replica, and return once that one took over."""
        self.masters[-1].kill()
        wait_until(
            lambda: self.replicas[0].client.info("replication")["role"] == "master",
            "the replica was made master",
            30.0,
        )

    @property
    def url(self) -> str:
        """Where one of the nodes listens."""
        return self.nodes[0].url

    def flush(self) -> None:
        """Forget all data."""
        for node in self.masters:
            node.flush()

    def close(self) -> None:
        """End all of it."""
        for node in self.nodes:
            node.close()
