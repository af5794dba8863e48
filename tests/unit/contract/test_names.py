"""Every name that legacy apps, settings and tests import, and how what it names is called.

Written as ``unittest`` classes, as legacy suites are, so that they run under Django's
test runner as well as under pytest (docs/channels1.md#names-to-import).
"""

from __future__ import annotations

import importlib
import inspect
import unittest

from tests.support.naming import find

#: Module to the names that it must have (docs/channels1.md#names-to-import).
INVENTORY = {
    "channels": (
        "__version__ default_app_config DEFAULT_CHANNEL_LAYER channel_layers Channel Group route"
        " route_class include"
    ),
    "channels.apps": "ChannelsConfig",
    "channels.asgi": (
        "InvalidChannelLayerError ChannelLayerManager ChannelLayerWrapper get_channel_layer"
        " channel_layers"
    ),
    "channels.auth": (
        "transfer_user channel_session_user http_session_user channel_session_user_from_http"
        " channel_and_http_session_user_from_http channel_session http_session"
        " channel_and_http_session"
    ),
    "channels.binding": "Binding",
    "channels.binding.base": "CREATE UPDATE DELETE BindingMetaclass Binding",
    "channels.binding.websockets": "WebsocketBinding WebsocketBindingWithMembers",
    "channels.channel": "Channel Group",
    "channels.delay": "",
    "channels.delay.apps": "DelayConfig",
    "channels.delay.models": "DelayedMessage DelayedMessageQuerySet",
    "channels.delay.worker": "Worker",
    "channels.delay.migrations.0001_initial": "Migration",
    "channels.delay.management.commands.rundelay": "Command Worker",
    "channels.exceptions": (
        "ConsumeLater ResponseLater RequestTimeout RequestAborted DenyConnection"
        " ChannelSocketException WebsocketCloseException SendNotAvailableOnDemultiplexer"
    ),
    "channels.generic": "BaseConsumer",
    "channels.generic.base": "BaseConsumer",
    "channels.generic.websockets": (
        "WebsocketConsumer JsonWebsocketConsumer WebsocketMultiplexer WebsocketDemultiplexer"
    ),
    "channels.hacks": "monkeypatch_django",
    "channels.handler": "AsgiRequest AsgiHandler ViewConsumer",
    "channels.log": "handler setup_logger",
    "channels.management.commands.runserver": "Command WorkerThread Worker sys",
    "channels.management.commands.runworker": "Command Worker",
    "channels.message": "Message PendingMessageStore pending_message_store",
    "channels.package_checks": "required_versions check_all",
    "channels.routing": (
        "Router Route RouteClass Include route route_class include null_consumer connect_consumer"
    ),
    "channels.security": "",
    "channels.security.websockets": (
        "BaseOriginValidator AllowedHostsOnlyOriginValidator allowed_hosts_only"
    ),
    "channels.sessions": (
        "session_for_reply_channel channel_session wait_channel_name requeue_messages"
        " enforce_ordering http_session channel_and_http_session"
    ),
    "channels.signals": "consumer_started consumer_finished worker_ready worker_process_ready",
    "channels.staticfiles": "StaticFilesHandler StaticFilesConsumer",
    "channels.test": (
        "ChannelTestCase TransactionChannelTestCase Client apply_routes WSClient"
        " ChannelLiveServerTestCase"
    ),
    "channels.test.base": "ChannelTestCase TransactionChannelTestCase Client apply_routes",
    "channels.test.websocket": "WSClient",
    "channels.test.liveserver": "ChannelLiveServerTestCase",
    "channels.utils": "name_that_thing",
    "channels.worker": "Worker WorkerGroup",
}

#: Dotted path of a callable to its parameters; what is ours alone comes behind ``...``.
SIGNATURES = {
    "channels.asgi.ChannelLayerManager": "()",
    "channels.asgi.ChannelLayerManager.make_backend": "(self, name)",
    "channels.asgi.ChannelLayerManager.make_test_backend": "(self, name)",
    "channels.asgi.ChannelLayerManager.set": "(self, key, layer)",
    "channels.asgi.ChannelLayerWrapper": "(channel_layer, alias, routing)",
    "channels.asgi.ChannelLayerWrapper.local_only": "(self)",
    "channels.asgi.get_channel_layer": "(alias='default')",
    "channels.channel.Channel": "(name, alias='default', channel_layer=None)",
    "channels.channel.Channel.send": "(self, content, immediately=False)",
    "channels.channel.Group": "(name, alias='default', channel_layer=None)",
    "channels.channel.Group.add": "(self, channel)",
    "channels.channel.Group.discard": "(self, channel)",
    "channels.channel.Group.send": "(self, content, immediately=False)",
    "channels.message.Message": "(content, channel_name, channel_layer)",
    "channels.message.Message.get": "(self, key, default=None)",
    "channels.message.Message.copy": "(self)",
    "channels.message.PendingMessageStore.prepare": "(self, **kwargs)",
    "channels.message.PendingMessageStore.append": "(self, sender, message)",
    "channels.message.PendingMessageStore.send_and_flush": "(self, **kwargs)",
    "channels.exceptions.WebsocketCloseException": "(code=None)",
    "channels.exceptions.ChannelSocketException.run": "(self, message)",
    "channels.routing.Router": "(routing)",
    "channels.routing.Router.add_route": "(self, route)",
    "channels.routing.Router.match": "(self, message)",
    "channels.routing.Router.check_default": "(self, http_consumer=None)",
    "channels.routing.Router.resolve_routing": "(routing)",
    "channels.routing.Router.normalise_re_arg": "(value)",
    "channels.routing.Route": "(channels, consumer, **filters)",
    "channels.routing.Route.match": "(self, message)",
    "channels.routing.RouteClass": "(consumer, **filters)",
    "channels.routing.Include": "(routing, **prefixes)",
    "channels.routing.connect_consumer": "(message, *args, **kwargs)",
    "channels.routing.null_consumer": "(*args, **kwargs)",
    "channels.worker.Worker": (
        "(channel_layer, callback=None, message_retries=10, signal_handlers=True,"
        " only_channels=None, exclude_channels=None)"
    ),
    "channels.worker.Worker.install_signal_handler": "(self)",
    "channels.worker.Worker.sigterm_handler": "(self, signo, frame)",
    "channels.worker.Worker.apply_channel_filters": "(self, channels)",
    "channels.worker.Worker.ready": "(self)",
    "channels.worker.Worker.run": "(self)",
    "channels.handler.AsgiRequest": "(message)",
    "channels.handler.AsgiHandler": "()",
    "channels.handler.AsgiHandler.__call__": "(self, message)",
    "channels.handler.AsgiHandler.encode_response": "(response)",
    "channels.handler.AsgiHandler.chunk_bytes": "(data)",
    "channels.handler.ViewConsumer": "()",
    "channels.sessions.session_for_reply_channel": "(reply_channel)",
    "channels.sessions.channel_session": "(func)",
    "channels.sessions.wait_channel_name": "(reply_channel)",
    "channels.sessions.requeue_messages": "(message)",
    "channels.sessions.enforce_ordering": "(func=None, slight=False)",
    "channels.sessions.http_session": "(func)",
    "channels.sessions.channel_and_http_session": "(func)",
    "channels.auth.transfer_user": "(from_session, to_session)",
    "channels.auth.channel_session_user": "(func)",
    "channels.auth.http_session_user": "(func)",
    "channels.auth.channel_session_user_from_http": "(func)",
    "channels.auth.channel_and_http_session_user_from_http": "(func)",
    "channels.generic.BaseConsumer": "(message, **kwargs)",
    "channels.generic.BaseConsumer.channel_names": "()",
    "channels.generic.BaseConsumer.as_route": "(attrs=None, **filters)",
    "channels.generic.BaseConsumer.get_handler": "(self, message, **kwargs)",
    "channels.generic.BaseConsumer.dispatch": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.connection_groups": "(self, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.raw_connect": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.raw_receive": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.raw_disconnect": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.get_handler": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.connect": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.receive": (
        "(self, text=None, bytes=None, **kwargs)"
    ),
    "channels.generic.websockets.WebsocketConsumer.disconnect": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketConsumer.send": (
        "(self, text=None, bytes=None, close=False)"
    ),
    "channels.generic.websockets.WebsocketConsumer.group_send": (
        "(name, text=None, bytes=None, close=False)"
    ),
    "channels.generic.websockets.WebsocketConsumer.close": "(self, status=True)",
    "channels.generic.websockets.JsonWebsocketConsumer.raw_receive": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketDemultiplexer.connect": "(self, message, **kwargs)",
    "channels.generic.websockets.WebsocketDemultiplexer.receive": "(self, content, **kwargs)",
    "channels.generic.websockets.WebsocketDemultiplexer.disconnect": "(self, message, **kwargs)",
    "channels.generic.websockets.JsonWebsocketConsumer.receive": "(self, content, **kwargs)",
    "channels.generic.websockets.JsonWebsocketConsumer.send": "(self, content, close=False)",
    "channels.generic.websockets.JsonWebsocketConsumer.group_send": (
        "(name, content, close=False)"
    ),
    "channels.generic.websockets.JsonWebsocketConsumer.encode_json": "(content)",
    "channels.generic.websockets.JsonWebsocketConsumer.decode_json": "(text)",
    "channels.generic.websockets.WebsocketMultiplexer": "(stream, reply_channel)",
    "channels.generic.websockets.WebsocketMultiplexer.send": "(self, payload)",
    "channels.generic.websockets.WebsocketMultiplexer.encode": "(stream, payload)",
    "channels.generic.websockets.WebsocketMultiplexer.encode_json": "(content)",
    "channels.generic.websockets.WebsocketMultiplexer.group_send": (
        "(name, stream, payload, close=False)"
    ),
    "channels.binding.base.Binding": "()",
    "channels.binding.base.Binding.group_names": "(instance)",
    "channels.binding.base.Binding.encode": "(stream, payload)",
    "channels.binding.base.Binding.serialize": "(self, instance, action)",
    "channels.binding.base.Binding.deserialize": "(self, message)",
    "channels.binding.base.Binding.has_permission": "(self, user, action, pk)",
    "channels.binding.base.Binding.create": "(self, data)",
    "channels.binding.base.Binding.update": "(self, pk, data)",
    "channels.binding.base.Binding.delete": "(self, pk)",
    "channels.binding.base.Binding.send_messages": (
        "(self, instance, group_names, action, **kwargs)"
    ),
    "channels.binding.base.Binding.trigger_inbound": "(message, **kwargs)",
    "channels.security.websockets.BaseOriginValidator": "(func)",
    "channels.security.websockets.BaseOriginValidator.get_header": "(self, message, name)",
    "channels.security.websockets.BaseOriginValidator.get_origin": "(self, message)",
    "channels.security.websockets.BaseOriginValidator.validate_origin": ("(self, message, origin)"),
    "channels.staticfiles.StaticFilesHandler": "()",
    "channels.staticfiles.StaticFilesHandler.file_path": "(self, url)",
    "channels.staticfiles.StaticFilesHandler.serve": "(self, request)",
    "channels.staticfiles.StaticFilesHandler.get_response": "(self, request)",
    "channels.log.setup_logger": "(name, verbosity=1)",
    "channels.utils.name_that_thing": "(thing)",
    "channels.package_checks.check_all": "()",
    "channels.hacks.monkeypatch_django": "()",
    "channels.management.commands.runserver.Command.log_action": (
        "(self, protocol, action, details)"
    ),
    "channels.management.commands.runserver.Command.get_consumer": "(self, *args, **options)",
    "channels.management.commands.runserver.WorkerThread": "(channel_layer, logger, ...)",
    "channels.delay.models.DelayedMessage.send": ("(self, channel_layer=None, requeue_delay=1000)"),
    "channels.delay.worker.Worker": (
        "(channel_layer, signal_handlers=True, database_sleep_duration=1)"
    ),
    "channels.test.Client": "(alias='default', reply_channel=None)",
    "channels.test.Client.get_next_message": "(self, channel)",
    "channels.test.Client.get_consumer_by_channel": "(self, channel)",
    "channels.test.Client.receive": "(self)",
    "channels.test.Client.join_group": "(self, group_name)",
    "channels.test.Client.consume": "(self, channel, fail_on_none=True)",
    "channels.test.WSClient": "(ordered=False, **kwargs)",
    "channels.test.WSClient.set_cookie": "(self, key, value)",
    "channels.test.WSClient.set_header": "(self, key, value)",
    "channels.test.WSClient.get_cookies": "(self)",
    "channels.test.WSClient.receive": "(self, json=True)",
    "channels.test.WSClient.consume": "(self, channel, fail_on_none=True, check_accept=True)",
    "channels.test.WSClient.login": "(self, **credentials)",
    "channels.test.WSClient.force_login": "(self, user, backend=None)",
    "channels.test.ChannelTestCase.get_next_message": (
        "(self, channel, alias='default', require=False)"
    ),
    "channels.layers.base.BaseChannelLayer": (
        "(expiry=60, group_expiry=86400, capacity=100, channel_capacity=None, ...)"
    ),
    "channels.layers.inmemory.InMemoryChannelLayer": (
        "(expiry=60, group_expiry=86400, capacity=10, channel_capacity=None, ...)"
    ),
    "channels.layers.inmemory.InMemoryChannelLayer.send": "(self, channel, message)",
    "channels.layers.inmemory.InMemoryChannelLayer.receive": "(self, channels, block=False)",
    "channels.layers.inmemory.InMemoryChannelLayer.receive_many": ("(self, channels, block=False)"),
    "channels.layers.inmemory.InMemoryChannelLayer.new_channel": "(self, pattern)",
    "channels.layers.inmemory.InMemoryChannelLayer.group_add": "(self, group, channel)",
    "channels.layers.inmemory.InMemoryChannelLayer.group_discard": "(self, group, channel)",
    "channels.layers.inmemory.InMemoryChannelLayer.group_channels": "(self, group)",
    "channels.layers.inmemory.InMemoryChannelLayer.send_group": "(self, group, message)",
    "channels.layers.inmemory.InMemoryChannelLayer.flush": "(self)",
    "channels.layers.redis.RedisChannelLayer": (
        "(expiry=60, hosts=None, prefix='asgi:', group_expiry=86400, capacity=100,"
        " channel_capacity=None, symmetric_encryption_keys=None, stats_prefix='asgi-meta:',"
        " connection_kwargs=None, ...)"
    ),
    "channels.layers.redis.RedisSentinelChannelLayer": (
        "(expiry=60, hosts=None, prefix='asgi:', group_expiry=86400, capacity=100,"
        " channel_capacity=None, symmetric_encryption_keys=None, stats_prefix='asgi-meta:',"
        " connection_kwargs=None, services=None, sentinel_refresh_interval=0, ...)"
    ),
    "channels.layers.redis.RedisChannelLayer.send": "(self, channel, message)",
    "channels.layers.redis.RedisChannelLayer.receive": "(self, channels, block=False)",
    "channels.layers.redis.RedisChannelLayer.connection": "(self, index)",
    "channels.layers.redis.RedisChannelLayer.global_statistics": "(self)",
    "channels.layers.redis.RedisChannelLayer.channel_statistics": "(self, channel)",
}


def parameters(function, count=None):
    """Return a signature without annotations, its first ``count`` parameters only."""
    told = inspect.signature(function)
    stripped = [one.replace(annotation=one.empty) for one in told.parameters.values()]
    if count is None:
        return str(told.replace(parameters=stripped, return_annotation=told.empty))
    shown = str(told.replace(parameters=stripped[:count], return_annotation=told.empty))
    return f"{shown[:-1]}, ...)"


class TestNames(unittest.TestCase):
    def test_every_name_is_where_it_was(self):
        for module, names in INVENTORY.items():
            found = importlib.import_module(module)
            for name in names.split():
                with self.subTest(module=module, name=name):
                    assert hasattr(found, name)

    def test_the_same_thing_is_found_in_each_place(self):
        for first, second in [
            ("channels.Channel", "channels.channel.Channel"),
            ("channels.Group", "channels.channel.Group"),
            ("channels.route", "channels.routing.Route"),
            ("channels.routing.route", "channels.routing.Route"),
            ("channels.route_class", "channels.routing.RouteClass"),
            ("channels.routing.route_class", "channels.routing.RouteClass"),
            ("channels.include", "channels.routing.Include"),
            ("channels.routing.include", "channels.routing.Include"),
            ("channels.channel_layers", "channels.asgi.channel_layers"),
            ("channels.auth.channel_session", "channels.sessions.channel_session"),
            ("channels.auth.http_session", "channels.sessions.http_session"),
            (
                "channels.auth.channel_and_http_session",
                "channels.sessions.channel_and_http_session",
            ),
            ("channels.binding.Binding", "channels.binding.base.Binding"),
            ("channels.generic.BaseConsumer", "channels.generic.base.BaseConsumer"),
            (
                "channels.security.websockets.allowed_hosts_only",
                "channels.security.websockets.AllowedHostsOnlyOriginValidator",
            ),
            ("channels.test.ChannelTestCase", "channels.test.base.ChannelTestCase"),
            ("channels.management.commands.runserver.Worker", "channels.worker.Worker"),
            ("channels.management.commands.runworker.Worker", "channels.worker.Worker"),
            (
                "channels.handler.AsgiRequest.ResponseLater",
                "channels.exceptions.ResponseLater",
            ),
            (
                "channels.layers.redis.RedisChannelLayer.ChannelFull",
                "channels.layers.inmemory.InMemoryChannelLayer.ChannelFull",
            ),
        ]:
            with self.subTest(first=first):
                assert find(first) is find(second)

    def test_constants_have_their_values(self):
        for path, value in {
            "channels.DEFAULT_CHANNEL_LAYER": "default",
            "channels.default_app_config": "channels.apps.ChannelsConfig",
            "channels.binding.base.CREATE": "create",
            "channels.binding.base.UPDATE": "update",
            "channels.binding.base.DELETE": "delete",
            "channels.message.PendingMessageStore.retry_time": 2,
            "channels.message.PendingMessageStore.retry_interval": 0.2,
            "channels.handler.AsgiRequest.body_receive_timeout": 60,
            "channels.handler.AsgiHandler.chunk_size": 512 * 1024,
            "channels.management.commands.runserver.Command.protocol": "http",
            "channels.management.commands.runworker.Command.leave_locale_alone": True,
            "channels.layers.redis.RedisChannelLayer.blpop_timeout": 5,
            "channels.layers.redis.RedisChannelLayer.global_statistics_expiry": 86400,
            "channels.layers.redis.RedisChannelLayer.channel_statistics_expiry": 3600,
            "channels.layers.redis.RedisChannelLayer.global_stats_key": "#global#",
            "channels.generic.base.BaseConsumer.method_mapping": {},
            "channels.generic.base.BaseConsumer.channel_session": False,
            "channels.generic.base.BaseConsumer.channel_session_user": False,
            "channels.generic.websockets.WebsocketConsumer.method_mapping": {
                "websocket.connect": "raw_connect",
                "websocket.receive": "raw_receive",
                "websocket.disconnect": "raw_disconnect",
            },
            "channels.generic.websockets.WebsocketConsumer.http_user": False,
            "channels.generic.websockets.WebsocketConsumer.http_user_and_session": False,
            "channels.generic.websockets.WebsocketConsumer.strict_ordering": False,
            "channels.generic.websockets.WebsocketConsumer.slight_ordering": False,
            "channels.generic.websockets.WebsocketConsumer.groups": None,
            "channels.generic.websockets.WebsocketDemultiplexer.consumers": {},
            "channels.binding.base.Binding.model": None,
            "channels.binding.base.Binding.fields": None,
            "channels.binding.base.Binding.exclude": None,
            "channels.binding.base.Binding.stream": None,
            "channels.binding.base.Binding.channel_session_user": True,
            "channels.binding.base.Binding.channel_session": False,
            "channels.binding.websockets.WebsocketBinding.stream": None,
            "channels.binding.websockets.WebsocketBinding.strict_ordering": False,
            "channels.binding.websockets.WebsocketBinding.slight_ordering": False,
            "channels.binding.websockets.WebsocketBindingWithMembers.send_members": [],
            "channels.binding.base.Binding.signal_kwargs": None,
            "channels.test.ChannelTestCase.test_channel_aliases": ["default"],
            "channels.test.ChannelLiveServerTestCase.host": "localhost",
            "channels.test.ChannelLiveServerTestCase.worker_threads": 1,
            "channels.test.ChannelLiveServerTestCase.serve_static": True,
            "channels.package_checks.required_versions": {
                "asgi_rabbitmq": "0.4.0",
                "asgi_redis": "1.2.0",
                "asgi_ipc": "1.3.0",
            },
        }.items():
            with self.subTest(path=path):
                assert find(path) == value


class TestSignatures(unittest.TestCase):
    def test_what_the_clients_of_tests_send_is_told_in_this_order(self):
        """By name or by position; what ``content`` is by default cannot be seen."""
        for path, names in {
            "channels.test.Client.send": "self to content",
            "channels.test.Client.send_and_consume": "self channel content fail_on_none",
            "channels.test.WSClient.send": "self to content text path",
            "channels.test.WSClient._get_content": "self content text path",
            "channels.test.WSClient.send_and_consume": (
                "self channel content text path fail_on_none check_accept"
            ),
            "channels.test.apply_routes": "routes aliases",
        }.items():
            with self.subTest(path=path):
                assert list(inspect.signature(find(path)).parameters) == names.split()

    def test_everything_is_called_as_it_was(self):
        for path, expected in SIGNATURES.items():
            with self.subTest(path=path):
                function = find(path)
                if expected.endswith(", ...)"):
                    told = parameters(function, expected.count(","))
                    # Defaults written as floats or ints are the same thing.
                    assert told == expected
                else:
                    assert parameters(function) == expected

    def test_threads_of_a_group_are_told_by_keyword_only(self):
        told = inspect.signature(find("channels.worker.WorkerGroup")).parameters

        assert told["n_threads"].kind is inspect.Parameter.KEYWORD_ONLY
        assert told["args"].kind is inspect.Parameter.VAR_POSITIONAL
        assert told["kwargs"].kind is inspect.Parameter.VAR_KEYWORD
