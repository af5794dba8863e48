"""Where to listen: Twisted endpoint strings, built, checked and opened.

Contract server.md section 1.  ``fd:fileno=N`` adopts a listening socket that was
inherited; it is handled here instead of by a plugin file in ``twisted/plugins``,
which would write into another distribution's folder.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


def build_endpoint_description_strings(
    host: str | None = None,
    port: int | None = None,
    unix_socket: str | None = None,
    file_descriptor: int | None = None,
) -> list[str]:
    """Return the endpoint strings for the simple options, none for none.

    Raises:
        ValueError: Only one of ``host`` and ``port`` was given.
    """
    descriptions = []
    if host and port is not None:
        bare = host.strip("[]").replace(":", r"\:")
        descriptions.append(f"tcp:port={port}:interface={bare}")
    elif host or port is not None:
        raise ValueError("a TCP endpoint needs both host and port; give the other one too")
    if unix_socket:
        descriptions.append(f"unix:{unix_socket}")
    if file_descriptor is not None:
        descriptions.append(f"fd:fileno={file_descriptor}")
    return descriptions


def choose_endpoints(
    endpoints: list[str],
    host: str | None,
    port: int | None,
    unix_socket: str | None,
    file_descriptor: int | None,
) -> list[str]:
    """Return all endpoints that the command line asks for, sorted, duplicates kept.

    TCP on 127.0.0.1, port 8000, is used when nothing else is asked for; half of
    a TCP address is completed from it.
    """
    elsewhere = bool(unix_socket or file_descriptor is not None or endpoints)
    if host or port is not None or not elsewhere:
        host = host or DEFAULT_HOST
        port = DEFAULT_PORT if port is None else port
    return sorted(
        endpoints + build_endpoint_description_strings(host, port, unix_socket, file_descriptor)
    )


def listen(reactor: Any, description: str, factory: IProtocolFactory) -> Deferred[IListeningPort]:
    """Listen on an endpoint; all problems come through the Deferred.

    Only stream endpoints that Twisted or its plugins know, and ``fd:``.
    """
    from twisted.internet.defer import maybeDeferred

    return maybeDeferred(_listen, reactor, description, factory)


def _listen(reactor: Any, description: str, factory: Any) -> Any:
    from twisted.internet.endpoints import serverFromString

    kind, _, rest = description.partition(":")
    if kind == "fd":
        return _adopt(reactor, rest, factory)
    if kind == "unix":
        _remove_stale_socket(rest)
    return serverFromString(reactor, description).listen(factory)


def _adopt(reactor: Any, parameters: str, factory: Any) -> Any:
    """Listen on an inherited socket: ``fileno=N`` with an optional ``domain=INET6``."""
    given = dict(part.partition("=")[::2] for part in parameters.split(":") if part)
    number = given.get("fileno", "")
    if not number.isdigit():
        raise ValueError(f"fd:{parameters} needs the number of a descriptor: fd:fileno=3")
    fileno = int(number)
    domain = given.get("domain")
    if domain:
        family = getattr(socket, domain if domain.startswith("AF_") else f"AF_{domain}")
    else:
        # The socket knows; asking leaves the descriptor itself open.
        with socket.socket(fileno=os.dup(fileno)) as inherited:
            family = inherited.family
    # Twisted works on a copy, ours is not needed any more.
    os.set_blocking(fileno, False)
    return reactor.adoptStreamPort(fileno, family, factory)


def _remove_stale_socket(parameters: str) -> None:
    """Remove the socket file of a server that was killed, so that its place can be taken.

    Only if nobody answers there: a living server keeps it, and the caller's bind fails.
    """
    path = parameters.split(":")[0].removeprefix("address=")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(1.0)
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
    except OSError:
        return  # nothing there, or nothing that we may touch: bind will tell
    finally:
        probe.close()
