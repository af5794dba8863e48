"""Whatever lies around in a code base, it is read or left alone."""

import codecs
import os
import stat

import pytest

from channels.porting import tree
from channels.porting.scan import scan

OLD = "from django.core.urlresolvers import reverse\n"
NEW = "from django.urls import reverse\n"


def write_all(found):
    for one in found.values():
        if one.changes:
            one.source.write(one.fixed)


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "bin/activate", "Scripts/activate", "conda-meta/a"])
def test_environments_are_left_alone(code, mark):
    code.write("env/lib/python2.7/os.py", OLD)
    code.write(f"env/{mark}", "")

    assert code.scan() == {}


def test_a_script_without_a_suffix_is_what_its_first_line_says(code):
    shell = code.write("bin/start", "#!/bin/sh\nexec daphne a:b\n")
    python = code.write("bin/task", "#!/usr/bin/env python3\n" + OLD)
    code.write("bin/other", "#!/usr/bin/perl\nexec daphne a:b\n")
    code.write("bin/binary", b"\x7fELF")

    write_all(code.scan())

    assert shell.read_text() == "#!/bin/sh\nexec interface-server a:b\n"
    assert python.read_text() == "#!/usr/bin/env python3\n" + NEW
    assert code.scan().keys() == {"bin/start", "bin/task"}


def test_a_template_of_a_python_file_is_left_alone(code):
    code.write("settings.py.j2", "{{ a }}\n")
    code.write(".git/a.py", OLD)

    assert code.scan() == {}


def test_a_file_of_python_2_is_told_and_never_changed(code):
    found = code.one(OLD + "print 'hello'\n")

    assert [(one.rule, one.line) for one in found.findings] == [("syntax", 2)]
    assert not found.changes


def test_a_file_that_is_not_text_is_told_and_never_changed(code):
    found = code.one(b"\xff\xfe\x00\x01")

    assert [one.rule for one in found.findings] == ["unreadable"]
    assert not found.changes


@pytest.mark.parametrize(
    "content",
    [
        b"# coding: latin-1\n" + OLD.encode() + "# \xe4\n".encode("latin-1"),
        codecs.BOM_UTF8 + OLD.encode() + "# ä\n".encode(),
        "# -*- coding: cp1251 -*-\r\n# \u0436\r\n".encode("cp1251") + OLD.encode(),
        b"import os\n\x0c\n" + OLD.encode() + "'\u2028 \U0001f600'\n".encode(),
        OLD.encode() + b"    # the end\n  \n",
        OLD.encode().rstrip(),
        b"\x0c" + OLD.encode(),
        b"\n\n" + OLD.encode() + b"a = 1\r\nb = 2\n",
        b"# coding: latin-1\r\n" + OLD.encode().replace(b"\n", b"\r\n") + b"a = '\xe4'\r\n",
    ],
)
def test_encoding_mark_and_line_ends_stay_as_they_are(code, content):
    code.write("a.py", content)

    write_all(code.scan())

    assert (code.root / "a.py").read_bytes() == content.replace(
        OLD.encode().rstrip(), NEW.encode().rstrip()
    )


def test_positions_are_right_behind_odd_characters(code):
    text = "a = '\u00e4\U0001f600\\u2028'; from django.conf.urls import url; url('\u2028', url)\n"

    assert code.fixed(text) == text.replace("django.conf.urls", "django.urls").replace(
        "import url", "import re_path"
    ).replace(" url(", " re_path(").replace(", url)", ", re_path)")


@pytest.mark.parametrize(
    "content",
    [
        b"# coding: no-such-thing\n" + OLD.encode(),
        b"# coding: utf-8\n# \xe4\n" + OLD.encode(),
    ],
)
def test_a_file_in_another_encoding_than_it_says_is_told(code, content):
    found = code.one(content)

    assert [one.rule for one in found.findings] == ["unreadable"]


@pytest.mark.parametrize(
    "text",
    [
        OLD + "a = " + "(" * 5000 + ")" * 5000 + "\n",
        OLD + "a = " + "+".join(["1"] * 20_000) + "\n",
        OLD + "a" + ".b" * 20_000 + "\n",
        OLD + "a" + ".b" * 2_500 + "\n",
        OLD + "a" + ".b" * 1_500 + "\n",
        OLD + "a = '\0'\n",
    ],
    ids=["brackets", "a sum", "attributes", "fewer", "few", "a null"],
)
def test_code_that_no_parser_likes_is_told_or_fixed_but_never_harmed(code, text):
    found = code.one(text)

    assert found.findings
    assert found.fixed in ("", text, text.replace(OLD, NEW))


def test_a_huge_file_is_named_and_not_read(code):
    found = code.one("#" * (tree.MAX_SIZE + 1))

    assert [one.rule for one in found.findings] == ["unreadable"]
    assert "2,000,001 bytes" in found.findings[0].message


def test_a_file_that_vanishes_is_told(code):
    path = code.write("a.py", OLD)
    (found,) = list(scan([path.with_name("b.py")]))

    assert "can't be read" in found.findings[0].message


def test_links_are_not_followed(code, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.py").write_text(OLD)
    code.write("real/a.py", OLD)
    (code.root / "linked").symlink_to(outside)
    (code.root / "linked.py").symlink_to(outside / "a.py")
    (code.root / "circle").symlink_to(code.root)
    (code.root / "nowhere.py").symlink_to(code.root / "none")

    write_all(code.scan())

    assert set(code.scan()) == {"real/a.py"}
    assert (outside / "a.py").read_text() == OLD
    assert (code.root / "real/a.py").read_text() == NEW


@pytest.mark.parametrize(
    "name",
    [
        ".git/a.py",
        ".venv/lib/a.py",
        "node_modules/a.py",
        "env/lib/a.py",
        "a.egg-info/a.py",
        "app/__pycache__/a.py",
        "data.csv",
        "app/code.pyc",
    ],
)
def test_what_is_not_the_projects_own_code_is_not_looked_at(code, name):
    code.write("env/pyvenv.cfg", "")
    code.write(name, OLD)

    assert code.scan() == {}


def test_pipes_and_sockets_are_not_opened(code):
    os.mkfifo(code.root / "a.py")

    assert code.scan() == {}


def test_permissions_stay(code):
    path = code.write("a.py", OLD)
    path.chmod(0o754)

    write_all(code.scan())

    assert path.read_text() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o754


def test_a_file_that_cannot_be_written_stays_whole(code, monkeypatch):
    path = code.write("a.py", OLD)
    found = code.scan()["a.py"]

    def no_space(old, new):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="No space"):
        found.source.write(found.fixed)

    assert path.read_text() == OLD
    assert [other.name for other in code.root.iterdir()] == ["a.py"]


def test_a_line_can_ask_to_be_left_alone(code):
    text = OLD.rstrip() + "  # channels-port: ignore\n" + OLD

    found = code.one(text)

    assert [one.line for one in found.findings] == [2]
    assert found.fixed == text[: -len(OLD)] + NEW


def test_a_fix_that_would_not_parse_is_not_made(code):
    # Nothing remains in the block.
    text = "if a:\n    from django.utils.encoding import python_2_unicode_compatible\n"

    found = code.one(text)

    assert found.fixed == text
    assert [(one.rule, one.edits) for one in found.findings] == [("moved", ())]
