"""Ordinary views that send to channels."""

from django.http import HttpResponse, JsonResponse

from channels import Channel, Group


def start(request, number):
    Channel("work").send({"id": int(number)})
    return HttpResponse(f"started {number}")


def start_hopeless(request):
    Channel("work.hopeless").send({})
    return HttpResponse("started")


def announce(request):
    Group("results").send({"text": request.POST["text"]})
    return JsonResponse({"told": request.POST["text"], "files": sorted(request.FILES)})


def later(request):
    Channel("answer-later").send({"reply_to": request.reply_channel.name})
    raise request.ResponseLater()


def name(request, new):
    request.session["name"] = new
    return HttpResponse(new)


def who(request):
    return HttpResponse("{} {}".format(request.session.get("name"), request.user.is_anonymous))


def broken(request):
    raise ValueError("as some views do")
