"""Code for an older Django or Python never runs, and needs no change."""

import pytest

from tests.unit.porting.conftest import dedent

QUIET = {
    "the import of then, if that of now fails": """
        try:
            from django.urls import reverse
        except ImportError:
            from django.core.urlresolvers import reverse
        """,
    "the import of now, if that of then fails": """
        try:
            from django.core.urlresolvers import reverse
        except (ImportError, KeyError):
            from django.urls import reverse
        """,
    "another way if it is not there": """
        try:
            from django.utils.encoding import python_2_unicode_compatible
        except ImportError:
            def python_2_unicode_compatible(cls): return cls
        try: from django.utils import six
        except ImportError: import six
        try:
            from django.core.urlresolvers import reverse
        except ImportError:
            reverse = None
        """,
    "the import of then, if there is another": """
        try:
            from django.utils.encoding import smart_text
        except ImportError:
            from other import smart_text
        smart_text(1)
        """,
    "a method or not": """
        a = u.is_anonymous() if callable(u.is_anonymous) else u.is_anonymous
        """,
    "a method or not, by and and or": """
        a = callable(u.is_anonymous) and u.is_anonymous()
        a = callable(u.is_anonymous) and b and u.is_anonymous() or u.is_anonymous
        a = not callable(u.is_anonymous) or u.is_anonymous()
        """,
    "the setup of then, if setuptools are not there": """
        try:
            from setuptools import setup
        except ImportError:
            from distutils.core import setup
        """,
    "an older Django": """
        import django
        if django.VERSION >= (1, 10):
            from django.urls import reverse
        else:
            from django.core.urlresolvers import reverse
        if django.VERSION[:2] < (2, 0):
            a = user.is_authenticated()
        elif not django.VERSION[0] > 1:
            a = user.is_anonymous()
        b = user.is_authenticated() if django.VERSION < (1, 10) else user.is_authenticated
        """,
    "an older Python": """
        import sys
        if sys.version_info < (3,): import imp
        if sys.version_info[0] == 2: import imp
        if sys.version_info.major == 3: pass
        else: import imp
        if sys.version_info[:2] == (2, 7): import imp
        if six.PY2: import imp
        if not six.PY3: import imp
        """,
    "a name of Python 2 that is given": """
        try:
            unicode
        except NameError:
            unicode = str
        unicode(1)
        """,
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_what_never_runs_is_left_alone(code, text):
    assert code.rules(text) == []


FIXED = {
    "it may run": "import sys\nif sys.version_info >= (3, 12): u.is_anonymous()\n",
    "it runs on one of them": "import sys\nif sys.version_info[:2] == (3, 11): u.is_anonymous()\n",
    "it runs today": "if sys.version_info[:1] >= (3,): u.is_anonymous()\n",
    "another thing's version": "if other.VERSION < (1, 0): u.is_anonymous()\n",
    "something else is caught": (
        "try:\n    from django.urls import reverse\nexcept ValueError:\n    u.is_anonymous()\n"
    ),
    "it gives up": (
        "try:\n    from django.core.cache import get_cache\n    get_cache(u.is_anonymous())\n"
        "except ImportError:\n    raise\n"
    ),
    "it is not known what comes first": "a = known and u.is_anonymous() or callable(b)\n",
    "it is not known what is installed": (
        "try:\n    import ujson as json\nexcept ImportError:\n    u.is_anonymous()\n"
    ),
}


@pytest.mark.parametrize("text", FIXED.values(), ids=FIXED)
def test_what_may_run_is_fixed(code, text):
    assert code.fixed(text) == text.replace("is_anonymous()", "is_anonymous")


def test_a_name_that_can_be_imported_and_not_used_is_fixed_though_its_failure_is_handled(code):
    text = """
        try:
            from django.contrib.postgres.fields import JSONField
        except ImportError:
            from django.db.models import TextField as JSONField
        """

    assert code.fixed(text) == dedent(text).replace("contrib.postgres.fields", "db.models")
