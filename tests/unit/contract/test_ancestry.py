"""What each class of old was a kind of: ``except``, ``isinstance`` and ``super()`` lean on it."""

from __future__ import annotations

import pytest

from tests.support.naming import find

#: Dotted path of a class to what it must be a kind of (docs/channels1.md#channel-layers).
ANCESTORS = {
    "channels.apps.ChannelsConfig": "django.apps.AppConfig",
    "channels.asgi.InvalidChannelLayerError": "builtins.ValueError",
    "channels.binding.base.BindingMetaclass": "builtins.type",
    "channels.binding.websockets.WebsocketBinding": "channels.binding.base.Binding",
    "channels.binding.websockets.WebsocketBindingWithMembers": (
        "channels.binding.websockets.WebsocketBinding"
    ),
    "channels.delay.apps.DelayConfig": "django.apps.AppConfig",
    "channels.delay.management.commands.rundelay.Command": (
        "django.core.management.base.BaseCommand"
    ),
    "channels.delay.models.DelayedMessage": "django.db.models.Model",
    "channels.delay.models.DelayedMessageQuerySet": "django.db.models.QuerySet",
    "channels.exceptions.ChannelSocketException": "builtins.Exception",
    "channels.exceptions.ConsumeLater": "builtins.Exception",
    "channels.exceptions.DenyConnection": "builtins.Exception",
    "channels.exceptions.RequestAborted": "builtins.Exception",
    "channels.exceptions.RequestTimeout": "builtins.Exception",
    "channels.exceptions.ResponseLater": "builtins.Exception",
    "channels.exceptions.SendNotAvailableOnDemultiplexer": "builtins.Exception",
    "channels.exceptions.WebsocketCloseException": "channels.exceptions.ChannelSocketException",
    "channels.generic.websockets.JsonWebsocketConsumer": (
        "channels.generic.websockets.WebsocketConsumer"
    ),
    "channels.generic.websockets.WebsocketConsumer": "channels.generic.base.BaseConsumer",
    "channels.generic.websockets.WebsocketDemultiplexer": (
        "channels.generic.websockets.JsonWebsocketConsumer"
    ),
    "channels.handler.AsgiHandler": "django.core.handlers.base.BaseHandler",
    "channels.handler.AsgiRequest": "django.http.HttpRequest",
    "channels.handler.HttpResponseLater": "django.http.HttpResponse",
    "channels.management.commands.runserver.Command": (
        "django.core.management.commands.runserver.Command"
    ),
    "channels.management.commands.runserver.WorkerThread": "threading.Thread",
    "channels.management.commands.runworker.Command": "django.core.management.base.BaseCommand",
    "channels.routing.RouteClass": "channels.routing.Route",
    "channels.security.websockets.AllowedHostsOnlyOriginValidator": (
        "channels.security.websockets.BaseOriginValidator"
    ),
    "channels.staticfiles.StaticFilesConsumer": "channels.handler.ViewConsumer",
    "channels.staticfiles.StaticFilesHandler": "channels.handler.AsgiHandler",
    "channels.test.ChannelTestCase": "django.test.TestCase",
    "channels.test.TransactionChannelTestCase": "django.test.TransactionTestCase",
    "channels.test.WSClient": "channels.test.Client",
    "channels.test.ChannelLiveServerTestCase": "django.test.TransactionTestCase",
    "channels.worker.WorkerGroup": "channels.worker.Worker",
}

#: Dotted path of a class attribute to the class that it must be, for subclasses to replace.
CLASSES = {
    "channels.handler.AsgiHandler.request_class": "channels.handler.AsgiRequest",
    "channels.handler.ViewConsumer.handler_class": "channels.handler.AsgiHandler",
    "channels.staticfiles.StaticFilesConsumer.handler_class": (
        "channels.staticfiles.StaticFilesHandler"
    ),
    "channels.generic.websockets.WebsocketDemultiplexer.multiplexer_class": (
        "channels.generic.websockets.WebsocketMultiplexer"
    ),
}


@pytest.mark.parametrize(("path", "ancestor"), ANCESTORS.items())
def test_each_class_is_a_kind_of_what_it_was(path, ancestor):
    assert issubclass(find(path), find(ancestor))


@pytest.mark.parametrize(("path", "expected"), CLASSES.items())
def test_each_attribute_that_holds_a_class_holds_the_old_one(path, expected):
    assert find(path) is find(expected)


def test_a_consume_later_is_no_answer_and_a_denial_no_close():
    """They are handled one by one: a kind of another would be handled as that."""
    kinds = [find(path) for path in ANCESTORS if path.startswith("channels.exceptions.")]
    related = {
        (one.__name__, other.__name__)
        for one in kinds
        for other in kinds
        if one is not other and issubclass(one, other)
    }

    assert related == {("WebsocketCloseException", "ChannelSocketException")}
