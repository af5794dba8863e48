"""Static files in development: found by ``django.contrib.staticfiles`` and served beside the views.

By docs/channels1.md#static-files.  Needs ``STATIC_URL``, and so must be built only when
``django.contrib.staticfiles`` is installed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from django.conf import settings
from django.contrib.staticfiles import utils
from django.contrib.staticfiles.views import serve
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views import debug

from channels.handler import AsgiHandler, ViewConsumer


class StaticFilesHandler(AsgiHandler):
    """Serves what is under ``STATIC_URL`` itself and passes the rest on to Django.

    Attributes:
        base_url: ``STATIC_URL``, parsed.

    Raises:
        ImproperlyConfigured: The settings of static files are missing or
            contradict each other.
    """

    #: Receivers of Django's signals tell handlers of files by it.
    handles_files = True

    def __init__(self) -> None:
        self.base_url = urlparse(self.get_base_url())
        super().__init__()

    def get_base_url(self) -> str:
        """Return ``STATIC_URL``, checked."""
        utils.check_settings()
        url: str = settings.STATIC_URL
        return url

    def _should_handle(self, path: str) -> bool:
        """Whether a path is under ``STATIC_URL``, and that is on this host."""
        return path.startswith(self.base_url.path) and not self.base_url.netloc

    def _static_path(self, request: HttpRequest) -> str | None:
        """Return the path that is under ``STATIC_URL``, which need not have the script name."""
        paths = (request.path, request.path_info)
        return next((path for path in paths if self._should_handle(path)), None)

    def file_path(self, url: str) -> str:
        """Return the part of a URL path behind ``STATIC_URL``, as a path of this system."""
        return url2pathname(url[len(self.base_url.path) :])

    def serve(self, request: HttpRequest) -> HttpResponseBase:
        """Return the file that the request's path names.

        Raises:
            Http404: There is none.
        """
        # The user of this handler has asked for files to be served without DEBUG.
        path = self.file_path(self._static_path(request) or request.path)
        response: HttpResponseBase = serve(request, path, insecure=True)
        return response

    def get_response(self, request: HttpRequest) -> Any:
        """Return a static file, or else the view's response."""
        if self._static_path(request) is not None:
            try:
                return self.serve(request)
            except Http404 as error:
                if settings.DEBUG:
                    return debug.technical_404_response(request, error)
            except SuspiciousOperation as error:  # a path that leads out of the directories
                return response_for_exception(request, error)
        return super().get_response(request)


class StaticFilesConsumer(ViewConsumer):
    """Like :class:`~channels.handler.ViewConsumer`, with static files."""

    handler_class = StaticFilesHandler
