from channels.routing import route_class

from .consumers import HistoryConsumer, MyJsonRpcConsumer, SetConsumer

channel_routing = [
    route_class(MyJsonRpcConsumer, path=r"^/rpc/$"),
    SetConsumer.as_route(path=r"^/sets/(?P<topic>\w+)/$"),
    HistoryConsumer.as_route(path=r"^/history/$", attrs={"groups": ["history"]}),
]
