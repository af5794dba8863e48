from django.http import HttpResponse
from django.urls import re_path

from .models import Entry

urlpatterns = [
    re_path(
        r"^(\w*)/?$",
        lambda request, room: HttpResponse(
            "\n".join(Entry.objects.filter(room=room).values_list("message", flat=True))
        ),
    ),
]
