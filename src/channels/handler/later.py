"""Answering later: the response that is not sent."""

from __future__ import annotations

from django.http import HttpResponse


class HttpResponseLater(HttpResponse):
    """Return it from a view or a middleware, and nothing is sent to the client.

    The same as raising :class:`~channels.exceptions.ResponseLater` in the view.  Whoever
    answers instead sends to the request's ``reply_channel``, before the interface
    server's time-out.
    """

    #: Informational and unassigned, so that no middleware takes it for an error.
    status_code = 113
