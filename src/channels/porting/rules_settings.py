"""Rules for settings: names of settings, and dotted names in strings wherever they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from channels.backends import CONSEQUENCE, translate
from channels.porting import moved
from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import root, statements, string, walk

_GONE = {
    "TEMPLATE_CONTEXT_PROCESSORS": "move it into TEMPLATES",
    "TEMPLATE_DEBUG": "move it into TEMPLATES",
    "TEMPLATE_DIRS": "move it into TEMPLATES",
    "TEMPLATE_LOADERS": "move it into TEMPLATES",
    "TEMPLATE_STRING_IF_INVALID": "move it into TEMPLATES",
    "DEFAULT_FILE_STORAGE": "move it into STORAGES",
    "STATICFILES_STORAGE": "move it into STORAGES",
    "PASSWORD_RESET_TIMEOUT_DAYS": "use PASSWORD_RESET_TIMEOUT, in seconds",
    "USE_ETAGS": "add ConditionalGetMiddleware",
    "FILE_CHARSET": "files are UTF-8",
}

#: They do nothing any more and may be deleted.
_IDLE = frozenset(
    {"USE_L10N", "USE_DEPRECATED_PYTZ", "SECURE_BROWSER_XSS_FILTER", "DEFAULT_CONTENT_TYPE"}
)

#: What a setting was while it was not set.
_DEFAULTS = {
    "USE_TZ": ("False", "is True by default since Django 5.0"),
    "DEFAULT_AUTO_FIELD": (
        '"django.db.models.AutoField"',
        "is BigAutoField by default since Django 6.0, which means migrations",
    ),
}

_RENAMED_STRINGS = [
    (r"django\.core\.context_processors(\.\w+)", r"django.template.context_processors\1"),
    (r"django\.db\.backends\.postgresql_psycopg2", "django.db.backends.postgresql"),
    (r"django\.utils\.log\.NullHandler", "logging.NullHandler"),
    (
        r"django\.contrib\.staticfiles\.storage\.CachedStaticFilesStorage",
        "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    ),
]

#: Layers of other distributions, and of Channels before 1.0.
GONE_LAYERS = re.compile(
    r"asgi_(?!redis\.)\w+\.(?:\w+\.)*\w+|channels_\w+\.(?:\w+\.)*\w*ChannelLayer"
    r"|channels\.database_layer\.\w+|channels\.backends\.(?:database|memory|redis_py)\.\w+"
)

_GONE_STRINGS = [
    (
        r"django\.contrib\.auth\.middleware\.SessionAuthenticationMiddleware",
        "delete it: AuthenticationMiddleware does what it did",
    ),
    (
        r"django\.contrib\.sessions\.serializers\.PickleSerializer",
        "use django.contrib.sessions.serializers.JSONSerializer",
    ),
    (
        r"django\.core\.cache\.backends\.memcached\.MemcachedCache",
        "use django.core.cache.backends.memcached.PyMemcacheCache",
    ),
    (
        r"django\.contrib\.auth\.hashers\.(UnsaltedMD5|UnsaltedSHA1|SHA1|Crypt)PasswordHasher",
        "Django 5.1 removed it",
    ),
    (
        GONE_LAYERS.pattern,
        "use channels.layers.redis.RedisChannelLayer, or"
        " channels.layers.inmemory.InMemoryChannelLayer in one process",
    ),
    (r"daphne\.(\w+\.)*[A-Z]\w*", "the server is channels.interface_server"),
]

_SESSION_MIDDLEWARE = "django.contrib.auth.middleware.SessionAuthenticationMiddleware"

#: Loggers of the old server have names like those of modules.
_LOGGERS = re.compile(r"daphne\.(?:server|\w+_protocol)")


def dotted_names(module: Module, node: cst.SimpleString) -> Iterator[Finding]:
    """Dotted names in strings: settings, mock.patch, dotted routes."""
    value = string(node)
    if value is None or not 5 < len(value) < 200 or "." not in value or " " in value:
        return
    found = _named(module, node, value)
    if module.is_compared(node):
        where = "; it is compared here, so look at both sides of that"
        found = (replace(one, message=one.message + where, edits=()) for one in found)
    yield from found


def _named(module: Module, node: cst.SimpleString, value: str) -> Iterator[Finding]:
    new, note = translate(value)
    if new != value:
        yield _layer(module, node, value, new, note)
        return
    for pattern, replacement in _RENAMED_STRINGS:
        found = re.fullmatch(pattern, value)
        if found:
            yield _renamed(module, node, value, found.expand(replacement))
            return
    for pattern, why in _GONE_STRINGS:
        if re.fullmatch(pattern, value):
            edits = _without_item(module, node) if value == _SESSION_MIDDLEWARE else ()
            yield Finding("gone-name", module.line(node), f"{value} is gone: {why}", edits)
            return
    yield from _moved(module, node, value)


def _moved(module: Module, node: cst.SimpleString, value: str) -> Iterator[Finding]:
    """``mock.patch("django.core.urlresolvers.reverse")``."""
    if not re.fullmatch(r"(?:django|channels|asgi_redis|asgiref|daphne)(?:\.[A-Za-z_]\w*)+", value):
        return
    if _LOGGERS.fullmatch(value):
        return
    parts = value.split(".")
    heads = [(".".join(parts[:length]), parts[length:]) for length in range(len(parts), 1, -1)]
    known = [(moved.NAMES[name], rest) for name, rest in heads if name in moved.NAMES]
    move, rest = known[0] if known else (moved.find(value), [])
    if move is None:
        return
    if move.to and not move.to.startswith("builtins."):
        yield _renamed(module, node, value, ".".join([move.to, *rest]))
    elif move.to is None:
        yield Finding("gone-name", module.line(node), f"{value} is gone: {move.why}")


def _without_item(module: Module, node: cst.SimpleString) -> tuple[Edit, ...]:
    """Return the edit that deletes the line of an item of a list, if it is alone there."""
    start, end = module.line_start(node), module.line_end(node)
    if module.text[start:end].strip().rstrip(",").strip() != module.code(node):
        return ()
    return (Edit(start, end + len(module.newline), ""),)


def _layer(module: Module, node: cst.SimpleString, old: str, new: str, note: str) -> Finding:
    """Another name for a layer, and beside it the setting that goes by that name."""
    found = _renamed(module, node, old, new, f"{note}. {CONSEQUENCE}")
    kept = _sockets_stay(module, node)
    return replace(found, edits=(*found.edits, kept)) if kept else found


def _sockets_stay(module: Module, node: cst.SimpleString) -> Edit | None:
    """Return the edit that sets ``CHANNELS_CLOSE_ON_LOGOUT`` to what it was, if there is a place.

    That is behind the ``CHANNEL_LAYERS`` that the string is in, so that it holds in the same
    branch or class.
    """
    if "CHANNELS_CLOSE_ON_LOGOUT" in module.names:
        return None
    around = [one for one in module.nodes if _holds(module, one, node)]
    if any(isinstance(one, cst.FunctionDef) for one in around):
        return None
    for statement in around:
        if isinstance(statement, cst.Assign | cst.AnnAssign) and _sets_layers(statement):
            indent = module.indent(statement)
            if indent is None:
                return None
            at = module.line_end(statement)
            return Edit(at, at, f"{module.newline}{indent}CHANNELS_CLOSE_ON_LOGOUT = False")
    return None


def _holds(module: Module, one: cst.CSTNode, node: cst.CSTNode) -> bool:
    if not isinstance(one, cst.Assign | cst.AnnAssign | cst.FunctionDef):
        return False
    start, end = module.span(one)
    return start <= module.span(node)[0] < end


def _sets_layers(statement: cst.Assign | cst.AnnAssign) -> bool:
    if isinstance(statement, cst.AnnAssign):
        targets = [statement.target]
    else:
        targets = [one.target for one in statement.targets]
    return any(root(target) == "CHANNEL_LAYERS" for target in targets)


def logger_name(module: Module, node: cst.SimpleString) -> Iterator[Finding]:
    """Loggers of the old server."""
    value = string(node)
    if value is not None and _LOGGERS.fullmatch(value):
        message = "loggers of the server are below channels.interface_server now"
        yield Finding("logger", module.line(node), message, note=True)


def _renamed(module: Module, node: cst.SimpleString, old: str, new: str, note: str = "") -> Finding:
    edits = (module.replace(node, module.code(node).replace(old, new)),)
    return Finding("renamed", module.line(node), f"{old} is {new} now{note}", edits)


def delay_app(module: Module, node: cst.SimpleString) -> Iterator[Finding]:
    """The app of delayed messages has a label that Django accepts."""
    if string(node) == "channels.delay" and "migrations" not in module.parts:
        message = (
            "its label is channels_delay now: adopt an existing table once with"
            " 'manage.py migrate channels_delay --fake-initial'"
        )
        yield Finding("delay-label", module.line(node), message, note=True)


def delay_dependency(module: Module, node: cst.Tuple) -> Iterator[Finding]:
    """Migrations that depend on those of the delay app."""
    if len(node.elements) != 2 or "migrations" not in module.parts:
        return
    first, second = (element.value for element in node.elements)
    if string(first) == "channels.delay" and string(second):
        text = module.code(first).replace("channels.delay", "channels_delay")
        edits = (module.replace(first, text),)
        yield Finding("delay-label", module.line(node), "the app's label is channels_delay", edits)


def settings(module: Module, node: cst.Module) -> Iterator[Finding]:
    """Names of settings, set at the top of a module."""
    names: dict[str, cst.BaseSmallStatement] = {}
    for statement in statements(node):
        for name in _set(statement):
            names[name] = statement
    for name, statement in names.items():
        if name in _GONE:
            yield Finding("setting", module.line(statement), f"{name} is gone: {_GONE[name]}")
        elif name in _IDLE:
            message = f"{name} does nothing any more"
            yield Finding("setting", module.line(statement), message, note=True)
    if "INSTALLED_APPS" in names and "ROOT_URLCONF" in names:
        yield from _defaults(module, node, names["INSTALLED_APPS"])


def _set(statement: cst.BaseSmallStatement) -> list[str]:
    """Return the names of ``A = B = …``."""
    if isinstance(statement, cst.AnnAssign):
        targets = [statement.target]
    elif isinstance(statement, cst.Assign):
        targets = [one.target for one in statement.targets]
    else:
        return []
    return [target.value for target in targets if isinstance(target, cst.Name)]


def _defaults(module: Module, node: cst.Module, apps: cst.BaseSmallStatement) -> Iterator[Finding]:
    """Settings that are not set; those of the machine, imported at the end, may still do so."""
    end = len(module.text)
    for statement in node.body:
        if _takes_all(statement):
            if module.line(statement) < module.line(apps):
                return  # the base of these settings has them, or should
            end = module.line_start(statement)
            break
    for name, (value, why) in _DEFAULTS.items():
        if name not in module.names:
            before = (
                "" if not module.text[:end] or module.text[end - 1] in "\r\n" else module.newline
            )
            # One edit a pass: both are at the same place.
            edits = (Edit(end, end, f"{before}{name} = {value}{module.newline}"),)
            message = f"{name} {why}: set it to {value} to keep what it was"
            yield Finding("setting-default", module.line(apps), message, edits)


def _takes_all(statement: cst.CSTNode) -> bool:
    return any(isinstance(part, cst.ImportStar) for part in walk(statement))


def middleware_classes(module: Module, node: cst.Name) -> Iterator[Finding]:
    """``MIDDLEWARE_CLASSES`` is ``MIDDLEWARE``."""
    if node.value == "MIDDLEWARE_CLASSES":
        edits = (module.replace(node, "MIDDLEWARE"),) if "MIDDLEWARE" not in module.names else ()
        message = "MIDDLEWARE_CLASSES is MIDDLEWARE, whose classes are called in another way"
        yield Finding("setting", module.line(node), message, edits)


RULES = [
    (cst.SimpleString, dotted_names),
    (cst.SimpleString, logger_name),
    (cst.SimpleString, delay_app),
    (cst.Tuple, delay_dependency),
    (cst.Module, settings),
    (cst.Name, middleware_classes),
]
