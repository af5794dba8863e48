import json

from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver

from channels import Group


class Liveblog(models.Model):
    title = models.CharField(max_length=255)
    slug = models.SlugField()

    def get_absolute_url(self):
        return "/liveblog/%s/" % self.slug

    @property
    def group_name(self):
        return "liveblog-%s" % self.id


class Post(models.Model):
    liveblog = models.ForeignKey(Liveblog, related_name="posts", on_delete=models.CASCADE)
    body = models.TextField()
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created"]

    def send_notification(self):
        notification = {
            "id": self.id,
            "html": "<p>%s</p>" % self.body,
        }
        Group(self.liveblog.group_name).send({"text": json.dumps(notification)})

    def save(self, *args, **kwargs):
        result = super(Post, self).save(*args, **kwargs)
        self.send_notification()
        return result


@receiver(post_delete, sender=Post)
def send_removal(sender, instance, **kwargs):
    Group(instance.liveblog.group_name).send(
        {
            "text": json.dumps({"id": instance.id, "removed": True}),
        }
    )
