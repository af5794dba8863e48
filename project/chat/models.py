"""What was said, so that a page opened later shows the last messages."""

from django.db import models


class ChatMessage(models.Model):
    room = models.SlugField(max_length=50)
    name = models.CharField(max_length=40)
    text = models.CharField(max_length=500)
    sent = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["room", "-id"], name="chat_room_latest")]

    def __str__(self):
        return f"{self.name} in {self.room}: {self.text}"

    def as_json(self):
        """What a page gets to show one message."""
        return {"name": self.name, "text": self.text, "time": self.sent.isoformat()}
