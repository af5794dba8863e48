"""Middleware of the handler's tests; each call and each loading is noted."""

from __future__ import annotations

from django.http import HttpResponse

from channels.handler import HttpResponseLater

noted: list[str] = []


class Noting:
    def __init__(self, get_response):
        self.get_response = get_response
        noted.append("loaded")

    def __call__(self, request):
        response = self.get_response(request)
        noted.append(f"{request.path} {response.status_code}")
        return response

    def process_exception(self, request, exception):
        noted.append(type(exception).__name__)
        if isinstance(exception, ValueError):
            return HttpResponse("mended", status=299)
        return None


class AlwaysLater:
    def __init__(self, get_response):
        pass

    def __call__(self, request):
        return HttpResponseLater()
