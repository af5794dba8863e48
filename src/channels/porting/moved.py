"""Names that are imported from elsewhere now, or not at all.  Pure data.

``NAMES`` maps the dotted name of a thing to where it is now; ``MODULES`` does so
for a module and everything in it, unless a name of it has an entry of its own.
"""

from __future__ import annotations

from channels.porting import moved_python
from channels.porting.moved_python import Move, gone

_TRANSLATION = {
    "ugettext": "gettext",
    "ugettext_lazy": "gettext_lazy",
    "ugettext_noop": "gettext_noop",
    "ungettext": "ngettext",
    "ungettext_lazy": "ngettext_lazy",
}

#: Functions of django.contrib.auth.views, and the classes in their place.
AUTH_VIEWS = {
    "login": "LoginView",
    "logout": "LogoutView",
    "password_change": "PasswordChangeView",
    "password_change_done": "PasswordChangeDoneView",
    "password_reset": "PasswordResetView",
    "password_reset_done": "PasswordResetDoneView",
    "password_reset_confirm": "PasswordResetConfirmView",
    "password_reset_complete": "PasswordResetCompleteView",
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
    "django.conf.urls.patterns": gone("urlpatterns is a plain list"),
    "django.core.urlresolvers.RegexURLPattern": Move("django.urls.URLPattern"),
    "django.core.urlresolvers.RegexURLResolver": Move("django.urls.URLResolver"),
    **{
        f"django.utils.translation.{old}": Move(f"django.utils.translation.{new}")
        for old, new in _TRANSLATION.items()
    },
    "django.utils.translation.string_concat": gone("use django.utils.text.format_lazy"),
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
    "django.utils.http.cookie_date": gone("use django.utils.http.http_date"),
    "django.utils.lru_cache.lru_cache": Move("functools.lru_cache"),
    "django.utils.decorators.ContextDecorator": Move("contextlib.ContextDecorator"),
    "django.utils.decorators.available_attrs": gone("functools.wraps needs no such argument"),
    "django.utils.timezone.utc": gone("use datetime.timezone.utc"),
    "django.utils.timezone.FixedOffset": gone("use datetime.timezone"),
    "django.utils.text.unescape_entities": gone("use html.unescape"),
    "django.utils.functional.allow_lazy": gone("use keep_lazy as a decorator"),
    "django.utils.functional.curry": gone("use functools.partial"),
    "django.utils.functional.memoize": gone("use functools.lru_cache"),
    "django.utils.html.remove_tags": gone("use django.utils.html.strip_tags"),
    "django.utils.html.strip_entities": gone("use a regular expression"),
    "django.utils.text.javascript_quote": gone("use django.utils.html.escapejs"),
    "django.utils.safestring.SafeText": Move("django.utils.safestring.SafeString"),
    "django.utils.safestring.EscapeText": gone("use django.utils.html.conditional_escape"),
    "django.utils.safestring.EscapeString": gone("use django.utils.html.conditional_escape"),
    "django.utils.safestring.mark_for_escaping": gone("use conditional_escape"),
    "django.utils.translation.LANGUAGE_SESSION_KEY": gone("the language is in a cookie only"),
    "django.shortcuts.render_to_response": gone("use render(request, template, context)"),
    "django.contrib.postgres.fields.JSONField": Move("django.db.models.JSONField"),
    "django.contrib.postgres.fields.jsonb.JSONField": Move("django.db.models.JSONField"),
    "django.contrib.postgres.fields.CICharField": gone("use CharField(db_collation=…)"),
    "django.contrib.postgres.fields.CIEmailField": gone("use EmailField(db_collation=…)"),
    "django.contrib.postgres.fields.CITextField": gone("use TextField(db_collation=…)"),
    "django.contrib.postgres.forms.JSONField": Move("django.forms.JSONField"),
    "django.contrib.staticfiles.templatetags.staticfiles.static": Move(
        "django.templatetags.static.static"
    ),
    "django.contrib.admin.templatetags.admin_static.static": Move(
        "django.templatetags.static.static"
    ),
    "django.contrib.postgres.fields.jsonb.KeyTransform": Move(
        "django.db.models.fields.json.KeyTransform"
    ),
    "django.contrib.postgres.fields.jsonb.KeyTextTransform": Move(
        "django.db.models.fields.json.KeyTextTransform"
    ),
    "django.contrib.contenttypes.generic.GenericForeignKey": Move(
        "django.contrib.contenttypes.fields.GenericForeignKey"
    ),
    "django.contrib.contenttypes.generic.GenericRelation": Move(
        "django.contrib.contenttypes.fields.GenericRelation"
    ),
    **{
        f"django.contrib.contenttypes.generic.Generic{form}Inline": Move(
            f"django.contrib.contenttypes.admin.Generic{form}Inline"
        )
        for form in ("Tabular", "Stacked")
    },
    "django.contrib.sites.models.get_current_site": Move(
        "django.contrib.sites.shortcuts.get_current_site"
    ),
    "django.contrib.sites.models.RequestSite": Move("django.contrib.sites.requests.RequestSite"),
    "django.contrib.admin.ACTION_CHECKBOX_NAME": Move(
        "django.contrib.admin.helpers.ACTION_CHECKBOX_NAME"
    ),
    "django.core.management.base.NoArgsCommand": gone("use BaseCommand, whose method is handle"),
    "django.core.management.NoArgsCommand": gone("use BaseCommand, whose method is handle"),
    "django.core.files.storage.get_storage_class": gone("use django.core.files.storage.storages"),
    "django.db.models.IPAddressField": gone("use GenericIPAddressField"),
    "django.forms.IPAddressField": gone("use GenericIPAddressField"),
    "django.db.models.SubfieldBase": gone("use from_db_value"),
    "django.db.models.FieldDoesNotExist": Move("django.core.exceptions.FieldDoesNotExist"),
    "django.db.models.query.EmptyResultSet": Move("django.core.exceptions.EmptyResultSet"),
    "django.db.models.sql.EmptyResultSet": Move("django.core.exceptions.EmptyResultSet"),
    "django.views.i18n.javascript_catalog": gone("use JavaScriptCatalog.as_view()"),
    "django.views.i18n.json_catalog": gone("use JSONCatalog.as_view()"),
    "django.utils._os.upath": gone("paths are text anyway"),
    "django.utils._os.npath": gone("paths are text anyway"),
    "django.utils._os.abspathu": Move("os.path.abspath"),
    "django.db.models.get_model": gone("use django.apps.apps.get_model"),
    "django.db.models.permalink": gone("use reverse() in get_absolute_url"),
    "django.db.models.fields.FieldDoesNotExist": Move("django.core.exceptions.FieldDoesNotExist"),
    "django.template.loader.BaseLoader": Move("django.template.loaders.base.Loader"),
    "django.test.utils.patch_logger": gone("use TestCase.assertLogs"),
    "django.core.cache.get_cache": gone("use django.core.cache.caches[alias]"),
    **{
        f"django.contrib.auth.views.{old}": gone(f"use {new}.as_view()")
        for old, new in AUTH_VIEWS.items()
    },
    # -- Channels and its companions ---------------------------------------------------
    "asgi_redis.RedisChannelLayer": Move("channels.layers.redis.RedisChannelLayer"),
    "asgi_redis.core.RedisChannelLayer": Move("channels.layers.redis.RedisChannelLayer"),
    "asgi_redis.RedisSentinelChannelLayer": Move("channels.layers.redis.RedisSentinelChannelLayer"),
    "asgi_redis.RedisLocalChannelLayer": gone(
        "use channels.layers.redis.RedisChannelLayer; nothing stays on one machine any more"
    ),
    "asgiref.inmemory.ChannelLayer": Move("channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.inmemory.channel_layer": gone("make a channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.base_layer.BaseChannelLayer": Move("channels.layers.base.BaseChannelLayer"),
    "daphne.server.Server": Move("channels.interface_server.server.Server"),
    **{
        f"daphne.{module}.build_endpoint_description_strings": Move(
            "channels.interface_server.net.endpoints.build_endpoint_description_strings"
        )
        for module in ("server", "endpoints")
    },
    "daphne.cli.CommandLineInterface": Move("channels.interface_server.cli.CommandLineInterface"),
    "daphne.access.AccessLogGenerator": Move("channels.interface_server.access.AccessLogGenerator"),
    "channels.tests.HttpClient": Move("channels.test.WSClient"),
    "channels.tests.http.HttpClient": Move("channels.test.WSClient"),
    "channels.test.HttpClient": Move("channels.test.WSClient"),
    "channels.test.http.HttpClient": Move("channels.test.WSClient"),
    "channels.decorators.linearize": gone("messages of one socket are in order anyway"),
    "channels.decorators.channel_session": Move("channels.sessions.channel_session"),
    "channels.decorators.http_session": Move("channels.sessions.http_session"),
    **moved_python.NAMES,
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
    "django.utils.six": gone("use plain Python 3, or the six package"),
    "django.utils.lru_cache": gone("use functools.lru_cache"),
    "django.utils.tzinfo": gone("use datetime.timezone"),
    "django.utils.importlib": Move("importlib"),
    "django.utils.unittest": Move("unittest"),
    "django.utils.simplejson": Move("json"),
    "django.utils.datastructures.SortedDict": Move("collections.OrderedDict"),
    "django.utils.baseconv": gone("copy what you use of it"),
    "django.utils.jslex": gone("copy what you use of it"),
    "django.utils.datetime_safe": gone("use datetime"),
    "django.utils.itercompat": gone("use collections.abc.Iterable"),
    "django.utils.checksums": gone("copy what you use of it"),
    "django.utils.html_parser": Move("html.parser"),
    "django.utils.dictconfig": Move("logging.config"),
    "django.core.context_processors": Move("django.template.context_processors"),
    "django.core.servers.fastcgi": gone("it was removed"),
    "django.db.models.loading": gone("use django.apps.apps"),
    "django.forms.extras.widgets": Move("django.forms.widgets"),
    "django.forms.extras": Move("django.forms"),
    "django.forms.util": Move("django.forms.utils"),
    "django.contrib.admin.util": Move("django.contrib.admin.utils"),
    "django.contrib.contenttypes.generic": gone(
        "it is in django.contrib.contenttypes.fields, .admin and .forms"
    ),
    "django.db.backends.util": Move("django.db.backends.utils"),
    "django.db.models.related": gone("use Model._meta"),
    "django.contrib.auth.tests": gone("it was never meant for others"),
    "django.contrib.staticfiles.templatetags": gone("use django.templatetags.static"),
    "django.contrib.comments": gone("use the django-contrib-comments package"),
    "django.contrib.webdesign": gone("use the template tag lorem, now built in"),
    "django.contrib.formtools": gone("use the django-formtools package"),
    # -- Channels and its companions ---------------------------------------------------
    "asgi_redis": gone("the Redis layers are in channels.layers.redis"),
    "asgi_amqp": gone("use channels.layers.redis"),
    "asgi_ipc": gone("use channels.layers.redis or channels.layers.inmemory"),
    "asgi_rabbitmq": gone("use channels.layers.redis"),
    "asgiref.inmemory": gone("the layer is channels.layers.inmemory.InMemoryChannelLayer"),
    "asgiref.base_layer": gone("the base class is channels.layers.base.BaseChannelLayer"),
    "asgiref.conformance": gone("the suite is channels.layers.conformance, for pytest"),
    "daphne": gone("the server is channels.interface_server, its command interface-server"),
    "channels.tests": Move("channels.test"),
    "channels.database_layer": gone("use channels.layers.redis or channels.layers.inmemory"),
    "channels.decorators": gone("decorators are in channels.sessions and channels.auth"),
    "channels.interfaces": gone("the server is channels.interface_server"),
    "channels.backends.base": gone("the base class is channels.layers.base.BaseChannelLayer"),
    "channels.backends.database": gone("use channels.layers.redis"),
    "channels.backends.memory": gone("use channels.layers.inmemory"),
    "channels.backends.redis_py": gone("use channels.layers.redis"),
    **moved_python.MODULES,
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
