from django.shortcuts import redirect, render
from django.utils.text import slugify

from chat.models import ChatMessage

SHOWN = 30


def index(request):
    """The list of rooms that were talked in lately; ?room=NAME goes to that room."""
    wanted = request.GET.get("room", "")
    room = slugify(wanted, allow_unicode=True)[:50]
    if room:
        return redirect("chat:room", room=room)
    rooms = ChatMessage.objects.order_by("room").values_list("room", flat=True).distinct()[:12]
    return render(request, "chat/index.html", {"rooms": rooms, "refused": wanted})


def room(request, room):
    latest = list(ChatMessage.objects.filter(room=room)[:SHOWN])
    return render(
        request,
        "chat/room.html",
        {
            "room": room,
            "messages_shown": latest[::-1],
            "longest_text": ChatMessage.longest("text"),
            "longest_name": ChatMessage.longest("name"),
        },
    )
