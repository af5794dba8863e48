"""Live tests of a tiny project, run as its users would: by Django, in parallel, by pytest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

SETTINGS = """
import os
SECRET_KEY = "a secret of one test"
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.auth",
    "django.contrib.staticfiles", "channels", "tiny",
]
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "real.db",
        "OPTIONS": {{"timeout": 30}},
        "TEST": {{"NAME": os.environ.get("TEST_DB", "test.db")}},
    }},
}}
USE_TZ = True
ROOT_URLCONF = "tiny.urls"
STATIC_URL = "/static/"
GREETING = "of the settings"
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "ROUTING": "tiny.routing.routing",
        "CONFIG": {{"hosts": ["redis://127.0.0.1:1/0"]}},
        "TEST_CONFIG": {{"hosts": [{url!r}], "prefix": "live:"}},
    }},
}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""

FILES = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "small_settings"
execute_from_command_line(sys.argv)  # not guarded: nothing may import this again
""",
    "tiny/__init__.py": "",
    "tiny/static/hello.txt": "a static file",
    "tiny/models.py": """
from django.db import models

class Note(models.Model):
    text = models.CharField(max_length=100)
""",
    "tiny/migrations/__init__.py": "",
    "tiny/migrations/0001_initial.py": """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Note", [
        ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False,
                                verbose_name="ID")),
        ("text", models.CharField(max_length=100)),
    ])]
""",
    "tiny/urls.py": """
import os, threading
from django.conf import settings
from django.http import JsonResponse
from django.urls import path
from tiny.models import Note

both = threading.Barrier(2)

def together(request):
    both.wait(20)  # for a second request, in another thread
    return JsonResponse({})

def state(request):
    return JsonResponse({
        "notes": list(Note.objects.values_list("text", flat=True)),
        "greeting": settings.GREETING,
        "debug": settings.DEBUG,
        "email": settings.EMAIL_BACKEND,
        "pid": os.getpid(),
    })

urlpatterns = [path("state/", state), path("together/", together)]
""",
    "tiny/routing.py": """
from channels import Group, route
from tiny.models import Note

def connect(message):
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})

def receive(message):
    Note.objects.create(text=message["text"])
    Group("all").send({"text": message["text"].upper()})

routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
""",
    "tiny/tests.py": """
import json, os, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor
from django.test import override_settings
from websockets.sync.client import connect
from channels import Channel, Group, channel_layers
from channels.test import ChannelLiveServerTestCase, ChannelTestCase, TransactionChannelTestCase
from channels.test import WSClient
from tiny.models import Note


class Common:
    def get(self, path):
        with urllib.request.urlopen(self.live_server_url + path, timeout=30) as answer:
            return answer.read().decode()

    def state(self):
        return json.loads(self.get("/state/"))

    def setUp(self):
        self.assertEqual(channel_layers["default"].receive(["left"]), (None, None))
        Channel("left").send({})
        Note.objects.create(text="in setUp")
        self.before = self.state()["notes"]

    def test_the_worker_is_another_process_on_the_database_of_the_test(self):
        self.assertEqual(self.before, ["in setUp"])
        self.assertNotEqual(self.state()["pid"], os.getpid())
        self.assertFalse(os.path.exists("real.db") and os.path.getsize("real.db"))

    def test_a_socket_reaches_consumers_and_back(self):
        with connect(self.live_server_ws_url + "/") as socket:
            socket.send("hello")
            self.assertEqual(socket.recv(timeout=30), "HELLO")
            self.assertEqual(Note.objects.filter(text="hello").count(), 1)
            Group("all").send({"text": "from the test"})
            self.assertEqual(socket.recv(timeout=30), "from the test")

    def test_the_next_test_finds_nothing_of_the_one_before(self):
        self.assertEqual(list(Note.objects.values_list("text", flat=True)), ["in setUp"])
        self.assertEqual(self.state()["email"], "django.core.mail.backends.locmem.EmailBackend")

class PlainLive(Common, ChannelLiveServerTestCase):
    def test_static_files_are_served_and_the_settings_hold(self):
        self.assertEqual(self.get("/static/hello.txt"), "a static file")
        self.assertEqual(self.state()["greeting"], "of the settings")
        self.assertFalse(self.state()["debug"])

@override_settings(GREETING="of the class", DEBUG=True)
class ConfiguredLive(Common, ChannelLiveServerTestCase):
    host = "127.0.0.1"
    worker_threads = 2
    serve_static = False

    def test_the_worker_has_its_threads(self):
        with ThreadPoolExecutor(2) as pool:
            self.assertEqual(list(pool.map(self.get, ["/together/"] * 2)), ["{}"] * 2)

    def test_the_settings_of_the_class_hold_in_the_worker(self):
        state = self.state()
        self.assertEqual(state["greeting"], "of the class")
        self.assertTrue(state["debug"])
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.get("/static/hello.txt")
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()

class InMemory(ChannelTestCase):
    fixtures = []
    def test_a_consumer_runs(self):
        client = WSClient()
        client.send_and_consume("websocket.connect")
        client.send_and_consume("websocket.receive", text="hi")
        self.assertEqual(client.receive(json=False), "HI")
        self.assertEqual(Note.objects.count(), 1)

class InMemoryFlushed(TransactionChannelTestCase):
    def test_one(self):
        Channel("test").send({"n": 1})
        self.assertEqual(self.get_next_message("test", require=True)["n"], 1)

    def test_two(self):
        self.assertIsNone(self.get_next_message("test"))
""",
    "tiny/broken.py": """
import sys
from channels.test import ChannelLiveServerTestCase
from channels.test.processes import WorkerProcess

class Odd(WorkerProcess):
    target = "tiny.broken.explode"

class Silent(WorkerProcess):
    target = "tiny.broken.vanish"

def explode(options, report):
    raise ZeroDivisionError("of the worker")

def vanish(options, report):
    sys.exit(7)

class OddLive(ChannelLiveServerTestCase):
    WorkerProcess = Odd
    def test_it(self):
        pass

class SilentLive(ChannelLiveServerTestCase):
    WorkerProcess = Silent
    def test_it(self):
        pass

class SkippedLive(ChannelLiveServerTestCase):
    WorkerProcess = Odd
    def test_it(self):
        self.fail()
    test_it.__unittest_skip__ = True
    test_it.__unittest_skip_why__ = "no reason"

class UnpicklableLive(ChannelLiveServerTestCase):
    def test_it(self):
        pass
UnpicklableLive._overridden_settings = {"GREETING": lambda: 1}
""",
    "tiny/endless.py": """
import time
from channels.test import ChannelLiveServerTestCase

class EndlessLive(ChannelLiveServerTestCase):
    def test_it(self):
        print("LIVE", self.live_server_url, flush=True)
        time.sleep(600)
""",
}


class Project:
    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        for name, text in {**FILES, "small_settings.py": SETTINGS.format(url=url)}.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.lstrip("\n"))

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning", **env}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )


@pytest.fixture
def project(tmp_path, redis_server):
    return Project(tmp_path, redis_server.url)


def test_the_suite_passes_with_manage_py_test(project):
    ran = project.run("manage.py", "test", "--noinput")

    assert ran.returncode == 0, ran.stdout
    assert "Ran 12 tests" in ran.stdout


def test_the_suite_passes_in_parallel_processes_that_share_one_redis(project):
    ran = project.run("manage.py", "test", "--noinput", "--parallel", "2")

    assert ran.returncode == 0, ran.stdout
    assert "Ran 12 tests" in ran.stdout
    assert ran.stdout.count("Cloning test database") == 2


SPAWNING = """
import multiprocessing, os, sys
from django.core.management import execute_from_command_line
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    os.environ["DJANGO_SETTINGS_MODULE"] = "small_settings"
    execute_from_command_line(sys.argv)
"""


def test_cases_in_memory_pass_in_parallel_processes_that_inherit_nothing(project):
    (project.path / "manage.py").write_text(SPAWNING)
    command = ("manage.py", "test", "--noinput", "--parallel", "2")

    ran = project.run(
        *command, "tiny.tests.InMemory", "tiny.tests.InMemoryFlushed", TEST_DB=":memory:"
    )

    assert ran.returncode == 0, ran.stdout
    assert "Ran 3 tests" in ran.stdout
    assert ran.stdout.count("Cloning test database") == 2


def test_live_tests_pass_in_parallel_processes_that_inherit_nothing(project, postgres_server):
    """On PostgreSQL: Django's spawned processes take a test database of SQLite into memory."""
    (project.path / "manage.py").write_text(SPAWNING)
    with (project.path / "small_settings.py").open("a") as settings:
        settings.write(f"DATABASES = {{'default': {postgres_server.settings!r}}}\n")
    tests = [
        f"tiny.tests.{case}.test_a_socket_reaches_consumers_and_back"
        for case in ("PlainLive", "ConfiguredLive")
    ]

    ran = project.run("manage.py", "test", "--noinput", "--parallel", "2", *tests)

    assert ran.returncode == 0, ran.stdout
    assert "Ran 2 tests" in ran.stdout
    assert ran.stdout.count("Cloning test database") == 2


def test_the_suite_passes_with_pytest(project):
    ran = project.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."),
        *("--ds", "small_settings", "-W", "error", "tiny/tests.py"),
        PYTHONPATH=str(project.path),
    )

    assert ran.returncode == 0, ran.stdout
    assert "12 passed" in ran.stdout


def test_what_keeps_a_process_from_starting_is_told(project):
    ran = project.run("manage.py", "test", "--noinput", "tiny.broken")

    assert "FAILED (errors=3, skipped=1)" in ran.stdout, ran.stdout
    assert "ZeroDivisionError: of the worker" in ran.stdout
    assert "Silent ended with status 7 before it was ready" in ran.stdout
    assert "the setting GREETING was changed for a live test" in ran.stdout


def test_a_database_in_memory_is_refused(project):
    ran = project.run("manage.py", "test", "--noinput", "tiny.tests.PlainLive", TEST_DB=":memory:")

    assert "FAILED (errors=4)" in ran.stdout, ran.stdout
    assert "set its TEST NAME to a file" in ran.stdout


def test_the_processes_end_when_the_tests_are_killed(project):
    command = [sys.executable, "manage.py", "test", "--noinput", "tiny.endless"]
    with running(*command, cwd=project.path) as tests:
        tests.wait_for_output("LIVE http://localhost:")
        children = children_of(tests.pid)
        assert len(children) == 2
        os.kill(tests.pid, signal.SIGKILL)
        tests.wait()
        wait_until(lambda: not any(map(alive, children)), "server and worker have ended")


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
