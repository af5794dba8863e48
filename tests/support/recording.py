"""A channel layer that writes down what it is asked for, and is full on demand."""

from __future__ import annotations

from channels.exceptions import ChannelFull


class RecordingLayer:
    """Everything that was sent is in ``sent``, as ``(name, content)``, group names with a ``*``."""

    extensions = ["groups"]
    ChannelFull = ChannelFull

    def __init__(self, **config):
        self.config = config
        self.sent = []
        self.members = []
        self.full = set()

    def send(self, channel, message):
        if channel in self.full:
            raise self.ChannelFull(channel, 1)
        self.sent.append((channel, message))

    def send_group(self, group, message):
        self.sent.append((f"*{group}", message))

    def group_add(self, group, channel):
        self.members.append(("add", group, channel))

    def group_discard(self, group, channel):
        self.members.append(("discard", group, channel))


#: The path of the layer, for settings.
RECORDING = "tests.support.recording.RecordingLayer"


def entry(**parts):
    """Return what ``CHANNEL_LAYERS`` says of such a layer without routes, and these parts."""
    return {"BACKEND": RECORDING, "ROUTING": [], **parts}
