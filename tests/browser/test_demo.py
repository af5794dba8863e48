"""The demo as two people see it, in each documented deployment."""

import re

import pytest
from playwright.sync_api import expect

from tests.processes import BIN, ROOT, Process, running

pytestmark = [pytest.mark.browser, pytest.mark.redis]

#: However the browser's locale writes it.
TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}:\d{2}")


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
    expect(one.locator("#notice")).to_have_text("That message was not sent.")
    say(one, "Ada", "still here")

    expect(two.locator("#log li p")).to_have_text(["still here"])
    expect(two.locator("#notice")).to_have_text("")


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
        window.evaluate(
            "window.changes = 0; new MutationObserver(() => window.changes++)"
            ".observe(document.getElementById('connection'), {childList: true})"
        )
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
        assert window.evaluate("window.changes") == 0
