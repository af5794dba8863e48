"""What the two tools make of a file, and where they are kept from harm."""

import pytest

from channels.porting import upgrade
from channels.porting.upgrade import ToolError
from tests.unit.porting.conftest import dedent

FIXED = {
    "Django": (
        "from django.dispatch import Signal\na = Signal(['b'])\n",
        "from django.dispatch import Signal\na = Signal()\n",
    ),
    "Python": (
        "from collections import Mapping\n"
        "class T:\n    def f(self): self.assertEquals(1, Mapping)\n",
        "from collections.abc import Mapping\n"
        "class T:\n    def f(self): self.assertEqual(1, Mapping)\n",
    ),
    "the copy of six that Django had": (
        "from django.utils import encoding, six, timezone\nsix.text_type(encoding), timezone\n",
        "from django.utils import encoding, timezone\nstr(encoding), timezone\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_what_a_tool_knows_is_told_line_by_line_and_fixed(code, before, after):
    found = code.one(before)

    assert {one.rule for one in found.findings if one.mechanical} >= {"upgrade"}
    assert found.fixed == after
    assert code.one(after).findings == []


def test_what_merely_has_a_newer_form_is_one_note(code):
    text = "class A(object):\n    def f(self):\n        return super(A, self).f(u'a')\n"

    found = code.one(text)

    (note,) = found.findings
    assert (note.rule, note.line, note.note, note.mechanical) == ("upgrade", 1, True, True)
    assert "2 lines" in note.message
    assert found.fixed == "class A:\n    def f(self):\n        return super().f('a')\n"


def test_numbers_in_urls_stay_text(code):
    text = "from django.urls import re_path\nurlpatterns = [re_path(r'^(?P<pk>\\d+)/$', view)]\n"

    assert code.one(text).findings == []


def test_lines_are_those_of_the_file_although_the_tools_have_moved_them(code):
    text = """
        from __future__ import unicode_literals
        from django.utils import encoding
        from django.contrib.sites.models import Site
        def f(request):
            return request.is_ajax(), Site, encoding
        """

    found = code.one(text)

    assert [(one.rule, one.line) for one in found.findings if not one.note] == [("is-ajax", 5)]


@pytest.mark.parametrize(
    "line",
    [
        "from collections import Mapping  # channels-port: ignore\n",
        "    a = Signal(['b'])  # channels-port: ignore\n",
    ],
)
def test_a_line_that_asks_for_it_is_hidden_from_the_tools(code, line):
    text = f"from django.dispatch import Signal\nif 1:\n    c = Signal(['d'])\n{line}"

    assert code.fixed(text) == text.replace("Signal(['d'])", "Signal()")


def test_a_part_of_a_statement_that_asks_for_it_keeps_the_file_from_the_tools(code):
    text = (
        "class T:\n    def f(self):\n        (\n"
        "            self.assertEquals(1)  # channels-port: ignore\n        )\n"
    )

    found = code.one(text)

    assert found.fixed == text
    assert ["asks to be left alone" in one.message for one in found.findings] == [True]


def test_a_fixer_that_fails_is_told_and_the_others_work(code):
    """This one fails if two names are imported with the one that it deletes."""
    text = """
        from django.dispatch import Signal
        from django.utils.timezone import FixedOffset, utc
        a = Signal(["b"]), utc, FixedOffset(1)
        """

    found = code.one(text)

    assert "a = Signal()" in found.fixed
    assert found.findings


def test_tools_that_fail_change_nothing_and_are_told(code, monkeypatch):
    def fail(name, text, path, options):
        raise ToolError("as asked")

    monkeypatch.setattr(upgrade, "_run", fail)
    found = code.one("from collections import Mapping\n")

    assert not found.changes
    assert {one.rule for one in found.findings} == {"upgrade"}
    assert "pyupgrade can't rewrite this file: as asked" in {one.message for one in found.findings}


def test_what_a_tool_makes_must_be_python(code, monkeypatch):
    def broken(arguments):
        if arguments == ["--list-fixers"]:
            print("on_delete")
        else:
            with open(arguments[-1], "a") as file:
                file.write("(")

    monkeypatch.setattr(upgrade, "_tool", lambda name: broken)
    found = code.one("a = 1\n")

    assert not found.changes
    assert "is no Python" in found.findings[0].message


def test_line_ends_of_old_macs_are_told(code):
    found = code.one(dedent("a = 1\n").replace("\n", "\r").encode())

    assert [one.rule for one in found.findings] == ["upgrade"]
    assert not found.changes
