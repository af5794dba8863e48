from channels.generic.websockets import JsonWebsocketConsumer, WebsocketDemultiplexer

from .bindings import CardBinding, IntegerValueBinding


class EchoConsumer(JsonWebsocketConsumer):
    def connect(self, message, multiplexer, **kwargs):
        multiplexer.send({"status": "I just connected!", "board": kwargs["board"]})

    def disconnect(self, message, multiplexer, **kwargs):
        pass

    def receive(self, content, multiplexer, **kwargs):
        multiplexer.send({"original_message": content, "path": self.path})


class DirectConsumer(JsonWebsocketConsumer):
    def connect(self, message, multiplexer, **kwargs):
        pass

    def receive(self, content, multiplexer, **kwargs):
        self.send({"oops": "no stream"})


class Demultiplexer(WebsocketDemultiplexer):
    http_user = True

    # Wire your JSON consumers here: {stream_name : consumer}
    consumers = {
        "intval": IntegerValueBinding.consumer,
        "cards": CardBinding.consumer,
        "echo": EchoConsumer,
        "direct": DirectConsumer,
    }

    # Optionally provide a custom multiplexer class
    # multiplexer_class = MyCustomJsonEncodingMultiplexer

    def connection_groups(self, **kwargs):
        return ["intval-updates", "cards-%s" % kwargs["board"]]
