"""The reactor: Twisted's asyncio reactor on uvloop, where the platform has it.

It is installed inside :meth:`~channels.interface_server.server.Server.run`, in the
thread that runs it, and never on import.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor


def install_reactor() -> tuple[AsyncioSelectorReactor, asyncio.AbstractEventLoop]:
    """Install a reactor for this thread, or take the one that is there.

    Raises:
        RuntimeError: Another kind of reactor is installed already.
    """
    installed = sys.modules.get("twisted.internet.reactor")
    if installed is None:
        loop = new_event_loop()
        asyncio.set_event_loop(loop)

        from twisted.internet.main import installReactor

        from channels.interface_server.net.eager import EagerReactor

        reactor: Any = EagerReactor(loop)
        installReactor(reactor)
        return reactor, loop

    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    if not isinstance(installed, AsyncioSelectorReactor):
        raise RuntimeError(
            f"{type(installed).__name__} is installed as Twisted's reactor already, but the"
            " interface server needs the asyncio reactor: import nothing that imports"
            " twisted.internet.reactor before it"
        )
    reactor = installed
    loop = reactor._asyncioEventloop
    asyncio.set_event_loop(loop)
    return reactor, loop


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, uvloop's if it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
