"""Models of every kind that bindings meet."""

from __future__ import annotations

import uuid

from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Author(models.Model):
    """Known by its name, as ``natural_key`` tells serializers."""

    name = models.CharField(max_length=50)

    class Manager(models.Manager["Author"]):
        def get_by_natural_key(self, name: str) -> Author:
            return self.get(name=name)

    objects = Manager()

    def natural_key(self) -> tuple[str]:
        return (self.name,)

    def shout(self) -> str:
        return self.name.upper()


class Article(models.Model):
    title = models.CharField(max_length=50)
    room = models.CharField(max_length=50, default="lobby")
    published = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    reviewed = models.BooleanField(default=False, editable=False)
    author = models.ForeignKey(Author, models.CASCADE, null=True, blank=True)
    tags = models.ManyToManyField(Tag, related_name="articles")


class Note(models.Model):
    """Has its primary key before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=50)


class Person(models.Model):
    friends = models.ManyToManyField("self")


class Place(models.Model):
    address = models.CharField(max_length=50)


class Restaurant(Place):
    menu = models.CharField(max_length=50)
