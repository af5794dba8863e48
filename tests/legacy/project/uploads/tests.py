from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from channels import Group
from channels.test import ChannelTestCase, HttpClient

from .models import Upload


class UploadTests(ChannelTestCase):
    def setUp(self):
        self.user = User.objects.create_user("ben", password="pw")

    def test_notified(self):
        page = HttpClient()
        page.login(username="ben", password="pw")
        page.send_and_consume("websocket.connect", path="/uploads/")

        self.client.login(username="ben", password="pw")
        response = self.client.post(
            "/uploads/", {"file": SimpleUploadedFile("cat.gif", b"GIF" * 1000)}
        )
        self.assertEqual(response.status_code, 201)
        upload = Upload.objects.get()
        self.assertEqual(page.receive(), {"id": upload.pk, "name": "cat.gif", "size": 3000})
        page.send_and_consume("websocket.disconnect", path="/uploads/")
        Group("user-ben").send({"text": "{}"})
        self.assertIsNone(page.receive())

    def test_anonymous_is_closed(self):
        page = HttpClient()
        page.send_and_consume("websocket.connect", path="/uploads/", check_accept=False)
        self.assertEqual(page.receive(), {"close": True})
        self.assertEqual(self.client.post("/uploads/").status_code, 302)

    def test_who(self):
        page = HttpClient()
        page.force_login(self.user)
        page.send_and_consume("websocket.connect", path="/uploads/")
        page.send_and_consume("websocket.receive", text="?", path="/uploads/")
        self.assertEqual(page.receive(), "ben")
