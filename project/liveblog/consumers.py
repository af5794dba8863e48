"""Pages only listen: they join the liveblog's group and leave it again."""

from channels import Group
from liveblog.models import Liveblog


def connect(message, slug):
    liveblog = Liveblog.objects.filter(slug=slug).first()
    if liveblog is None:
        message.reply_channel.send({"close": True})
        return
    message.reply_channel.send({"accept": True})
    liveblog.group.add(message.reply_channel)


def disconnect(message, slug):
    # By name: the liveblog may have been deleted while the page was open.
    Group(f"liveblog-{slug}").discard(message.reply_channel)
