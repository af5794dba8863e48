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
"""

from __future__ import annotations

import pytest

_PARTS = ("common", "messages", "limits", "groups")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from channels.layers.conformance.common import WaitingClock  # noqa: E402 after the rewriting
from channels.layers.conformance.groups import GroupRules  # noqa: E402 after the rewriting
from channels.layers.conformance.limits import LimitRules  # noqa: E402 after the rewriting
from channels.layers.conformance.messages import MessageRules  # noqa: E402 after the rewriting

__all__ = ["LayerConformance", "WaitingClock"]


class LayerConformance(MessageRules, LimitRules, GroupRules):
    """Rules of the synchronous interface, for layers of any origin."""
