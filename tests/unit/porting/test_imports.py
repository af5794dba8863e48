"""What has moved is imported from where it is, and its uses follow."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import django
import pytest

from channels.porting.moved import MOVED, gone, moved
from tests.unit.porting.conftest import dedent

FIXED = {
    "url() and its companion": (
        """
        from django.conf.urls import url, include
        urlpatterns = [url(r"^a/$", include("a")), url("b", b)]
        """,
        """
        from django.urls import re_path
        from django.conf.urls import include
        urlpatterns = [re_path(r"^a/$", include("a")), re_path("b", b)]
        """,
    ),
    "include alone stays": (
        "from django.conf.urls import include\n",
        "from django.conf.urls import include\n",
    ),
    "handlers stay where they are": (
        "from django.conf.urls import handler404, url\nurl('a', handler404)\n",
        "from django.conf.urls import handler404\nfrom django.urls import re_path\n"
        "re_path('a', handler404)\n",
    ),
    "a module that moved": (
        "from django.core.urlresolvers import reverse, reverse_lazy as later\nreverse('a')\n",
        "from django.urls import reverse, reverse_lazy as later\nreverse('a')\n",
    ),
    "a name of it that has another name": (
        "from django.core.urlresolvers import RegexURLResolver\nRegexURLResolver\n",
        "from django.urls import URLResolver\nURLResolver\n",
    ),
    "translation with the usual alias": (
        "from django.utils.translation import ugettext as __, ugettext_lazy as _\n_('a')\n",
        "from django.utils.translation import gettext as __, gettext_lazy as _\n_('a')\n",
    ),
    "an alias that is the new name": (
        "from django.utils.encoding import force_text as force_str\n",
        "from django.utils.encoding import force_str\n",
    ),
    "the new name is imported already": (
        "from django.utils.encoding import force_str, force_text\nforce_text(force_str(1))\n",
        "from django.utils.encoding import force_str\nforce_str(force_str(1))\n",
    ),
    "the new name means something else here": (
        "from django.utils.encoding import force_text\ndef force_str(): force_text(1)\n",
        "from django.utils.encoding import force_str as force_text\n"
        "def force_str(): force_text(1)\n",
    ),
    "comments and lines stay where they are": (
        """
        from django.utils.translation import (
            ugettext as _,  # the usual
            ugettext_lazy,
        )  # all
        from django.conf.urls import (include,
                                      url)
        url(ugettext_lazy(_), include)
        """,
        """
        from django.utils.translation import (
            gettext as _,  # the usual
            gettext_lazy,
        )  # all
        from django.conf.urls import include
        from django.urls import re_path
        re_path(gettext_lazy(_), include)
        """,
    ),
    "a name for others to import from here": (
        """
        from django.conf.urls import url
        from django.utils.encoding import force_text, smart_text
        __all__ = ["force_text"]
        force_text(smart_text(1))
        """,
        """
        from django.urls import re_path as url
        from django.utils.encoding import force_str as force_text, smart_str
        __all__ = ["force_text"]
        force_text(smart_str(1))
        """,
    ),
    "a method with the new name is in nobody's way": (
        "from django.utils.encoding import force_text\nforce_text(a.force_str)\n",
        "from django.utils.encoding import force_str\nforce_str(a.force_str)\n",
    ),
    "all of the module of url()": (
        "from django.conf.urls import *\nurlpatterns = [url('a', include('b'))]\n",
        "from django.conf.urls import *\nfrom django.urls import re_path as url\n"
        "urlpatterns = [url('a', include('b'))]\n",
    ),
    "all of another module": (
        "from django.utils.encoding import *\nforce_text(force_bytes(1))\n",
        "from django.utils.encoding import *\n"
        "from django.utils.encoding import force_str as force_text\nforce_text(force_bytes(1))\n",
    ),
    "a module in full": (
        "import django.core.urlresolvers\ndjango.core.urlresolvers.reverse('a')\n",
        "import django.urls\ndjango.urls.reverse('a')\n",
    ),
    "a name in full": (
        "import django.utils.encoding\ndjango.utils.encoding.force_text('a')\n",
        "import django.utils.encoding\ndjango.utils.encoding.force_str('a')\n",
    ),
    "modules of Python 2": (
        "import urlparse, Queue, cPickle as pickle\nfrom urllib2 import urlopen, quote\n"
        "urlopen(quote(1))\n",
        "import urllib.parse as urlparse, queue as Queue, pickle\n"
        "from urllib.request import urlopen\nfrom urllib.parse import quote\n"
        "urlopen(quote(1))\n",
    ),
    "in a function, a lambda and a class": (
        """
        def f():
            from django.utils.encoding import smart_text
            class A:
                b = smart_text
            return lambda: smart_text(1).strip()
        """,
        """
        def f():
            from django.utils.encoding import smart_str
            class A:
                b = smart_str
            return lambda: smart_str(1).strip()
        """,
    ),
    "a shadowed name is another": (
        """
        from django.conf.urls import url
        def view(request, url):
            return url
        urlpatterns = [url("a", view)]
        """,
        """
        from django.urls import re_path as url
        def view(request, url):
            return url
        urlpatterns = [url("a", view)]
        """,
    ),
    "behind a semicolon": (
        "import os; from django.utils.http import urlquote, http_date; urlquote('a')\n",
        "import os; from urllib.parse import quote; from django.utils.http import http_date; "
        "quote('a')\n",
    ),
    "what is not needed goes, with its decorators": (
        """
        import os
        from django.utils.encoding import python_2_unicode_compatible

        @python_2_unicode_compatible
        @os.register
        class A(object):
            pass
        """,
        """
        import os

        @os.register
        class A:
            pass
        """,
    ),
    "Python 3 by another name": (
        """
        from django.utils import six
        from django.utils.six import string_types, text_type as text
        from django.utils.six.moves import range, zip_longest, queue, cPickle as pickle
        from django.utils.six.moves.urllib.parse import urlparse
        six.text_type(isinstance(range(1), string_types), text(zip_longest, urlparse))
        """,
        """
        from django.utils.six import text_type as text
        from itertools import zip_longest
        import pickle as pickle
        import queue
        from urllib.parse import urlparse
        str(isinstance(range(1), str), text(zip_longest, urlparse))
        """,
    ),
    "what is gone and not used": (
        "import os\nfrom django.shortcuts import render, render_to_response\n",
        "import os\nfrom django.shortcuts import render\n",
    ),
    "attributes of a module": (
        "from django.utils import encoding\nencoding.force_text(encoding.smart_text)\n",
        "from django.utils import encoding\nencoding.force_str(encoding.smart_str)\n",
    ),
    "a module as a name": (
        "from django.core import urlresolvers\nurlresolvers.reverse('a')\n",
        "from django import urls\nurls.reverse('a')\n",
    ),
    "a module under an alias": (
        "import django.core.urlresolvers as u\nu.reverse('a')\n",
        "import django.urls as u\nu.reverse('a')\n",
    ),
    "everything of a module": (
        "from django.core.urlresolvers import *\n",
        "from django.urls import *\n",
    ),
    "layers": (
        "from asgi_redis import RedisChannelLayer\n"
        "from asgiref.inmemory import ChannelLayer\nChannelLayer()\n",
        "from channels.layers.redis import RedisChannelLayer\n"
        "from channels.layers.inmemory import InMemoryChannelLayer\nInMemoryChannelLayer()\n",
    ),
    "test helpers": (
        "from channels.tests import ChannelTestCase, HttpClient\nHttpClient()\n",
        "from channels.test import ChannelTestCase, WSClient\nWSClient()\n",
    ),
    "test helpers of a sub-module": (
        "from channels.tests.base import Client\n",
        "from channels.test.base import Client\n",
    ),
    "line ends stay": (
        "import os\r\nfrom django.conf.urls import handler404, url\r\nurl(1)\r\n",
        "import os\r\nfrom django.conf.urls import handler404\r\n"
        "from django.urls import re_path\r\nre_path(1)\r\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_an_import_is_fixed(code, before, after):
    assert code.fixed(before) == dedent(after)


def test_what_was_fixed_needs_no_other_fix(code):
    for before, _ in FIXED.values():
        once = code.fixed(before)

        assert code.fixed(once) == once


TOLD = {
    "six": "from django.utils import six\nsix.PY2\n",
    "a name of six": "from django.utils.six import with_metaclass\nwith_metaclass(A)\n",
    "a view": "from django.contrib.auth.views import login\nlogin\n",
    "a view of a module": "from django.contrib.auth import views\nviews.login\n",
    "render_to_response": "from django.shortcuts import render, render_to_response as r\nr()\n",
    "a module in full, and what is elsewhere": (
        "import django.core.urlresolvers\ndjango.core.urlresolvers.RegexURLResolver\n"
    ),
    "an attribute that is elsewhere": "from django.conf import urls\nurls.url('a')\n",
    "comments": "from django.conf.urls import (\n    url,  # a\n    handler404,  # b\n)\nurl\n",
    "a decorator called": (
        "from django.utils.encoding import python_2_unicode_compatible as p\np(object)\n"
    ),
    "a server": "from daphne.http_protocol import HTTPFactory\nHTTPFactory()\n",
    "an old decorator": "from channels.decorators import linearize\n@linearize\ndef f(): pass\n",
    "Python": "import imp\n",
}


@pytest.mark.parametrize("text", TOLD.values(), ids=TOLD)
def test_an_import_that_no_rule_can_fix_is_told_and_left(code, text):
    found = code.one(text)

    assert {one.rule for one in found.findings} == {"moved"}
    assert found.fixed == text


def test_what_can_be_moved_is_moved_past_what_can_not(code):
    uses = "cookie_date(quote())\n"

    fixed = code.fixed("from django.utils.http import cookie_date, urlquote as quote\n" + uses)

    assert fixed == (
        "from django.utils.http import cookie_date\nfrom urllib.parse import quote\n" + uses
    )


QUIET = [
    "from . import url\nurl('a')\n",
    "from .urlresolvers import reverse\n",
    "from myapp.six import text_type\n",
    "from django.urls import re_path\n",
    "from asgiref.sync import sync_to_async\n",
    "import django.utils.timezone\ndjango.utils.timezone.now()\n",
    "from channels.test import WSClient\n",
]


@pytest.mark.parametrize("text", QUIET)
def test_other_imports_are_nobodys_business(code, text):
    assert code.one(text).findings == []


def test_the_table_leads_to_things_that_exist():
    """As far as it leads into Django and Channels, whose sources are looked at."""
    assert {old: gone(old) for old in MOVED if gone(old)} == {}
    for name in MOVED.values():
        if not name.startswith(("django.", "channels.")):
            module, _, attribute = name.rpartition(".")
            assert find_spec(name) if not module else _found(module, attribute)


def _found(module, name):
    try:
        return hasattr(import_module(module), name) or import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("package", ["contrib/admin", "contrib/gis", "db/models", "test", "urls"])
def test_what_django_imports_itself_is_there(package):
    """No name of the installed Django is taken for one that is gone."""
    names = {
        f"{node.module}.{alias.name}"
        for file in Path(django.__file__).with_name("contrib").parent.joinpath(package).glob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
        if node.module.startswith("django.") and alias.name != "*"
    }

    assert names
    assert {name for name in names if gone(name) or moved(name)} == set()
