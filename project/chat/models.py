"""What was said, so that a page that comes later, or comes back, shows it."""

from django.db import models


class ChatMessage(models.Model):
    room = models.SlugField(max_length=50, allow_unicode=True)
    name = models.CharField(max_length=40)
    text = models.CharField(max_length=500)
    sent = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["room", "-id"], name="chat_room_latest")]

    def __str__(self):
        return f"{self.name} in {self.room}: {self.text}"

    @classmethod
    def longest(cls, field):
        """How many characters a field may have."""
        return cls._meta.get_field(field).max_length

    def as_json(self):
        """What a page gets to show one message."""
        return {
            "id": self.pk,
            "name": self.name,
            "text": self.text,
            "time": self.sent.isoformat(),
        }
