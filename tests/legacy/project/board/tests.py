from django.contrib.auth.models import User

from channels import Group, route_class
from channels.binding.base import CREATE
from channels.exceptions import SendNotAvailableOnDemultiplexer
from channels.test import ChannelTestCase, HttpClient, WSClient, apply_routes

from .bindings import IntegerValueBinding
from .consumers import Demultiplexer
from .models import Card, IntegerValue


class OutboundTests(ChannelTestCase):
    def test_create_update_delete(self):
        client = WSClient()
        client.join_group("intval-updates")
        value = IntegerValue.objects.create(name="fifty", value=50)
        self.assertEqual(
            client.receive(),
            {
                "stream": "intval",
                "payload": {
                    "action": "create",
                    "pk": value.pk,
                    "data": {"name": "fifty", "value": 50},
                    "model": "board.integervalue",
                },
            },
        )
        value.value = 51
        value.save()
        self.assertEqual(client.receive()["payload"]["action"], "update")
        pk = value.pk
        value.delete()
        payload = client.receive()["payload"]
        self.assertEqual((payload["action"], payload["pk"]), ("delete", pk))
        self.assertIsNone(client.receive())

    def test_members(self):
        client = WSClient()
        client.join_group("cards-todo")
        user = User.objects.create_user("ben")
        Card.objects.create(text="Shop", owner=user, secret="x")
        self.assertEqual(
            client.receive()["payload"]["data"],
            {
                "text": "Shop",
                "column": "todo",
                "owner": user.pk,
                "owner__get_username": "ben",
            },
        )

    def test_send_messages(self):
        value = IntegerValue(name="x", value=1, pk=7)
        Group("inform").add("test-channel")
        binding = IntegerValueBinding()
        binding.instance = value
        binding.send_messages(value, {"inform"}, CREATE)
        self.get_next_message("test-channel", require=True)


@apply_routes([route_class(Demultiplexer, path=r"^/board/(?P<board>\w+)/?$")])
class InboundTests(ChannelTestCase):
    def connect(self, user=None):
        client = HttpClient()
        if user is not None:
            client.force_login(user)
        client.send_and_consume("websocket.connect", path="/board/todo/")
        self.assertEqual(
            client.receive(),
            {
                "stream": "echo",
                "payload": {"status": "I just connected!", "board": "todo"},
            },
        )
        return client

    def say(self, client, stream, payload):
        client.send_and_consume(
            "websocket.receive",
            text={"stream": stream, "payload": payload},
            path="/board/todo/",
        )

    def test_create(self):
        client = self.connect()
        self.say(client, "intval", {"action": "create", "data": {"name": "a", "value": 1}})
        self.assertEqual(IntegerValue.objects.get().value, 1)
        self.assertEqual(client.receive()["payload"]["action"], "create")

    def test_update(self):
        client = self.connect()
        value = IntegerValue.objects.create(name="a", value=1)
        client.receive()
        self.say(client, "intval", {"action": "update", "pk": value.pk, "data": {"value": 2}})
        value.refresh_from_db()
        self.assertEqual(value.value, 2)

    def test_delete_is_not_allowed(self):
        client = self.connect()
        value = IntegerValue.objects.create(name="a", value=1)
        client.receive()
        self.say(client, "intval", {"action": "delete", "pk": value.pk})
        self.assertEqual(IntegerValue.objects.count(), 1)
        self.assertIsNone(client.receive())

    def test_unknown_action(self):
        client = self.connect()
        with self.assertRaises(ValueError):
            self.say(client, "intval", {"action": "explode", "pk": 1})

    def test_own_cards_only(self):
        ben = User.objects.create_user("ben")
        liz = User.objects.create_user("liz")
        client = self.connect(ben)
        self.say(client, "cards", {"action": "create", "data": {"text": "Shop"}})
        card = Card.objects.get()
        self.assertEqual(card.owner, ben)
        other = self.connect(liz)
        self.say(other, "cards", {"action": "delete", "pk": card.pk})
        self.assertEqual(Card.objects.count(), 1)
        self.say(client, "cards", {"action": "delete", "pk": card.pk})
        self.assertEqual(Card.objects.count(), 0)

    def test_echo(self):
        client = self.connect()
        self.say(client, "echo", {"a": 1})
        self.assertEqual(
            client.receive()["payload"],
            {
                "original_message": {"a": 1},
                "path": "/board/todo/",
            },
        )

    def test_unknown_stream(self):
        client = self.connect()
        with self.assertRaises(ValueError):
            self.say(client, "nothing", {})
        with self.assertRaises(ValueError):
            client.send_and_consume("websocket.receive", text={"a": 1}, path="/board/todo/")

    def test_direct_send(self):
        client = self.connect()
        with self.assertRaises(SendNotAvailableOnDemultiplexer):
            self.say(client, "direct", {})
