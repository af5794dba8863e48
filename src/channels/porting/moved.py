"""Names that are somewhere else now, or nowhere: tables, and what is installed.

What django-upgrade and pyupgrade know is not here.  A name of Django or Channels that no
table has is looked for in their sources, none of which is run.
"""

from __future__ import annotations

# ruff: noqa: E501 - the tables have one name a line
import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

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


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.strip().splitlines())


#: Modules and names of them, and what they are now. The longest entry that fits counts.
MOVED = _pairs("""
django.conf.urls.url django.urls.re_path
django.contrib.admin.templatetags.admin_static.static django.templatetags.static.static
django.contrib.admin.util django.contrib.admin.utils
django.contrib.contenttypes.generic.GenericForeignKey django.contrib.contenttypes.fields.GenericForeignKey
django.contrib.contenttypes.generic.GenericRelation django.contrib.contenttypes.fields.GenericRelation
django.contrib.contenttypes.generic.GenericStackedInline django.contrib.contenttypes.admin.GenericStackedInline
django.contrib.contenttypes.generic.GenericTabularInline django.contrib.contenttypes.admin.GenericTabularInline
django.contrib.postgres.fields.jsonb.JSONField django.db.models.JSONField
django.contrib.sites.models.RequestSite django.contrib.sites.requests.RequestSite
django.contrib.sites.models.get_current_site django.contrib.sites.shortcuts.get_current_site
django.contrib.staticfiles.storage.CachedStaticFilesStorage django.contrib.staticfiles.storage.ManifestStaticFilesStorage
django.core.context_processors django.template.context_processors
django.core.urlresolvers django.urls
django.core.urlresolvers.RegexURLPattern django.urls.URLPattern
django.core.urlresolvers.RegexURLResolver django.urls.URLResolver
django.db.backends.postgresql_psycopg2 django.db.backends.postgresql
django.db.backends.util django.db.backends.utils
django.db.models.FieldDoesNotExist django.core.exceptions.FieldDoesNotExist
django.forms.extras django.forms
django.forms.util django.forms.utils
django.template.loader.BaseLoader django.template.loaders.base.Loader
django.utils._os.abspathu os.path.abspath
django.utils.datastructures.SortedDict collections.OrderedDict
django.utils.encoding.force_text django.utils.encoding.force_str
django.utils.encoding.force_unicode django.utils.encoding.force_str
django.utils.encoding.smart_text django.utils.encoding.smart_str
django.utils.encoding.smart_unicode django.utils.encoding.smart_str
django.utils.html_parser html.parser
django.utils.http.is_safe_url django.utils.http.url_has_allowed_host_and_scheme
django.utils.http.urlquote urllib.parse.quote
django.utils.http.urlquote_plus urllib.parse.quote_plus
django.utils.http.urlunquote urllib.parse.unquote
django.utils.http.urlunquote_plus urllib.parse.unquote_plus
django.utils.importlib importlib
django.utils.log.NullHandler logging.NullHandler
django.utils.lru_cache.lru_cache functools.lru_cache
django.utils.safestring.SafeText django.utils.safestring.SafeString
django.utils.simplejson json
django.utils.six.moves.urllib urllib
django.utils.translation.ugettext django.utils.translation.gettext
django.utils.translation.ugettext_lazy django.utils.translation.gettext_lazy
django.utils.translation.ugettext_noop django.utils.translation.gettext_noop
django.utils.translation.ungettext_lazy django.utils.translation.ngettext_lazy
django.utils.translation.ungettext django.utils.translation.ngettext
django.utils.unittest unittest
asgi_redis.RedisChannelLayer channels.layers.redis.RedisChannelLayer
asgi_redis.RedisSentinelChannelLayer channels.layers.redis.RedisSentinelChannelLayer
asgi_redis.core.RedisChannelLayer channels.layers.redis.RedisChannelLayer
asgiref.base_layer.BaseChannelLayer channels.layers.base.BaseChannelLayer
asgiref.inmemory.ChannelLayer channels.layers.inmemory.InMemoryChannelLayer
channels.decorators.channel_session channels.sessions.channel_session
channels.decorators.http_session channels.sessions.http_session
channels.test.HttpClient channels.test.WSClient
channels.test.http.HttpClient channels.test.WSClient
channels.tests channels.test
channels.tests.HttpClient channels.test.WSClient
channels.tests.http.HttpClient channels.test.WSClient
daphne.access.AccessLogGenerator channels.interface_server.access.AccessLogGenerator
daphne.cli.CommandLineInterface channels.interface_server.cli.CommandLineInterface
daphne.endpoints.build_endpoint_description_strings channels.interface_server.net.endpoints.build_endpoint_description_strings
daphne.server.Server channels.interface_server.server.Server
daphne.server.build_endpoint_description_strings channels.interface_server.net.endpoints.build_endpoint_description_strings
BaseHTTPServer http.server
ConfigParser configparser
Cookie http.cookies
HTMLParser html.parser
Queue queue
SocketServer socketserver
StringIO.StringIO io.StringIO
__builtin__ builtins
base64.decodestring base64.decodebytes
base64.encodestring base64.encodebytes
cPickle pickle
cStringIO.StringIO io.StringIO
cgi.escape html.escape
cookielib http.cookiejar
fractions.gcd math.gcd
htmlentitydefs html.entities
httplib http.client
itertools.izip_longest itertools.zip_longest
os.getcwdu os.getcwd
string.letters string.ascii_letters
string.lowercase string.ascii_lowercase
string.uppercase string.ascii_uppercase
sys.maxint sys.maxsize
urllib.quote urllib.parse.quote
urllib.quote_plus urllib.parse.quote_plus
urllib.unquote urllib.parse.unquote
urllib.urlencode urllib.parse.urlencode
urllib.urlopen urllib.request.urlopen
urllib.urlretrieve urllib.request.urlretrieve
urllib2.HTTPError urllib.error.HTTPError
urllib2.Request urllib.request.Request
urllib2.URLError urllib.error.URLError
urllib2.quote urllib.parse.quote
urllib2.urlopen urllib.request.urlopen
urlparse urllib.parse
xmlrpclib xmlrpc.client
""")

#: What has no successor of the same form; of others of Django it is said that they are gone.
_GONE = _pairs("""
django.conf.urls.patterns urlpatterns is a plain list
django.contrib.auth.middleware.SessionAuthenticationMiddleware delete it: AuthenticationMiddleware does what it did
django.contrib.comments use the django-contrib-comments package
django.contrib.formtools use the django-formtools package
django.contrib.postgres.fields.CICharField use CharField(db_collation=…)
django.contrib.postgres.fields.CIEmailField use EmailField(db_collation=…)
django.contrib.postgres.fields.CITextField use TextField(db_collation=…)
django.contrib.sessions.serializers.PickleSerializer use django.contrib.sessions.serializers.JSONSerializer
django.core.cache.backends.memcached.MemcachedCache use django.core.cache.backends.memcached.PyMemcacheCache
django.core.cache.get_cache use django.core.cache.caches[alias]
django.core.files.storage.get_storage_class use django.core.files.storage.storages
django.core.management.base.NoArgsCommand use BaseCommand, whose method is handle
django.db.models.IPAddressField use GenericIPAddressField
django.db.models.SubfieldBase use from_db_value
django.db.models.get_model use django.apps.apps.get_model
django.db.models.loading use django.apps.apps
django.db.models.permalink use reverse() in get_absolute_url
django.shortcuts.render_to_response use render(request, template, context)
django.utils.decorators.available_attrs functools.wraps needs no such argument
django.utils.encoding.python_2_unicode_compatible it is not needed
django.utils.functional.allow_lazy use keep_lazy as a decorator
django.utils.functional.curry use functools.partial
django.utils.functional.memoize use functools.lru_cache
django.utils.http.cookie_date use django.utils.http.http_date
django.utils.safestring.EscapeText use django.utils.html.conditional_escape
django.utils.six use plain Python 3, or the six package
django.utils.translation.string_concat use django.utils.text.format_lazy
django.views.i18n.javascript_catalog use JavaScriptCatalog.as_view()
django.views.i18n.json_catalog use JSONCatalog.as_view()
asgi_amqp use channels.layers.redis
asgi_ipc use channels.layers.redis, or channels.layers.inmemory
asgi_rabbitmq use channels.layers.redis
asgi_redis the Redis layers are in channels.layers.redis
asgi_redis.RedisLocalChannelLayer use channels.layers.redis.RedisChannelLayer; nothing stays on one machine any more
asgiref.base_layer the base class is channels.layers.base.BaseChannelLayer
asgiref.conformance the suite is channels.layers.conformance, for pytest
asgiref.inmemory the layer is channels.layers.inmemory.InMemoryChannelLayer
channels.backends the layers are in channels.layers
channels.database_layer use channels.layers.redis or channels.layers.inmemory
channels.decorators decorators are in channels.sessions and channels.auth
channels.decorators.linearize messages of one socket are in order anyway
channels.interfaces the server is channels.interface_server
daphne the server is channels.interface_server, its command interface-server
StringIO Python 3 has io
cStringIO Python 3 has io
cgi Python 3.13 removed it
distutils Python 3.12 removed it: use packaging or setuptools
imp Python 3.12 removed it: use importlib
inspect.getargspec use inspect.signature or getfullargspec
pipes Python 3.13 removed it: use subprocess and shlex
string.maketrans use str.maketrans or bytes.maketrans
time.clock use time.perf_counter or time.process_time
urllib2 Python 3 has urllib.request, urllib.error and urllib.parse
asynchat Python has removed it
asyncore Python has removed it
crypt Python has removed it
imghdr Python has removed it
nntplib Python has removed it
smtpd Python has removed it
telnetlib Python has removed it
""")
_GONE |= {
    f"django.contrib.auth.views.{old}": f"use {new}.as_view()" for old, new in AUTH_VIEWS.items()
}


def moved(name: str) -> str | None:
    """Return what a dotted name is now; ``None`` if it has not moved, or is gone.

    The name may be that of something within what has moved: ``django.core.urlresolvers.reverse``.
    """
    old = next((head for head in _heads(name) if head in MOVED or head in _GONE), "")
    if old not in MOVED:
        return None
    new = MOVED[old] + name[len(old) :]
    return new if gone(new) is None else None


def gone(name: str) -> str | None:
    """Return what to say of a name that is not there any more; ``None`` if it is, or has moved."""
    old = next((head for head in _heads(name) if head in MOVED or head in _GONE), "")
    if old in _GONE:
        return f"{old} is gone: {_GONE[old]}"
    missing = _missing(name if not old else MOVED[old] + name[len(old) :])
    return f"{missing} is gone" if missing else None


def _heads(name: str) -> Iterator[str]:
    """Yield the name, and then what is left of it without its last parts."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(len(parts), 0, -1))


@functools.cache
def _missing(name: str) -> str | None:
    """Return the beginning of a name that is not installed; ``None`` if all of it is, or may be."""
    module, *parts = name.split(".")
    if module not in ("django", "channels"):
        return None
    for part in parts:
        if _source(f"{module}.{part}") is not None:
            module += f".{part}"
            continue
        names = _names(module)
        return None if part in names or "__getattr__" in names else f"{module}.{part}"
    return None


@functools.cache
def _source(module: str) -> Path | None:
    """Return the file of a module; to find it runs nothing but the package at the top."""
    package, _, rest = module.partition(".")
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, *rest.split(".")) if rest else Path(folder)
        if path.with_suffix(".py").is_file() and rest:
            return path.with_suffix(".py")
        if path.is_dir():
            return path / "__init__.py"
    return None


@functools.cache
def _names(module: str) -> frozenset[str]:
    """Return every name that is bound at the top of a module, under whatever condition."""
    path = _source(module)
    try:
        waiting: list[ast.AST] = [ast.parse(path.read_bytes())] if path else []
    except OSError:
        return frozenset({"__getattr__"})  # a folder without code, which may be anywhere
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            ups = node.level - (path is not None and path.name == "__init__.py")
            above = module.split(".")[: -ups or None] if node.level else []
            found |= _names(".".join([*above, *(node.module or "").split(".")]))
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        waiting += ast.iter_child_nodes(node)
    return frozenset(found)
