"""An interface server without a layer, run as a program by the tests of the network.

``python -m tests.support.fake_bridge_server '{"endpoints": [...], ...}'`` prints
``ready <port or ->`` and then one JSON line for everything that the bridge is told.  What an
application would answer is chosen by the path of the request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import warnings

from channels.interface_server.access import AccessLogGenerator
from channels.interface_server.server import Server


def tell(event, **details):
    def plain(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, (list, tuple)):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return value

    print(json.dumps({"event": event, **plain(details)}), flush=True)


class SocketEnd:
    """Echoes; some texts are orders."""

    reply_channel = "fake!socket"

    def __init__(self, bridge, port, connect):
        self.bridge, self.port, self.path = bridge, port, connect["path"]

    def received(self, payload):
        if not self.bridge.quiet:
            size = len(payload)
            tell("received", payload=payload if size < 1000 else f"{size} of {payload[:1]!r}")
        if isinstance(payload, bytes):
            self.port.send(self.port.frame(payload))
        elif payload.startswith("close "):
            self.port.close(int(payload.split()[1]), "as you wish")
        elif payload.startswith("pause "):
            self.port.pause_reading()
            asyncio.get_running_loop().call_later(
                float(payload.split()[1]), self.port.resume_reading
            )
        elif payload.startswith("flood at once "):
            for _ in range(int(payload.split()[3])):
                self.port.send_now([self.port.frame(b"x" * 5_000)] * 2)
        elif payload.startswith("flood "):
            for _ in range(int(payload.split()[1])):
                self.port.send(self.port.frame(b"x" * 10_000))
        elif payload.startswith("mix "):
            for n in range(0, int(payload.split()[1]), 4):
                first, second, third, fourth = (self.port.frame(str(n + i)) for i in range(4))
                self.port.send_now([first])
                self.port.send(second)
                self.port.send_now([third, fourth])
        elif payload.startswith("all "):
            frames = {}
            for end in list(self.bridge.ends):
                if end.port.framing not in frames:
                    frames[end.port.framing] = end.port.frame(payload)
                end.port.send_now([frames[end.port.framing]])
        else:
            self.port.send(self.port.frame(payload))

    def gone(self, code):
        self.bridge.ends.remove(self)
        tell("gone", code=code, path=self.path)

    def timed_out(self):
        """Leave the answer to the network."""


class RequestEnd:
    """Waits; the port was told what to do already."""

    reply_channel = "fake!request"

    def __init__(self, port, rest):
        self.port, self.rest = port, rest
        self.pieces = []

    def pump(self):
        while self.pieces and self.port.unsent < 100_000:
            self.port.write(self.pieces.pop())
        if not self.pieces:
            self.port.finish()

    def drained(self):
        tell("drained")
        self.pump()

    def gone(self):
        tell("request gone")

    def timed_out(self):
        tell("timed out")
        self.port.fail(503, "too late")


class FakeBridge:
    """Stands in for :class:`~channels.interface_server.bridge.hub.Hub`."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.ends = []
        self.refusing = False

    def open_websocket(self, port, connect):
        if not self.quiet:
            tell("connect", **connect)
        end = SocketEnd(self, port, connect)
        self.ends.append(end)
        path = connect["path"]
        if self.refusing or path == "/busy":
            port.reject(503)
        elif path == "/deny":
            port.reject(403)
        elif path == "/error":
            self.ends.pop()
            raise RuntimeError("a secret")
        elif path == "/later":
            asyncio.get_running_loop().call_later(0.2, port.accept)
        elif path != "/silent":
            port.accept()
            if path == "/greet":
                port.send(port.frame("hello"))
        return end

    def open_http(self, port, request, rest):
        details = {**request, "body": len(request["body"])}
        if rest is not None:
            size = 0
            while chunk := rest.read(100_000):
                size += len(chunk)
            rest.close()
            details["rest"] = size
        if not self.quiet:
            tell("request", **details)
        end = RequestEnd(port, rest)
        path = request["path"]
        if self.refusing:
            port.fail(503, "stopping")
        elif path == "/silent":
            pass
        elif path == "/error":
            raise RuntimeError("a secret")
        elif path == "/chunks":
            port.start(200, [(b"Content-Type", b"text/plain")])
            port.write(b"one")
            port.write(b"two")
            port.finish()
        elif path == "/slow":
            port.start(200, [])
            for n in range(6):
                asyncio.get_running_loop().call_later(0.3 * (n + 1), port.write, b"tick")
            asyncio.get_running_loop().call_later(2.1, port.finish)
        elif path == "/begun":
            port.start(200, [])
            port.write(b"begun")
        elif path == "/big":
            port.start(200, [(b"Content-Length", b"5000000")])
            end.pieces = [b"y" * 50_000] * 100
            end.pump()
        elif path == "/empty":
            port.start(204, [(b"Content-Length", b"0")])
            port.finish()
        elif path == "/headers":
            port.start(
                201,
                [
                    (b"X-One", b" a "),
                    (b"x-two", b"split\r\nInjected: yes"),
                    (b"Transfer-Encoding", b"gzip"),
                    (b"Set-Cookie", b"a=1"),
                    (b"Set-Cookie", b"b=2"),
                ],
            )
            port.finish()
        elif path == "/short":
            port.start(200, [(b"Content-Length", b"10")])
            port.write(b"five.")
            port.finish()
        elif path == "/long":
            port.start(200, [(b"Content-Length", b"5")])
            port.write(b"five.six.")
            port.finish()
        elif path == "/later":
            loop = asyncio.get_running_loop()
            loop.call_later(0.4, port.start, 200, [(b"Content-Length", b"2")])
            loop.call_later(0.4, port.write, b"ok")
            loop.call_later(0.4, port.finish)
        else:
            body = f"{request['method']} {path}".encode()
            port.start(200, [(b"Content-Length", b"%d" % len(body))])
            port.write(body)
            port.finish()
        return end

    @property
    def up(self):
        return True

    @property
    def attended(self):
        return True

    async def start(self):
        pass

    @property
    def sockets(self):
        return len(self.ends)

    @property
    def unfinished(self):
        return 0

    def drain(self, within):
        self.refusing = True
        ends = list(self.ends)
        for n, end in enumerate(ends):
            delay = within * n / len(ends)
            asyncio.get_running_loop().call_later(delay, end.port.close, 1012)

    async def stop(self):
        tell("stopped", sockets=len(self.ends))


class FakeServer(Server):
    """A server with the bridge above."""

    quiet = False

    def make_bridge(self):
        return FakeBridge(self.quiet)


def main():
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "Passing pyOpenSSL")  # Twisted's own affair
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    options = json.loads(sys.argv[1])
    FakeServer.quiet = options.pop("quiet", False)
    if options.pop("access", False):
        options["action_logger"] = AccessLogGenerator(sys.stderr)

    def ready():
        # Told in a later turn of the loop, behind what has come over the network until now.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, loop.call_later, 0.01, tell, "mark")
        host = server.listeners[0].result.getHost()
        print("ready", getattr(host, "port", "-"), flush=True)

    server = FakeServer({}, on_ready=ready, dedicated=True, **options)
    server.run()


if __name__ == "__main__":
    main()
