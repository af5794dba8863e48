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

    assert code.fixed(text, "settings.py") == text.replace(old, new)
    assert load_backend(new, "the setting")


FIXED = {
    "strings": (
        """
        A = u"django.core.context_processors.request"
        B = ['django.db.backends.postgresql_psycopg2', "django.utils.log.NullHandler"]
        C = "django.contrib.staticfiles.storage.CachedStaticFilesStorage"
        """,
        """
        A = u"django.template.context_processors.request"
        B = ['django.db.backends.postgresql', "logging.NullHandler"]
        C = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
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
        ("setting", "STATICFILES_STORAGE = 'a'\n"),
        ("gone-name", "A = 'django.contrib.auth.middleware.SessionAuthenticationMiddleware'\n"),
        ("gone-name", "A = 'django.contrib.sessions.serializers.PickleSerializer'\n"),
        ("gone-name", "BACKEND = 'asgi_ipc.IPCChannelLayer'\n"),
        ("gone-name", "BACKEND = 'channels.database_layer.DatabaseChannelLayer'\n"),
        ("gone-name", "patch('daphne.server.Server')\n"),
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
