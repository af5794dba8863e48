"""The client of a browser's socket: headers, cookies, sessions, users, and the handshake."""

import importlib
import json
import sys
import warnings

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model, user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.http import parse_cookie
from django.test import override_settings

from channels import Channel, route
from channels.auth import channel_session_user_from_http, http_session_user
from channels.exceptions import DenyConnection
from channels.security.websockets import allowed_hosts_only
from channels.sessions import channel_session, enforce_ordering, http_session
from channels.test import ChannelTestCase, Client, WSClient, apply_routes

MODEL = "django.contrib.auth.backends.ModelBackend"
ALL_USERS = "django.contrib.auth.backends.AllowAllUsersModelBackend"
NOBODYS = f"{__name__}.NobodysBackend"


class NobodysBackend:
    """Authenticates nobody, and could not find them again either."""

    def authenticate(self, request, **credentials):
        return None


def accept(message):
    message.reply_channel.send({"accept": True})


class TestMaking(ChannelTestCase):
    def test_it_takes_what_a_client_takes(self):
        client = WSClient(alias="default", reply_channel="room")

        assert client.alias == "default"
        assert client.reply_channel.startswith("room")
        assert isinstance(client, Client)

    def test_ordered_may_be_told_by_position(self):
        assert WSClient(True)._get_content()["order"] == 0


class TestHeaders(ChannelTestCase):
    def test_cookies_are_sent_as_django_reads_them(self):
        client = WSClient()
        client.set_cookie("foo", "not-bar")
        client.set_cookie("foo", "bar")
        client.set_cookie("qux", "qu;x")

        cookie = client.headers["cookie"]

        assert isinstance(cookie, bytes)
        assert parse_cookie(cookie.decode("ascii")) == client.get_cookies()
        assert client.get_cookies() == {
            "foo": "bar",
            "qux": "qu;x",
            "sessionid": client.session.session_key,
        }

    def test_headers_are_a_dict(self):
        client = WSClient()
        client.set_header("origin", b"http://testserver")

        content = client._get_content()

        assert content["headers"]["origin"] == b"http://testserver"
        assert content["headers"]["cookie"] == client.headers["cookie"]

    def test_the_cookie_header_cannot_be_set(self):
        for name in ("cookie", "Cookie"):
            with pytest.raises(ValueError, match="set_cookie"):
                WSClient().set_header(name, b"a=b")

    def test_the_session_cookie_goes_with_the_first_message_only(self):
        client = WSClient()
        client.set_cookie("foo", "bar")
        client.send("test")
        client.send("test")

        first, second = (client.get_next_message("test") for _ in range(2))

        assert b"sessionid=" in first["headers"]["cookie"]
        assert second["headers"] == {"cookie": b"foo=bar"}

    def test_tests_of_old_say_whether_the_session_cookie_goes_along(self):
        client = WSClient()
        assert client._session_cookie is True
        client.send("test")
        assert client._session_cookie is False
        client._session_cookie = True
        client.send("test")

        first, second = (client.get_next_message("test") for _ in range(2))

        assert first["headers"] == second["headers"]

    def test_there_is_a_header_of_cookies_also_without_cookies(self):
        """Tests of old look into it without asking whether it is there."""
        client = WSClient()
        client._session_cookie = False

        assert client._get_content()["headers"] == {"cookie": b""}

    @override_settings(INSTALLED_APPS=["channels"])
    def test_without_sessions_there_is_no_cookie_and_no_session(self):
        client = WSClient()

        assert client.headers == {"cookie": b""}
        with pytest.raises(EnvironmentError, match=r"django\.contrib\.sessions"):
            client.session  # noqa: B018

    def test_an_origin_is_seen_by_the_check_of_origins(self):
        consumer = allowed_hosts_only(accept)
        for origin in ("http://localhost", b"http://localhost"):
            client = WSClient()
            client.set_header("origin", origin)
            with apply_routes(route("websocket.connect", consumer)):
                client.send_and_consume("websocket.connect")
        with apply_routes(route("websocket.connect", consumer)), pytest.raises(DenyConnection):
            WSClient().send_and_consume("websocket.connect")


class TestContent(ChannelTestCase):
    def test_it_has_a_path_and_no_query_string_by_default(self):
        client = WSClient()

        content = client._get_content()

        assert content.keys() == {"reply_channel", "path", "headers"}
        assert content["path"] == "/"
        assert content["reply_channel"] == client.reply_channel

    def test_a_query_string_is_text_and_sent_on_connect_only(self):
        client = WSClient()
        client.send("websocket.connect", path="/chat/?a=b?c")
        client.send("websocket.receive", path="/chat/?a=b?c")

        connect = client.get_next_message("websocket.connect")
        receive = client.get_next_message("websocket.receive")

        assert (connect["path"], connect["query_string"]) == ("/chat/", "a=b?c")
        assert receive["path"] == "/chat/"
        assert "query_string" not in receive

    def test_the_path_is_the_root_unless_told(self):
        client = WSClient()
        with apply_routes([route("test", lambda message: message.content)]):
            client.send("test")
            assert client.get_next_message("test")["path"] == "/"
            content = client.send_and_consume("test", {"a": 1}, "text", "/chat/")
            assert (content["path"], content["text"], content["a"]) == ("/chat/", "text", 1)
            assert client.send_and_consume("test")["path"] == "/"

    def test_a_channel_object_will_do(self):
        client = WSClient()
        client.send(Channel("websocket.connect"), path="/?a=b")

        assert client.get_next_message("websocket.connect")["query_string"] == "a=b"

    def test_what_the_content_has_is_kept_and_copied(self):
        content = {"path": "/own", "headers": [], "list": [1]}

        made = WSClient()._get_content(content, path="/other")
        content["list"].append(2)

        assert (made["path"], made["headers"], made["list"]) == ("/own", [], [1])

    def test_text_that_is_no_text_becomes_json(self):
        client = WSClient()
        assert client._get_content(text="as it is")["text"] == "as it is"
        assert client._get_content(text="")["text"] == ""
        assert json.loads(client._get_content(text={"a": [1]})["text"]) == {"a": [1]}
        assert client._get_content(text=0)["text"] == "0"

    def test_so_does_that_of_the_content(self):
        client = WSClient()
        client.send("test", content={"text": {"a": [1]}})

        assert client.get_next_message("test")["text"] == '{"a": [1]}'
        for kept in ("as it is", "", None, b"bytes"):
            assert client._get_content({"text": kept})["text"] == kept
        assert client._get_content({"text": {"a": 1}}, text="told")["text"] == "told"
        assert "text" not in client._get_content({"bytes": b"x"})

    def test_an_ordered_client_counts(self):
        client = WSClient(ordered=True)

        assert [client._get_content()["order"] for _ in range(3)] == [0, 1, 2]
        assert client.order == 3
        with pytest.raises(ValueError, match="numbers its messages itself"):
            client._get_content({"order": 7})
        assert "order" not in WSClient()._get_content()

    def test_enforced_order_is_satisfied(self):
        seen = []

        @enforce_ordering
        def consumer(message):
            seen.append(message["order"])

        client = WSClient(ordered=True)
        with apply_routes(route("websocket.receive", consumer)):
            for _ in range(3):
                client.send_and_consume("websocket.receive", text="x")

        assert seen == [0, 1, 2]


class TestReplies(ChannelTestCase):
    def reply(self, content):
        client = WSClient()
        client.channel_layer.send(client.reply_channel, content)
        return client

    def test_text_is_decoded(self):
        assert self.reply({"text": '{"a": 1}'}).receive() == {"a": 1}
        assert self.reply({"text": '{"a": 1}'}).receive(json=False) == '{"a": 1}'

    def test_without_text_the_whole_content_is_returned(self):
        for json_ in (True, False):
            assert self.reply({"close": True}).receive(json=json_) == {"close": True}

    def test_text_that_is_no_text_is_returned_as_it_is(self):
        assert self.reply({"text": 5, "close": True}).receive() == 5
        assert self.reply({"text": 5}).receive(json=False) == 5

    def test_nothing_is_none(self):
        assert WSClient().receive() is None
        assert WSClient().receive(json=False) is None


class TestHandshake(ChannelTestCase):
    @apply_routes(route("websocket.connect", accept))
    def test_an_accepting_reply_is_taken(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", path="/")
        assert client.receive() is None

    @apply_routes(route("websocket.connect", accept))
    def test_it_stays_if_nobody_checks(self):
        client = WSClient()
        client.send_and_consume("websocket.connect", check_accept=False)
        assert client.receive() == {"accept": True}

    def test_anything_else_is_an_error(self):
        for reply in ({"close": True}, {"accept": True, "text": "hi"}, None):

            def consumer(message, reply=reply):
                if reply is not None:
                    message.reply_channel.send(reply)

            client, refused = WSClient(), pytest.raises(AssertionError)
            with apply_routes(route("websocket.connect", consumer)), refused as caught:
                client.send_and_consume("websocket.connect")
            said = "hi" if reply and "text" in reply else reply
            assert str(caught.value) == f"Connection rejected: {said} != '{{accept: True}}'"

    @apply_routes(route("websocket.connect", accept))
    def test_consuming_checks_too_unless_told(self):
        for options, left in (({}, None), ({"check_accept": False}, {"accept": True})):
            client = WSClient()
            client.send("websocket.connect")
            client.consume("websocket.connect", **options)
            assert client.receive() == left

    def test_nothing_to_run_is_an_error_unless_it_is_expected(self):
        client = WSClient()
        with apply_routes([]):
            for call in (client.consume, client.send_and_consume):
                with pytest.raises(AssertionError, match=r"There is no message|No consumer"):
                    call("test")
                assert call("test", fail_on_none=False) is None

    def test_a_denied_connection_is_the_tests_business(self):
        def consumer(message):
            raise DenyConnection

        with apply_routes(route("websocket.connect", consumer)), pytest.raises(DenyConnection):
            WSClient().send_and_consume("websocket.connect")

    @apply_routes(route("websocket.receive", print))
    def test_other_channels_are_not_checked(self):
        """Shown by nothing being raised: no reply accepts anything."""
        WSClient().send_and_consume("websocket.receive", text="x")


class TestSessions(ChannelTestCase):
    def test_the_session_is_that_of_cookie_and_connection(self):
        @http_session
        @channel_session
        def consumer(message):
            message.reply_channel.send(
                {"http": message.http_session["a"], "channel": message.channel_session["a"]}
            )

        client = WSClient()
        client.session["a"] = 1
        client.session.save()
        with apply_routes(route("test", consumer)):
            client.send_and_consume("test")

        assert client.receive() == {"http": 1, "channel": 1}

    def test_it_is_kept(self):
        client = WSClient()
        assert client.session is client.session


class TestUsers(ChannelTestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = get_user_model().objects.create_user("ann", password="secret")

    def seen_by(self, decorator, client):
        @decorator
        def consumer(message):
            return message.user

        with apply_routes(route("test", consumer)):
            return client.send_and_consume("test")

    def test_a_login_is_seen_by_consumers(self):
        for decorator in (http_session_user, channel_session_user_from_http):
            client = WSClient()

            assert client.login(username="ann", password="secret") is True

            assert self.seen_by(decorator, client) == self.user

    def test_wrong_credentials_log_nobody_in(self):
        client = WSClient()

        assert client.login(username="ann", password="wrong") is False

        assert self.seen_by(http_session_user, client).is_anonymous

    @override_settings(AUTHENTICATION_BACKENDS=[ALL_USERS])
    def test_an_inactive_user_is_not_logged_in(self):
        """Not even where the backend would let them."""
        self.user.is_active = False
        self.user.save()

        assert WSClient().login(username="ann", password="secret") is False

    @override_settings(AUTHENTICATION_BACKENDS=[NOBODYS, ALL_USERS, MODEL])
    def test_anybody_can_be_logged_in_by_force(self):
        for backend, used in ((None, ALL_USERS), (MODEL, MODEL)):
            client = WSClient()
            client.force_login(self.user, backend)
            assert self.seen_by(http_session_user, client) == self.user
            assert client.session[BACKEND_SESSION_KEY] == used

    @override_settings(AUTHENTICATION_BACKENDS=[NOBODYS])
    def test_nobody_can_if_no_backend_finds_users(self):
        with pytest.raises(ImproperlyConfigured, match="can find users"):
            WSClient().force_login(self.user)

    def test_a_login_is_told_to_receivers_which_may_look_at_the_request(self):
        seen = []

        def logged_in(sender, request, user, **kwargs):
            seen.append(
                (user, request.META.get("REMOTE_ADDR"), request.session[BACKEND_SESSION_KEY])
            )

        user_logged_in.connect(logged_in)
        self.addCleanup(user_logged_in.disconnect, logged_in)
        WSClient().login(username="ann", password="secret")

        assert seen == [(self.user, None, MODEL)]

    def test_the_user_is_sent_along_by_the_cookie_of_the_new_session(self):
        client = WSClient()
        client.force_login(self.user)
        key = client.session.session_key
        client.send("test")

        cookie = client.get_next_message("test")["headers"]["cookie"]
        assert parse_cookie(cookie.decode("ascii")) == {"sessionid": key}

    def test_a_login_keeps_the_data_under_a_new_key(self):
        client = WSClient()
        client.session["a"] = 1
        client.session.save()
        before = client.session.session_key

        client.force_login(self.user)

        assert client.session.session_key != before
        assert client.session["a"] == 1
        assert client.get_cookies()["sessionid"] == client.session.session_key
        assert not type(client.session)(before).load()


class TestOldNames:
    @pytest.mark.filterwarnings("ignore:channels.tests is the old name:DeprecationWarning")
    def test_other_names_do_not_exist(self):
        for name in ("channels.test", "channels.tests"):
            assert not hasattr(importlib.import_module(name), "nothing")

    def test_http_client_is_ws_client_and_warns(self):
        sys.modules.pop("channels.test.http", None)
        import channels.test

        with pytest.warns(DeprecationWarning, match="HttpClient is the old name"):
            assert channels.test.HttpClient is WSClient

    def test_the_old_package_has_everything_and_warns(self):
        sys.modules.pop("channels.tests", None)
        with pytest.warns(DeprecationWarning, match=r"channels\.tests is the old name"):
            old = importlib.import_module("channels.tests")
        new = importlib.import_module("channels.test")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in new.__all__:
                assert getattr(old, name) is getattr(new, name)

    def test_importing_the_package_warns_of_nothing(self):
        """Shown by nothing being raised: warnings are errors."""
        saved = {name: sys.modules.pop(name) for name in list(sys.modules) if is_ours(name)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                importlib.import_module("channels.test")
        finally:
            for name in [name for name in sys.modules if is_ours(name)]:
                del sys.modules[name]
            sys.modules.update(saved)


def is_ours(name):
    return name == "channels.test" or name.startswith("channels.test.")


class TestImplicitAccept(ChannelTestCase):
    def test_a_silent_consumer_accepts_if_the_settings_say_so(self):
        seen = []
        with apply_routes([route("websocket.connect", seen.append)]):
            with pytest.raises(AssertionError, match="Connection rejected: None"):
                WSClient().send_and_consume("websocket.connect")
            with override_settings(CHANNELS_IMPLICIT_ACCEPT=True):
                WSClient().send_and_consume("websocket.connect")

        assert len(seen) == 2

    def test_what_it_sends_comes_after(self):
        def greet(message):
            message.reply_channel.send({"text": '"welcome"'})

        client = WSClient()
        with (
            apply_routes([route("websocket.connect", greet)]),
            override_settings(CHANNELS_IMPLICIT_ACCEPT=True),
        ):
            client.send_and_consume("websocket.connect")

        assert client.receive() == "welcome"
