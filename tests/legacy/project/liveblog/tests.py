import json

from channels import Channel, Group
from channels.test import ChannelTestCase, WSClient

from .models import Liveblog, Post


class LiveblogTests(ChannelTestCase):
    def setUp(self):
        self.blog = Liveblog.objects.create(title="News", slug="news")

    def test_post_is_sent_to_the_group(self):
        Group(self.blog.group_name).add("test-channel")
        post = Post.objects.create(liveblog=self.blog, body="It rains.")
        message = self.get_next_message("test-channel", require=True)
        self.assertEqual(json.loads(message["text"]), {"id": post.id, "html": "<p>It rains.</p>"})
        pk = post.pk
        post.delete()
        message = self.get_next_message("test-channel", require=True)
        self.assertEqual(json.loads(message.content["text"]), {"id": pk, "removed": True})
        self.assertIsNone(self.get_next_message("test-channel"))

    def test_reader(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", path="/liveblog/news/stream/")
        post = Post.objects.create(liveblog=self.blog, body="It rains.")
        self.assertEqual(client.receive()["id"], post.id)
        client.send_and_consume("websocket.disconnect", path="/liveblog/news/stream/")
        Post.objects.create(liveblog=self.blog, body="It still rains.")
        self.assertIsNone(client.receive())

    def test_bad_slug(self):
        client = WSClient()
        client.send_and_consume(
            "websocket.connect", path="/liveblog/olds/stream/", check_accept=False
        )
        self.assertEqual(
            self.get_next_message(client.reply_channel, require=True).content,
            {"text": '{"error": "bad_slug"}', "close": True},
        )

    def test_view(self):
        Group(self.blog.group_name).add(Channel("test-channel"))
        response = self.client.post("/liveblog/news/write/", {"body": "Sun!"})
        self.assertEqual(response.status_code, 200)
        self.get_next_message("test-channel", require=True)
        self.assertContains(self.client.get("/liveblog/news/"), "Sun!")
