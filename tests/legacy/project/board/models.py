from django.conf import settings
from django.db import models


class IntegerValue(models.Model):
    name = models.CharField(max_length=100, unique=True)
    value = models.IntegerField(default=0)


class Card(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE)
    column = models.CharField(max_length=20, default="todo")
    text = models.CharField(max_length=100)
    secret = models.CharField(max_length=100, blank=True)
