"""Settings, and dotted names in strings wherever they are."""

import pytest

from channels.backends import load_backend
from tests.unit.porting.conftest import dedent

DEFAULTS = 'USE_TZ = False\nDEFAULT_AUTO_FIELD = "django.db.models.AutoField"\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("asgi_redis.RedisChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.core.RedisChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.RedisLocalChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.RedisSentinelChannelLayer", "channels.layers.redis.RedisSentinelChannelLayer"),
        ("asgiref.inmemory.ChannelLayer", "channels.layers.inmemory.InMemoryChannelLayer"),
    ],
)
def test_an_old_backend_gets_its_new_name(code, old, new):
    text = f"CHANNEL_LAYERS = {{'default': {{'BACKEND': '{old}'}}}}\n"

    fixed = text.replace(old, new) + "CHANNELS_CLOSE_ON_LOGOUT = False\n"
    assert code.fixed(text, "settings.py") == fixed
    assert load_backend(new, "the setting")


#: Old settings, and new ones with which log-outs leave sockets open as they did.
LAYERS = {
    "two entries": (
        """
        CHANNEL_LAYERS = {
            "default": {"BACKEND": "asgi_redis.RedisChannelLayer"},
            "other": {"BACKEND": "asgiref.inmemory.ChannelLayer"},
        }  # both
        INSTALLED_APPS = []
        ROOT_URLCONF = "a"
        """,
        """
        CHANNEL_LAYERS = {
            "default": {"BACKEND": "channels.layers.redis.RedisChannelLayer"},
            "other": {"BACKEND": "channels.layers.inmemory.InMemoryChannelLayer"},
        }  # both
        CHANNELS_CLOSE_ON_LOGOUT = False
        INSTALLED_APPS = []
        ROOT_URLCONF = "a"
        DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
        USE_TZ = False
        """,
    ),
    "a branch, below the setting, with a default": (
        """
        if DEBUG:
            CHANNEL_LAYERS["a"]["BACKEND"] = get("B", "asgi_redis.RedisChannelLayer")
        """,
        """
        if DEBUG:
            CHANNEL_LAYERS["a"]["BACKEND"] = get("B", "channels.layers.redis.RedisChannelLayer")
            CHANNELS_CLOSE_ON_LOGOUT = False
        """,
    ),
    "a class, annotated, at the end": (
        'class A:\r\n\tCHANNEL_LAYERS: dict = {"a": {"BACKEND": "asgi_redis.RedisChannelLayer"}}',
        'class A:\r\n\tCHANNEL_LAYERS: dict = {"a": {"BACKEND":'
        ' "channels.layers.redis.RedisChannelLayer"}}'
        "\r\n\tCHANNELS_CLOSE_ON_LOGOUT = False",
    ),
    "set already": (
        """
        CHANNEL_LAYERS = {"default": {"BACKEND": "asgi_redis.RedisChannelLayer"}}
        CHANNELS_CLOSE_ON_LOGOUT = True
        """,
        """
        CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.redis.RedisChannelLayer"}}
        CHANNELS_CLOSE_ON_LOGOUT = True
        """,
    ),
    "no settings": (
        """
        def test_it(settings):
            settings.CHANNEL_LAYERS = {"a": {"BACKEND": "asgi_redis.RedisChannelLayer"}}
            CHANNEL_LAYERS = {"a": {"BACKEND": "asgi_redis.RedisChannelLayer"}}
        NAME = "asgi_redis.RedisChannelLayer"
        a = 1; CHANNEL_LAYERS = {"a": {"BACKEND": 0 or "asgi_redis.RedisChannelLayer"}}
        """,
        """
        def test_it(settings):
            settings.CHANNEL_LAYERS = {"a": {"BACKEND": "channels.layers.redis.RedisChannelLayer"}}
            CHANNEL_LAYERS = {"a": {"BACKEND": "channels.layers.redis.RedisChannelLayer"}}
        NAME = "channels.layers.redis.RedisChannelLayer"
        a = 1; CHANNEL_LAYERS = {"a": {"BACKEND": 0 or "channels.layers.redis.RedisChannelLayer"}}
        """,
    ),
}


@pytest.mark.parametrize(("before", "after"), LAYERS.values(), ids=LAYERS)
def test_with_a_new_backend_log_outs_go_on_leaving_sockets_open(code, before, after):
    found = code.one(before, "settings.py")

    assert found.fixed == dedent(after)
    renamed = [one.message for one in found.findings if one.rule == "renamed"]
    assert renamed
    assert all("unless CHANNELS_CLOSE_ON_LOGOUT = False" in message for message in renamed)


FIXED = {
    "strings": (
        """
        A = u"django.core.context_processors.request"
        B = ['django.db.backends.postgresql_psycopg2', "django.utils.log.NullHandler"]
        C = "django.contrib.staticfiles.storage.CachedStaticFilesStorage"
        """,
        """
        A = "django.template.context_processors.request"
        B = ['django.db.backends.postgresql', "logging.NullHandler"]
        C = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        """,
    ),
    "names to patch": (
        """
        patch("asgi_redis.RedisChannelLayer.send")
        patch("django.core.urlresolvers.reverse")
        patch("channels.tests.HttpClient")
        """,
        """
        patch("channels.layers.redis.RedisChannelLayer.send")
        patch("django.urls.reverse")
        patch("channels.test.WSClient")
        """,
    ),
    "a middleware that is gone": (
        """
        A = [
            'a',
            'django.contrib.auth.middleware.SessionAuthenticationMiddleware',
        ]
        """,
        """
        A = [
            'a',
        ]
        """,
    ),
    "settings of the machine at the end": (
        """
        INSTALLED_APPS = []
        ROOT_URLCONF = "a"
        USE_I18N = USE_TZ = True
        try:
            from .local import *
        except ImportError:
            pass
        """,
        """
        INSTALLED_APPS = []
        ROOT_URLCONF = "a"
        USE_I18N = USE_TZ = True
        DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
        try:
            from .local import *
        except ImportError:
            pass
        """,
    ),
    "MIDDLEWARE_CLASSES": (
        "MIDDLEWARE_CLASSES = ['a']\nMIDDLEWARE_CLASSES += ['b']\n",
        "MIDDLEWARE = ['a']\nMIDDLEWARE += ['b']\n",
    ),
    "defaults that have changed": (
        'INSTALLED_APPS = []\nROOT_URLCONF = "a"',
        'INSTALLED_APPS = []\nROOT_URLCONF = "a"\n'
        'DEFAULT_AUTO_FIELD = "django.db.models.AutoField"\nUSE_TZ = False\n',
    ),
    "one default that has changed": (
        'INSTALLED_APPS = []\nROOT_URLCONF = "a"\nUSE_TZ = True\n',
        'INSTALLED_APPS = []\nROOT_URLCONF = "a"\nUSE_TZ = True\n'
        'DEFAULT_AUTO_FIELD = "django.db.models.AutoField"\n',
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_settings_are_fixed(code, before, after):
    found = code.one(before, "settings.py")

    assert found.fixed == dedent(after)
    assert code.one(found.fixed, "settings.py").findings == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("setting", "TEMPLATE_DIRS = ['a']\n"),
        ("gone-name", "A = 'django.contrib.auth.middleware.SessionAuthenticationMiddleware'\n"),
        ("gone-name", "A = 'django.contrib.sessions.serializers.PickleSerializer'\n"),
        ("gone-name", "BACKEND = 'asgi_ipc.IPCChannelLayer'\n"),
        ("gone-name", "BACKEND = 'channels.database_layer.DatabaseChannelLayer'\n"),
        ("gone-name", "patch('daphne.http_protocol.HTTPFactory')\n"),
        ("gone-name", "APPS = ['django.contrib.formtools']\n"),
        ("setting", "DEBUG = TEMPLATE_DEBUG = True\n"),
        ("setting", "MIDDLEWARE = []\nif OLD: MIDDLEWARE_CLASSES = MIDDLEWARE\n"),
    ],
)
def test_settings_that_no_rule_can_fix_are_told_and_left(code, rule, text):
    found = code.one(text, "settings.py")

    assert [one.rule for one in found.findings] == [rule]
    assert found.fixed == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("setting", "USE_L10N = True\n"),
        ("logger", "LOGGING = {'loggers': {'daphne.server': {}}}\n"),
        ("delay-label", "APPS = ['channels', 'channels.delay']\n"),
    ],
)
def test_settings_that_merely_mean_something_else_are_noted(code, rule, text):
    assert code.rules(text, "settings.py", notes=True) == [rule]
    assert code.rules(text, "settings.py") == []


@pytest.mark.parametrize(
    "text",
    [
        "from base import *\nINSTALLED_APPS = []\nROOT_URLCONF = 'a'\n",
        "INSTALLED_APPS = ['a test']\n",
        "A = 'channels.layers.redis.RedisChannelLayer'\nB = 'daphne.response.*!'\n",
        "'''See asgi_redis.RedisChannelLayer in the docs.'''\n",
    ],
)
def test_other_settings_are_left_alone(code, text):
    assert code.one(text, "settings.py").findings == []


def test_migrations_that_depend_on_the_delay_app_name_its_new_label(code):
    text = "from django.db import migrations\nD = [('channels.delay', '0001_initial')]\n"

    fixed = code.fixed(text, "app/migrations/0002_more.py")

    assert fixed == text.replace("channels.delay", "channels_delay")
