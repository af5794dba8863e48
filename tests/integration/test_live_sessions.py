"""Sessions, users and origins as browsers meet them: a new project on real processes.

``tests/legacy/test_live.py`` has the same for projects of old, and bad frames of every kind.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.legacy.stack import Stack
from tests.support.live_sockets import closed, in_thread, live, refused
from tests.support.processes import BIN, free_port

pytestmark = pytest.mark.redis

PROJECT = Path(__file__).resolve().parent / "members"

#: The decorators that look at the browser's session.
OF_THE_BROWSER = [
    "http_session",
    "channel_and_http_session",
    "http_session_user",
    "channel_session_user_from_http",
    "channel_and_http_session_user_from_http",
]

#: Close code of sockets whose session was logged out.
LOGGED_OUT = 3000


class OneProcess(Stack):
    """The project served by ``runserver``: without Redis, with another session engine."""

    def __init__(self, folder, engine):
        self.cwd = PROJECT
        self.env = {
            "DATABASE": str(folder / f"{engine}.sqlite3"),
            "ENGINE": engine,
            "SESSION_FOLDER": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.processes = []
        self.port = free_port()
        command = (BIN / "python", "manage.py", "runserver", "--noreload", self.port)
        self.workers = [self.start(*command)]


@pytest.fixture(scope="module")
def served(_redis_server, tmp_path_factory):
    """The project by its session engine; all start at once, and end at once."""
    _redis_server.flush()
    folder = tmp_path_factory.mktemp("members")
    stacks = {engine: OneProcess(folder, engine) for engine in ("cache", "file")}
    try:
        stacks["db"] = Stack(
            PROJECT,
            "settings",
            _redis_server.url,
            folder,
            layer=_redis_server.url,
            workers=2,
        )
        for stack in stacks.values():
            stack.processes[0].wait_for_port(stack.port)
        yield stacks
        for stack in stacks.values():
            stack.check_alive()
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Stack.close, stacks.values()))


@pytest.fixture
def club(served):
    """Interface server, two workers, Redis and a database."""
    return served["db"]


@pytest.fixture(params=["db", "cache", "file"])
def any_engine(served, request):
    return served[request.param]


def open_socket(club, path, browser=None, origin="http://127.0.0.1"):
    headers = {"Origin": origin} if origin is not None else {}
    key = None
    if browser is not None:
        (key,) = (one.value for one in browser.cookies if one.name == "sessionid")
    return club.socket(path, key, headers)


async def visit(club, browser, path):
    status, _, text = await in_thread(club.fetch, path, browser=browser)
    assert status == 200
    return text


async def logged_in(club, name):
    browser = club.browser()
    assert await visit(club, browser, f"/login/{name}/") == name
    return browser


class TestLoggingOut:
    @live
    async def test_it_closes_the_sockets_of_that_session_and_no_others(self, club):
        leaving, staying = await logged_in(club, "ann"), await logged_in(club, "ann")
        other = await logged_in(club, "bob")
        async with (
            open_socket(club, "/page/", leaving) as page,
            open_socket(club, "/page/", leaving) as second,
            open_socket(club, "/page/", staying) as elsewhere,
            open_socket(club, "/page/", other) as others,
            open_socket(club, "/page/") as nobodys,
            open_socket(club, "/by/channel_session/", leaving) as without,
        ):
            whose = {page: "ann", second: "ann", elsewhere: "ann", others: "bob", nobodys: "nobody"}
            for socket, name in whose.items():
                assert await socket.recv() == name

            assert await visit(club, leaving, "/logout/") == "bye"

            assert [await closed(page), await closed(second)] == [LOGGED_OUT] * 2
            for socket in (elsewhere, others, nobodys):
                await socket.send("who")
                assert await socket.recv() == whose[socket]
            assert await (await without.ping()) > 0

    @live
    async def test_whatever_decorator_looked_at_the_session(self, club):
        browser = await logged_in(club, "ann")
        sockets = [open_socket(club, f"/by/{name}/", browser) for name in OF_THE_BROWSER]
        opened = [await socket for socket in sockets]

        await visit(club, browser, "/logout/")

        assert [await closed(socket) for socket in opened] == [LOGGED_OUT] * len(opened)

    @live
    async def test_logging_in_moves_the_session_and_its_sockets_stay_with_it(self, club):
        browser = club.browser()
        await visit(club, browser, "/visit/")
        (anonymous,) = (one.value for one in browser.cookies)
        async with open_socket(club, "/page/", browser) as before:
            assert await before.recv() == "nobody"

            await visit(club, browser, "/login/ann/")
            (key,) = (one.value for one in browser.cookies)
            assert key != anonymous
            async with open_socket(club, "/page/", browser) as after:
                assert await after.recv() == "ann"
                await before.send("who")
                assert await before.recv() == "nobody"

                await visit(club, browser, "/logout/")
                assert [await closed(before), await closed(after)] == [LOGGED_OUT] * 2
        async with club.socket("/page/", key, {"Origin": "http://127.0.0.1"}) as again:
            assert await again.recv() == "nobody"

    @live
    async def test_it_works_in_one_process_too(self, served):
        """With sessions in files; the views are run by the same process as the sockets."""
        club = served["file"]
        browser = club.browser()
        await visit(club, browser, "/visit/")
        async with open_socket(club, "/page/", browser) as page:
            assert await page.recv() == "nobody"

            await visit(club, browser, "/logout/")

            assert await closed(page) == LOGGED_OUT


class TestOrigins:
    @live
    async def test_the_setting_refuses_before_any_consumer(self, club):
        for origin in (None, "http://evil.example", "null", "file://", "http://"):
            assert await refused(open_socket(club, "/page/", origin=origin)) == 403
            # Nobody routes this one: without the setting it is accepted.
            assert await refused(open_socket(club, "/nowhere/", origin=origin)) == 403
        async with open_socket(club, "/page/", origin="https://club.example:8443") as page:
            assert await page.recv() == "nobody"

    @live
    async def test_the_decorator_refuses_at_its_consumer(self, club):
        assert await refused(open_socket(club, "/partners/", origin="https://club.example")) == 403
        async with open_socket(club, "/partners/", origin="https://partner.example"):
            pass


class TestSessionsThatEnd:
    async def open(self, club, socket):
        """Return what ends the session of a socket that was just opened."""
        assert await socket.recv() == "nobody"
        await socket.send("name")
        name = await socket.recv()
        return lambda how: in_thread(club.fetch, f"/session/{how}/?socket={name}")

    async def say(self, socket, what):
        await socket.send(what)
        return await socket.recv()

    @pytest.mark.parametrize("how", ["delete", "expire"])
    @live
    async def test_between_two_messages_it_starts_anew(self, any_engine, how):
        async with open_socket(any_engine, "/page/") as page:
            end = await self.open(any_engine, page)
            assert await self.say(page, "note") == "first"

            await end(how)

            assert await self.say(page, "note") == "none"
            assert await self.say(page, "write second") == "written"
            assert await self.say(page, "note") == "second"
            await end(how)
            assert await self.say(page, "write third") == "written"
            assert await self.say(page, "note") == "third"

    @live
    async def test_while_a_consumer_writes_to_it_it_stays_ended(self, any_engine):
        warning = "A session was deleted while consumer members.page ran; its changes are dropped"
        before = any_engine.logged(warning)
        async with open_socket(any_engine, "/page/") as page:
            await self.open(any_engine, page)

            assert await self.say(page, "lose") == "lost"

            assert await self.say(page, "note") == "none"
            assert await self.say(page, "write second") == "written"
            assert await self.say(page, "note") == "second"
        assert any_engine.logged(warning) == before + 1

    @live
    async def test_a_consumer_that_saves_it_itself_gets_djangos_error(self, any_engine):
        async with open_socket(any_engine, "/page/") as page:
            await self.open(any_engine, page)

            assert await self.say(page, "lose save") == "saving"

            assert await self.say(page, "note") == "none"
        for logged in ("Error processing message with consumer members.page", "UpdateError"):
            await in_thread(any_engine.wait_for_log, logged)


class TestUsersThatGo:
    @live
    async def test_a_user_who_is_deleted_is_nobody_and_the_socket_stays(self, club):
        browser = await logged_in(club, "eve")
        async with open_socket(club, "/page/", browser) as page:
            assert await page.recv() == "eve"
            await visit(club, browser, "/leave/eve/")
            for _ in range(2):
                await page.send("who")
                assert await page.recv() == "nobody"


class TestMessagesThatNobodyExpects:
    #: What needs a reply channel, and what the log says of it.
    NEEDS_ONE = {
        "channel_session": "'bare.channel_session' has no reply_channel",
        "channel_and_http_session": "'bare.channel_and_http_session' has no",
        "channel_session_user": "'bare.channel_session_user' has no",
        "channel_session_user_from_http": "'bare.channel_session_user_from_http' has no",
        "channel_and_http_session_user_from_http": (
            "'bare.channel_and_http_session_user_from_http' has no"
        ),
        "enforce_ordering": "'bare.enforce_ordering' has no",
        "Talk": "'bare.Talk' has no",
        "Answering": "members.Answering: the message has no reply_channel",
        "Streams": "members.Streams: the message has no reply_channel",
        "Members": "'bare.Members' has no",
    }
    NEEDS_NONE = ["http_session", "http_session_user"]

    @live
    async def test_without_reply_channel_it_is_an_error_of_the_consumer_or_none(self, club):
        async with open_socket(club, "/watch/") as watcher:
            for name in (*self.NEEDS_ONE, *self.NEEDS_NONE):
                await in_thread(club.fetch, f"/send/bare.{name}/")
            ran = {await watcher.recv(), await watcher.recv()}
            assert ran == {f"{name} ran" for name in self.NEEDS_NONE}
        for name, said in self.NEEDS_ONE.items():
            consumer = f"members.{name if name[0].isupper() else 'with_' + name}"
            logged = f"Error processing message with consumer {consumer}:"
            await in_thread(club.wait_for_log, logged)
            await in_thread(club.wait_for_log, "ValueError", said)

    @live
    async def test_a_binary_frame_where_text_was_expected(self, club):
        async with open_socket(club, "/page/") as page:
            assert await page.recv() == "nobody"
            await page.send(b"\x00\xff")
            await page.send("who")
            assert await page.recv() == "nobody"
        await in_thread(club.wait_for_log, "Error processing message with consumer members.page:")
        await in_thread(club.wait_for_log, "KeyError: 'text'")
