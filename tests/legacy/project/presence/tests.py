from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import override_settings

from channels.exceptions import ConsumeLater
from channels.test import ChannelTestCase, Client, WSClient

from .consumers import LaterConsumer

LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


class PresenceTests(ChannelTestCase):
    def setUp(self):
        User.objects.create_user("ben", password="pw")

    def connect(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", path="/presence/a/")
        return client

    def ask(self, client, **content):
        client.send_and_consume("websocket.receive", text=content, path="/presence/a/")
        return client.receive()

    def test_count(self):
        self.assertEqual(self.connect().receive()["count"], 1)
        self.assertEqual(self.connect().receive()["count"], 2)

    def test_login_over_the_socket(self):
        client = self.connect()
        client.receive()
        self.ask(client, do="remember", what="x")
        self.assertEqual(
            self.ask(client, do="login", username="ben", password="pw"), {"you": "ben"}
        )
        self.assertEqual(self.ask(client, do="who"), {"you": "ben", "count": 1})
        self.assertEqual(self.ask(client, do="recall"), {"what": "x"})
        self.ask(client, do="logout")
        self.assertEqual(self.ask(client, do="who"), {"you": "", "count": 1})
        self.assertEqual(self.ask(client, do="recall"), {"what": None})

    def test_wrong_password(self):
        client = self.connect()
        client.receive()
        client.send_and_consume(
            "websocket.receive",
            text={"do": "login", "username": "ben", "password": "x"},
            path="/presence/a/",
        )
        self.assertEqual(
            self.get_next_message(client.reply_channel, require=True).content,
            {
                "text": '{"error": "wrong password"}',
                "close": 4003,
            },
        )

    @override_settings(CACHES=LOCMEM)
    def test_later(self):
        client = Client()
        client.send("presence.later", {"key": "k"})
        with self.assertRaises(ConsumeLater):
            client.consume("presence.later")
        self.assertEqual(cache.get("k"), 1)
        client.send("presence.later", {"key": "k", "__retries__": 1})
        with self.assertRaises(ConsumeLater):
            client.consume("presence.later")
        client.send("presence.later", {"key": "k", "__retries__": 2})
        self.assertIsInstance(client.consume("presence.later"), LaterConsumer)
        client.consume("presence.report")
        self.assertEqual(client.receive(), {"text": '{"retries": 2}'})

    def test_decorators_on_methods(self):
        client = WSClient()
        client.force_login(User.objects.get())
        client.send_and_consume("websocket.connect", path="/decorated/")
        self.assertEqual(client.receive(json=False), "ben")
        for n in (1, 2):
            client.send_and_consume("websocket.receive", text="x", path="/decorated/")
            self.assertEqual(client.receive(json=False), "x %d" % n)

    def test_early_messages_wait(self):
        client = WSClient(ordered=True)
        client.send("websocket.connect", path="/ordered/")
        client.consume("websocket.connect")
        client.send("websocket.receive", text="one", path="/ordered/")
        client.send("websocket.receive", text="two", path="/ordered/")
        first = client.get_next_message("websocket.receive")
        client.consume("websocket.receive")
        self.assertIsNone(client.receive())
        client.channel_layer.send("websocket.receive", first.content)
        client.consume("websocket.receive")
        self.assertEqual(client.receive(), [1, 1])
        client.consume("websocket.receive")
        self.assertEqual(client.receive(), [2, 2])
