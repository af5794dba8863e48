from channels import Group
from channels.auth import channel_session_user, channel_session_user_from_http


@channel_session_user_from_http
def ws_connect(message):
    if message.user.is_anonymous:
        message.reply_channel.send({"close": True})
        return
    message.reply_channel.send({"accept": True})
    Group("user-%s" % message.user.username).add(message.reply_channel)


@channel_session_user
def ws_receive(message):
    # The page asks who it is.
    message.reply_channel.send({"text": '"%s"' % message.user})


@channel_session_user
def ws_disconnect(message):
    Group("user-%s" % message.user.username).discard(message.reply_channel)
