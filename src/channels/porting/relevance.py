"""Whether any rule may have something to say about a file: to parse one takes 0.1 s."""

from __future__ import annotations

import re

from channels.porting import moved, rules_python

#: The parts of each dotted name that has moved: a file without one of them doesn't use it.
_MOVED = [frozenset(name.split(".")) for name in (*moved.NAMES, *moved.MODULES)]

_WORDS = frozenset(
    {
        *rules_python.WORDS,
        *("ForeignKey", "OneToOneField", "NullBooleanField", "Signal", "NullHandler"),
        *("allow_tags", "assignment_tag", "context_instance", "default_app_config"),
        *("from_db_value", "get_template", "index_together", "receive_many", "select_template"),
        *("is_ajax", "is_anonymous", "is_authenticated", "url_has_allowed_host_and_scheme"),
        *("__unicode__", "patterns", "re_path"),
        *("AppConfig", "app_label", "build_suite", "run_tests", "CHANNEL_LAYERS"),
        *("make_random_password", "get_random_string", "urlsafe_base64_encode"),
        *("channels", "asgi_redis", "asgiref", "daphne"),
    }
)

_PIECES = re.compile(
    r"self\.assert|\burlpatterns\b|\binclude\(|def process_|def authenticate\(|def render\("
    r"|MIDDLEWARE|INSTALLED_APPS|TEMPLATE_|STORAGE|_L10N|_PYTZ|_XSS_|USE_ETAGS|TIMEOUT_DAYS"
    r"|FILE_CHARSET|DEFAULT_CONTENT|postgresql_psycopg2|context_processors|CachedStatic"
    r"|SessionAuthentication|PickleSerializer|MemcachedCache|PasswordHasher"
    r"|asgi_\w|channels_\w|_ordering|multiplexer|sleep|message\.(?:session|user)|\]\.decode\("
)


def may_need_change(text: str) -> bool:
    """Return whether a Python file must be parsed; if not, no rule would speak of it."""
    if _PIECES.search(text):
        return True
    words = set(re.findall(r"\w+", text))
    return not _WORDS.isdisjoint(words) or any(parts <= words for parts in _MOVED)
