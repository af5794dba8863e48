"""Django's views as consumers of ``http.request`` (docs/channels1.md#views-and-requests)."""

from channels.handler.handler import AsgiHandler, HttpResponseLater, ViewConsumer
from channels.handler.request import AsgiRequest

__all__ = ["AsgiHandler", "AsgiRequest", "HttpResponseLater", "ViewConsumer"]
