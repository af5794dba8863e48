"""AsgiHandler: messages in, replies out, through Django's middleware and views."""

from __future__ import annotations

import json

import pytest
from django.core.signals import got_request_exception, request_finished, request_started
from django.http import HttpResponse, HttpResponseForbidden, StreamingHttpResponse
from django.urls import get_resolver

from channels.exceptions import ResponseLater
from channels.handler import AsgiHandler, AsgiRequest, HttpResponseLater
from tests.unit.handler import middleware, views
from tests.unit.handler.messages import form_post, http_request, multipart


@pytest.fixture(autouse=True)
def _project(settings):
    settings.ROOT_URLCONF = "tests.unit.handler.views"
    settings.MIDDLEWARE = []
    middleware.noted.clear()


def handle(message, handler=AsgiHandler):
    return list(handler()(message))


def get(path, **content):
    return handle(http_request(path, **content))


def content(replies):
    return b"".join(reply.get("content", b"") for reply in replies)


@pytest.fixture
def signals_seen():
    seen = []
    receivers = [
        (signal, lambda name=name, **kwargs: seen.append((name, kwargs)))
        for name, signal in (("started", request_started), ("finished", request_finished))
    ]
    for signal, receiver in receivers:
        signal.connect(receiver)
    yield seen
    for signal, receiver in receivers:
        signal.disconnect(receiver)


class TestViews:
    def test_a_view_answers(self):
        (reply,) = get("/hello/", query_string=b"name=Ada")

        assert reply == {
            "status": 200,
            "headers": [(b"Content-Type", b"text/html; charset=utf-8")],
            "content": b"Hello Ada",
            "more_content": False,
        }

    def test_an_async_view_answers(self):
        assert content(get("/hello-async/")) == b"Hello from a coroutine"

    @pytest.mark.parametrize("path", ["/stream/", "/stream-async/"])
    def test_a_stream_comes_in_its_parts(self, path):
        replies = get(path)

        assert [reply.get("content") for reply in replies] == [
            b"part 0",
            b"part 1",
            b"part 2",
            None,
        ]

    def test_a_file_is_read_in_large_blocks(self, tmp_path, monkeypatch):
        path = tmp_path / "large.bin"
        path.write_bytes(b"x" * 600 * 1024)
        monkeypatch.setattr(views, "FILE", str(path))

        replies = get("/file/")

        assert [len(reply.get("content", b"")) for reply in replies] == [512 * 1024, 88 * 1024, 0]

    def test_files_are_uploaded(self):
        body, content_type = multipart((b'name="f"; filename="f.txt"', b"what is in it"))

        (reply,) = handle(form_post("/upload/", body, content_type))

        assert json.loads(reply["content"]) == {"f": "what is in it"}

    def test_a_body_over_the_limit_is_a_400(self, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

        (reply,) = get("/body/", method="POST", body=b"x" * 11)

        assert reply["status"] == 400

    @pytest.mark.parametrize(
        ("path", "status"), [("/none/", 404), ("/forbidden/", 403), ("/broken/", 500)]
    )
    def test_errors_are_djangos_pages(self, path, status):
        (reply,) = get(path)

        assert reply["status"] == status
        assert reply["more_content"] is False

    def test_the_script_prefix_is_the_root_path(self):
        assert content(get("/app/prefix/", root_path="/app")) == b"/app/ /app/prefix/"
        assert content(get("/prefix/")) == b"/ /prefix/"


class TestMiddleware:
    def test_the_script_prefix_is_the_forced_script_name(self, settings):
        settings.FORCE_SCRIPT_NAME = "/forced"

        assert content(get("/app/prefix/", root_path="/app")) == b"/forced/ /forced/prefix/"

    def test_it_is_loaded_once_for_each_handler(self, settings):
        settings.MIDDLEWARE = ["tests.unit.handler.middleware.Noting"]
        handler = AsgiHandler()

        list(handler(http_request("/hello/")))
        list(handler(http_request("/hello/")))

        assert middleware.noted == ["loaded", "/hello/ 200", "/hello/ 200"]

    def test_it_may_answer_for_a_view_that_raised(self, settings):
        settings.MIDDLEWARE = ["tests.unit.handler.middleware.Noting"]

        assert get("/broken/")[0]["status"] == 299

    def test_sessions_and_cookies_travel(self, settings):
        settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

        (first,) = get("/count/")
        cookies = [
            value.split(b";")[0] for name, value in first["headers"] if name == b"Set-Cookie"
        ]
        # As an HTTP/2 client sends them: one field each.
        (second,) = get(
            "/count/",
            headers=[(b"host", b"testserver"), *((b"cookie", cookie) for cookie in cookies)],
        )

        assert [cookie.split(b"=")[0] for cookie in cookies] == [b"flavour", b"sessionid"]
        assert (first["content"], second["content"]) == (b"1", b"2")

    def test_forged_requests_are_refused_and_real_ones_are_not(self, settings):
        settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
        (page,) = get("/token/")
        cookie = dict(page["headers"])[b"Set-Cookie"].split(b";")[0]
        form = b"csrfmiddlewaretoken=" + page["content"]

        forged = form_post("/body/", b"a=1", b"application/x-www-form-urlencoded")
        real = form_post("/body/", form, b"application/x-www-form-urlencoded")
        real["headers"].append((b"cookie", cookie))

        assert handle(forged)[0]["status"] == 403
        assert handle(real)[0]["status"] == 200

    def test_a_host_that_is_not_allowed_is_a_400(self, settings):
        settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

        assert get("/hello/", headers=[(b"host", b"evil.example")])[0]["status"] == 400

    def test_the_root_path_itself_is_redirected_to_its_slash(self, settings):
        settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

        (reply,) = get("/app/hello", root_path="/app")

        assert reply["status"] == 301
        assert dict(reply["headers"])[b"Location"] == b"/app/hello/"


class TestAnsweringLater:
    @pytest.mark.parametrize(
        "path", ["/later/", "/later-async/", "/later-returned/", "/later-rendered/"]
    )
    def test_nothing_is_sent(self, path, signals_seen):
        assert get(path) == []
        assert [name for name, _ in signals_seen] == ["started", "finished"]

    def test_it_is_no_error_to_anyone(self, settings, caplog):
        settings.MIDDLEWARE = ["tests.unit.handler.middleware.Noting"]
        errors = []

        def note(**kwargs):
            errors.append(kwargs)

        got_request_exception.connect(note)
        try:
            assert get("/later/") == []
        finally:
            got_request_exception.disconnect(note)

        assert errors == []
        assert caplog.records == []
        assert middleware.noted == ["loaded", "/later/ 113"]

    def test_middleware_may_say_so(self, settings):
        settings.MIDDLEWARE = ["tests.unit.handler.middleware.AlwaysLater"]

        assert get("/hello/") == []

    def test_a_handler_of_ones_own_may_raise_it(self):
        class Own(AsgiHandler):
            def get_response(self, request):
                raise ResponseLater

        assert handle(http_request(), Own) == []

    def test_the_status_is_113(self):
        assert HttpResponseLater().status_code == 113


class TestRequestsThatAreNone:
    def test_a_query_that_is_not_utf8_is_an_empty_400(self, caplog):
        (reply,) = get("/hello/", query_string=b"\xff")

        assert (reply["status"], reply["content"]) == (400, b"")
        assert [(one.levelname, one.status_code) for one in caplog.records] == [("WARNING", 400)]
        assert "/hello/" in caplog.text

    def test_too_many_fields_are_a_400(self, settings):
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

        (reply,) = get(
            "/hello/",
            query_string=b"a=1&b=2",
            headers=[(b"content-type", b"text/plain; charset=utf-8")],
        )

        assert reply["status"] == 400

    def test_a_slow_upload_is_a_408(self, signals_seen):
        class Impatient(AsgiRequest):
            body_receive_timeout = 0

        class Handler(AsgiHandler):
            request_class = Impatient

        (reply,) = handle(http_request("/hello/", body_channel="body?x"), Handler)

        assert reply["status"] == 408
        assert reply["headers"] == [(b"Content-Type", b"text/plain")]
        assert reply["content"] == b"408 Request Timeout (upload too slow)"
        assert reply["more_content"] is False
        assert [name for name, _ in signals_seen] == ["started", "finished"]

    def test_a_client_that_went_away_is_not_answered(self, signals_seen):
        message = http_request("/hello/", body_channel="body?x")
        message.channel_layer.send("body?x", {"closed": True})

        assert handle(message) == []
        assert [name for name, _ in signals_seen] == ["started", "finished"]


class TestTheLastResort:
    @pytest.fixture(autouse=True)
    def _broken_error_page(self, settings):
        settings.ROOT_URLCONF = "tests.unit.handler.broken_urls"

    def test_a_broken_error_page_is_a_plain_500(self):
        (reply,) = get("/broken/")

        assert reply["status"] == 500
        assert reply["headers"] == [(b"Content-Type", b"text/plain")]
        assert reply["content"] == b"Internal Server Error"

    def test_with_debug_it_tells_what_happened(self, settings):
        class Broken(AsgiHandler):
            def get_response(self, request):
                raise ValueError("a bug of the handler")

        settings.DEBUG = True

        (reply,) = handle(http_request("/broken/"), Broken)

        assert (reply["status"], reply["headers"]) == (500, [(b"Content-Type", b"text/plain")])
        assert reply["content"].startswith(b"Traceback (most recent call last):")
        assert b"ValueError: a bug of the handler" in reply["content"]

    def test_it_is_in_the_log(self, caplog):
        class Broken(AsgiHandler):
            def get_response(self, request):
                raise ValueError("a bug of the handler")

        handle(http_request("/broken/"), Broken)

        assert [(one.levelname, one.exc_info[0]) for one in caplog.records] == [
            ("ERROR", ValueError)
        ]

    def test_the_hook_of_old_is_as_safe(self, settings, caplog):
        request = AsgiRequest(http_request("/broken/"))

        def ask():
            resolver = get_resolver(settings.ROOT_URLCONF)
            try:
                raise ValueError("a bug")
            except ValueError as error:
                exc_info = (ValueError, error, error.__traceback__)
                return AsgiHandler().handle_uncaught_exception(request, resolver, exc_info)

        response = ask()
        assert (response.status_code, response.content) == (500, b"Internal Server Error")
        assert [one.levelname for one in caplog.records] == ["ERROR"]

        settings.ROOT_URLCONF = "tests.unit.handler.views"
        response = ask()
        assert response.status_code == 500
        assert b"<h1>Server Error (500)</h1>" in response.content

        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        settings.ROOT_URLCONF = "tests.unit.handler.broken_urls"
        with pytest.raises(ValueError, match="a bug"):
            ask()

    def test_exceptions_may_be_let_through(self, settings):
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True

        with pytest.raises(ValueError, match="a bug of the view"):
            get("/broken/")


class TestHandlersOfOnesOwn:
    def test_get_response_may_be_overridden(self):
        class Canned(AsgiHandler):
            chunk_size = 30

            def __init__(self, response):
                self.response = response
                super().__init__()

            def get_response(self, request):
                return self.response

        replies = list(Canned(HttpResponseForbidden(b"x" * 31))(http_request()))

        assert [reply["content"] for reply in replies] == [b"x" * 30, b"x"]
        assert replies[0]["status"] == 403

    def test_the_signals_tell_class_and_message(self, signals_seen):
        class Own(AsgiHandler):
            pass

        message = http_request("/hello/")

        handle(message, Own)

        (started, first), (finished, last) = signals_seen
        assert (started, first["sender"], first["message"]) == ("started", Own, message)
        assert (finished, last["sender"]) == ("finished", Own)

    def test_leaving_early_closes_response_and_request(self, signals_seen):
        closed = []

        def parts():
            try:
                yield b"one"
                yield b"two"
            finally:
                closed.append("parts")

        class Own(AsgiHandler):
            def get_response(self, request):
                self.request = request
                return StreamingHttpResponse(parts())

        handler = Own()
        replies = handler(http_request())
        next(replies)
        replies.close()

        assert closed == ["parts"]
        assert handler.request._stream.closed
        assert [name for name, _ in signals_seen] == ["started", "finished"]

    def test_an_error_in_the_encoding_is_not_hidden(self):
        class Lying(StreamingHttpResponse):
            streaming = False

        class Own(AsgiHandler):
            def get_response(self, request):
                return Lying(["x"])

        with pytest.raises(AttributeError):
            handle(http_request(), Own)

    def test_the_response_need_not_be_djangos_first(self):
        class Own(AsgiHandler):
            def get_response(self, request):
                return HttpResponse(request.path_info)

        assert content(handle(http_request("/x/"), Own)) == b"/x/"
