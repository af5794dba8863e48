from channels import Channel, Group
from channels.test import ChannelTestCase, Client, HttpClient

from .models import Entry


class GuestbookTests(ChannelTestCase):
    def test_entry(self):
        # Make a test group, and a message on the processing queue
        Group("guests-x").add("test-channel")
        Channel("guestbook-entries").send({"room": "x", "message": "hi"})
        client = Client()
        client.consume("guestbook-entries")
        self.assertEqual(self.get_next_message("test-channel", require=True)["text"], "hi")
        self.assertEqual(Entry.objects.get().message, "hi")

    def test_guest(self):
        client = HttpClient()
        client.send_and_consume("websocket.connect", path="/polite/")
        self.assertEqual(client.receive(json=False), "welcome")
        client.send_and_consume("websocket.receive", text="hi", path="/polite/")
        client.consume("guestbook-entries")
        self.assertEqual(client.receive(json=False), "hi")
        client.send_and_consume("websocket.disconnect", path="/polite/")
        self.assertEqual(client.channel_layer.group_channels("guests-polite"), [])

    def test_private(self):
        client = HttpClient()
        client.send_and_consume("websocket.connect", path="/private/", check_accept=False)
        self.assertEqual(client.receive(), {"close": True})
