from channels import route

from .consumers import remind, ws_connect, ws_receive

channel_routing = [
    route("websocket.connect", ws_connect, path=r"^/reminders/$"),
    route("websocket.receive", ws_receive, path=r"^/reminders/$"),
    route("reminders.due", remind),
]
