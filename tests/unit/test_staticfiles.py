"""Static files served beside the views."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.staticfiles import StaticFilesConsumer, StaticFilesHandler
from tests.unit.handler.messages import REPLY_CHANNEL, http_request

pytestmark = pytest.mark.django_db  # Django looks at its connections around each request


@pytest.fixture(autouse=True)
def _project(settings, tmp_path):
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a b.css").write_text("body {}")
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATIC_URL = "/static/"
    settings.ROOT_URLCONF = "tests.unit.handler.views"
    settings.MIDDLEWARE = []
    settings.DEBUG = False


def get(path, **content):
    return list(StaticFilesHandler()(http_request(path, **content)))


def test_a_file_is_served_without_debug_as_well():
    replies = get("/static/css/a b.css")

    assert replies[0]["status"] == 200
    assert dict(replies[0]["headers"])[b"Content-Type"] == b"text/css"
    assert [reply.get("content") for reply in replies] == [b"body {}", None]


@pytest.mark.parametrize("url", ["/static/", "/forced/static/"])
@pytest.mark.parametrize("sent", ["", "/forced"])
def test_files_are_served_also_under_a_forced_script_name(settings, url, sent):
    settings.FORCE_SCRIPT_NAME = "/forced"
    settings.STATIC_URL = url

    replies = get(f"{sent}/static/css/a b.css")

    assert replies[0]["status"] == 200
    assert replies[0]["content"] == b"body {}"


def test_other_paths_go_to_the_views():
    assert get("/hello/")[0]["content"] == b"Hello you"


def test_a_missing_file_is_for_the_views_without_debug():
    (reply,) = get("/static/none.css")

    assert reply["status"] == 404
    assert b"Not Found" in reply["content"]


def test_a_missing_file_is_explained_with_debug(settings):
    settings.DEBUG = True

    (reply,) = get("/static/none.css")

    assert reply["status"] == 404
    assert b"none.css" in reply["content"]
    assert b"could not be found" in reply["content"]


@pytest.mark.parametrize(
    "path", ["/static/../secret", "/static/%2e%2e/secret", "/static//etc/passwd"]
)
def test_nothing_outside_of_the_directories_is_served(path):
    (reply,) = get(path)

    assert reply["status"] in (404, 400)


def test_a_view_may_serve_what_is_no_file(settings):
    settings.STATIC_URL = "/hello"

    assert get("/hello/")[0]["content"] == b"Hello you"


class TestWhatIsHandled:
    @pytest.mark.parametrize(
        ("static_url", "path", "handled"),
        [
            ("/static/", "/static/a.css", True),
            ("/static/", "/other/static/a.css", False),
            ("/static/", "/", False),
            ("http://cdn.example/static/", "/static/a.css", False),
        ],
    )
    def test_paths_under_the_url_of_this_host(self, settings, static_url, path, handled):
        settings.STATIC_URL = static_url

        assert StaticFilesHandler()._should_handle(path) is handled

    def test_the_file_path_is_what_follows_the_url(self):
        assert StaticFilesHandler().file_path("/static/css/a%20b.css") == "css/a b.css"

    @pytest.mark.parametrize("static_url", [None, ""])
    def test_without_a_url_it_cannot_be_built(self, settings, static_url):
        settings.STATIC_URL = static_url

        with pytest.raises(ImproperlyConfigured):
            StaticFilesHandler()

    def test_the_consumer_can_be_made_without_a_url(self, settings):
        settings.STATIC_URL = None

        assert StaticFilesConsumer.handler_class is StaticFilesHandler
        StaticFilesConsumer()


def test_the_consumer_serves_files():
    message = http_request("/static/css/a b.css")

    StaticFilesConsumer()(message)

    _, reply = message.channel_layer.receive([REPLY_CHANNEL.split("!")[0] + "!"])
    assert reply["content"] == b"body {}"
