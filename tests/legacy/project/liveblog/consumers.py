import json

from channels import Group

from .models import Liveblog


def connect_blog(message, slug):
    """
    When the user opens a WebSocket to a liveblog stream, adds them to the
    group for that stream so they receive new post notifications.
    """
    try:
        liveblog = Liveblog.objects.get(slug=slug)
    except Liveblog.DoesNotExist:
        # You can see what messages back to a WebSocket look like in the spec.
        # Here, we send "close" to make the server close the socket.
        message.reply_channel.send(
            {
                "text": json.dumps({"error": "bad_slug"}),
                "close": True,
            }
        )
        return
    message.reply_channel.send({"accept": True})
    Group(liveblog.group_name).add(message.reply_channel)


def disconnect_blog(message, slug):
    try:
        liveblog = Liveblog.objects.get(slug=slug)
    except Liveblog.DoesNotExist:
        return
    Group(liveblog.group_name).discard(message.reply_channel)
