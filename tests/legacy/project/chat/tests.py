from django.contrib.auth.models import User

from channels.test import ChannelTestCase, HttpClient

from .models import Room


class ChatTests(ChannelTestCase):
    def setUp(self):
        self.room = Room.objects.create(title="Lobby")
        self.staff_room = Room.objects.create(title="Staff", staff_only=True)
        self.user = User.objects.create_user("ben", password="pw")
        self.staff = User.objects.create_user("liz", password="pw", is_staff=True)

    def connect(self, username):
        client = HttpClient()
        client.login(username=username, password="pw")
        client.send_and_consume("websocket.connect", path="/chat/stream/")
        return client

    def command(self, client, **payload):
        client.send_and_consume("websocket.receive", text=payload, path="/chat/stream/")
        client.consume("chat.receive")

    def join(self, client, room):
        self.command(client, command="join", room=room.id)
        # What is sent leaves when the consumer has ended, and we are in by then.
        self.assertEqual(client.receive()["msg_type"], 4)

    def test_join_and_send(self):
        client = self.connect("ben")
        self.join(client, self.room)
        self.assertEqual(client.receive(), {"join": str(self.room.id), "title": "Lobby"})
        self.assertEqual(
            client.channel_layer.group_channels("room-%s" % self.room.id), [client.reply_channel]
        )
        self.command(client, command="send", room=self.room.id, message="hello")
        self.assertEqual(
            client.receive(),
            {
                "room": str(self.room.id),
                "message": "hello",
                "username": "ben",
                "msg_type": 0,
            },
        )

    def test_others_are_told(self):
        first = self.connect("ben")
        self.join(first, self.room)
        first.receive()
        second = self.connect("liz")
        self.join(second, self.room)
        self.assertEqual(first.receive()["msg_type"], 4)
        self.assertEqual(second.receive()["join"], str(self.room.id))
        self.command(second, command="leave", room=self.room.id)
        self.assertEqual(first.receive()["msg_type"], 5)
        self.assertEqual(second.receive(), {"leave": str(self.room.id)})
        self.assertIsNone(second.receive())

    def test_staff_room(self):
        client = self.connect("ben")
        self.command(client, command="join", room=self.staff_room.id)
        self.assertEqual(client.receive(), {"error": "ROOM_ACCESS_DENIED"})
        client = self.connect("liz")
        self.join(client, self.staff_room)
        self.assertEqual(client.receive()["title"], "Staff")

    def test_not_joined(self):
        client = self.connect("ben")
        self.command(client, command="send", room=self.room.id, message="hello")
        self.assertEqual(client.receive(), {"error": "ROOM_ACCESS_DENIED"})

    def test_no_such_room(self):
        client = self.connect("ben")
        self.command(client, command="join", room="x")
        self.assertEqual(client.receive(), {"error": "ROOM_INVALID"})

    def test_anonymous(self):
        client = HttpClient()
        client.send_and_consume("websocket.connect", path="/chat/stream/")
        self.command(client, command="join", room=self.room.id)
        self.assertEqual(client.receive(), {"error": "USER_HAS_TO_LOGIN"})

    def test_disconnect(self):
        client = self.connect("ben")
        self.command(client, command="join", room=self.room.id)
        client.send_and_consume("websocket.disconnect", path="/chat/stream/")
        self.assertEqual(client.channel_layer.group_channels("room-%s" % self.room.id), [])

    def test_unknown_command(self):
        client = self.connect("ben")
        client.send_and_consume(
            "websocket.receive", text={"command": "dance"}, path="/chat/stream/"
        )
        with self.assertRaises(AssertionError):
            client.consume("chat.receive")
        self.assertIsNone(client.consume("chat.receive", fail_on_none=False))
