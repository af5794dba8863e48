"""Django's views as consumers of ``http.request`` (docs/channels1.md#views-and-requests).

====================  ====================================================
:class:`AsgiRequest`      a Django request made of a message
:class:`AsgiHandler`      runs Django's middleware and views; yields replies
:class:`ViewConsumer`     the consumer: sends these replies
:class:`HttpResponseLater`  what a view returns to answer by itself, later
====================  ====================================================
"""

from channels.handler.handler import AsgiHandler, HttpResponseLater, ViewConsumer
from channels.handler.request import AsgiRequest

__all__ = ["AsgiHandler", "AsgiRequest", "HttpResponseLater", "ViewConsumer"]
