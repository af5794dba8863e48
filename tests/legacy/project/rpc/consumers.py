import json
import logging

from channels.generic.websockets import JsonWebsocketConsumer

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

MESSAGES = {
    PARSE_ERROR: "Parse Error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method Not Found",
    INVALID_PARAMS: "Invalid Params",
    INTERNAL_ERROR: "Internal Error",
}


class RpcError(Exception):
    def __init__(self, code, id=None, message=None):
        super(RpcError, self).__init__(code)
        self.code = code
        self.id = id
        self.message = message or MESSAGES[code]

    def as_dict(self):
        return {
            "jsonrpc": "2.0",
            "id": self.id,
            "error": {"code": self.code, "message": self.message},
        }


class JsonRpcConsumer(JsonWebsocketConsumer):
    methods = {}

    @classmethod
    def rpc_method(cls, func):
        """Decorator that makes a function callable."""
        if "methods" not in cls.__dict__:
            cls.methods = {}
        cls.methods[func.__name__] = func
        return func

    def raw_receive(self, message, **kwargs):
        """Called when a frame is received; decodes it and answers what is wrong with it."""
        try:
            content = self.decode_json(message["text"])
        except (KeyError, ValueError):
            self.send(RpcError(PARSE_ERROR).as_dict())
            return
        self.receive(content, **kwargs)

    def receive(self, content, **kwargs):
        try:
            result = self.call(content)
        except RpcError as e:
            self.send(e.as_dict())
        else:
            if "id" in content:
                self.send({"jsonrpc": "2.0", "id": content["id"], "result": result})

    def call(self, content):
        if not isinstance(content, dict) or content.get("jsonrpc") != "2.0":
            raise RpcError(INVALID_REQUEST)
        id = content.get("id")
        try:
            method = self.methods[content["method"]]
        except KeyError:
            raise RpcError(METHOD_NOT_FOUND, id)
        params = content.get("params", [])
        try:
            if isinstance(params, dict):
                return method(self, **params)
            return method(self, *params)
        except TypeError:
            raise RpcError(INVALID_PARAMS, id)
        except Exception:
            logger.exception("RPC %s failed", content["method"])
            raise RpcError(INTERNAL_ERROR, id)


class MyJsonRpcConsumer(JsonRpcConsumer):
    # Set to True if you want it, else leave it out
    strict_ordering = True
    http_user = True

    def connection_groups(self, **kwargs):
        """Called to return the list of groups to automatically add/remove this connection to."""
        return ["rpc"]

    def connect(self, message, **kwargs):
        self.message.channel_session["calls"] = 0
        super(MyJsonRpcConsumer, self).connect(message, **kwargs)


@MyJsonRpcConsumer.rpc_method
def ping(consumer):
    return "pong"


@MyJsonRpcConsumer.rpc_method
def add(consumer, a, b):
    return a + b


@MyJsonRpcConsumer.rpc_method
def count(consumer):
    consumer.message.channel_session["calls"] += 1
    return consumer.message.channel_session["calls"]


@MyJsonRpcConsumer.rpc_method
def whoami(consumer):
    return str(consumer.message.user)


@MyJsonRpcConsumer.rpc_method
def shout(consumer, text):
    MyJsonRpcConsumer.group_send("rpc", {"jsonrpc": "2.0", "method": "heard", "params": [text]})


@MyJsonRpcConsumer.rpc_method
def crash(consumer):
    return 1 / 0


class SetConsumer(JsonWebsocketConsumer):
    """Knows sets, and neither looks after errors nor after who is there."""

    @classmethod
    def decode_json(cls, text):
        return json.loads(text)

    @classmethod
    def encode_json(cls, content):
        return json.dumps(content, default=sorted)

    def receive(self, content, **kwargs):
        self.send({"unique": set(content), "topic": kwargs["topic"]})


class HistoryConsumer(JsonWebsocketConsumer):
    """Keeps things in the browser's session."""

    http_user_and_session = True

    def receive(self, content, **kwargs):
        history = self.message.http_session.setdefault("history", [])
        history.append(content)
        self.message.http_session.save()
        self.send({"history": history, "user": str(self.message.user)})
