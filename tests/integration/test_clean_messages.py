"""Each message finds the state of the settings, whatever an earlier one has set: real processes."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.request

import pytest
from websockets.sync.client import connect

from tests.support.processes import BIN, free_port, running
from tests.support.small_site import write_site

FILES = {
    "site_settings.py": """
        SECRET_KEY = "a secret of the test suite and of nothing else"
        DEBUG = True
        ALLOWED_HOSTS = ["127.0.0.1"]
        INSTALLED_APPS = ["channels"]
        MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware"]
        ROOT_URLCONF = "site_urls"
        FORCE_SCRIPT_NAME = "/forced"
        LANGUAGE_CODE, TIME_ZONE, USE_TZ = "fr", "Europe/Paris", True
        CACHES = {"default": {"BACKEND": "site_state.CountedCache"}}
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "CONN_MAX_AGE": None,
            }
        }
        CHANNEL_LAYERS = {"default": {"ROUTING": "site_routing.routing", **%s}}
    """,
    "site_state.py": """
        import threading
        from contextvars import ContextVar
        from django.core.cache import cache
        from django.core.cache.backends.locmem import LocMemCache
        from django.db import connection
        from django.db.backends.signals import connection_created
        from django.urls import get_urlconf, reverse, set_script_prefix, set_urlconf
        from django.utils import timezone, translation

        own = ContextVar("own", default="nothing")
        made = {"caches": 0, "connections": 0}

        class CountedCache(LocMemCache):
            def __init__(self, *args):
                super().__init__(*args)
                made["caches"] += 1

        def count(**kwargs):
            made["connections"] += 1

        connection_created.connect(count)

        def look():
            connection.ensure_connection()
            cache.get("x")
            return {
                "language": translation.get_language(),
                "zone": timezone.get_current_timezone_name(),
                "url": reverse("look", urlconf="site_urls"),
                "urls": get_urlconf(),
                "own": own.get(),
            }

        def leave():
            translation.activate("de")
            timezone.activate("Asia/Tokyo")
            set_script_prefix("/left")
            set_urlconf("left.behind")
            own.set("left")
    """,
    "site_routing.py": """
        import json
        from asgiref.sync import sync_to_async
        from channels import route
        import site_state

        def receive(message):
            state = site_state.look()
            message.reply_channel.send({"text": json.dumps({**state, "made": site_state.made})})
            site_state.leave()
            if message["text"] == "raise":
                raise RuntimeError("on purpose")

        async def receive_async(message):
            state = await sync_to_async(site_state.look)()
            message.reply_channel.send({"text": json.dumps({**state, "made": site_state.made})})
            site_state.leave()

        routing = [
            route("websocket.receive", receive_async, path="^/async"),
            route("websocket.receive", receive),
        ]
    """,
    "site_urls.py": """
        from django.http import JsonResponse
        from django.urls import path
        import site_state

        def look(request):
            state = {**site_state.look(), "path": request.path, "info": request.path_info}
            site_state.leave()
            return JsonResponse(state)

        async def look_async(request):
            site_state.leave()
            return JsonResponse({})

        urlpatterns = [path("look/", look, name="look"), path("async/", look_async)]
    """,
}

IN_MEMORY = {"BACKEND": "channels.layers.inmemory.InMemoryChannelLayer"}


@contextlib.contextmanager
def by_runserver(folder, redis_server):
    """Four threads, and the reloader's thread that starts them."""
    write(folder, IN_MEMORY)
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", str(port)]
    with running(*command, cwd=folder) as process:
        process.wait_for_port(port)
        yield port, 4


@contextlib.contextmanager
def by_a_worker_with_threads(folder, redis_server):
    layer = "channels.layers.redis.RedisChannelLayer"
    write(folder, {"BACKEND": layer, "CONFIG": {"hosts": [redis_server.url]}})
    port = free_port()
    with (
        running(BIN / "interface-server", "-p", str(port), redis_server.url) as server,
        running(sys.executable, "manage.py", "runworker", "--threads", "2", cwd=folder) as worker,
    ):
        server.wait_for_port(port)
        worker.wait_for_output("Listening on channels")
        yield port, 2


def write(folder, layer):
    write_site(folder, FILES, repr(layer))


def ask(port, path):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Accept-Language": "it"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


CLEAN = {
    "language": "fr",
    "zone": "Europe/Paris",
    "url": "/forced/look/",
    "urls": None,
    "own": "nothing",
}


@pytest.mark.redis
@pytest.mark.parametrize("served", [by_runserver, by_a_worker_with_threads])
def test_no_state_of_one_client_is_left_for_the_next(served, tmp_path, redis_server):
    """Sync, async and failing consumers, and views; connections are kept all the same."""
    with served(tmp_path, redis_server) as (port, threads):
        seen = []
        for _ in range(5):
            view = ask(port, "/look/")
            assert view == {
                **CLEAN,
                "language": "it",  # asked for by this request
                "urls": "site_urls",
                "path": "/forced/look/",
                "info": "/look/",
            }
            assert ask(port, "/forced/look/") == view
            ask(port, "/async/")
            for path in ("/", "/async"):
                with connect(f"ws://127.0.0.1:{port}{path}") as client:
                    for text in ("look", "raise", "look"):
                        client.send(text)
                        seen.append(json.loads(client.recv(timeout=30)))

        made = [one.pop("made") for one in seen]
        assert seen == [CLEAN] * 30
        # One for each thread, and perhaps for the thread in which Django looked at them first.
        assert made[-1]["caches"] <= threads + 1
        assert made[-1]["connections"] <= threads + 1
