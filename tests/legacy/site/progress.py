"""A long consumer that tells how far it is: sends that don't wait for its end."""

import time

from channels import Channel, Group, channel_layers, route


def connect(message):
    message.reply_channel.send({"accept": True}, immediately=True)
    Group("progress").add(message.reply_channel)


def receive(message):
    message.reply_channel.send({"text": "last, because it waits"})
    for percent in (0, 50, 100):
        message.reply_channel.send({"text": f"{percent} %"}, immediately=True)
        time.sleep(0.01)
    Group("progress").send({"text": "told to all"}, immediately=True)
    full = 0
    for _ in range(300):
        try:
            Channel("nobody.listens").send({"text": "x"}, immediately=True)
        except message.channel_layer.ChannelFull:
            full += 1
    assert channel_layers["default"].ChannelFull is message.channel_layer.ChannelFull
    message.reply_channel.send({"text": f"full: {full > 0}"}, immediately=True)


routing = [
    route("websocket.connect", connect, path=r"^/progress/"),
    route("websocket.receive", receive, path=r"^/progress/"),
]
