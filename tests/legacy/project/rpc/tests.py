from django.contrib.auth.models import User

from channels.test import ChannelTestCase, HttpClient, WSClient, apply_routes

from .consumers import MyJsonRpcConsumer, SetConsumer


class RpcTests(ChannelTestCase):
    def setUp(self):
        self.client = HttpClient(ordered=True)
        self.client.force_login(User.objects.create_user("ben"))
        self.client.send_and_consume("websocket.connect", path="/rpc/")

    def call(self, method, params=(), id=1):
        self.client.send_and_consume(
            "websocket.receive",
            path="/rpc/",
            text={
                "jsonrpc": "2.0",
                "method": method,
                "params": params,
                "id": id,
            },
        )
        return self.client.receive()

    def test_call(self):
        self.assertEqual(self.call("ping"), {"jsonrpc": "2.0", "id": 1, "result": "pong"})
        self.assertEqual(self.call("add", [1, 2], id=7)["result"], 3)
        self.assertEqual(self.call("add", {"a": "x", "b": "y"})["result"], "xy")
        self.assertEqual(self.call("whoami")["result"], "ben")

    def test_errors(self):
        self.assertEqual(self.call("nothing")["error"]["code"], -32601)
        self.assertEqual(self.call("add", [1])["error"]["code"], -32602)
        self.assertEqual(self.call("crash")["error"], {"code": -32603, "message": "Internal Error"})

    def test_parse_error(self):
        self.client.send_and_consume("websocket.receive", text="{", path="/rpc/")
        self.assertEqual(self.client.receive()["error"]["code"], -32700)
        self.client.send_and_consume("websocket.receive", {"bytes": b"1"}, path="/rpc/")
        self.assertEqual(self.client.receive()["error"]["code"], -32700)

    def test_session(self):
        self.assertEqual([self.call("count")["result"] for _ in range(3)], [1, 2, 3])

    def test_notification(self):
        self.client.send_and_consume(
            "websocket.receive",
            path="/rpc/",
            text={
                "jsonrpc": "2.0",
                "method": "shout",
                "params": ["hey"],
            },
        )
        self.assertEqual(self.client.receive()["params"], ["hey"])
        self.assertIsNone(self.client.receive())

    def test_instance(self):
        self.client.send("websocket.receive", path="/rpc/", text="{}")
        consumer = self.client.consume("websocket.receive")
        # enforce_ordering is inside; the instance comes back all the same
        self.assertIsInstance(consumer, MyJsonRpcConsumer)
        self.assertEqual(consumer.path, "/rpc/")

    def test_methods_are_its_own(self):
        self.assertNotIn("ping", MyJsonRpcConsumer.__mro__[1].methods)


class SetTests(ChannelTestCase):
    def test_encode(self):
        client = WSClient()
        with apply_routes(SetConsumer.as_route(path=r"^/(?P<topic>\w+)$")):
            client.send_and_consume("websocket.connect", path="/x")
            client.send_and_consume("websocket.receive", text=[2, 1, 2], path="/x")
            self.assertEqual(client.receive(), {"unique": [1, 2], "topic": "x"})
            with self.assertRaises(ValueError):
                client.send_and_consume("websocket.receive", text="[1", path="/x")

    def test_history(self):
        client = HttpClient()
        client.force_login(User.objects.create_user("ben"))
        client.send_and_consume("websocket.connect", path="/history/")
        client.send_and_consume("websocket.receive", text=1, path="/history/")
        client.receive()
        client.send_and_consume("websocket.receive", text=2, path="/history/")
        self.assertEqual(client.receive(), {"history": [1, 2], "user": "ben"})
        self.assertEqual(client.channel_layer.group_channels("history"), [client.reply_channel])
