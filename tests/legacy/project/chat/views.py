from django.http import HttpResponse

from channels import Channel


def announce(request, room_id):
    # BUG: nobody to reply to, so the consumer cannot have a session.
    Channel("chat.receive").send({"command": "send", "room": room_id, "message": "Tea is ready"})
    return HttpResponse("announced")
