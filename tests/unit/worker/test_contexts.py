"""What one message leaves behind is not there for the next one."""

from __future__ import annotations

import decimal
import threading
from contextvars import ContextVar

import pytest
from asgiref.local import Local
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import connection
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from channels.signals import consumer_finished
from channels.worker.contexts import CleanContexts
from tests.support.scripted import Frame, ScriptedLayer, run_until_idle

own: ContextVar[str] = ContextVar("own", default="nothing")
local = Local()


def state():
    return {
        "language": translation.get_language(),
        "zone": timezone.get_current_timezone_name(),
        "prefix": get_script_prefix(),
        "urls": get_urlconf(),
        "own": own.get(),
        "local": getattr(local, "value", "nothing"),
        "digits": decimal.getcontext().prec,
    }


def change_everything():
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    set_script_prefix("/left-behind/")
    set_urlconf("left.behind")
    own.set("left behind")
    local.value = "left behind"
    decimal.getcontext().prec = 3


def change(message):
    change_everything()


def change_and_raise(message):
    change_everything()
    raise RuntimeError("the consumer failed")


async def change_asynchronously(message):
    change_everything()
    await sync_to_async(change_everything)()


class ChangeInSignal:
    def __call__(self, message):
        consumer_finished.connect(self.receive)

    def receive(self, **kwargs):
        consumer_finished.disconnect(self.receive)
        change_everything()


def run(*consumers):
    """Run one message for each consumer, all with one worker."""
    frames = [Frame(f"c{n}", [{}]) for n in range(len(consumers))]
    run_until_idle(
        ScriptedLayer(*frames), *((f"c{n}", consumer) for n, consumer in enumerate(consumers))
    )


@pytest.mark.parametrize(
    "changing", [change, change_and_raise, change_asynchronously, ChangeInSignal()]
)
def test_the_next_message_starts_clean(changing):
    seen = []

    async def look_asynchronously(message):
        seen.extend([state(), await sync_to_async(state)()])

    run(changing, lambda message: seen.append(state()), look_asynchronously)

    assert seen == [state()] * 3
    assert state()["own"] == "nothing"


def test_what_was_set_before_the_worker_ran_is_there_for_all():
    token = own.set("from the start")
    before = decimal.getcontext().prec
    decimal.getcontext().prec = 11
    seen = []
    try:
        run(*[lambda message: (seen.append(state()), change_everything())] * 2)
    finally:
        own.reset(token)
        decimal.getcontext().prec = before

    assert [(one["own"], one["digits"]) for one in seen] == [("from the start", 11)] * 2


@pytest.mark.parametrize(("forced", "prefix"), [("/forced", "/forced/"), (None, "/")])
def test_consumers_know_the_forced_script_name_in_any_thread(settings, forced, prefix):
    settings.FORCE_SCRIPT_NAME = forced
    seen = []
    consumers = [lambda message: (seen.append(get_script_prefix()), set_script_prefix("/x"))] * 2

    thread = threading.Thread(target=run, args=consumers)
    thread.start()
    thread.join()

    assert seen == [prefix] * 2


@pytest.mark.django_db
def test_connections_to_databases_and_caches_are_kept(settings):
    settings.CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
        for name in ("default", "other")
    }
    seen = []

    def look(message):
        connection.ensure_connection()
        seen.append((connection.connection, caches["default"], caches["other"]))

    async def look_asynchronously(message):
        await sync_to_async(look)(message)

    run(look, look_asynchronously, look)

    assert [tuple(map(id, one)) for one in seen] == [tuple(map(id, seen[0]))] * 3


def test_each_thread_has_caches_of_its_own():
    """As without us: not every client of a cache may be shared."""
    mine = CleanContexts().make().run(lambda: caches["default"])

    assert CleanContexts().make().run(lambda: caches["default"]) is not mine


def test_a_cache_that_can_not_be_made_is_told_to_whoever_uses_it(settings):
    settings.CACHES = {"default": {"BACKEND": "no.such.backend"}}
    contexts = CleanContexts()

    assert contexts.make().run(lambda: 42) == 42
    with pytest.raises(Exception, match=r"no\.such\.backend"):
        contexts.make().run(lambda: caches["default"])
