"""Where to listen: Twisted endpoint strings, built and opened; and descriptors.

``fd:fileno=N`` adopts a listening socket that was inherited; a plugin of Twisted would have to
write into another distribution's folder.

Most systems start processes with a soft limit of 1024 descriptors for legacy programs that use
``select``, and a much higher hard limit.  Some supervisors start them with standard input, output
or error closed: what is opened next gets such a number, and uvloop ends the process when it is to
close one of them.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory

log = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

#: Connections that may wait to be accepted; Twisted's 50 refuses clients that all come
#: back at once after a restart.
BACKLOG = 1024

#: What limit of open files is asked for where the hard one is no number.
PLENTY = 1_048_576

#: Standard error.
_LAST_STANDARD = 2

_WITH_BACKLOG = ("tcp", "tcp6", "ssl", "unix")


def build_endpoint_description_strings(
    host: str | None = None,
    port: int | None = None,
    unix_socket: str | None = None,
    file_descriptor: int | None = None,
) -> list[str]:
    """Return the endpoint strings for the simple options.

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


#: What to do about an error of the system.
_REMEDIES = {
    errno.EADDRINUSE: (
        "another process listens there; stop it, or try another port (interface-server --port"
        " 8001, manage.py runserver 8001, make demo PORT=8001)"
    ),
    errno.EACCES: "this user may not; try a port from 1024 on, or a socket in another folder",
    errno.EADDRNOTAVAIL: "this machine has no such address; try --bind 0.0.0.0 or 127.0.0.1",
}


def choose_endpoints(
    endpoints: list[str],
    host: str | None,
    port: int | None,
    unix_socket: str | None,
    file_descriptor: int | None,
) -> list[str]:
    """Return all endpoints that the command line asks for, sorted, duplicates kept.

    The default is TCP on 127.0.0.1, port 8000, which also completes half of an address.
    """
    elsewhere = bool(unix_socket or file_descriptor is not None or endpoints)
    if host or port is not None or not elsewhere:
        host = host or DEFAULT_HOST
        port = DEFAULT_PORT if port is None else port
    return sorted(
        endpoints + build_endpoint_description_strings(host, port, unix_socket, file_descriptor)
    )


def listen(reactor: Any, description: str, factory: IProtocolFactory) -> Deferred[IListeningPort]:
    """Listen on an endpoint of Twisted or its plugins, or ``fd:``; the Deferred has all errors."""
    from twisted.internet.defer import maybeDeferred

    return maybeDeferred(_listen, reactor, description, factory)


def describe_failure(error: BaseException) -> str:
    """Return why :func:`listen` failed, and what to do."""
    cause = getattr(error, "socketError", error)  # Twisted's error holds the system's
    number = getattr(cause, "errno", None)
    reason = os.strerror(number) if number is not None else str(error)
    remedy = _REMEDIES.get(number or 0)
    return reason if remedy is None else f"{reason}: {remedy}"


def _listen(reactor: Any, description: str, factory: Any) -> Any:
    from twisted.internet.endpoints import serverFromString

    kind, _, rest = description.partition(":")
    if kind == "fd":
        return _adopt(reactor, rest, factory)
    if kind in _WITH_BACKLOG and "backlog=" not in rest:
        description = f"{description}:backlog={BACKLOG}"
    return serverFromString(reactor, description).listen(factory)


def _accepts(inherited: socket.socket) -> bool:
    try:
        return bool(inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return True  # the system does not tell


def _adopt(reactor: Any, parameters: str, factory: Any) -> Any:
    """Listen on an inherited socket: ``fileno=N`` with an optional ``domain=INET6``."""
    given = {name: value for name, _, value in (p.partition("=") for p in parameters.split(":"))}
    number = given.get("fileno", "")
    if not number.isdigit():
        raise ValueError(f"fd:{parameters} needs the number of a descriptor: fd:fileno=3")
    fileno = int(number)
    # Asked through a copy, which leaves the descriptor itself open.
    with socket.socket(fileno=os.dup(fileno)) as inherited:
        if inherited.type != socket.SOCK_STREAM or not _accepts(inherited):
            raise ValueError("it is not a socket that listens for connections")
        family = inherited.family
    domain = given.get("domain", "")
    if domain:
        told = getattr(socket, f"AF_{domain.removeprefix('AF_')}", None)
        if told is None:
            raise ValueError(f"{domain} is no kind of address: use INET, INET6 or UNIX")
        family = told
    os.set_blocking(fileno, False)
    port = reactor.adoptStreamPort(fileno, family, factory)
    # Twisted has its own copy; with ours open the port would never close.
    close_unless_standard(fileno)
    return port


def raise_limit() -> int | None:
    """Raise the soft limit to the hard one if that works; return how many files may be open."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    wanted = PLENTY if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # the kernel may have a lower one of its own
            log.debug("the limit of open files stays at %d: %s", soft, error)
        else:
            log.debug("raised the limit of open files from %d to %d", soft, wanted)
            soft = wanted
    return soft


def fill_standard() -> None:
    """Open the null device as whichever of the first three descriptors is closed."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


def close_unless_standard(number: int) -> None:
    """Close a descriptor; one of the first three becomes the null device instead."""
    if number > _LAST_STANDARD:
        os.close(number)
        return
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)
    os.close(null)
