"""Conformance of the synchronous interface (contract layer.md sections 1 to 4)."""

from __future__ import annotations

from channels.layers.conformance_groups import GroupRules
from channels.layers.conformance_limits import LimitRules
from channels.layers.conformance_messages import MessageRules


class LayerConformance(MessageRules, LimitRules, GroupRules):
    """Rules for every layer; see :mod:`channels.layers.conformance` for the fixtures."""
