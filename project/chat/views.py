from django.shortcuts import redirect, render
from django.utils.text import slugify

from chat.models import ChatMessage

SHOWN = 30


def index(request):
    """The list of rooms that were talked in lately; ?room=NAME goes to that room."""
    wanted = slugify(request.GET.get("room", ""))[:50]
    if wanted:
        return redirect("chat:room", room=wanted)
    rooms = ChatMessage.objects.order_by("room").values_list("room", flat=True).distinct()[:12]
    return render(request, "chat/index.html", {"rooms": rooms})


def room(request, room):
    latest = list(ChatMessage.objects.filter(room=room)[:SHOWN])
    return render(request, "chat/room.html", {"room": room, "messages_shown": latest[::-1]})
