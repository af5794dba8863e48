"""How templates are rendered."""

import pytest

FIXED = {
    "render_to_response": (
        "from django.shortcuts import redirect, render_to_response\n"
        "from django.template import RequestContext as R\n"
        "def a(request):\n"
        "    return render_to_response('a', {'b': 1}, context_instance=R(request))\n"
        "def b(request):\n    return render_to_response('a', R(request, locals()), status=1)\n"
        "def c(self, request):\n    return render_to_response('a')\n",
        "from django.shortcuts import render, redirect\n"
        "from django.template import RequestContext as R\n"
        "def a(request):\n    return render(request, 'a', {'b': 1})\n"
        "def b(request):\n    return render(request, 'a', locals(), status=1)\n"
        "def c(self, request):\n    return render(request, 'a')\n",
    ),
    "render with a context": (
        "from django.shortcuts import render\nfrom django.template import RequestContext\n"
        "render(r, 'a', {}, context_instance=RequestContext(r), status=1)\n",
        "from django.shortcuts import render\nfrom django.template import RequestContext\n"
        "render(r, 'a', {}, status=1)\n",
    ),
    "render_to_string": (
        "from django.template.loader import render_to_string as s\n"
        "from django.template.context import RequestContext\n"
        "s('a', {}, context_instance=RequestContext(r.request))\n",
        "from django.template.loader import render_to_string as s\n"
        "from django.template.context import RequestContext\n"
        "s('a', {}, request=r.request)\n",
    ),
    "a template of a loader": (
        "from django.template import Context, RequestContext, loader, Template\n"
        "t = loader.get_template('a')\nt.render(Context({'a': 1}))\nt.render(Context())\n"
        "loader.select_template(['a']).render(RequestContext(r, b))\n"
        "Template('a').render(Context({}))\n",
        "from django.template import Context, RequestContext, loader, Template\n"
        "t = loader.get_template('a')\nt.render({'a': 1})\nt.render({})\n"
        "loader.select_template(['a']).render(b, r)\n"
        "Template('a').render(Context({}))\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_code_is_fixed(code, before, after):
    fixed = code.fixed(before)

    assert fixed == after
    assert code.one(fixed).findings == []


TOLD = {
    "no request": (
        "moved",
        "from django.shortcuts import render_to_response\n"
        "def f(req): return render_to_response('a')\n",
    ),
    "another context": (
        "render",
        "from django.shortcuts import render\nrender(r, 'a', context_instance=made)\n",
    ),
    "a context with something in it": (
        "render",
        "from django.shortcuts import render\nfrom django.template import RequestContext\n"
        "render(r, 'a', context_instance=RequestContext(r, {'b': 1}))\n",
    ),
    "a context with more": (
        "render",
        "from django.template import Context, loader\n"
        "loader.get_template('a').render(Context({}, autoescape=False))\n",
    ),
}


@pytest.mark.parametrize(("rule", "text"), TOLD.values(), ids=TOLD)
def test_code_that_no_rule_can_fix_is_told_and_left(code, rule, text):
    found = code.one(text)

    assert [one.rule for one in found.findings] == [rule]
    assert found.fixed == text
