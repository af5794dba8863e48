from channels import Channel, Group
from channels.sessions import channel_session

from .models import Entry


# Connected to guestbook-entries
def store_entry(message):
    entry = Entry.objects.create(room=message.content["room"], message=message.content["message"])
    # Broadcast to listening sockets
    Group("guests-%s" % entry.room).send({"text": entry.message})


# Connected to websocket.connect
@channel_session
def ws_connect(message):
    # Work out room name from path (ignore slashes)
    room = message.content["path"].strip("/")
    if room == "private":
        message.reply_channel.send({"close": True})
        return
    # Save room in session and add us to the group
    message.channel_session["room"] = room
    Group("guests-%s" % room).add(message.reply_channel)
    if room == "polite":
        message.reply_channel.send({"text": "welcome"})


# Connected to websocket.receive
@channel_session
def ws_message(message):
    # Stick the message onto the processing queue
    Channel("guestbook-entries").send(
        {
            "room": message.channel_session["room"],
            "message": message["text"],
        }
    )


# Connected to websocket.disconnect
@channel_session
def ws_disconnect(message):
    Group("guests-%s" % message.channel_session["room"]).discard(message.reply_channel)
