"""A project as it was in 2017 is ported by the command, and runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest
from websockets.sync.client import connect

from tests.support.processes import BIN, ROOT, fetch, free_port, running

pytestmark = pytest.mark.redis

#: Django 1.8 to 1.11 and Channels 1.1, with what such projects typically hold.
FILES = {
    "manage.py": """
        #!/usr/bin/env python
        import os
        import sys

        if __name__ == "__main__":
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
            from django.core.management import execute_from_command_line
            execute_from_command_line(sys.argv)
    """,
    "Procfile": """
        web: daphne -b 127.0.0.1 -p $PORT site1.asgi:channel_layer
        worker: python manage.py runworker
    """,
    "requirements.txt": """
        Django==1.11.29
        channels==1.1.8
        asgi_redis==1.4.3
        daphne==1.4.2
    """,
    "site1/__init__.py": "",
    "site1/asgi.py": """
        import os
        from channels.asgi import get_channel_layer

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
        channel_layer = get_channel_layer()
    """,
    "site1/settings.py": """
        import os

        BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        SECRET_KEY = "a secret of the test suite and of nothing else"
        DEBUG = False
        ALLOWED_HOSTS = ["127.0.0.1"]
        INSTALLED_APPS = (
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "channels",
            "chat",
        )
        MIDDLEWARE_CLASSES = (
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        )
        ROOT_URLCONF = "site1.urls"
        TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.core.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                    ],
                },
            },
        ]
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.path.join(BASE_DIR, "db.sqlite3"),
            },
        }
        STATIC_URL = "/static/"
        CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "asgi_redis.RedisChannelLayer",
                "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
                "ROUTING": "site1.routing.channel_routing",
            },
        }
    """,
    "site1/urls.py": """
        from django.conf.urls import include, url

        urlpatterns = [url(r"^chat/", include("chat.urls"))]
    """,
    "site1/routing.py": """
        from channels import include, route

        channel_routing = [
            include("chat.routing.channel_routing", path=r"^/chat/"),
            route("chat.receive", "chat.consumers.chat_receive"),
        ]
    """,
    "chat/__init__.py": 'default_app_config = "chat.apps.ChatConfig"\n',
    "chat/apps.py": """
        from django.apps import AppConfig
        from django.utils.translation import ugettext_lazy as _


        class ChatConfig(AppConfig):
            name = "chat"
            verbose_name = _("Chat")
    """,
    "chat/models.py": """
        from __future__ import unicode_literals

        from django.conf import settings
        from django.core.urlresolvers import reverse
        from django.db import models
        from django.utils.encoding import force_text, python_2_unicode_compatible


        @python_2_unicode_compatible
        class Room(models.Model):
            name = models.CharField(max_length=30)
            owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True)
            is_open = models.NullBooleanField()

            def __str__(self):
                return force_text(self.name)

            def get_absolute_url(self):
                return reverse("room", args=[self.pk])
    """,
    "chat/migrations/__init__.py": "",
    "chat/migrations/0001_initial.py": """
        # -*- coding: utf-8 -*-
        from __future__ import unicode_literals

        from django.conf import settings
        from django.db import migrations, models


        class Migration(migrations.Migration):
            initial = True
            dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
            operations = [
                migrations.CreateModel(
                    name="Room",
                    fields=[
                        ("id", models.AutoField(auto_created=True, primary_key=True,
                                                serialize=False, verbose_name="ID")),
                        ("name", models.CharField(max_length=30)),
                        ("is_open", models.NullBooleanField()),
                        ("owner", models.ForeignKey(null=True, to=settings.AUTH_USER_MODEL)),
                    ],
                ),
            ]
    """,
    "chat/urls.py": """
        from django.conf.urls import url
        from . import views

        urlpatterns = [url(r"^room/(?P<pk>\\d+)/$", views.room, name="room")]
    """,
    "chat/views.py": """
        from django.shortcuts import render
        from chat.models import Room


        def room(request, pk):
            room, _ = Room.objects.get_or_create(pk=pk, defaults={"name": "lobby"})
            return render(request, "chat/room.html", {
                "room": room,
                "known": request.user.is_authenticated(),
            })
    """,
    "chat/templates/chat/room.html": """
        {% load staticfiles %}
        {% ifequal room.name "lobby" %}Lobby{% endifequal %} {{ known }} {% static "a.js" %}
        {{ room.get_absolute_url }}
    """,
    "chat/routing.py": """
        from channels import route
        from . import consumers

        channel_routing = [
            route("websocket.connect", consumers.ws_connect, path=r"^(?P<room>\\d+)/$"),
            route("websocket.receive", consumers.ws_receive),
            route("websocket.disconnect", consumers.ws_disconnect),
        ]
    """,
    "chat/consumers.py": """
        import json

        from channels import Channel, Group
        from channels.auth import channel_session_user, channel_session_user_from_http
        from channels.sessions import enforce_ordering
        from django.dispatch import Signal

        said = Signal(providing_args=["text"])


        @enforce_ordering(slight=True)
        @channel_session_user_from_http
        def ws_connect(message, room):
            message.channel_session["room"] = room
            Group("chat-" + room).add(message.reply_channel)
            message.reply_channel.send({"accept": True})


        @enforce_ordering(slight=True)
        @channel_session_user
        def ws_receive(message):
            payload = json.loads(message["text"])
            payload["room"] = message.channel_session["room"]
            payload["anonymous"] = message.user.is_anonymous()
            Channel("chat.receive").send(payload)


        def chat_receive(message):
            said.send(sender=None, text=message["text"])
            Group("chat-" + message["room"]).send({"text": json.dumps(message.content)})


        @enforce_ordering(slight=True)
        @channel_session_user
        def ws_disconnect(message):
            Group("chat-" + message.channel_session["room"]).discard(message.reply_channel)
    """,
}


@pytest.fixture
def old_project(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content).lstrip("\n"))
    return tmp_path


def port(project, *options):
    return subprocess.run(
        [sys.executable, "-m", "channels.porting", ".", *options],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )


def manage(project, env, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=project,
        env={**os.environ, **env, "DJANGO_SETTINGS_MODULE": "site1.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_project_of_2017_is_ported_and_runs(old_project, redis_server):
    env = {"REDIS_URL": redis_server.url}
    assert manage(old_project, env, "check").returncode != 0

    told = port(old_project)
    assert told.returncode == 1
    assert "chat/models.py:4: upgrade: becomes from django.urls import reverse (" in told.stdout
    fixed = port(old_project, "--fix", "--yes")
    assert (fixed.returncode, fixed.stderr) == (0, "")
    assert (old_project / "requirements.txt").read_text() == (
        "Django>=5.2,<6.2\nchannels-classic\n"
    )

    # The one new migration is that of the NullBooleanField.
    for command in (["check"], ["makemigrations", "--name", "ported"], ["migrate"]):
        done = manage(old_project, env, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    port_number = free_port()
    command = [BIN / "honcho", "start", "--port", str(port_number)]
    with running(*command, env=env, cwd=old_project) as process:
        process.wait_for_port(port_number)
        page = fetch(f"http://127.0.0.1:{port_number}/chat/room/1/")
        assert page.split() == ["Lobby", "False", "/static/a.js", "/chat/room/1/"]
        url = f"ws://127.0.0.1:{port_number}/chat/1/"
        with connect(url) as ada, connect(url) as grace:
            ada.send(json.dumps({"text": "hello"}))
            expected = {"text": "hello", "room": "1", "anonymous": True}
            assert json.loads(grace.recv(20)) == expected
            assert json.loads(ada.recv(20)) == expected


def test_the_guide_names_every_thing_that_the_command_finds():
    """Rules and guide are two texts about one thing."""
    guide = (ROOT / "docs/porting.md").read_text()
    sources = ROOT / "src/channels/porting"
    rules = {
        rule
        for path in sources.glob("*.py")
        for rule in re.findall(r'(?:Finding\(\s*|yield )"([a-z-]+)"', path.read_text())
    }

    assert len(rules) > 30
    assert {rule for rule in rules if f"`{rule}`" not in guide} == set()
