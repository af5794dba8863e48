"""The command line, with and without Django behind it."""

import argparse
import io
import re
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from channels.porting import cli, scan, upgrade
from channels.porting.tree import SourceFile
from tests.support.clock import Clock

OLD = "from django.core.urlresolvers import reverse\n"
NEW = "from django.urls import reverse\n"
FOR_A_PERSON = "from django.shortcuts import render_to_response; render_to_response\n"


class Answers:
    """Somebody at the keyboard."""

    def __init__(self, answer):
        self.answer = answer
        self.questions = []

    def __call__(self, question):
        self.questions.append(question)
        if self.answer is EOFError:
            raise EOFError
        return self.answer


def run(code, *arguments, answer=AssertionError):
    out, answers = io.StringIO(), Answers(answer)
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    options = cli.options(parser.parse_args([str(code.root), *arguments]))
    status = cli.run(options, out, io.StringIO(), answers)
    return status, out.getvalue(), answers.questions


def test_nothing_to_do_ends_with_0(code):
    code.write("a.py", NEW)

    status, out, _ = run(code)

    assert (status, out) == (0, "Nothing is left to change; 0 notes.\n")


def test_what_is_found_is_listed_with_file_and_line_and_nothing_is_changed(code):
    path = code.write("app/a.py", "import os\n" + OLD)
    code.write("app/b.py", FOR_A_PERSON)

    status, out, _ = run(code)

    assert status == 1
    assert f"{path}:2: upgrade: becomes from django.urls import reverse (--fix does it)\n" in out
    assert f"{code.root}/app/b.py:1: moved: django.shortcuts.render_to_response is gone" in out
    assert out.endswith("2 changes left to make, 1 of them by --fix; 0 notes.\n")
    assert path.read_text() == "import os\n" + OLD


def test_notes_change_no_status_and_can_be_left_out(code):
    code.write("settings.py", "A = ['channels.delay']\n")

    status, out, _ = run(code)
    assert (status, out.count("note: ")) == (0, 1)
    status, out, _ = run(code, "--no-notes")
    assert (status, out) == (0, "\nNothing is left to change; 1 note.\n")


def test_the_differences_are_shown_before_the_question(code):
    path = code.write("a.py", OLD)

    status, out, questions = run(code, "--fix", answer="n")

    assert questions == ["Change 1 file like this? [y/N] "]
    assert f"--- {path}\n+++ {path}\n" in out
    assert f"-{OLD}+{NEW}" in out
    assert "Nothing was changed." in out
    assert status == 1
    assert path.read_text() == OLD


@pytest.mark.parametrize("answer", ["", "no", "n", EOFError])
def test_without_a_clear_yes_nothing_is_changed(code, answer):
    path = code.write("a.py", OLD)

    assert run(code, "--fix", answer=answer)[0] == 1
    assert path.read_text() == OLD


@pytest.mark.parametrize("answer", ["y", "YES "])
def test_after_a_yes_files_are_changed(code, answer):
    path = code.write("a.py", OLD)

    status, out, _ = run(code, "--fix", answer=answer)

    assert (status, path.read_text()) == (0, NEW)
    assert out.endswith("1 file changed. Nothing is left to change; 0 notes.\n")


@pytest.mark.parametrize("option", ["--yes", "--noinput", "--no-input"])
def test_one_can_say_yes_beforehand(code, option):
    path = code.write("a.py", OLD)

    status, _, questions = run(code, "--fix", option)

    assert (status, path.read_text(), questions) == (0, NEW, [])


def test_what_is_left_after_fixing_is_listed_where_it_is_then(code):
    path = code.write("a.py", "from django.conf.urls import handler404, url\n" + FOR_A_PERSON)

    status, out, _ = run(code, "--fix", "--yes")

    assert status == 1
    assert f"{path}:3: moved: django.shortcuts.render_to_response is gone" in out
    assert "--fix does it" not in out


def test_without_anything_to_fix_nobody_is_asked(code):
    code.write("a.py", FOR_A_PERSON)

    status, _, questions = run(code, "--fix")

    assert (status, questions) == (1, [])


def test_a_file_that_cannot_be_written_is_told_and_the_others_are(code, monkeypatch):
    code.write("a.py", OLD)
    code.write("b.py", OLD)
    real = SourceFile.write

    def full_for_a(self, text):
        if self.path.name == "a.py":
            raise PermissionError(13, "Permission denied")
        real(self, text)

    monkeypatch.setattr(SourceFile, "write", full_for_a)
    status, out, _ = run(code, "--fix", "--yes")

    assert status == 1
    assert "a.py: could not be written: Permission denied" in out
    assert (code.root / "b.py").read_text() == NEW


def test_a_path_that_is_not_there_is_told(capsys):
    assert cli.main(["/no/such/path"]) == 2
    assert (
        capsys.readouterr().err == "python -m channels.porting: error: there is no /no/such/path\n"
    )


def test_a_file_of_no_known_kind_is_told(code, capsys):
    path = code.write("a.csv", "a")

    assert cli.main([str(path)]) == 1
    assert "not a kind of file that is known" in capsys.readouterr().out


def test_without_the_tools_one_line_says_what_to_install(code, tmp_path):
    block = "import sys; sys.modules['pyupgrade'] = None; sys.argv[1:] = ['.']\n"
    script = block + "import runpy; runpy.run_module('channels.porting', run_name='__main__')"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"python -m channels.porting: error: {upgrade.MISSING}"]


def test_it_needs_no_project_and_imports_nothing_of_the_code(code):
    code.write("settings.py", "raise SystemExit('imported')\n" + OLD)
    code.write("django_app.py", "import channels\nraise SystemExit('imported')\n")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "channels.porting", ".", "--fix", "--yes"],
        cwd=code.root,
        env={"PATH": "", "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert NEW in (code.root / "settings.py").read_text()


def test_the_command_does_the_same(code, capsys):
    path = code.write("a.py", OLD + FOR_A_PERSON)
    out = io.StringIO()

    with pytest.raises(SystemExit) as caught:
        call_command("channels_port", str(code.root), "--fix", "--yes", stdout=out)

    assert caught.value.code == 1
    assert path.read_text() == NEW + FOR_A_PERSON
    assert "1 file changed. 1 change left to make; 0 notes.\n" in out.getvalue()
    call_command("channels_port", str(code.write("b.py", NEW)), stdout=out)


def test_the_command_says_what_is_wrong_in_one_line():
    with pytest.raises(CommandError, match="there is no /no/such/path") as caught:
        call_command("channels_port", "/no/such/path")

    assert caught.value.returncode == 2


def test_one_place_is_reported_once(code):
    """Two uses on a line, and a folder that is given within another."""
    code.write("app/a.py", "a = u.is_anonymous() and v.is_anonymous()\n")

    status, out, _ = run(code, str(code.root / "app"))

    assert (status, out.count("user-attribute")) == (1, 1)
    assert "1 change left to make, 1 of them by --fix" in out


def test_many_files_are_shared_by_processes_and_reported_in_order(code):
    """Also the routes that one process found are known to the others."""
    for number in range(scan.MANY + 10):
        code.write(f"app{number:03}/models.py", f"{OLD}number = {number}\n")
        code.write(f"app{number:03}/consumers.py", "def connect(message):\n    pass\n")
    code.write(
        "routing.py",
        "from channels import route\nfrom app040.consumers import connect\n"
        "channel_routing = [route('websocket.connect', connect)]\n",
    )
    command = [sys.executable, "-W", "error", "-m", "channels.porting", "."]

    done = subprocess.run(command, cwd=code.root, capture_output=True, text=True, timeout=60)

    status, out, _ = run(code)
    assert done.returncode == status == 1
    assert set(done.stderr.splitlines()) <= set(re.findall("Looked at .*", done.stderr))
    assert done.stdout == out.replace(f"{code.root}/", "")
    assert re.findall(r"(app\d+/.*): accept", out) == ["app040/consumers.py:1"]


# -- what is said while it takes long; a clock is passed in --


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_said_of_a_short_task(terminal):
    clock, out = Clock(), Stream(terminal)
    progress = cli.Progress(out, clock)

    clock.now += 1.9
    progress.tell(9, 9)
    progress.end()

    assert out.getvalue() == ""


def test_a_terminal_has_one_line_of_it_and_nothing_in_the_end():
    clock, out = Clock(), Stream(True)
    progress = cli.Progress(out, clock)

    for done in range(1, 5):
        clock.now += 1.0
        progress.tell(done, 4)
        progress.tell(done, 4)
    progress.end()
    progress.tell(4, 4)

    said = [f"Looked at {done} of 4 files" for done in (2, 3, 4)]
    assert out.getvalue() == "".join(f"\r{one}" for one in said) + "\r" + " " * 22 + "\r"


def test_a_log_gets_a_line_now_and_then():
    clock, out = Clock(), Stream(False)
    progress = cli.Progress(out, clock)

    for done in range(1, 16):
        clock.now += 1.0
        progress.tell(done, 15)
    progress.end()

    assert out.getvalue() == "Looked at 2 of 15 files\nLooked at 12 of 15 files\n"
