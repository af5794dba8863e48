from django.db import models


class Entry(models.Model):
    room = models.CharField(max_length=100)
    message = models.CharField(max_length=255)
