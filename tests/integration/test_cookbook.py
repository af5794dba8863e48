"""Each example of docs/cookbook.md, pasted into the README's project and run on a real Redis.

The environment of the tests stands in for the one that these pages have their reader make
(tests/browser/test_readme.py makes that one).
"""

import json
import re

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.markdown import Block, as_script, blocks, section
from tests.support.processes import ROOT, fetch, free_port, running
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis

COOKBOOK = ROOT / "docs" / "cookbook.md"

#: Commands that make an environment, or that do not end by themselves.
NOT_HERE = re.compile(
    r"(python3 -m venv|\. |pip install|cd |interface-server |gunicorn |celery "
    r"|python manage\.py (runserver|runworker|rundelay|test)).*\n"
)

#: Consumers that tell, on every socket of /keys/, which keys the messages hold that they get.
WATCHERS = Block(
    """
import json

from channels import Group


def tell_keys(message):
    group = Group("keys")
    if message.channel.name == "websocket.connect":
        message.reply_channel.send({"accept": True})
        group.add(message.reply_channel)
    group.send({"text": json.dumps([message.channel.name, sorted(message.keys())])})


channel_routing += [
    route("websocket.connect", tell_keys, path="^/keys/$"),
    route("websocket.receive", tell_keys, path="^/keys/$"),
    route("websocket.disconnect", tell_keys, path="^/keys/$"),
    route("http.disconnect", tell_keys),
]
""",
    file="mysite/routing.py",
    add=True,
)


class Site:
    """The project of the README with all examples of the cookbook in it."""

    def __init__(self, folder, redis):
        self.folder = folder
        self.redis = redis
        self.port = free_port()
        self.gunicorn_port = free_port()
        self.steps = [
            *blocks(section(ROOT / "README.md", "Use it")),
            *blocks(section(COOKBOOK, "Cookbook")),
        ]
        made = [one if one.file else Block(NOT_HERE.sub("", one.text)) for one in self.steps]
        self.run(*made, WATCHERS)

    def script(self, *steps):
        """The steps with the addresses of this site."""
        script = as_script(steps)
        for written, here in [
            ("127.0.0.1:6379", f"127.0.0.1:{self.redis.port}"),
            ("--port 8000", f"--port {self.port}"),
            ("127.0.0.1:8001", f"127.0.0.1:{self.gunicorn_port}"),
        ]:
            script = script.replace(written, here)
        return script

    def run(self, *steps):
        """Follow steps to their end, and return what was said."""
        with running("bash", "-c", self.script(*steps), cwd=self.folder) as process:
            assert process.wait(120) == 0, process.output
            return process.output

    def shell(self, code):
        return self.run(Block(f'python manage.py shell -v 0 -c "{code}"\n')).strip()

    def command(self, start):
        """The one command of the pages that starts so."""
        commands = "".join(step.text for step in self.steps if step.file is None).splitlines()
        (found,) = [one for one in commands if one.startswith(start)]
        return Block(found)

    def serving(self, start):
        """Run a command of the pages that serves, for the length of a block."""
        return running("bash", "-c", self.script(self.command(start)), cwd=self.folder)

    def socket(self, path, **headers):
        url = f"127.0.0.1:{self.port}"
        return connect(f"ws://{url}{path}", origin=f"http://{url}", additional_headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The project, with its interface server and a worker."""
    redis = RedisServer()
    try:
        site = Site(tmp_path_factory.mktemp("mysite"), redis)
        with site.serving("interface-server") as server, site.serving("python manage.py runworker"):
            server.wait_for_port(site.port)
            yield site
    finally:
        redis.close()


def said(socket):
    return json.loads(socket.recv(30))["text"]


def test_the_user_of_the_pages_is_known_and_nobody_else_let_in(site):
    key = site.shell(
        "from django.contrib.auth.models import User;"
        "from django.test import Client;"
        "client = Client(); client.force_login(User.objects.create_user('ada'));"
        "print(client.session.session_key)"
    )

    with site.socket("/members/", Cookie=f"sessionid={key}") as socket:
        socket.send("hello")
        assert socket.recv(30) == "ada: hello"

    with pytest.raises(InvalidStatus) as refused, site.socket("/members/"):
        pass
    assert refused.value.response.status_code == 403


def test_a_class_serves_a_socket(site):
    with site.socket("/drawing/") as one, site.socket("/drawing/") as two:
        for socket in (one, two):
            assert json.loads(socket.recv(30)) == {"welcome": True}
        one.send('{"line": [0, 1]}')
        for socket in (one, two):
            assert json.loads(socket.recv(30)) == {"line": [0, 1]}


def test_work_is_done_in_the_background(site):
    with site.socket("/chat/archive/") as socket:
        site.shell("from chat.archive import request_keeping; request_keeping('keep me')")

        assert said(socket) == "archived"

    assert (site.folder / "archive.txt").read_text() == "keep me\n"


def test_a_message_comes_later(site):
    with site.serving("python manage.py rundelay"), site.socket("/chat/lobby/") as socket:
        site.shell("from chat.reminders import remind_later; remind_later('lobby', 1)")

        assert said(socket) == "Time is up."


def test_the_tests_of_the_page_pass(site):
    assert "Ran 2 tests" in site.run(site.command("python manage.py test"))


def test_a_view_under_gunicorn_reaches_the_room(site):
    with site.serving("gunicorn ") as gunicorn, site.socket("/chat/lobby/") as socket:
        gunicorn.wait_for_port(site.gunicorn_port)

        assert fetch(f"http://127.0.0.1:{site.gunicorn_port}/announce/lobby/") == "announced\n"

        assert said(socket) == "An announcement"


def test_a_task_of_celery_reaches_the_room(site):
    with site.serving("celery "), site.socket("/chat/lobby/") as socket:
        site.shell("from chat.tasks import report; report.delay('lobby')")

        assert said(socket) == "The report is ready"


def test_messages_hold_the_keys_of_the_table(site):
    rows = re.findall(r"^\| `([a-z.]+)` \| (.*) \|$", COOKBOOK.read_text(), re.MULTILINE)
    table = {name: set(re.findall(r"`(\w+)`", keys)) - {"None", "ws", "wss"} for name, keys in rows}
    table["websocket.receive"].remove("bytes")  # in place of text

    with site.socket("/keys/") as witness:
        json.loads(witness.recv(30))  # of its own connect
        with site.socket("/keys/") as socket:
            socket.send("")
        fetch(f"http://127.0.0.1:{site.port}/announce/lobby/")
        told = dict(json.loads(witness.recv(30)) for _ in range(4))

    assert len(told) == 4
    assert {name: set(keys) for name, keys in told.items()} == {name: table[name] for name in told}
