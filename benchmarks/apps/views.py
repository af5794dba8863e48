"""The one page, and the URL table of every stack."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def hello(request: HttpRequest) -> HttpResponse:
    """Answer at once."""
    return HttpResponse("hello, world")


urlpatterns = [path("hello/", hello)]
