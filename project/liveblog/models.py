"""A liveblog whose posts announce themselves when they are saved."""

import json

from django.db import models, transaction

from channels import Group


class Liveblog(models.Model):
    title = models.CharField(max_length=200)
    slug = models.SlugField(unique=True)

    def __str__(self):
        return self.title

    @property
    def group(self):
        """Every open page of this liveblog."""
        return Group(f"liveblog-{self.slug}")


class Post(models.Model):
    liveblog = models.ForeignKey(Liveblog, related_name="posts", on_delete=models.CASCADE)
    body = models.TextField(max_length=2000)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self):
        return self.body[:60]

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        self.announce(
            {"id": self.pk, "body": self.body, "time": self.created.isoformat()},
        )

    def delete(self, *args, **kwargs):
        gone = self.pk
        deleted = super().delete(*args, **kwargs)
        self.announce({"id": gone, "deleted": True})
        return deleted

    def announce(self, content):
        """Tell every open page, once the change is really in the database."""
        transaction.on_commit(lambda: self.liveblog.group.send({"text": json.dumps(content)}))
