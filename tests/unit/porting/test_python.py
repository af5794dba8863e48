"""What Python 2 has left behind in files that Python 3 can parse."""

import pytest

FIXED = {
    "built-in functions": (
        "isinstance(a, basestring) and unicode(long(1)) and xrange(1)\n",
        "isinstance(a, str) and str(int(1)) and range(1)\n",
    ),
    "dicts": (
        "for a in b.iteritems(): c = list(b.c.itervalues()); b.viewkeys()\n",
        "for a in b.items(): c = list(b.c.values()); b.keys()\n",
    ),
    "dicts by six": (
        "from django.utils import six\nfor a in six.iteritems(b): six.itervalues(a or b)\n",
        "for a in b.items(): (a or b).values()\n",
    ),
    "methods": (
        "class A:\n    def __iter__(self): 0\n    def next(self): 1\n"
        "    def __nonzero__(self): 2\n",
        "class A:\n    def __iter__(self): 0\n    def __next__(self): 1\n"
        "    def __bool__(self): 2\n",
    ),
    "text that was bytes": (
        "def ws(message):\n    return message['path'].decode('ascii').strip(\"/\")\n",
        "def ws(message):\n    return message['path'].strip(\"/\")\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_code_is_fixed(code, before, after):
    fixed = code.fixed(before)

    assert fixed == after
    assert code.one(fixed).findings == []


@pytest.mark.parametrize(
    "text",
    [
        "a = reduce(f, b)\n",
        "if request.GET.has_key('a'): pass\n",
        "class A:\n    __metaclass__ = B\n",
    ],
)
def test_code_that_no_rule_can_fix_is_told_and_left(code, text):
    found = code.one(text)

    assert [one.rule for one in found.findings] == ["python-2"]
    assert found.fixed == text


QUIET = {
    "a parameter": "def f(long, unicode=None): return long + unicode\n",
    "an attribute": "a.unicode = b.long(reduce=1)\n",
    "an import": "from functools import reduce\nreduce(f, a)\n",
    "everything of somewhere": "from compat import *\nunicode(1)\n",
    "the other six": "import six\nsix.iteritems(a)\n",
    "a cache and a session": "cache.has_key('a') or request.session.has_key('b')\n",
    "both names": "class A:\n    def __nonzero__(self): 0\n    __bool__ = __nonzero__\n",
    "no iterator": "class A:\n    def next(self): 0\n",
    "bytes": "def ws(message):\n    return message['bytes'].decode('utf-8')\n",
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_other_code_is_left_alone(code, text):
    assert code.rules(text) == []
