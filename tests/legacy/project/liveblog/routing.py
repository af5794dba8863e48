from channels import route

channel_routing = [
    route(
        "websocket.connect", "liveblog.consumers.connect_blog", path=r"^/(?P<slug>[^/]+)/stream/$"
    ),
    route(
        "websocket.disconnect",
        "liveblog.consumers.disconnect_blog",
        path=r"^/(?P<slug>[^/]+)/stream/$",
    ),
]
