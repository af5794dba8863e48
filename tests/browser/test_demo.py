"""The demo as two people see it, in each documented deployment."""

import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site
from tests.support.processes import BIN, ROOT, Process, free_port, running
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.browser, pytest.mark.redis]

#: However the browser's locale writes it.
TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}:\d{2}")

#: Types a line into the shell that the arguments start.
IN_A_SHELL = """
import subprocess, sys
line = 'Liveblog.objects.get().posts.create(body="From a shell")'
sys.exit(subprocess.run(sys.argv[1:], input=line.encode()).returncode)
"""


def open_page(window, site, path):
    window.goto(site.url + path)
    expect(window.locator("#connection")).to_have_text("connected")


def say(window, name, text):
    window.get_by_label("Your name").fill(name)
    window.get_by_label("Message").fill(text)
    window.get_by_role("button", name="Send").click()


def without_reload(window):
    """Leave a mark in the page that a reload would wipe out."""
    window.evaluate("window.neverReloaded = true")


def assert_not_reloaded(window):
    assert window.evaluate("window.neverReloaded") is True


def count_changes(window):
    """Count from now on how often the state of the connection changes."""
    window.evaluate(
        "window.changes = 0; new MutationObserver(() => window.changes++)"
        ".observe(document.getElementById('connection'), {childList: true})"
    )


def assert_not_changed(*windows):
    for window in windows:
        assert window.evaluate("window.changes") == 0


def test_two_windows_chat_and_see_a_liveblog_post(site, windows):
    one, two = windows
    for window in windows:
        open_page(window, site, "/chat/lobby/")
        without_reload(window)

    say(one, "Ada", "Is anybody there?")
    for window in windows:
        expect(window.locator("#log li")).to_have_count(1)
        expect(window.locator("#log li b")).to_have_text("Ada")
        expect(window.locator("#log li p")).to_have_text("Is anybody there?")
        expect(window.locator("#log li time")).to_have_text(TIME_OF_DAY)
    say(two, "Grace", "Two of us.")
    for window in windows:
        expect(window.locator("#log li p")).to_have_text(["Is anybody there?", "Two of us."])
        assert_not_reloaded(window)

    for window in windows:
        open_page(window, site, "/liveblog/launch/")
        without_reload(window)
    one.get_by_label("Post").fill("It <b>works</b>.")
    one.get_by_role("button", name="Post").click()
    for window in windows:
        expect(window.locator(".post").first.locator("p")).to_have_text("It <b>works</b>.")
        expect(window.locator(".post")).to_have_count(3)
        assert_not_reloaded(window)


def test_two_rooms_do_not_mix(runserver_site, windows):
    one, two = windows
    open_page(one, runserver_site, "/chat/red/")
    open_page(two, runserver_site, "/chat/blue/")

    say(one, "Ada", "for red")
    say(two, "Grace", "for blue")

    expect(one.locator("#log li p")).to_have_text(["for red"])
    expect(two.locator("#log li p")).to_have_text(["for blue"])


def test_a_message_that_is_refused_is_told_to_its_sender_only(runserver_site, windows):
    one, two = windows
    for window in windows:
        open_page(window, runserver_site, "/chat/lobby/")

    one.evaluate("socket.send({ name: 'Ada' })")
    expect(one.locator("#notice")).to_have_text(re.compile("a message needs a name and a text"))
    one.evaluate("socket.send({ name: 'Ada', text: 'x'.repeat(501) })")
    expect(one.locator("#notice")).to_have_text(re.compile("501 characters, 500 are the most"))
    for frame in ["[]", "no JSON", '{"after": "1"}', '{"after": 1e99}']:
        one.evaluate(
            "frame => new WebSocket(location.href.replace('http', 'ws'))"
            ".addEventListener('open', function () { this.send(frame) })",
            frame,
        )
    say(one, "Ada", "still here")

    expect(two.locator("#log li p")).to_have_text(["still here"])
    expect(two.locator("#notice")).to_have_text("")


def test_a_message_that_is_too_long_stays_in_the_field_and_is_told(runserver_site, windows):
    one, two = windows
    for window in windows:
        open_page(window, runserver_site, "/chat/lobby/")

    say(one, "Ada", "x" * 501)
    expect(one.locator("#notice")).to_have_text(re.compile("too long: it has 501 characters"))
    expect(one.get_by_label("Message")).to_have_value("x" * 501)
    # 500 characters, as the server counts them too.
    say(one, "Ada", "\N{PILE OF POO}" * 500)

    expect(two.locator("#log li p")).to_have_text(["\N{PILE OF POO}" * 500])
    expect(one.locator("#notice")).to_have_text("")

    open_page(one, runserver_site, "/liveblog/launch/")
    one.get_by_label("Post").fill("x" * 2001)
    one.get_by_role("button", name="Post").click()
    expect(one.locator("#notice")).to_have_text(re.compile("at most 2000 characters"))
    expect(one.get_by_label("Post")).to_have_value("x" * 2001)


def test_a_phone_has_room_for_it_and_a_screen_reader_its_landmarks(public_site, windows):
    """Without DEBUG: style and scripts are served there too."""
    phone, _ = windows
    phone.set_viewport_size({"width": 390, "height": 844})
    long_name = "W" * 50
    for path in ["/", "/chat/", "/liveblog/", "/liveblog/launch/", f"/chat/{long_name}/"]:
        phone.goto(public_site.url + path)
        # The first rule of the style sheet: it has been loaded.
        assert phone.evaluate("getComputedStyle(document.body).margin") == "0px"
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path

    expect(phone.locator("#connection")).to_have_text("connected")
    say(phone, "A" * 40, "x" * 200)
    expect(phone.locator("#log li")).to_have_count(1)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.get_by_label("Message").bounding_box()["width"] >= 240
    phone.get_by_role("log", name="What was said").focus()
    assert phone.evaluate("document.activeElement.id") == "log"
    assert phone.locator("#connection").get_attribute("aria-live") == "polite"

    elsewhere = urllib.request.Request(public_site.url, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(elsewhere)


def test_a_room_has_a_name_in_any_script(public_site, windows):
    one, two = windows
    one.goto(public_site.url + "/chat/")
    one.get_by_label("Room name").fill("!?")
    one.get_by_role("button", name="Join").click()
    expect(one.locator(".notice")).to_have_text(re.compile("needs a letter or a digit"))
    one.get_by_label("Room name").fill("日本 Ελλάδα")
    one.get_by_role("button", name="Join").click()
    expect(one.locator("h1")).to_have_text("#日本-ελλάδα")
    expect(one.locator("#connection")).to_have_text("connected")
    open_page(two, public_site, "/chat/日本-ελλάδα/")

    say(one, "Ada", "今日は")

    expect(two.locator("#log li p")).to_have_text(["今日は"])
    two.goto(public_site.url + "/chat/")
    two.get_by_role("link", name="#日本-ελλάδα").click()
    expect(two.locator("#log li p")).to_have_text(["今日は"])


def test_what_happened_while_the_sockets_were_away_is_there_when_they_are_back(
    runserver_site, windows
):
    """Nothing twice, nothing missing; more than one answer's worth; posts changed and gone too."""
    chat, blog = windows
    port = int(runserver_site.url.rpartition(":")[2])
    line = Proxy(port)
    behind = replace(runserver_site, url=f"http://127.0.0.1:{line.port}")
    open_page(chat, behind, "/chat/lobby/")
    open_page(blog, behind, "/liveblog/launch/")
    for window in windows:
        without_reload(window)
    say(chat, "Ada", "before")
    expect(chat.locator("#log li p")).to_have_text(["before"])

    line.close()
    for window in windows:
        expect(window.locator("#connection")).to_have_text("reconnecting")
    runserver_site.manage(
        "shell",
        "-c",
        """
from chat.models import ChatMessage
from liveblog.models import Liveblog
for number in range(250):
    ChatMessage.objects.create(room="lobby", name="Grace", text=str(number))
ChatMessage.objects.create(room="elsewhere", name="Grace", text="not here")
newer, older = Liveblog.objects.get().posts.all()
newer.delete()
older.body = "changed"
older.save()
older.liveblog.posts.create(body="new")
""",
    )
    line = Proxy(port, at=line.port)
    try:
        expect(chat.locator("#log li p")).to_have_text(["before", *map(str, range(250))])
        expect(blog.locator(".post p")).to_have_text(["new", "changed"])

        say(chat, "Ada", "after")
        expect(chat.locator("#log li p").last).to_have_text("after")
        expect(chat.locator("#log li")).to_have_count(252)
        for window in windows:
            assert_not_reloaded(window)
    finally:
        line.close()


def test_demo_redis_does_not_take_another_site_for_itself():
    """It waits for a page at its port, which another site would serve, and says where to look."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        env = {"PORT": str(port), "PATH": f"{BIN}:{os.environ['PATH']}"}

        with running(ROOT / "project" / "demo-redis", env=env) as demo:
            assert demo.wait() == 1
            assert f"Something listens on port {port} already" in demo.output
            assert "http://" not in demo.output


def test_demo_redis_keeps_what_its_pages_promise(tmp_path, windows):
    """``make demo-redis``: workers restart and a shell writes while the pages are connected."""
    reader, writer = windows
    port = free_port()
    env = {"DATABASE": str(tmp_path / "demo.sqlite3"), "DEMO_STATE": str(tmp_path / "state")}
    # The tests' own environment is the demo's; it is not to be made anew.
    make = ["make", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.demo", f"PORT={port}"]
    with running(*make, "demo-redis", env=env) as demo:
        demo.wait_for_output("make demo-shell")
        site = Site(f"http://127.0.0.1:{port}", env, demo)
        reader.goto(site.url)
        expect(reader.get_by_text("make demo-reload")).to_have_count(1)
        open_page(reader, site, "/liveblog/launch/")
        open_page(writer, site, "/chat/lobby/")
        for window in windows:
            count_changes(window)

        with running(*make, "demo-reload", env=env) as reload:
            assert reload.wait() == 0, reload.output
        demo.wait_until(
            lambda: (
                demo.output.count("Started worker process") >= 4
                and demo.output.count("while idle") >= 2
            ),
            "new workers in place of the old",
        )
        shell = [BIN / "python", "-c", IN_A_SHELL, *make, "demo-shell"]
        with running(*shell, env=env) as shell:
            assert shell.wait() == 0, shell.output
        expect(reader.locator(".post").first.locator("p")).to_have_text("From a shell")
        say(writer, "Ada", "Still here")
        expect(writer.locator("#log li p")).to_have_text(["Still here"])
        assert_not_changed(*windows)

        os.killpg(demo.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        demo.wait()
        assert not (tmp_path / "state").exists()
        with pytest.raises(ProcessLookupError):
            os.killpg(demo.pid, 0)


def test_posts_from_the_admin_show_up_and_disappear_also_after_a_restart(runserver_site, windows):
    reader, editor = windows
    open_page(reader, runserver_site, "/liveblog/launch/")
    without_reload(reader)

    editor.goto(runserver_site.url + "/admin/liveblog/post/add/")
    editor.get_by_label("Username").fill("admin")
    editor.get_by_label("Password").fill("admin")
    editor.get_by_role("button", name="Log in").click()
    editor.locator("#id_liveblog").select_option(label="Launch day")
    editor.locator("#id_body").fill("From the admin")
    editor.locator("input[name=_save]").click()
    expect(reader.locator(".post").first.locator("p")).to_have_text("From the admin")

    editor.locator("#result_list").get_by_role("link", name="From the admin").click()
    editor.get_by_role("link", name="Delete").click()
    editor.locator("input[type=submit]").click()
    expect(reader.get_by_text("From the admin")).to_have_count(0)
    # Whose scripts come from the server that ends now.
    editor.wait_for_url("**/admin/liveblog/post/", wait_until="load")

    first = runserver_site.process
    first.end()
    expect(reader.locator("#connection")).to_have_text("reconnecting")
    with running(*first.command, env=runserver_site.env, cwd=ROOT / "project"):
        expect(reader.locator("#connection")).to_have_text("connected")
        reader.get_by_label("Post").fill("After the restart")
        reader.get_by_role("button", name="Post").click()
        expect(reader.locator(".post").first.locator("p")).to_have_text("After the restart")
    assert_not_reloaded(reader)


def test_a_post_saved_in_a_shell_shows_up(honcho_site, windows):
    reader, _ = windows
    open_page(reader, honcho_site, "/liveblog/launch/")
    without_reload(reader)

    honcho_site.manage(
        "shell",
        "-c",
        "from liveblog.models import Liveblog; Liveblog.objects.get().posts.create(body='By hand')",
    )

    expect(reader.locator(".post").first.locator("p")).to_have_text("By hand")
    assert_not_reloaded(reader)


def test_restarting_the_workers_disconnects_nobody(supervisor_site, windows):
    one, two = windows
    for window in windows:
        open_page(window, supervisor_site, "/chat/lobby/")
        count_changes(window)
    say(one, "Ada", "before")
    expect(two.locator("#log li p")).to_have_text(["before"])

    restart = Process(
        [BIN / "supervisorctl", "-c", "deploy/supervisord.conf", "restart", "workers"],
        cwd=supervisor_site.process.cwd,
    )
    try:
        assert restart.wait(60) == 0, restart.output
    finally:
        restart.end()
    say(one, "Ada", "after")

    for window in windows:
        expect(window.locator("#log li p")).to_have_text(["before", "after"])
    assert_not_changed(*windows)
