"""The processes of live tests: what they are told, and how they are started, awaited and ended."""

from __future__ import annotations

import contextlib
import pickle
import time

import pytest
from django.contrib.auth.models import User

from channels.test import isolation
from channels.test.processes import LiveProcess

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "told.db"}}


@contextlib.contextmanager
def running(target, settings=None, deleted=(), module="tests.settings", **limits):
    options = {
        "alias": "default",
        "settings_module": module,
        "settings": isolation.pickle_settings(settings or {}),
        "deleted": set(deleted),
        "databases": pickle.dumps(DATABASES),
        "test_config": pickle.dumps({"capacity": 7}),
    }
    process = LiveProcess(options)
    process.target = f"tests.support.live_targets.{target}"
    vars(process).update(limits)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join()
        assert process.pid is None


def test_settings_are_those_of_the_module_with_the_changes():
    with running("tell", {"ONE": [1]}, deleted=["STATIC_URL"]) as process:
        assert process.wait_ready() == {
            "module": "tests.settings",
            "one": [1],
            "static_url": "missing",
            "late": None,
            "database": "told.db",
            "test_config": {"capacity": 7},
        }


def test_settings_without_a_module_are_told_one_by_one():
    told = {
        "ONE": 1,
        "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth", "channels"],
        "CHANNEL_LAYERS": {"default": {"ROUTING": []}},
        "SECRET_KEY": "a secret of one test",
    }
    with running("tell", told, module=None) as process:
        report = process.wait_ready()

    assert (report["one"], report["database"]) == (1, "told.db")


def test_a_setting_may_be_something_from_beside_the_models():
    with running("tell", {"LATE": User}) as process:
        assert process.wait_ready()["late"] is True


def test_one_that_does_not_get_ready_is_given_up():
    too_late = pytest.raises(RuntimeError, match=r"LiveProcess is not ready after 0\.2 s")
    with running("be_silent", start_patience=0.2) as process, too_late:
        process.wait_ready()


def test_one_that_does_not_end_is_killed(capfd):
    with running("be_deaf", stop_patience=0.5) as process:
        process.wait_ready()
        started = time.monotonic()
    assert 0.4 < time.monotonic() - started < 20

    # Not on the output, where the test listens.
    printed = capfd.readouterr()
    assert "what user code prints" not in printed.out


def test_what_goes_wrong_later_is_printed(capfd):
    with running("fail") as process:
        assert process.wait_ready() == {}
        popen = process._popen
        assert popen.wait(30) == 1

    assert "ValueError: nobody listens any more" in capfd.readouterr().err


def test_a_target_that_does_not_exist_is_told():
    told = pytest.raises(RuntimeError, match='does not define a "nothing" attribute')
    with running("nothing") as process, told:
        process.wait_ready()


def test_one_that_was_never_started_can_be_ended():
    """Shown by nothing being raised: clean-ups call both in any case."""
    process = LiveProcess({})
    process.terminate()
    process.join()
