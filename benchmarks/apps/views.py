"""The one page, and the URL table of every stack."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def hello(request: HttpRequest, name: str) -> HttpResponse:
    """Answer at once."""
    return HttpResponse(f"hello, {name}")


urlpatterns = [path("hello/<str:name>/", hello)]
