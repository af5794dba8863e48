"""URL configurations."""

import pytest

from tests.unit.porting.conftest import dedent

IMPORT = "from django.urls import include, re_path\n"

FIXED = {
    "the admin": (
        "re_path('^admin/', include(admin.site.urls))\n",
        "re_path('^admin/', admin.site.urls)\n",
    ),
    "a namespace": (
        "include('blog.urls', namespace='blog')\n",
        "include(('blog.urls', 'blog'), namespace='blog')\n",
    ),
    "a namespace of a module": (
        "from . import blog\nimport blog.urls as b\ninclude(b, namespace='blog')\n",
        "from . import blog\nimport blog.urls as b\ninclude((b, 'blog'), namespace='blog')\n",
    ),
    "a namespace of a list": (
        "more = []\ninclude(more, namespace='more')\n",
        "more = []\ninclude((more, 'more'), namespace='more')\n",
    ),
    "a namespace of a router": (
        "router = DefaultRouter()\ninclude(router.urls, namespace='api')\n",
        "router = DefaultRouter()\ninclude((router.urls, 'api'), namespace='api')\n",
    ),
    "an application": (
        "include('other.urls', 'a', app_name='b')\n",
        "include(('other.urls', 'b'), namespace='a')\n",
    ),
    "an application alone, over lines": (
        "include(\n    'other.urls',\n    app_name='b',\n)\n",
        "include(\n    ('other.urls', 'b'),\n)\n",
    ),
}


@pytest.fixture
def site(code):
    code.write("src/blog/urls.py", "urlpatterns = []\n")
    code.write("src/named/urls.py", "app_name = 'named'\nurlpatterns = []\n")
    return code


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_urls_are_fixed(site, before, after):
    fixed = site.fixed(IMPORT + before)

    assert fixed == IMPORT + after
    assert site.one(fixed).findings == []


def test_patterns_are_a_list(code):
    before = """
        from django.conf.urls import patterns, include, url
        urlpatterns = patterns('',
            url("a", b),  # c
        )
        urlpatterns += patterns("")
        urlpatterns += patterns('', *more)
        """
    after = """
        from django.conf.urls import include
        from django.urls import re_path
        urlpatterns = [
            re_path("a", b),  # c
        ]
        urlpatterns += []
        urlpatterns += [*more]
        """

    assert code.fixed(before) == dedent(after)


QUIET = {
    "a URL configuration with a name": "include('named.urls', namespace='n')\n",
    "one that is somewhere else": "include('rest_framework.urls', namespace='rest')\n",
    "no namespace": "include('blog.urls')\ninclude(router.urls)\n",
    "a pair": "include(('blog.urls', 'blog'), namespace='b')\n",
    "a variable from elsewhere": "def f(urls): include(urls, namespace='b')\n",
    "a view": "re_path('a', views.a, name='b')\nre_path('c', view=views.c)\n",
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_other_urls_are_left_alone(site, text):
    assert site.one(IMPORT + text).findings == []


TOLD = {
    "a view by its name": ("view-name", "re_path('a', 'app.views.a')\n"),
    "another argument": ("view-name", "re_path('a', view='app.views.a')\n"),
    "the admin in a namespace": ("include", "include(admin.site.urls, namespace='a')\n"),
    "a comment in the way": ("include", "include('blog.urls',  # why\n    namespace='a')\n"),
}


@pytest.mark.parametrize(("rule", "text"), TOLD.values(), ids=TOLD)
def test_urls_that_no_rule_can_fix_are_told_and_left(site, rule, text):
    found = site.one(IMPORT + text)

    assert [one.rule for one in found.findings] == [rule]
    assert found.fixed == IMPORT + text


def test_patterns_with_a_prefix_are_told(code):
    text = "from django.conf.urls import patterns\nurlpatterns = patterns('app.views', a)\n"

    found = code.one(text)

    assert [one.rule for one in found.findings] == ["moved"]
    assert found.fixed == text
