"""Views of the handler's tests, and their URLs."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.response import SimpleTemplateResponse
from django.urls import get_script_prefix, path, reverse

from channels import Channel
from channels.handler import HttpResponseLater

#: Where the file view reads; set by its test.
FILE = ""


def hello(request):
    return HttpResponse(f"Hello {request.GET.get('name', 'you')}")


async def hello_async(request):
    await asyncio.sleep(0)
    return HttpResponse("Hello from a coroutine")


def stream(request):
    return StreamingHttpResponse(f"part {n}" for n in range(3))


async def stream_async(request):
    async def parts():
        for n in range(3):
            await asyncio.sleep(0)
            yield f"part {await sync_to_async(str)(n)}"

    return StreamingHttpResponse(parts())


def file(request):
    return FileResponse(open(FILE, "rb"))


def upload(request):
    return JsonResponse({name: file.read().decode() for name, file in request.FILES.items()})


def body(request):
    return HttpResponse(request.body)


def count(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    response = HttpResponse(str(request.session["visits"]))
    response.set_cookie("flavour", "chocolate", max_age=60)
    return response


def token(request):
    return HttpResponse(get_token(request))


def later(request):
    raise request.ResponseLater()


async def later_async(request):
    raise request.ResponseLater()


def later_returned(request):
    return HttpResponseLater()


def later_rendered(request):
    class Template(SimpleTemplateResponse):
        @property
        def rendered_content(self):
            raise request.ResponseLater()

    return Template("none.html")


def forbidden(request):
    raise PermissionDenied


def broken(request):
    raise ValueError("a bug of the view")


def prefix(request):
    return HttpResponse(get_script_prefix() + " " + reverse("prefix"))


def notify(request):
    Channel("news").send({"text": "a view has run"})
    return HttpResponse("notified")


async def notify_async(request):
    Channel("news").send({"text": "a view has run"})
    await asyncio.sleep(0)
    return HttpResponse("notified")


def broken_handler(request):
    raise RuntimeError("a bug of the error page")


urlpatterns = [
    path("hello/", hello),
    path("hello-async/", hello_async),
    path("stream/", stream),
    path("stream-async/", stream_async),
    path("file/", file),
    path("upload/", upload),
    path("body/", body),
    path("count/", count),
    path("token/", token),
    path("later/", later),
    path("later-async/", later_async),
    path("later-returned/", later_returned),
    path("later-rendered/", later_rendered),
    path("forbidden/", forbidden),
    path("broken/", broken),
    path("prefix/", prefix, name="prefix"),
    path("notify/", notify),
    path("notify-async/", notify_async),
]
