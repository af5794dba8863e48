"""The same applications as they were in 2017: what the scanner finds, and whether its fixes do."""

import os
import re
import shutil
import subprocess
import sys

from tests.legacy.stack import HERE

#: File, how it reads here, how it read in 2017 on Django 1.11.
SINCE_2017 = [
    ("board/models.py", ", null=True, on_delete=models.CASCADE)", ", null=True)"),
    (
        "liveblog/models.py",
        ', related_name="posts", on_delete=models.CASCADE)',
        ', related_name="posts")',
    ),
    ("tokens/models.py", ", on_delete=models.CASCADE)", ")"),
    ("uploads/models.py", ", on_delete=models.CASCADE)", ")"),
    ("board/bindings.py", "user.is_authenticated and", "user.is_authenticated() and"),
    ("chat/utils.py", "not user.is_authenticated:", "not user.is_authenticated():"),
    ("uploads/consumers.py", "message.user.is_anonymous:", "message.user.is_anonymous():"),
    ("uploads/views.py", "import force_str", "import force_text"),
    ("uploads/views.py", "name=force_str(", "name=force_text("),
    (
        "tokens/consumers.py",
        "from urllib.parse import",
        "from django.utils.six.moves.urllib.parse import",
    ),
    *[
        (f"{app}/urls.py", "from django.urls import re_path", "from django.conf.urls import url")
        for app in ("chat", "liveblog", "uploads")
    ],
    (
        "portal/urls.py",
        "from django.urls import include, re_path",
        "from django.conf.urls import include, url",
    ),
    *[(f"{app}/urls.py", "re_path(", "url(") for app in ("chat", "liveblog", "uploads", "portal")],
    ("portal/settings.py", "MIDDLEWARE = ", "MIDDLEWARE_CLASSES = "),
    ("board/tests.py", "from channels.test import", "from channels.tests import"),
]

#: What has to change: file, rule, how the line begins.
CHANGES = [
    ("board/bindings.py", "user-attribute", "return user.is_authenticated()"),
    ("board/models.py", "upgrade", "owner ="),
    ("board/tests.py", "moved", "from channels.tests import"),
    ("chat/tests.py", "moved", "from channels.test import"),
    ("chat/urls.py", "moved", "from django.conf.urls import"),
    ("chat/utils.py", "user-attribute", "if not user.is_authenticated()"),
    ("liveblog/models.py", "upgrade", "liveblog ="),
    ("liveblog/urls.py", "moved", "from django.conf.urls import"),
    ("portal/settings.py", "setting", "MIDDLEWARE_CLASSES"),
    ("portal/settings.py", "renamed", '"BACKEND": "asgi_redis'),
    ("portal/urls.py", "moved", "from django.conf.urls import"),
    ("rpc/tests.py", "moved", "from channels.test import"),
    ("tokens/consumers.py", "upgrade", "from django.utils.six"),
    ("tokens/models.py", "upgrade", "user ="),
    ("uploads/consumers.py", "user-attribute", "if message.user.is_anonymous()"),
    ("uploads/models.py", "upgrade", "owner ="),
    ("uploads/tests.py", "moved", "from channels.test import"),
    ("uploads/urls.py", "moved", "from django.conf.urls import"),
    ("uploads/views.py", "moved", "from django.utils.encoding import force_text"),
]


def in_2017(folder):
    shutil.copytree(
        HERE / "project", folder, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3")
    )
    for name, now, then in SINCE_2017:
        file = folder / name
        text = file.read_text()
        assert now in text, (name, now)
        file.write_text(text.replace(now, then))
    return folder


def line_of(file, start):
    lines = [line.strip() for line in file.read_text().splitlines()]
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def python(*command, cwd):
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # that of these tests
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_all_that_had_to_change_is_found_and_fixed(tmp_path):
    folder = in_2017(tmp_path / "site")

    found = python("-m", "channels.porting", "--no-notes", ".", cwd=folder)
    assert found.returncode == 1, found.stderr
    places = re.findall(r"^(\S+):(\d+): ([\w-]+):", found.stdout, re.MULTILINE)
    assert {(name, int(line), rule) for name, line, rule in places} == {
        (name, line_of(folder / name, start), rule) for name, rule, start in CHANGES
    }

    fixed = python("-m", "channels.porting", "--fix", "--yes", ".", cwd=folder)
    assert fixed.returncode == 0, fixed.stdout

    again = python("-m", "channels.porting", "--fix", "--yes", ".", cwd=folder)
    assert again.returncode == 0, again.stdout
    assert " changed" not in again.stdout

    tests = python("-W", "error", "manage.py", "test", cwd=folder)
    assert tests.returncode == 0, tests.stderr
    assert "Ran 51 tests" in tests.stderr


def test_the_app_from_before_1_0_needs_new_names_only(tmp_path):
    folder = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
    shutil.copytree(HERE / "old", folder, ignore=ignored)

    found = python("-m", "channels.porting", "--no-notes", ".", cwd=folder)
    places = re.findall(r"^(\S+):\d+: ([\w-]+):", found.stdout, re.MULTILINE)
    assert places == [("settings.py", "renamed"), ("guestbook/tests.py", "moved")]

    fixed = python("-m", "channels.porting", "--fix", "--yes", ".", cwd=folder)
    assert fixed.returncode == 0, fixed.stdout
    tests = python("-W", "error", "manage.py", "test", cwd=folder)
    assert tests.returncode == 0, tests.stderr
