"""Layers of others, patterns that are bytes, and strings that are compared."""

import pytest

from tests.unit.porting.conftest import dedent


@pytest.mark.parametrize(
    "name",
    ["asgi_amqp.AMQPChannelLayer", "asgi_ipc.IPCChannelLayer", "channels_x.core.XChannelLayer"],
)
@pytest.mark.parametrize(
    "text",
    [
        'CHANNEL_LAYERS = {{"default": {{"BACKEND": "{}"}}}}\n',
        'LAYER = os.environ.get("LAYER", "{}")\n',
    ],
)
def test_layers_of_other_distributions_are_gone(code, name, text):
    assert code.rules(text.format(name)) == ["gone-name"]


@pytest.mark.parametrize(
    "text",
    [
        'CHANNEL_LAYERS = {"default": {"BACKEND": "mysite.layers.Own"}}\n',
        'CHANNEL_LAYERS = dict(default=dict(BACKEND="mysite.layers.Own"))\n',
        'CHANNEL_LAYERS["default"]["BACKEND"] = "mysite.layers.Own"\n',
        'CHANNEL_LAYERS: dict = {"default": {"BACKEND": "mysite.layers.Own"}}\n',
    ],
)
def test_any_backend_that_is_not_ours_deserves_a_line(code, text):
    assert code.rules(text, notes=True) == ["layer"]
    assert code.rules(text.replace("mysite", "channels"), notes=True) == []
    assert code.rules(text.replace("CHANNEL_LAYERS", "CACHES"), notes=True) == []


@pytest.mark.parametrize(
    "condition",
    [
        'LAYER != "asgi_redis.RedisChannelLayer"',
        '"asgi_redis.RedisChannelLayer" == LAYER',
        'LAYER in ("asgi_redis.RedisChannelLayer", "other")',
        'LAYER.startswith("asgi_redis.RedisChannelLayer")',
        'ENGINE == "django.db.backends.postgresql_psycopg2"',
        'PATH == "django.core.urlresolvers.reverse"',
    ],
)
def test_what_is_compared_is_told_and_not_changed(code, condition):
    text = f"if {condition}:\n    raise ValueError\n"

    ported = code.one(text)

    assert ported.fixed == text
    assert ["it is compared here" in one.message for one in ported.findings] == [True]


def test_an_argument_within_a_comparison_is_changed(code):
    text = 'if load("asgi_redis.RedisChannelLayer") == 1:\n    pass\n'
    assert '"channels.layers.redis.RedisChannelLayer"' in code.fixed(text)


def test_patterns_are_text(code):
    text = """
        from channels import include, route
        from django.urls import re_path
        import re

        routing = [
            route("websocket.connect", connect, path=b"^/a/$"),
            include("b.routing", path=br'^/b'),
            Consumer.as_route(path=b"^/e"),
            route("websocket.receive", receive, path=re.compile(br'^/c')),
            route("a", consumer, key="text"),
        ]
        urlpatterns = [re_path(b"^d/$", view), re_path("^e/$", view, {"key": b"bytes"})]
    """
    assert code.rules(text) == ["bytes"] * 2
    assert code.rules(text, notes=True) == ["bytes"] * 3
    assert code.fixed(text) == dedent(text).replace("compile(br", "compile(r").replace(
        'b"^d', '"^d'
    )
