"""What Django itself has changed, in code."""

import pytest

from tests.unit.porting.conftest import dedent

FIXED = {
    "on_delete": (
        "from django.db import models\n"
        "a = models.ForeignKey('A')\n"
        "b = models.OneToOneField(B, related_name='b')\n"
        "c = models.ForeignKey(to='C', null=True)\n",
        "from django.db import models\n"
        "a = models.ForeignKey('A', on_delete=models.CASCADE)\n"
        "b = models.OneToOneField(B, on_delete=models.CASCADE, related_name='b')\n"
        "c = models.ForeignKey(to='C', on_delete=models.CASCADE, null=True)\n",
    ),
    "on_delete over several lines": (
        """
        from django.db import models
        a = models.ForeignKey(
            'A',  # why
            null=True,
        )
        """,
        """
        from django.db import models
        a = models.ForeignKey(
            'A', on_delete=models.CASCADE,  # why
            null=True,
        )
        """,
    ),
    "on_delete in a migration": (
        "import django.db.models\na = django.db.models.ForeignKey(to='A')\n",
        "import django.db.models\n"
        "a = django.db.models.ForeignKey(to='A', on_delete=django.db.models.CASCADE)\n",
    ),
    "NullBooleanField": (
        "from django.db import models\n"
        "a = models.NullBooleanField()\nb = models.NullBooleanField('B', help_text='c',)\n"
        "c = models.NullBooleanField(null=True)\n",
        "from django.db import models\n"
        "a = models.BooleanField(null=True)\n"
        "b = models.BooleanField('B', help_text='c', null=True,)\n"
        "c = models.BooleanField(null=True)\n",
    ),
    "attributes of users": (
        "def f(request):\n    return request.user.is_authenticated() and not u.is_anonymous()\n",
        "def f(request):\n    return request.user.is_authenticated and not u.is_anonymous\n",
    ),
    "providing_args": (
        "from django.dispatch import Signal\na = Signal(providing_args=['b', 'c'])\n",
        "from django.dispatch import Signal\na = Signal()\n",
    ),
    "assertions": (
        "def f(self):\n    self.assertEquals(1, 1)\n    self.assertRaisesRegexp(A, 'b')\n",
        "def f(self):\n    self.assertEqual(1, 1)\n    self.assertRaisesRegex(A, 'b')\n",
    ),
    "assignment_tag": (
        "@register.assignment_tag(takes_context=True)\ndef process_f(context): pass\n",
        "@register.simple_tag(takes_context=True)\ndef process_f(context): pass\n",
    ),
    "__unicode__": (
        "class Message:\n    def __unicode__(self): return 'a'\n",
        "class Message:\n    def __str__(self): return 'a'\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_code_is_fixed(code, before, after):
    found = code.one(before)

    assert found.fixed == dedent(after)
    assert all(one.edits for one in found.findings)
    assert code.one(found.fixed).findings == []


TOLD = {
    "is_ajax": ("is-ajax", "def f(request):\n    return request.is_ajax() and message\n"),
    "is_safe_url": (
        "safe-url",
        "from django.utils import http\nhttp.url_has_allowed_host_and_scheme('a', host='b')\n",
    ),
    "on_delete from elsewhere": (
        "on-delete",
        "from django.db import models\na = models.ForeignKey('A', **given)\n",
    ),
    "on_delete without models": (
        "on-delete",
        "from django.db.models import ForeignKey\na = ForeignKey('A')\n",
    ),
    "providing_args and more": (
        "providing-args",
        "from django.dispatch import Signal\nSignal(providing_args=['a'], use_caching=True)\n",
    ),
    "__unicode__ and __str__": (
        "unicode",
        "class Message:\n    def __unicode__(self): pass\n    def __str__(self): pass\n",
    ),
    "from_db_value": (
        "from-db-value",
        "class F:\n    def from_db_value(self, value, expression, connection, context): pass\n",
    ),
    "middleware": (
        "middleware",
        "class M(object):\n    def process_request(self, request): pass\n",
    ),
    "index_together": (
        "index-together",
        "class A(Model):\n    class Meta:\n        index_together = [['a', 'b']]\n",
    ),
}


@pytest.mark.parametrize(("rule", "text"), TOLD.values(), ids=TOLD)
def test_code_that_no_rule_can_fix_is_told_and_left(code, rule, text):
    found = code.one(text)

    assert [one.rule for one in found.findings] == [rule]
    assert found.fixed == text


QUIET = {
    "on_delete is given": (
        "from django.db import models\n"
        "a = models.ForeignKey('A', models.PROTECT)\nb = models.ForeignKey('B', on_delete=f)\n"
    ),
    "another ForeignKey": "from other import models\nmodels.ForeignKey('A')\n",
    "a form field": "from django import forms\nforms.NullBooleanField()\n",
    "a method of one's own": "def f(self):\n    return self.is_authenticated()\n",
    "a method with arguments": "token.is_authenticated('message')\n",
    "another Signal": "from other import Signal\nSignal(providing_args=[])\n",
    "a signal": "from django.dispatch import Signal\nSignal(use_caching=True)\n",
    "new middleware": (
        "class M:\n    def __call__(self, request): pass\n"
        "    def process_view(self, request, f, args, kwargs): pass\n"
    ),
    "derived middleware": "class M(MiddlewareMixin):\n    def process_request(self, r): pass\n",
    "from_db_value": "class F:\n    def from_db_value(self, value, expression, connection): pass\n",
    "another class's option": "class A:\n    index_together = 1\n",
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_code_that_works_is_left_alone(code, text):
    assert code.one(text).findings == []


def test_old_migrations_may_keep_the_null_boolean_field(code):
    text = "from django.db import models\na = models.NullBooleanField()\n"

    assert code.rules(text, "app/migrations/0001_initial.py") == []


def test_the_configuration_of_an_app_with_one_is_found_by_itself(code):
    code.write("app/apps.py", "class A(AppConfig): pass\n")

    fixed = code.fixed("a = 1\ndefault_app_config = 'app.apps.A'\n", "app/__init__.py")

    assert fixed == "a = 1\n"


@pytest.mark.parametrize("others", [None, "class A(AppConfig): pass\nclass B(AppConfig): pass\n"])
def test_the_configuration_of_another_app_is_for_a_person_to_choose(code, others):
    if others:
        code.write("app/apps.py", others)
    text = "default_app_config = 'app.apps.A'\n"

    assert code.rules(text, "app/__init__.py") == ["app-config"]
    assert code.fixed(text, "app/__init__.py") == text
