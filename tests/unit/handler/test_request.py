"""AsgiRequest: what becomes of each key of the message."""

from __future__ import annotations

import gc
import warnings

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from channels.exceptions import RequestAborted, RequestTimeout, ResponseLater
from channels.handler import AsgiRequest
from tests.unit.handler.messages import form_post, http_request, multipart


def make(path="/", **content):
    return AsgiRequest(http_request(path, **content))


class TestTheLine:
    def test_a_bare_message_makes_a_request(self):
        message = http_request("/test/", query_string=None, headers=None)

        request = AsgiRequest(message)

        assert (request.path, request.path_info, request.script_name) == ("/test/", "/test/", "")
        assert request.method == "GET"
        assert request.message is message
        assert request.reply_channel is message.reply_channel
        assert request.body == b""
        assert (request.GET.dict(), request.POST.dict(), request.COOKIES) == ({}, {}, {})
        assert request.resolver_match is None
        assert (request.content_type, request.content_params) == ("", {})
        assert (request.scheme, request.is_secure()) == ("http", False)
        assert request._content_length == 0
        assert "REMOTE_ADDR" not in request.META
        assert "HTTP_HOST" not in request.META
        assert (request.META["SERVER_NAME"], request.META["SERVER_PORT"]) == ("unknown", "0")

    def test_everything_that_djangos_own_requests_have_is_there(self):
        request = make()

        # Looked at by Django REST framework before it reads the body.
        assert request._read_started is False
        missing = [name for name in vars(HttpRequest()) if not hasattr(request, name)]
        assert isinstance(request, HttpRequest)
        assert missing == []

    @pytest.mark.parametrize(
        ("forced", "root", "sent", "name", "path", "info"),
        [
            ("/f", "", "/x/", "/f", "/f/x/", "/x/"),  # a proxy has cut it off
            ("/f/", "", "/x/", "/f/", "/f/x/", "/x/"),
            ("/f", "", "/f/x/", "/f", "/f/x/", "/x/"),
            ("/f", "/f", "/f/x/", "/f", "/f/x/", "/x/"),
            ("/f", "", "/fx/", "/f", "/f/fx/", "/fx/"),
            ("/f", "/r", "/r/x/", "/f", "/f/x/", "/x/"),
            ("", "/r", "/r/x/", "", "/x/", "/x/"),
            (None, "/r", "/r/x/", "/r", "/r/x/", "/x/"),
        ],
    )
    def test_a_forced_script_name_wins_over_the_servers(
        self, settings, forced, root, sent, name, path, info
    ):
        settings.FORCE_SCRIPT_NAME = forced

        request = make(sent, root_path=root)

        assert (request.script_name, request.path, request.path_info) == (name, path, info)
        assert request.META["SCRIPT_NAME"] == name
        assert request.build_absolute_uri("y").endswith(f"{path}y")

    def test_what_is_written_for_wsgi_finds_what_it_expects(self):
        request = make("/b/c/", root_path="/b", query_string=b"d=e")

        found = {name: value for name, value in request.META.items() if name != "HTTP_HOST"}
        assert found == {
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": "d=e",
            "SCRIPT_NAME": "/b",
            "PATH_INFO": "/c/",
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "SERVER_NAME": "unknown",
            "SERVER_PORT": "0",
        }

    def test_the_method_is_in_capitals_whatever_the_client_wrote(self):
        request = make(method="patch")

        assert request.method == request.META["REQUEST_METHOD"] == "PATCH"

    @pytest.mark.parametrize("key", ["path", "method"])
    def test_path_and_method_are_required(self, key):
        with pytest.raises(KeyError):
            AsgiRequest(http_request(**{key: None}))

    def test_a_path_of_bytes_does_no_harm(self):
        request = make(b"/caf\xc3\xa9/")

        assert request.path == b"/caf\xc3\xa9/"
        assert request.path_info == "/café/"
        assert make(b"/\xff/").path_info == "/\ufffd/"

    @pytest.mark.parametrize("query", [b"a=1&a=2&b=%C3%A9", "a=1&a=2&b=%C3%A9"])
    def test_the_query_string_may_be_bytes_or_text(self, query):
        request = make(query_string=query)

        assert request.GET.getlist("a") == ["1", "2"]
        assert request.GET["b"] == "é"
        assert request.META["QUERY_STRING"] == "a=1&a=2&b=%C3%A9"
        assert request.GET is request.GET

    def test_a_query_string_that_is_not_utf8_is_refused(self):
        with pytest.raises(UnicodeDecodeError):
            make(query_string=b"\xff")

    def test_the_scheme_decides_whether_it_is_secure(self):
        assert make(scheme="https").is_secure()
        assert not make(scheme="http").is_secure()

    def test_addresses_of_client_and_server(self):
        request = make(client=["10.1.2.3", 1234], server=("web", 80))

        assert request.META["REMOTE_ADDR"] == request.META["REMOTE_HOST"] == "10.1.2.3"
        assert request.META["REMOTE_PORT"] == 1234
        assert (request.META["SERVER_NAME"], request.META["SERVER_PORT"]) == ("web", "80")

    def test_an_absolute_uri_can_be_built(self):
        request = make("/a b/", query_string=b"x=1", scheme="https")

        assert request.build_absolute_uri() == "https://testserver/a%20b/?x=1"


class TestTheRootPath:
    @pytest.mark.parametrize(
        ("root_path", "path", "path_info"),
        [
            ("/a", "/a/b/", "/b/"),
            ("/a", "/ab/", "/ab/"),
            ("/a", "/a", ""),
            ("/a/", "/a/b/", "/b/"),
            ("", "/a/b/", "/a/b/"),
            ("/", "/a/", "/a/"),
            ("/a", b"/a/b/", "/b/"),
        ],
    )
    def test_it_is_cut_off_where_a_segment_ends(self, root_path, path, path_info):
        request = make(path, root_path=root_path)

        assert request.path_info == request.META["PATH_INFO"] == path_info
        assert request.script_name == request.META["SCRIPT_NAME"] == root_path
        assert request.path == path


class TestHeaders:
    def test_they_are_in_meta_and_in_headers(self):
        request = make(headers=[[b"content-type", b"text/plain"], [b"x-test-y", b"v\xe9"]])

        assert request.META["CONTENT_TYPE"] == "text/plain"
        assert request.META["HTTP_X_TEST_Y"] == "vé"
        assert request.headers["X-Test-Y"] == "vé"

    def test_repeated_ones_are_joined_by_a_comma_and_cookies_by_a_semicolon(self):
        request = make(
            headers=[
                (b"accept", b"text/html"),
                (b"cookie", b"a=1"),
                (b"accept", b"text/plain"),
                (b"cookie", b"b=2; c=3"),
            ]
        )

        assert request.META["HTTP_ACCEPT"] == "text/html,text/plain"
        assert request.COOKIES == {"a": "1", "b": "2", "c": "3"}

    def test_one_with_an_underscore_cannot_pass_for_another(self):
        request = make(headers=[(b"x-user", b"real"), (b"x_user", b"forged")])

        assert request.META["HTTP_X_USER"] == "real"
        assert set(map(type, request.META)) == {str}

    def test_a_dict_is_accepted_and_rewritten_to_pairs(self):
        message = http_request(headers={"cookie": b"a=1", "host": b"testserver"})

        request = AsgiRequest(message)

        assert request.COOKIES == {"a": "1"}
        assert message["headers"] == [[b"cookie", b"a=1"], [b"host", b"testserver"]]

    def test_a_known_charset_becomes_the_encoding(self):
        request = make(
            headers=[(b"content-type", b"text/plain; charset=latin-1")], query_string=b"a=%E9"
        )

        assert request.content_type == "text/plain"
        assert request.content_params == {"charset": "latin-1"}
        assert request.encoding == "latin-1"
        assert request.GET["a"] == "é"

    def test_an_unknown_charset_is_ignored(self):
        request = make(headers=[(b"content-type", b"text/plain; charset=klingon")])

        assert request.encoding is None

    @pytest.mark.parametrize(("given", "length"), [(b"12", 12), (b"twelve", 0), (b"12,12", 0)])
    def test_the_content_length_is_a_number_or_nought(self, given, length):
        assert make(headers=[(b"content-length", given)])._content_length == length


class TestTheBody:
    def test_a_form_is_parsed(self):
        request = AsgiRequest(form_post("/", b"a=1&b=2", b"application/x-www-form-urlencoded"))

        assert request.POST.dict() == {"a": "1", "b": "2"}
        assert not request.FILES
        assert request._post_parse_error is False

    def test_post_can_be_assigned(self):
        request = make()

        request.POST = {"x": "y"}

        assert request.POST == {"x": "y"}

    def test_a_form_with_files_is_parsed(self):
        body, content_type = multipart(
            (b'name="title"', b"My book"), (b'name="pdf"; filename="book.pdf"', b"FAKEPDF")
        )

        request = AsgiRequest(form_post("/", body, content_type))

        assert request.POST["title"] == "My book"
        assert request.FILES["pdf"].read() == b"FAKEPDF"
        assert request.FILES["pdf"].name == "book.pdf"
        assert request._post_parse_error is False

    def test_closing_it_closes_the_files_that_were_uploaded(self):
        body, content_type = multipart((b'name="f"; filename="f"', b"content"))
        request = AsgiRequest(form_post("/", body, content_type))
        uploaded = request.FILES["f"]

        request.close()

        assert uploaded.closed

    def test_a_form_without_content_length_is_parsed_too(self):
        body, content_type = multipart((b'name="title"', b"My book"))

        request = make(method="POST", headers=[(b"content-type", content_type)], body=body)

        assert request.POST["title"] == "My book"

    def test_its_length_is_told_where_it_came_without_one(self):
        chunked = make(method="POST", headers=[(b"transfer-encoding", b"chunked")], body=b"12345")
        told = make(method="POST", headers=[(b"content-length", b"5")], body=b"12345")
        empty = make(method="POST", headers=[(b"transfer-encoding", b"chunked")])

        for request in (chunked, told):
            assert request.META["CONTENT_LENGTH"] == request.headers["Content-Length"] == "5"
            assert request._content_length == 5
        assert "CONTENT_LENGTH" not in empty.META

    def test_a_broken_form_fails_once(self):
        request = AsgiRequest(form_post("/", b"x", b"multipart/form-data; boundary="))

        with pytest.raises(MultiPartParserError):
            request.POST  # noqa: B018 (the access parses)
        assert not request.POST
        assert request._post_parse_error is True

    def test_it_can_be_read_in_every_way_and_again(self):
        request = AsgiRequest(form_post("/", b"a=1", b"application/x-www-form-urlencoded"))

        assert request.read(2) == b"a="
        assert request.body == b"a=1"
        assert request.read() == b"1"
        assert request.POST["a"] == "1"
        assert request.body == b"a=1"

    def test_files_can_be_read_after_the_stream(self):
        body, content_type = multipart((b'name="f"; filename="f"', b"content"))
        request = AsgiRequest(form_post("/", body, content_type))

        assert request.read() == body
        assert request.FILES["f"].read() == b"content"
        assert request.body == body

    def test_it_can_be_read_line_by_line(self):
        assert list(make(body=b"one\ntwo\nthree")) == [b"one\n", b"two\n", b"three"]

    def test_anything_but_bytes_is_refused(self):
        with pytest.raises(AssertionError, match="not str"):
            make(body="text")

    def test_a_body_over_djangos_limit_can_only_be_read_by_parts(self, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 3
        request = make(body=b"1234")

        with pytest.raises(RequestDataTooBig):
            request.body  # noqa: B018 (the access reads)
        assert request.read() == b"1234"
        assert make(body=b"123").body == b"123"

    def test_a_form_over_djangos_limit_is_refused(self, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 3
        request = AsgiRequest(form_post("/", b"a=12", b"application/x-www-form-urlencoded"))

        with pytest.raises(RequestDataTooBig):
            request.POST  # noqa: B018 (the access parses)

    def test_files_do_not_count_for_djangos_limit(self, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 3
        body, content_type = multipart((b'name="f"; filename="f"', b"x" * 100))

        request = AsgiRequest(form_post("/", body, content_type))

        assert request.FILES["f"].size == 100

    def test_no_limit_is_no_limit(self, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None

        assert len(make(body=b"x" * 5_000_000).body) == 5_000_000

    def test_too_many_query_fields_are_refused(self, settings):
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

        with pytest.raises(TooManyFieldsSent):
            make(
                query_string=b"a=1&b=2",
                headers=[(b"content-type", b"text/plain; charset=utf-8")],
            )


class TestABodyThatComesOnAChannel:
    def send(self, message, *chunks):
        for chunk in chunks:
            message.channel_layer.send(message["body_channel"], chunk)

    def test_the_start_comes_first_and_the_chunks_follow(self):
        message = http_request(method="PUT", body=b"one", body_channel="http.request.body?x")
        self.send(
            message,
            {"content": b"two", "more_content": True},
            {"content": b"three"},
            {"content": b"never read"},
        )

        request = AsgiRequest(message)

        assert request.body == b"onetwothree"
        assert request.read(3) == b"one"
        assert request.read() == b"twothree"
        request.close()

    def test_any_name_of_a_channel_will_do_and_no_start(self):
        message = http_request(body=None, body_channel="test.body")
        self.send(message, {"content": b"all"})

        assert AsgiRequest(message).body == b"all"

    def test_a_client_that_went_away_aborts_it(self):
        message = http_request(body_channel="body?x")
        self.send(message, {"content": b"x", "more_content": True}, {"closed": True})

        with pytest.raises(RequestAborted):
            AsgiRequest(message)

    def test_a_time_out_of_nought_raises_whatever_is_there(self):
        class Impatient(AsgiRequest):
            body_receive_timeout = 0

        message = http_request(body_channel="body?x")
        self.send(message, {"content": b"x", "more_content": True}, {"content": b"y"})

        with pytest.raises(RequestTimeout):
            Impatient(message)

    def test_an_upload_past_djangos_memory_limit_is_in_a_file(self, settings):
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
        message = http_request(body=b"x" * 8, body_channel="body?x")
        self.send(message, {"content": b"y" * 8})

        request = AsgiRequest(message)

        assert request._stream._rolled
        assert request.body == b"x" * 8 + b"y" * 8
        request.close()
        assert request._stream.closed

    def test_a_request_that_nobody_closes_closes_its_file(self, settings):
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
        message = http_request(body_channel="body?x")
        self.send(message, {"content": b"yy"})

        stream = AsgiRequest(message)._stream

        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert stream.closed


def test_a_view_reaches_response_later_through_the_request():
    assert AsgiRequest.ResponseLater is ResponseLater
    assert AsgiRequest.body_receive_timeout == 60
