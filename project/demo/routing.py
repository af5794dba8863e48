"""Which consumer runs for which message: the table of the whole project."""

from channels import include

channel_routing = [
    include("chat.routing.channel_routing", path=r"^/chat"),
    include("liveblog.routing.channel_routing", path=r"^/liveblog"),
]
