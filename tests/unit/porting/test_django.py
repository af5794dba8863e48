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
        "c = models.ForeignKey(on_delete=models.CASCADE, to='C', null=True)\n",
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
    "NullBooleanField": (
        "from django.db import models\n"
        "a = models.NullBooleanField()\nb = models.NullBooleanField('B', help_text='c',)\n"
        "c = models.NullBooleanField(null=True)\n",
        "from django.db import models\n"
        "a = models.BooleanField(null=True, blank=True)\n"
        "b = models.BooleanField('B', help_text='c', null=True, blank=True,)\n"
        "c = models.BooleanField(null=True, blank=True)\n",
    ),
    "attributes of users": (
        "def f(request):\n    return request.user.is_authenticated() and not u.is_anonymous()\n",
        "def f(request):\n    return request.user.is_authenticated and not u.is_anonymous\n",
    ),
    "providing_args": (
        "from django.dispatch import Signal\na = Signal(providing_args=['b', 'c'])\n",
        "from django.dispatch import Signal\na = Signal()\n",
    ),
    "on_delete without models": (
        "from django.db.models import CharField, ForeignKey\n"
        "a = ForeignKey('A')\nb = ForeignKey('B')\n",
        "from django.db.models import CASCADE\nfrom django.db.models import CharField, ForeignKey\n"
        "a = ForeignKey('A', on_delete=CASCADE)\nb = ForeignKey('B', on_delete=CASCADE)\n",
    ),
    "providing_args and more": (
        "from django.dispatch import Signal\nSignal(['a'], use_caching=True)\n",
        "from django.dispatch import Signal\nSignal(use_caching=True)\n",
    ),
    "is_ajax": (
        "def f(request):\n    return not request.is_ajax()\n",
        "def f(request):\n"
        '    return not (request.headers.get("X-Requested-With") == "XMLHttpRequest")\n',
    ),
    "is_safe_url": (
        "from django.utils.http import is_safe_url\nis_safe_url(url='a', host='b')\n",
        "from django.utils.http import url_has_allowed_host_and_scheme\n"
        "url_has_allowed_host_and_scheme(url='a', allowed_hosts='b')\n",
    ),
    "middleware": (
        "import os\nimport re\n\nclass M(object):\n    def process_request(self, r): pass\n"
        "class N:\n    def process_view(self, r, f, a, k): pass\n",
        "import os\nimport re\nfrom django.utils.deprecation import MiddlewareMixin\n\n"
        "class M(MiddlewareMixin):\n    def process_request(self, r): pass\n"
        "class N(MiddlewareMixin):\n    def process_view(self, r, f, a, k): pass\n",
    ),
    "text that was bytes": (
        "from django.utils.http import urlsafe_base64_encode as e\na = e(b'a').decode('ascii')\n",
        "from django.utils.http import urlsafe_base64_encode as e\na = e(b'a')\n",
    ),
    "random text": (
        "from django.utils.crypto import get_random_string\nget_random_string()\n",
        "from django.utils.crypto import get_random_string\nget_random_string(length=12)\n",
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
    assert all(one.mechanical for one in found.findings)
    assert code.one(found.fixed).findings == []


TOLD = {
    "on_delete from elsewhere": (
        "on-delete",
        "from django.db import models\na = models.ForeignKey('A', **given)\n",
    ),
    "on_delete behind to_field": (
        "on-delete",
        "from django.db import models\na = models.ForeignKey('A', 'id')\n",
    ),
    "on_delete without a plain import": (
        "on-delete",
        "from django.db.models import *\nfrom django.db.models.fields import related as r\n"
        "a = r.ForeignKey('A')\n",
    ),
    "a field that is gone": (
        "moved",
        "from django.db import models\na = models.IPAddressField()\n",
    ),
    "escaped HTML": ("allow-tags", "def f(self, o): pass\nf.allow_tags = True\n"),
    "a backend that is passed over": (
        "authenticate",
        "class B(object):\n    def authenticate(self, username=None, password=None): pass\n"
        "    def get_user(self, pk): pass\n",
    ),
    "a widget": (
        "widget",
        "from django import forms\nclass W(forms.TextInput):\n"
        "    def render(self, name, value, attrs=None): pass\n",
    ),
    "a password": ("random", "User.objects.make_random_password()\n"),
    "a part of a dict": ("assertion", "def f(self): self.assertDictContainsSubset({}, {})\n"),
    "errors of a form": (
        "assertion",
        "def f(self, response):\n    self.assertFormError(self.response, 'form', 'a', 'b')\n",
    ),
    "on_delete in full": (
        "on-delete",
        "import django.db.models\na = django.db.models.ForeignKey(to='A')\n",
    ),
    "from_db_value": (
        "from-db-value",
        "class F:\n    def from_db_value(self, value, expression, connection, context): pass\n",
    ),
    "middleware": (
        "middleware",
        "import os\nclass M(object):\n    def __init__(self): pass\n"
        "    def process_request(self, request): pass\n",
    ),
    "index_together": (
        "index-together",
        "class A(Model):\n    class Meta:\n        index_together = [['a', 'b']]\n",
    ),
}


@pytest.mark.parametrize(("rule", "text"), TOLD.values(), ids=TOLD)
def test_code_that_no_rule_can_fix_is_told_and_left(code, rule, text):
    found = code.one(text)

    assert [one.rule for one in found.findings if not one.note] == [rule]
    assert found.fixed == text.replace("(object)", "")


QUIET = {
    "a new backend": (
        "class B:\n    def authenticate(self, request, username=None): pass\n"
        "    def get_user(self, pk): pass\n"
    ),
    "a new widget": (
        "from django import forms\nclass W(forms.TextInput):\n"
        "    def render(self, *args, **kwargs): pass\n"
        "class V(forms.Select):\n    def render(self, name, value, attrs=None, renderer=None): 0\n"
    ),
    "errors of a form": "def f(self):\n    self.assertFormError(form, 'a', ['b'])\n",
    "on_delete is given": (
        "from django.db import models\n"
        "a = models.ForeignKey('A', models.PROTECT)\nb = models.ForeignKey('B', on_delete=f)\n"
    ),
    "on_delete is handed on": (
        "from django.db import models\nhow = {'on_delete': models.CASCADE}\n"
        "a = models.ForeignKey('A', **how)\nb = models.ForeignKey('A', **dict(on_delete=1))\n"
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


@pytest.mark.parametrize(
    "text",
    [
        "from django.db import models\na = models.NullBooleanField()\n",
        "from django.db import models\na = models.IPAddressField()\n",
        "import django.contrib.postgres.fields.jsonb as j\na = j.JSONField()\n",
        "import django.contrib.postgres.fields.jsonb\n"
        "a = django.contrib.postgres.fields.jsonb.JSONField()\n",
        "from django.contrib.postgres.fields import JSONField\na = JSONField()\n",
    ],
)
def test_old_migrations_may_keep_the_fields_that_django_keeps_for_them(code, text):
    assert code.rules(text, "app/migrations/0001_initial.py") == []


def test_a_text_of_python_2_beside_that_of_3_is_only_noted(code):
    text = "class A:\n    def __unicode__(self): pass\n    def __str__(self): pass\n"

    assert code.rules(text) == []
    assert code.rules(text, notes=True) == ["unicode"]


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
