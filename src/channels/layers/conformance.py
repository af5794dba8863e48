"""The public conformance suite: what every channel layer must do, one test per rule.

Needs pytest, and neither Django nor a plugin.  Inherit a class, supply two fixtures::

    import pytest

    from channels.layers.conformance import LayerConformance


    class TestMyLayer(LayerConformance):
        @pytest.fixture
        def make_layer(self):
            def make(**options):
                return MyLayer(prefix=some_random_prefix(), **options)

            return make

        @pytest.fixture
        def clock(self):
            return WaitingClock()

:class:`LayerConformance`
    The synchronous interface, for layers of any origin.
:class:`WorkerFaceConformance`, :class:`ServerFaceConformance`
    The faces that this project's own processes use (:mod:`channels.layers.faces`).
:class:`UndecodableConformance`
    For layers that store bytes, which can be damaged.

Fixtures to supply
------------------
``make_layer``
    A callable that returns a blank layer, which shares nothing with another.  It
    takes any of ``expiry``, ``group_expiry``, ``capacity``, ``channel_capacity`` and
    ``max_message_size``; what is not given must be the layer's default.
``clock``
    Something with ``advance(seconds)``, which lets that much time pass for layers made by
    ``make_layer``.  It is called from another thread too.  Layers with a clock of their own
    use :class:`WaitingClock`, which really waits.
``spoil`` (:class:`UndecodableConformance` only)
    A callable ``spoil(layer, channel)`` that makes the content of the first frame waiting on
    the channel unreadable, but not its header.

Knobs, class attributes to set where a layer differs
----------------------------------------------------
``expiry``, ``group_expiry``
    Seconds used in tests about time; short, because some clocks really wait.
``margin``
    Seconds by which the layer's clock may differ from ``clock``.
``receive_tries``
    How many calls of ``receive`` it may take to find what waits on one channel (hosts
    among which normal channels are spread).
``patience``
    Seconds after which a test gives up waiting for something that must happen.

Methods to override where a layer differs
-----------------------------------------
``open_sockets(layer, mailbox)``
    Returns the local parts of the sockets that a server has written down.  By default
    from the layer's method of that name.
"""

from __future__ import annotations

import pytest

_PARTS = (
    "common",
    "messages",
    "limits",
    "groups",
    "worker",
    "serving",
    "frames",
    "processes",
    "server",
)
pytest.register_assert_rewrite(*(f"channels.layers.conformance_{part}" for part in _PARTS))

from channels.layers.conformance_common import WaitingClock  # noqa: E402 after the rewriting
from channels.layers.conformance_layer import LayerConformance  # noqa: E402 after the rewriting
from channels.layers.conformance_server import (  # noqa: E402 after the rewriting
    ServerFaceConformance,
    UndecodableConformance,
)
from channels.layers.conformance_worker import (  # noqa: E402 after the rewriting
    WorkerFaceConformance,
)

__all__ = [
    "LayerConformance",
    "ServerFaceConformance",
    "UndecodableConformance",
    "WaitingClock",
    "WorkerFaceConformance",
]
