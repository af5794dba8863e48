"""A layer of the project's own, to see how much goes through it."""

from channels.layers.redis import RedisChannelLayer
from tests.legacy.site.marks import marks


class CountingLayer(RedisChannelLayer):
    def send(self, channel, message):
        marks("layer-send")
        super().send(channel, message)

    def send_group(self, group, message):
        marks("layer-send-group")
        super().send_group(group, message)

    def receive(self, channels, block=False):
        channel, message = super().receive(channels, block)
        if channel is not None:
            marks("layer-receive")
        return channel, message
