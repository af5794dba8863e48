"""Fill an empty demo database; safe to run again."""

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from liveblog.models import Liveblog

POSTS = [
    "Doors are open. This page needs no reload: leave it open and watch.",
    "Write a post with the form or in the admin: every open page shows it at once.",
]


class Command(BaseCommand):
    help = "Create the demo's liveblog and an admin user (admin / admin); does nothing twice."

    def handle(self, *args, **options):
        liveblog, created = Liveblog.objects.get_or_create(
            slug="launch", defaults={"title": "Launch day"}
        )
        if created:
            for body in POSTS:
                liveblog.posts.create(body=body)
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", "admin@example.com", "admin")
        self.stdout.write("The demo has its liveblog and its admin user (admin / admin).")
