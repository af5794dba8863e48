import json

from channels import Channel


def ws_connect(message):
    message.reply_channel.send({"accept": True})


def ws_receive(message):
    """
    "tea in 500": reminds of the tea in half a second.
    """
    what, _, milliseconds = message["text"].partition(" in ")
    Channel("asgi.delay").send(
        {
            "channel": "reminders.due",
            "content": {"reply_channel": message.reply_channel.name, "what": what},
            "delay": int(milliseconds),
        },
        immediately=True,
    )


def remind(message):
    message.reply_channel.send({"text": json.dumps({"due": message["what"]})})
