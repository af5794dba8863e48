"""Legacy apps on real processes: what their users see, and what is in the log."""

import asyncio
import copy
import json

import pytest

from tests.support.live_sockets import ask, closed, hear, in_thread, live, refused, say
from tests.support.processes import BIN, free_port

pytestmark = pytest.mark.redis


class TestChat:
    async def join(self, socket, room):
        await say(socket, {"command": "join", "room": room})
        entered, joined = await hear(socket), await hear(socket)
        assert (entered["msg_type"], joined["join"]) == (4, str(room))

    @live
    async def test_rooms(self, portal):
        path, sessions = "/chat/stream/", portal.sessions
        async with (
            portal.socket(path, sessions["ben"]) as ben,
            portal.socket(path, sessions["liz"]) as liz,
        ):
            await self.join(ben, 1)
            await self.join(liz, 1)
            assert (await hear(ben))["username"] == "liz"

            await say(ben, {"command": "send", "room": 1, "message": "hello"})
            said = {"room": "1", "message": "hello", "username": "ben", "msg_type": 0}
            assert await hear(liz) == said
            assert await hear(ben) == said

            assert await ask(liz, {"command": "leave", "room": 1}) == {"leave": "1"}
            assert (await hear(ben))["msg_type"] == 5
            assert await ask(ben, {"command": "join", "room": 2}) == {"error": "ROOM_ACCESS_DENIED"}
            assert await ask(ben, {"command": "send", "room": 2, "message": "?"}) == {
                "error": "ROOM_ACCESS_DENIED"
            }
            assert await ask(ben, {"command": "join", "room": "x"}) == {"error": "ROOM_INVALID"}
            await self.join(liz, 2)
        async with portal.socket(path) as nobody:
            assert await ask(nobody, {"command": "join", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }

    @live
    async def test_who_goes_is_taken_off_the_room(self, portal):
        path = "/chat/stream/"
        async with portal.socket(path, portal.sessions["ben"]) as stays:
            async with portal.socket(path, portal.sessions["liz"]) as goes:
                await self.join(goes, 3)
            await self.join(stays, 3)
            await say(stays, {"command": "send", "room": 3, "message": "gone?"})
            assert (await hear(stays))["message"] == "gone?"

    @live
    async def test_bad_frames_and_commands_are_logged_and_the_socket_stays(self, portal):
        """Shown by each line of the log that it waits for."""
        async with portal.socket("/chat/stream/", portal.sessions["ben"]) as socket:
            await say(socket, "{no json")
            await in_thread(
                portal.wait_for_log,
                "Error processing message with consumer chat.consumers.ws_receive",
            )
            await say(socket, b"binary")
            await in_thread(
                portal.wait_for_log,
                "Error processing message with consumer chat.consumers.ws_receive",
                times=2,
            )
            await say(socket, {"command": "dance"})
            await in_thread(portal.wait_for_log, "Could not find match for message on chat.receive")
            await say(socket, {"command": ["join"], "room": 1})
            await in_thread(
                portal.wait_for_log, "Could not find match for message on chat.receive", times=2
            )
            await self.join(socket, 1)

    @live
    async def test_what_no_layer_can_carry_is_dropped_with_the_consumers_name(self, portal):
        frames = {
            r'{"command": "leave", "room": "\ud800"}': "holds half of a",
            '{"command": "leave", "room": 99999999999999999999}': "is an integer",
            '{"command": "leave", "room": ' + "[" * 600 + "]" * 600 + "}": "[0][0][0]",
            "[" * 100_000: "RecursionError",
        }
        async with portal.socket("/chat/stream/", portal.sessions["ben"]) as socket:
            for frame, reason in frames.items():
                await say(socket, frame)
                assert await ask(socket, {"command": "leave", "room": 1}) == {"leave": "1"}
                await in_thread(portal.wait_for_log, reason)
        dropped = "Dropped a message for channel 'chat.receive' from consumer"
        assert portal.logged(dropped, "chat.consumers.ws_receive") == 3

    @live
    async def test_a_message_without_reply_channel_is_an_error_of_the_consumer(self, portal):
        status, _, text = await in_thread(portal.fetch, "/chat/announce/1/")

        assert (status, text) == (200, "announced")
        await in_thread(
            portal.wait_for_log, "Error processing message with consumer chat.consumers.chat_send"
        )
        assert portal.logged("ValueError", "chat.receive", "reply_channel")
        portal.check_alive()

    @live
    async def test_a_session_deleted_between_two_messages(self, portal):
        async with portal.socket("/chat/stream/", portal.sessions["ann"]) as socket:
            await self.join(socket, 1)
            await in_thread(
                portal.execute,
                "DELETE FROM django_session WHERE session_key LIKE 'chn%'",
            )
            # Nobody is logged in on the new, empty session...
            assert await ask(socket, {"command": "join", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }
            # ...nor are there any rooms, which this consumer takes for granted.
            before = portal.logged("KeyError: 'rooms'")
            await say(socket, {"command": "send", "room": 1, "message": "?"})
            await in_thread(portal.wait_for_log, "KeyError: 'rooms'", times=before + 1)
            assert portal.logged("with consumer chat.consumers.chat_send")
            assert await ask(socket, {"command": "leave", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }

    @live
    async def test_an_expired_session_counts_as_none(self, portal):
        async with portal.socket("/chat/stream/", portal.sessions["ann"]) as socket:
            await self.join(socket, 1)
            await in_thread(
                portal.execute,
                "UPDATE django_session SET expire_date = '2001-01-01'"
                " WHERE session_key LIKE 'chn%'",
            )
            assert await ask(socket, {"command": "join", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }

    @live
    async def test_a_user_deleted_while_connected(self, portal):
        async with portal.socket("/chat/stream/", portal.sessions["eve"]) as socket:
            await self.join(socket, 1)
            await in_thread(portal.execute, "DELETE FROM auth_user WHERE username = 'eve'")
            assert await ask(socket, {"command": "join", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }
        async with portal.socket("/chat/stream/", portal.sessions["eve"]) as socket:
            assert await ask(socket, {"command": "leave", "room": 1}) == {
                "error": "USER_HAS_TO_LOGIN"
            }


class TestLiveblog:
    @live
    async def test_saving_and_deleting_are_seen_by_all_readers(self, portal):
        async with (
            portal.socket("/liveblog/news/stream/") as one,
            portal.socket("/liveblog/news/stream/") as two,
        ):
            status, _, text = await in_thread(
                portal.fetch, "/liveblog/news/write/", {"body": "It rains."}
            )
            assert status == 200
            post = json.loads(text)["id"]
            for reader in (one, two):
                assert await hear(reader) == {"id": post, "html": "<p>It rains.</p>"}

            _, _, page = await in_thread(portal.fetch, "/liveblog/news/")
            assert "It rains." in page

            status, _, _ = await in_thread(portal.fetch, f"/liveblog/news/remove/{post}/", {})
            assert status == 204
            for reader in (one, two):
                assert await hear(reader) == {"id": post, "removed": True}

    @live
    async def test_a_slug_that_does_not_exist_is_told_and_closed(self, portal):
        async with portal.socket("/liveblog/olds/stream/") as socket:
            assert await hear(socket) == {"error": "bad_slug"}
            assert await closed(socket) == 1000

    @live
    async def test_what_readers_say_is_ignored(self, portal):
        async with portal.socket("/liveblog/news/stream/") as socket:
            await say(socket, "hello?")
            await in_thread(portal.fetch, "/liveblog/news/write/", {"body": "Still here."})
            assert (await hear(socket))["html"] == "<p>Still here.</p>"


class TestBoard:
    CONSUMER = "with consumer board.consumers.Demultiplexer"

    async def open(self, socket, board="todo"):
        assert await hear(socket) == {
            "stream": "echo",
            "payload": {"status": "I just connected!", "board": board},
        }

    async def do(self, socket, stream, **payload):
        await say(socket, {"stream": stream, "payload": payload})

    @live
    async def test_values_go_to_everyone_on_every_board(self, portal):
        async with (
            portal.socket("/board/todo/") as one,
            portal.socket("/board/done") as two,
        ):
            await self.open(one)
            await self.open(two, "done")

            await self.do(one, "intval", action="create", data={"name": "a", "value": 1})
            made = await hear(one)
            assert made["payload"]["data"] == {"name": "a", "value": 1}
            assert made["payload"]["model"] == "board.integervalue"
            assert await hear(two) == made

            pk = made["payload"]["pk"]
            await self.do(two, "intval", action="update", pk=pk, data={"value": 2})
            changed = await hear(one)
            assert (changed["payload"]["action"], changed["payload"]["data"]["value"]) == (
                "update",
                2,
            )
            assert await hear(two) == changed

    @live
    async def test_cards_belong_to_those_who_made_them(self, portal):
        async with (
            portal.socket("/board/todo/", portal.sessions["ben"]) as ben,
            portal.socket("/board/todo/", portal.sessions["liz"]) as liz,
        ):
            await self.open(ben)
            await self.open(liz)
            await self.do(
                ben,
                "cards",
                action="create",
                data={"text": "Shop", "column": "todo", "secret": "x"},
            )
            made = await hear(liz)
            assert made["payload"]["data"]["owner__get_username"] == "ben"
            assert "secret" not in made["payload"]["data"]
            assert await hear(ben) == made
            pk = made["payload"]["pk"]

            await self.do(liz, "cards", action="delete", pk=pk)
            await in_thread(
                portal.wait_for_log, "board.bindings.CardBinding refused", "'delete'", "liz"
            )
            await self.do(ben, "cards", action="delete", pk=pk)
            assert (await hear(liz))["payload"]["action"] == "delete"
            assert (await hear(ben))["payload"]["action"] == "delete"

    @live
    async def test_bad_frames_are_logged_and_the_socket_stays(self, portal):
        async with portal.socket("/board/todo/") as socket:
            await self.open(socket)
            bad = [
                ("{", "Demultiplexer received a frame that is no JSON"),
                (b"\0", "takes JSON text, not a binary frame"),
                ({"stream": "none", "payload": {}}, "no consumer for stream 'none'"),
                ({"stream": ["echo"], "payload": {}}, "no consumer for stream ['echo']"),
                ({"stream": "echo"}, "with 'stream' and 'payload'"),
                ({"stream": "echo", "payload": 1}, "must be an object, not int"),
                ({"stream": "intval", "payload": {"action": "explode"}}, "no action 'explode'"),
                ({"stream": "intval", "payload": {}}, "a JSON object with 'action'"),
                ({"stream": "intval", "payload": {"action": "create"}}, "'data' must be an object"),
                ({"stream": "direct", "payload": {}}, "SendNotAvailableOnDemultiplexer"),
            ]
            for number, (frame, _) in enumerate(bad):
                await say(socket, frame)
                answer = await ask(socket, {"stream": "echo", "payload": {"n": number}})
                assert answer["payload"]["original_message"] == {"n": number}

            for _, logged in bad:
                await in_thread(portal.wait_for_log, logged)
            assert portal.logged(self.CONSUMER) == len(bad)

            await self.do(socket, "intval", action="delete", pk=1)
            await in_thread(portal.wait_for_log, "IntegerValueBinding refused", "AnonymousUser")
            await self.do(socket, "echo", ok=1)
            assert (await hear(socket))["payload"]["original_message"] == {"ok": 1}


class TestUploads:
    def log_in(self, portal, name):
        browser = portal.browser()
        portal.fetch("/login/", browser=browser)
        cookies = {one.name: one.value for one in browser.cookies}
        data = {"username": name, "password": "pw", "csrfmiddlewaretoken": cookies["csrftoken"]}
        _, _, text = portal.fetch("/login/", data, browser=browser)
        assert text == f"hello {name}"
        cookies = {one.name: one.value for one in browser.cookies}
        return browser, cookies["sessionid"]

    def upload(self, portal, browser, *contents):
        parts = b"".join(
            b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="%d.bin"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n%s\r\n" % (number, content)
            for number, content in enumerate(contents)
        )
        headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
        return portal.fetch("/uploads/", parts + b"--xyz--\r\n", browser, headers)

    @live
    async def test_the_page_is_told_of_what_its_user_uploads(self, portal):
        browser, session = await in_thread(self.log_in, portal, "tom")
        async with (
            portal.socket("/uploads/", session) as page,
            portal.socket("/uploads/", portal.sessions["ben"]) as other,
        ):
            assert await ask(page, "who?") == "tom"
            contents = [b"small", bytes(300_000)]  # the second makes the body come in chunks
            status, _, text = await in_thread(self.upload, portal, browser, *contents)
            assert (status, json.loads(text)) == (201, {"files": 2})
            told = [await hear(page), await hear(page)]
            assert [(one["name"], one["size"]) for one in told] == [
                ("0.bin", 5),
                ("1.bin", 300_000),
            ]
            assert await ask(other, "who?") == "ben"

    @live
    async def test_logging_out_leaves_sockets_open_as_ever(self, portal):
        """Its BACKEND is a string of old, and it does not ask for anything else."""
        browser, session = await in_thread(self.log_in, portal, "liz")
        async with portal.socket("/uploads/", session) as page:
            assert await ask(page, "who?") == "liz"
            assert (await in_thread(portal.fetch, "/logout/", browser=browser))[2] == "bye"
            assert [await ask(page, "who?") for _ in range(2)] == ["liz"] * 2
        assert await refused(portal.socket("/uploads/", session)) == 403

    @live
    async def test_nobody_is_refused(self, portal):
        assert await refused(portal.socket("/uploads/")) == 403
        assert await refused(portal.socket("/uploads/", "nosuchsession")) == 403

    @live
    async def test_a_user_deleted_while_connected_is_nobody_from_then_on(self, portal):
        async with portal.socket("/uploads/", portal.sessions["kim"]) as page:
            assert await ask(page, "who?") == "kim"
            await in_thread(portal.execute, "DELETE FROM auth_user WHERE username = 'kim'")
            assert await ask(page, "who?") == "AnonymousUser"


class TestRpc:
    def request(self, method, *params, id=1):
        return {"jsonrpc": "2.0", "method": method, "params": params, "id": id}

    @live
    async def test_calls(self, portal):
        async with (
            portal.socket("/rpc/", portal.sessions["ben"]) as ben,
            portal.socket("/rpc/") as nobody,
        ):
            answer = await ask(ben, self.request("add", 1, 2, id="x"))
            assert answer == {"jsonrpc": "2.0", "id": "x", "result": 3}
            assert (await ask(ben, self.request("whoami")))["result"] == "ben"
            assert (await ask(nobody, self.request("whoami")))["result"] == "AnonymousUser"
            assert (await ask(ben, self.request("nothing")))["error"]["code"] == -32601
            assert (await ask(ben, self.request("crash")))["error"]["code"] == -32603
            assert (await ask(ben, "{"))["error"]["code"] == -32700
            assert (await ask(ben, b"{}"))["error"]["code"] == -32700
            assert (await ask(ben, "[]"))["error"]["code"] == -32600

            await say(nobody, {"jsonrpc": "2.0", "method": "shout", "params": ["hey"]})
            heard = {"jsonrpc": "2.0", "method": "heard", "params": ["hey"]}
            assert [await hear(ben), await hear(nobody)] == [heard, heard]

    @live
    async def test_calls_sent_at_once_are_counted_in_order(self, portal):
        async with portal.socket("/rpc/") as socket:
            for number in range(50):
                await say(socket, self.request("count", id=number))
            answers = [await hear(socket) for _ in range(50)]

        assert [one["id"] for one in answers] == list(range(50))
        assert [one["result"] for one in answers] == list(range(1, 51))

    @live
    async def test_bad_json_without_own_care_is_logged_and_the_socket_stays(self, portal):
        async with portal.socket("/sets/fruit/") as socket:
            await say(socket, "[1")
            await say(socket, b"[1]")
            answer = await ask(socket, [2, 1, 2])
            assert answer == {"unique": [1, 2], "topic": "fruit"}
        await in_thread(portal.wait_for_log, "with consumer rpc.consumers.SetConsumer", times=2)
        assert portal.logged("SetConsumer received a frame that is no JSON")

    @live
    async def test_the_browsers_session_is_there_with_every_message(self, portal):
        async with portal.socket("/history/", portal.sessions["liz"]) as socket:
            assert await ask(socket, 1) == {"history": [1], "user": "liz"}
            assert await ask(socket, 2) == {"history": [1, 2], "user": "liz"}
        async with portal.socket("/history/", portal.sessions["liz"]) as socket:
            assert await ask(socket, 3) == {"history": [1, 2, 3], "user": "liz"}

    @live
    async def test_the_browsers_session_deleted_between_two_messages(self, portal):
        async with portal.socket("/history/", portal.sessions["tom"]) as socket:
            assert await ask(socket, 1) == {"history": [1], "user": "tom"}
            await in_thread(
                portal.execute,
                "DELETE FROM django_session WHERE session_key = ?",
                portal.sessions["tom"],
            )
            # It is an empty one now.  Whose socket it is stays in the channel session.
            assert await ask(socket, 2) == {"history": [2], "user": "tom"}


class TestTokens:
    @live
    async def test_a_device_with_a_token(self, portal):
        headers = {"Authorization": "Token s3cret"}
        async with portal.socket("/devices/12", headers=headers) as device:
            assert await hear(device) == {"hello": "ben", "client": "127.0.0.1"}
            assert await ask(device, "hi") == {"user": "ben", "client_id": "12", "text": "hi"}
            await say(device, b"abc")
            assert await device.recv() == b"cba"
            await say(device, "bye")
            assert await closed(device) == 4001
        async with portal.socket("/devices/?token=s3cret&x=%20") as device:
            assert (await hear(device))["hello"] == "ben"
            assert (await ask(device, "hi"))["client_id"] is None

    @live
    async def test_a_device_without_one_is_denied(self, portal):
        wrong = {"Authorization": "Token wrong"}
        assert await refused(portal.socket("/devices/12", headers=wrong)) == 403
        assert await refused(portal.socket("/devices/12?token=wrong")) == 403
        assert await refused(portal.socket("/devices/12")) == 403

    @live
    async def test_a_full_channel_is_told_to_the_device(self, portal):
        async with portal.socket("/devices/1?token=s3cret") as device:
            await hear(device)
            assert (await ask(device, "archive a"))["text"] == "archive a"
            assert (await ask(device, "archive b"))["text"] == "archive b"
            assert await ask(device, "archive c") == {"error": "try again later"}

    def test_answers_of_own_http_consumers(self, portal):
        status, headers, text = portal.fetch("/api/status/?q=a%20b", headers={"User-Agent": "t"})
        assert (status, headers["X-Served-By"]) == (200, "consumer")
        assert headers["Set-Cookie"].startswith("seen=yes")
        assert json.loads(text) == {
            "path": "/api/status/",
            "q": "a b",
            "method": "GET",
            "agent": "t",
            "posted": {},
        }
        _, _, text = portal.fetch("/api/status/", {"a": "1"})
        assert json.loads(text)["posted"] == {"a": "1"}

        status, headers, text = portal.fetch("/api/numbers/100/")
        assert (status, text) == (200, "".join(f"{n}\n" for n in range(100)))
        status, headers, text = portal.fetch("/api/v1/anything/")
        assert (status, headers["Content-Type"], text) == (410, "text/plain", "Gone for good")

    def test_one_that_fails_is_a_500_and_in_the_log(self, portal):
        status, _, _ = portal.fetch("/api/broken/")

        assert status == 500
        portal.wait_for_log("with consumer tokens.consumers.http_broken")

    def test_other_paths_are_views(self, portal):
        assert portal.fetch("/")[2] == "hello AnonymousUser"
        assert portal.fetch("/api/nothing/")[0] == 404


class TestReminders:
    @live
    async def test_what_is_due_comes_when_it_is(self, portal):
        async with portal.socket("/reminders/") as socket:
            started = asyncio.get_running_loop().time()
            await say(socket, "tea in 700")
            await say(socket, "toast in 100")
            assert await hear(socket) == {"due": "toast"}
            assert await hear(socket) == {"due": "tea"}
            assert asyncio.get_running_loop().time() - started >= 0.7

    @live
    async def test_a_bad_one_is_logged_and_the_next_one_comes(self, portal):
        async with portal.socket("/reminders/") as socket:
            await say(socket, "tea in a while")
            await say(socket, "toast in 1")
            assert await hear(socket) == {"due": "toast"}
        await in_thread(portal.wait_for_log, "with consumer reminders.consumers.ws_receive")


class TestPresence:
    async def ask(self, socket, do, **content):
        return await ask(socket, {"do": do, **content})

    @live
    async def test_members_of_a_group_can_be_counted_and_addressed(self, portal):
        async with portal.socket("/presence/a/") as one, portal.socket("/presence/a/") as two:
            assert [(await hear(one))["count"], (await hear(two))["count"]] == [1, 2]
            await say(one, {"do": "whisper", "text": "psst"})
            assert await hear(two) == {"whispered": "psst"}
            await one.close()
            assert await hear(two) == {"left": ""}
            assert (await self.ask(two, "who"))["count"] == 1

    @live
    async def test_logging_in_and_out_over_the_socket(self, portal):
        async with portal.socket("/presence/b/") as socket:
            assert await hear(socket) == {"count": 1, "you": "AnonymousUser"}
            await self.ask(socket, "remember", what=1)
            assert await self.ask(socket, "login", username="ben", password="pw") == {"you": "ben"}
            assert (await self.ask(socket, "who"))["you"] == "ben"
            assert await self.ask(socket, "recall") == {"what": 1}
            await self.ask(socket, "logout")
            assert (await self.ask(socket, "who"))["you"] == ""
            assert await self.ask(socket, "recall") == {"what": None}
            await self.ask(socket, "remember", what=2)
            assert await self.ask(socket, "forget") == {"forgotten": []}
            assert await self.ask(socket, "recall") == {"what": None}
            await self.ask(socket, "remember", what=3)
            assert await self.ask(socket, "recall") == {"what": 3}
            wrong = await self.ask(socket, "login", username="ben", password="x")
            assert wrong == {"error": "wrong password"}
            assert await closed(socket) == 4003

    @live
    async def test_what_does_not_wait_for_the_consumer_comes_first(self, portal):
        async with portal.socket("/presence/c/") as socket:
            await hear(socket)
            assert await self.ask(socket, "thread") == {"from": "thread"}
            assert await hear(socket) == {"from": "consumer"}
            await say(socket, {"do": "layer"})
            assert [(await hear(socket))["from"] for _ in range(3)] == [
                "layer",
                "layer group",
                "now",
            ]

    @live
    async def test_consumers_of_own_channels_and_signals(self, portal):
        async with portal.socket("/presence/d/") as socket:
            await hear(socket)
            assert await self.ask(socket, "later", key="k") == {"retries": 2}
            assert await self.ask(socket, "ready") == {"ready": ["Worker", "Worker"]}

    @live
    async def test_decorators_on_methods_and_functions(self, portal):
        async with portal.socket("/decorated/", portal.sessions["ben"]) as socket:
            assert await socket.recv() == "ben"
            for n in (1, 2):
                await socket.send("x")
                assert await socket.recv() == f"x {n}"
        async with portal.socket("/ordered/") as socket:
            for text in ("a", "fail", "b"):
                await socket.send(text)
            assert [await hear(socket), await hear(socket)] == [[1, 1], [3, 3]]

    def test_http_consumers_with_users_and_large_bodies(self, portal):
        assert portal.fetch("/whoami/")[2] == "AnonymousUser GET 0"
        cookie = {"Cookie": f"sessionid={portal.sessions['ben']}"}
        assert portal.fetch("/whoami/", bytes(200_000), headers=cookie)[2] == "ben POST 200000"

    def test_a_handler_of_ones_own_goes_round_the_views(self, portal):
        status, _, text = portal.fetch("/liveblog/shout")

        assert status == 404
        assert "NOT FOUND" in text


@pytest.fixture(scope="module", params=["several processes", "runserver"])
def any_guestbook(guestbook, request):
    """The guestbook as it is deployed, and as ``manage.py runserver`` serves it."""
    if request.param == "several processes":
        return guestbook
    one = copy.copy(guestbook)
    one.port = free_port()
    url = guestbook.env["REDIS_URL"].rpartition("/")[0] + "/1"  # away from the other workers
    command = (BIN / "python", "manage.py", "runserver", "--noreload", one.port)
    one.workers = [guestbook.start_with({"REDIS_URL": url}, *command)]
    one.workers[0].wait_for_port(one.port)
    return one


class TestGuestbook:
    """Written for 0.17, where nobody accepted anything."""

    @live
    async def test_guests(self, any_guestbook):
        async with (
            any_guestbook.socket("/kitchen/") as one,
            any_guestbook.socket("/kitchen/") as two,
            any_guestbook.socket("/hall/") as other,
        ):
            await one.send("hi")
            assert [await one.recv(), await two.recv()] == ["hi", "hi"]
            await other.send("anyone?")
            assert await other.recv() == "anyone?"
        assert set((await in_thread(any_guestbook.fetch, "/kitchen/"))[2].split()) == {"hi"}

    @live
    async def test_sending_and_closing_while_connecting(self, any_guestbook):
        async with any_guestbook.socket("/polite/") as guest:
            assert await guest.recv() == "welcome"
        assert await refused(any_guestbook.socket("/private/")) == 403


def test_every_process_is_still_there(portal, guestbook):
    portal.check_alive()
    guestbook.check_alive()
    # What tests of other apps provoked, and nothing else, went wrong.
    assert portal.logged("the worker goes on") == 0
    assert portal.logged("dropped a message") == 0
