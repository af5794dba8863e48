import json

from django.contrib.auth.models import User

from channels.exceptions import DenyConnection
from channels.test import ChannelTestCase, Client, WSClient

from .models import Token


class DeviceTests(ChannelTestCase):
    def setUp(self):
        user = User.objects.create_user("ben")
        Token.objects.create(user=user, key="s3cret")

    def connect(self, headers=(), query_string=b"", check_accept=True):
        client = WSClient()
        client.send_and_consume(
            "websocket.connect",
            {
                "headers": headers,
                "query_string": query_string,
                "client": ["10.0.0.1", 5],
            },
            path="/devices/12",
            check_accept=check_accept,
        )
        return client

    def test_header(self):
        client = self.connect([[b"host", b"x"], [b"authorization", b"Token s3cret"]])
        self.assertEqual(client.receive(), {"hello": "ben", "client": "10.0.0.1"})
        client.send_and_consume("websocket.receive", text="hi", path="/devices/12")
        self.assertEqual(client.receive(), {"user": "ben", "client_id": "12", "text": "hi"})

    def test_query_string(self):
        client = self.connect(query_string=b"a=b&token=s3cret")
        self.assertEqual(client.receive()["hello"], "ben")

    def test_denied(self):
        for headers in (
            [],
            [[b"authorization", b"Token wrong"]],
            [(b"authorization", b"Basic s3cret")],
        ):
            with self.assertRaises(DenyConnection):
                self.connect(headers)

    def test_bye(self):
        client = self.connect(query_string=b"token=s3cret")
        client.receive()
        client.send_and_consume("websocket.receive", text="bye", path="/devices/12")
        self.assertEqual(client.receive(), {"close": 4001})

    def test_full(self):
        client = self.connect(query_string=b"token=s3cret")
        client.receive()
        for _ in range(10):
            client.send_and_consume("websocket.receive", text="archive x", path="/devices/12")
            self.assertEqual(client.receive()["text"], "archive x")
        client.send_and_consume("websocket.receive", text="archive x", path="/devices/12")
        self.assertEqual(client.receive(), {"error": "try again later"})

    def test_bytes(self):
        client = self.connect(query_string=b"token=s3cret")
        client.receive()
        client.send_and_consume("websocket.receive", {"bytes": b"abc"}, path="/devices/12")
        self.assertEqual(client.receive(), {"bytes": b"cba"})


class HttpTests(ChannelTestCase):
    def request(self, **content):
        client = Client()
        client.send_and_consume(
            "http.request",
            dict(
                {
                    "method": "GET",
                    "query_string": b"",
                    "headers": [(b"user-agent", b"test")],
                },
                **content,
            ),
        )
        return client

    def test_status(self):
        client = self.request(path="/api/status/", query_string=b"q=1")
        reply = client.receive()
        self.assertEqual(reply["status"], 200)
        self.assertIn((b"X-Served-By", b"consumer"), reply["headers"])
        self.assertEqual(json.loads(reply["content"].decode("utf8"))["q"], "1")
        self.assertIs(reply["more_content"], False)

    def test_numbers(self):
        client = self.request(path="/api/numbers/3/")
        parts = [client.receive() for _ in range(4)]
        self.assertEqual(
            [part.get("content", b"") for part in parts], [b"0\n", b"1\n", b"2\n", b""]
        )
        self.assertEqual([part["more_content"] for part in parts], [True, True, True, False])
        self.assertIsNone(client.receive())

    def test_other_methods_are_not_ours(self):
        client = Client()
        client.send("http.request", {"method": "PUT", "path": "/api/status/"})
        self.assertIsNone(client.consume("http.request", fail_on_none=False))
