"""Names that are imported from elsewhere now, or not at all.  Pure data.

``NAMES`` maps the dotted name of a thing to where it is now; ``MODULES`` does so
for a module and everything in it, unless a name of it has an entry of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """Where something is now.

    Attributes:
        to: Its new dotted name, beginning with ``builtins.`` if it needs no import;
            ``""`` if its uses can be deleted; ``None`` if a person must find a
            replacement.
        why: What to say besides.
    """

    to: str | None
    why: str = ""


def _gone(why: str) -> Move:
    return Move(None, why)


_TRANSLATION = {
    "ugettext": "gettext",
    "ugettext_lazy": "gettext_lazy",
    "ugettext_noop": "gettext_noop",
    "ungettext": "ngettext",
    "ungettext_lazy": "ngettext_lazy",
}

#: What django.utils.six had of Python 3 itself.
_SIX = {
    "text_type": "builtins.str",
    "string_types": "builtins.str",
    "binary_type": "builtins.bytes",
    "integer_types": "builtins.int",
    "class_types": "builtins.type",
    "unichr": "builtins.chr",
    "BytesIO": "io.BytesIO",
    "StringIO": "io.StringIO",
    "wraps": "functools.wraps",
    "moves.StringIO": "io.StringIO",
    "moves.cPickle": "pickle",
    "moves.cStringIO": "io.StringIO",
    "moves.filter": "builtins.filter",
    "moves.input": "builtins.input",
    "moves.map": "builtins.map",
    "moves.range": "builtins.range",
    "moves.reduce": "functools.reduce",
    "moves.xrange": "builtins.range",
    "moves.zip": "builtins.zip",
    "moves.zip_longest": "itertools.zip_longest",
}

NAMES: dict[str, Move] = {
    # -- Django ----------------------------------------------------------------------
    "django.conf.urls.url": Move("django.urls.re_path"),
    "django.conf.urls.patterns": _gone("urlpatterns is a plain list"),
    "django.core.urlresolvers.RegexURLPattern": Move("django.urls.URLPattern"),
    "django.core.urlresolvers.RegexURLResolver": Move("django.urls.URLResolver"),
    **{
        f"django.utils.translation.{old}": Move(f"django.utils.translation.{new}")
        for old, new in _TRANSLATION.items()
    },
    "django.utils.translation.string_concat": _gone("use django.utils.text.format_lazy"),
    "django.utils.encoding.force_text": Move("django.utils.encoding.force_str"),
    "django.utils.encoding.force_unicode": Move("django.utils.encoding.force_str"),
    "django.utils.encoding.smart_text": Move("django.utils.encoding.smart_str"),
    "django.utils.encoding.smart_unicode": Move("django.utils.encoding.smart_str"),
    "django.utils.encoding.python_2_unicode_compatible": Move(""),
    **{f"django.utils.six.{old}": Move(new) for old, new in _SIX.items()},
    "django.utils.six.python_2_unicode_compatible": Move(""),
    "django.utils.http.urlquote": Move("urllib.parse.quote"),
    "django.utils.http.urlquote_plus": Move("urllib.parse.quote_plus"),
    "django.utils.http.urlunquote": Move("urllib.parse.unquote"),
    "django.utils.http.urlunquote_plus": Move("urllib.parse.unquote_plus"),
    "django.utils.http.is_safe_url": Move("django.utils.http.url_has_allowed_host_and_scheme"),
    "django.utils.http.cookie_date": _gone("use django.utils.http.http_date"),
    "django.utils.lru_cache.lru_cache": Move("functools.lru_cache"),
    "django.utils.decorators.ContextDecorator": Move("contextlib.ContextDecorator"),
    "django.utils.decorators.available_attrs": _gone("functools.wraps needs no such argument"),
    "django.utils.timezone.utc": _gone("use datetime.timezone.utc"),
    "django.utils.timezone.FixedOffset": _gone("use datetime.timezone"),
    "django.utils.text.unescape_entities": _gone("use html.unescape"),
    "django.utils.functional.allow_lazy": _gone("use keep_lazy as a decorator"),
    "django.utils.functional.curry": _gone("use functools.partial"),
    "django.shortcuts.render_to_response": _gone("use render(request, template, context)"),
    "django.contrib.postgres.fields.JSONField": Move("django.db.models.JSONField"),
    "django.contrib.postgres.fields.jsonb.JSONField": Move("django.db.models.JSONField"),
    "django.contrib.postgres.fields.CICharField": _gone("use CharField(db_collation=…)"),
    "django.contrib.postgres.fields.CIEmailField": _gone("use EmailField(db_collation=…)"),
    "django.contrib.postgres.fields.CITextField": _gone("use TextField(db_collation=…)"),
    "django.contrib.postgres.forms.JSONField": Move("django.forms.JSONField"),
    "django.contrib.staticfiles.templatetags.staticfiles.static": Move(
        "django.templatetags.static.static"
    ),
    "django.contrib.admin.templatetags.admin_static.static": Move(
        "django.templatetags.static.static"
    ),
    "django.db.models.get_model": _gone("use django.apps.apps.get_model"),
    "django.db.models.permalink": _gone("use reverse() in get_absolute_url"),
    "django.db.models.fields.FieldDoesNotExist": Move("django.core.exceptions.FieldDoesNotExist"),
    "django.template.loader.BaseLoader": Move("django.template.loaders.base.Loader"),
    "django.test.utils.patch_logger": _gone("use TestCase.assertLogs"),
    "django.core.cache.get_cache": _gone("use django.core.cache.caches[alias]"),
    **{
        f"django.contrib.auth.views.{old}": _gone(f"use {new}.as_view()")
        for old, new in {
            "login": "LoginView",
            "logout": "LogoutView",
            "password_change": "PasswordChangeView",
            "password_change_done": "PasswordChangeDoneView",
            "password_reset": "PasswordResetView",
            "password_reset_done": "PasswordResetDoneView",
            "password_reset_confirm": "PasswordResetConfirmView",
            "password_reset_complete": "PasswordResetCompleteView",
        }.items()
    },
    # -- Channels and its companions ---------------------------------------------------
    "asgi_redis.RedisChannelLayer": Move("channels.layers.redis.RedisChannelLayer"),
    "asgi_redis.core.RedisChannelLayer": Move("channels.layers.redis.RedisChannelLayer"),
    "asgi_redis.RedisSentinelChannelLayer": Move("channels.layers.redis.RedisSentinelChannelLayer"),
    "asgi_redis.RedisLocalChannelLayer": _gone(
        "use channels.layers.redis.RedisChannelLayer; nothing stays on one machine any more"
    ),
    "asgiref.inmemory.ChannelLayer": Move("channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.inmemory.channel_layer": _gone("make a channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.base_layer.BaseChannelLayer": Move("channels.layers.base.BaseChannelLayer"),
    "daphne.server.Server": Move("channels.interface_server.server.Server"),
    "daphne.cli.CommandLineInterface": Move("channels.interface_server.cli.CommandLineInterface"),
    "daphne.access.AccessLogGenerator": Move("channels.interface_server.access.AccessLogGenerator"),
    "channels.tests.HttpClient": Move("channels.test.WSClient"),
    "channels.tests.http.HttpClient": Move("channels.test.WSClient"),
    "channels.test.HttpClient": Move("channels.test.WSClient"),
    "channels.test.http.HttpClient": Move("channels.test.WSClient"),
    "channels.decorators.linearize": _gone("messages of one socket are in order anyway"),
    "channels.decorators.channel_session": Move("channels.sessions.channel_session"),
    "channels.decorators.http_session": Move("channels.sessions.http_session"),
}

MODULES: dict[str, Move] = {
    # -- Django ----------------------------------------------------------------------
    "django.core.urlresolvers": Move("django.urls"),
    "django.utils.six.moves.urllib": Move("urllib"),
    "django.utils.six.moves.urllib_parse": Move("urllib.parse"),
    "django.utils.six.moves.urllib_request": Move("urllib.request"),
    "django.utils.six.moves.http_client": Move("http.client"),
    "django.utils.six.moves.http_cookies": Move("http.cookies"),
    "django.utils.six.moves.html_parser": Move("html.parser"),
    "django.utils.six.moves.queue": Move("queue"),
    "django.utils.six": _gone("use plain Python 3, or the six package"),
    "django.utils.lru_cache": _gone("use functools.lru_cache"),
    "django.utils.tzinfo": _gone("use datetime.timezone"),
    "django.utils.importlib": Move("importlib"),
    "django.utils.unittest": Move("unittest"),
    "django.utils.simplejson": Move("json"),
    "django.utils.datastructures.SortedDict": Move("collections.OrderedDict"),
    "django.utils.baseconv": _gone("copy what you use of it"),
    "django.utils.jslex": _gone("copy what you use of it"),
    "django.core.context_processors": Move("django.template.context_processors"),
    "django.core.servers.fastcgi": _gone("it was removed"),
    "django.db.models.loading": _gone("use django.apps.apps"),
    "django.forms.extras.widgets": Move("django.forms.widgets"),
    "django.forms.extras": Move("django.forms"),
    "django.contrib.staticfiles.templatetags": _gone("use django.templatetags.static"),
    "django.contrib.comments": _gone("use the django-contrib-comments package"),
    "django.contrib.webdesign": _gone("use the template tag lorem, now built in"),
    "django.contrib.formtools": _gone("use the django-formtools package"),
    # -- Channels and its companions ---------------------------------------------------
    "asgi_redis": _gone("the Redis layers are in channels.layers.redis"),
    "asgi_ipc": _gone("use channels.layers.redis or channels.layers.inmemory"),
    "asgi_rabbitmq": _gone("use channels.layers.redis"),
    "asgiref.inmemory": _gone("the layer is channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.base_layer": _gone("the base class is channels.layers.base.BaseChannelLayer"),
    "asgiref.conformance": _gone("the suite is channels.layers.conformance, for pytest"),
    "daphne": _gone("the server is channels.interface_server, its command interface-server"),
    "channels.tests": Move("channels.test"),
    "channels.database_layer": _gone("use channels.layers.redis or channels.layers.inmemory"),
    "channels.decorators": _gone("decorators are in channels.sessions and channels.auth"),
    "channels.interfaces": _gone("the server is channels.interface_server"),
    "channels.backends.base": _gone("the base class is channels.layers.base.BaseChannelLayer"),
    "channels.backends.database": _gone("use channels.layers.redis"),
    "channels.backends.memory": _gone("use channels.layers.inmemory"),
    "channels.backends.redis_py": _gone("use channels.layers.redis"),
    # -- Python ----------------------------------------------------------------------
    "distutils": _gone("Python 3.12 removed it: use packaging or setuptools"),
    "imp": _gone("Python 3.12 removed it: use importlib"),
    "asyncore": _gone("Python 3.12 removed it"),
    "cgi": _gone("Python 3.13 removed it"),
}


def find(name: str) -> Move | None:
    """Return where the thing with this dotted name is now, if it has moved."""
    if name in NAMES:
        return NAMES[name]
    for length in range(name.count(".") + 1, 0, -1):
        module = ".".join(name.split(".")[:length])
        if module in MODULES:
            move = MODULES[module]
            return Move(move.to + name[len(module) :], move.why) if move.to else move
    return None
