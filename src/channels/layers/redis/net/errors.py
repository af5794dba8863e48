"""What the Redis layers raise when a server does not answer, and what its errors mean."""

from __future__ import annotations

import socket

import redis.exceptions as errors

from channels.exceptions import LayerError, LayerUnavailable
from channels.layers.redis.net.address import Target

#: What a server says that cannot serve this connection: nothing was carried out, and the
#: address must be asked for again.  It is no master any more, or its master is out of reach
#: (READONLY, MASTERDOWN, UNBLOCKED: a wait that ended as it was demoted), it was cut off
#: from its replicas and will be replaced (NOREPLICAS), its Cluster has no majority
#: (CLUSTERDOWN) or gave the slot to another node (MOVED), it is still loading (LOADING), its
#: disk is full so that it takes no writes at all (MISCONF), or forgot who we are (NOAUTH).
#:
#: Others are about one command, on a connection that is as good as any: OOM (taking goes on,
#: and makes room), TRYAGAIN and ASK (one slot of a Cluster is on its way), NOPERM, BUSY.
_CANNOT_SERVE = frozenset(
    {
        "READONLY",
        "MASTERDOWN",
        "UNBLOCKED",
        "NOREPLICAS",
        "CLUSTERDOWN",
        "MOVED",
        "LOADING",
        "MISCONF",
        "NOAUTH",
    }
)

#: What to do about some of them.
_ADVICE = {
    "READONLY": "it is a replica now; the next try asks for the address of the master again",
    "OOM": "its memory is full: raise maxmemory, or find out why nobody takes what waits",
    "MISCONF": "it takes no writes because it cannot save to its disk: see its log",
    "MOVED": "it is a node of a Cluster: the layer's URL must start with redis+cluster://",
    "NOPERM": "give the layer's user this command in Redis' ACL",
}


class UnsupportedRedis(LayerError):
    """The server is older than Redis 7 (or Valkey's like): it lacks commands of the layer."""


class RedisUnavailable(LayerUnavailable, errors.ConnectionError):
    """A Redis server did not answer, refused the connection or hung up.

    It is one of redis-py's errors as well, because applications catch those: the legacy layer
    let them through (docs/channels1.md#redis-layer).
    """

    __repr__ = Exception.__repr__  # with the text, which redis-py leaves out


def code_of(answer: object) -> str:
    """Return the code of an error that Redis answered with; ``""`` for any other answer."""
    if not isinstance(answer, errors.ResponseError):
        return ""
    word = str(answer).partition(" ")[0]
    return word if word.isupper() else "ERR"


def cannot_serve(answer: object) -> bool:
    """Whether an answer means that the command belongs on another connection."""
    return code_of(answer) in _CANNOT_SERVE


def refusal(answer: Exception) -> RedisUnavailable:
    """Return what to raise for an error that Redis answered with, which is its cause."""
    text = str(answer).removeprefix("ERR ")
    if "unknown command" in text.lower():
        refused = RedisUnavailable(f"the server lacks a command that the layer needs: {text}")
    else:
        advice = _ADVICE.get(code_of(answer))
        refused = RedisUnavailable(f"Redis refused: {text}{f' ({advice})' if advice else ''}")
    refused.__cause__ = answer
    return refused


def unavailable(error: Exception, target: Target) -> RedisUnavailable:
    """Return what to raise for a connection that a socket or redis-py gave up, with its cause."""
    if isinstance(error, errors.TimeoutError | TimeoutError):
        lost = RedisUnavailable(f"Redis at {target} did not answer in time: {error}")
    elif isinstance(error, errors.ConnectionError | errors.InvalidResponse | OSError):
        lost = RedisUnavailable(f"Redis at {target} is not reachable: {error}")
        lost.remedy = remedy_for(error, target.options.get("port", 6379))
    else:
        lost = RedisUnavailable(f"Redis at {target} refused the connection: {error}")
    lost.__cause__ = error
    return lost


def remedy_for(error: BaseException | None, port: int) -> str:
    """Return what to do about a Redis that could not be connected to; ``""`` if unknown."""
    while error is not None:
        if isinstance(error, errors.AuthenticationError):
            return (
                "Put its password into the URL, redis://:PASSWORD@HOST:PORT/0, or"
                " redis://USER:PASSWORD@HOST:PORT/0"
            )
        if isinstance(error, errors.InvalidResponse):
            return "What listens there is no Redis: correct the port; that of Redis is mostly 6379"
        if isinstance(error, socket.gaierror):
            return "Correct the name of the host"
        if isinstance(error, ConnectionRefusedError | FileNotFoundError):
            # Docker lets the whole network in unless it is told an address.
            start = (
                "Start Redis (sudo apt install redis-server, or docker run -p"
                " 127.0.0.1:6379:6379 redis)"
            )
            elsewhere = isinstance(error, ConnectionRefusedError) and port != 6379
            return f"{start}, or correct the port: its own is 6379" if elsewhere else start
        error = error.__cause__ or error.__context__
    return ""
