from channels import include

channel_routing = [
    include("chat.routing.websocket_routing", path=r"^/chat/stream"),
    include("chat.routing.custom_routing"),
    include("liveblog.routing.channel_routing", path=r"^/liveblog"),
    include("board.routing.channel_routing", path=r"^/board"),
    include("uploads.routing.channel_routing", path=r"^/uploads"),
    include("rpc.routing.channel_routing"),
    include("tokens.routing.channel_routing"),
    include("reminders.routing.channel_routing"),
    include("presence.routing.channel_routing"),
]
