"""Names of channels and groups: ASCII, short, and at most one mark (known-flaws.md F-52)."""

from __future__ import annotations

import pytest

from channels import names

LONG = "x" * 99


@pytest.mark.parametrize(
    "name",
    [
        "http.request",
        "http.response!ab0def",
        "http.request.body?ab0def",
        "0.a_b-c?d_e-f.1",
        "web.Zk81!",
        LONG,
    ],
)
def test_a_good_channel_name_is_returned(name):
    assert names.check_channel_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (None, "must be a str, not NoneType"),
        (b"a.one", "must be a str, not bytes"),
        (7, "must be a str, not int"),
        ("", "may hold ASCII"),
        ("!a", "may hold ASCII"),
        ("a+b", "may hold ASCII"),
        ("a b", "may hold ASCII"),
        ("£", "may hold ASCII"),
        ("channel!é", "may hold ASCII"),
        ("channel.٣", "may hold ASCII"),
        ("a.one\n", "may hold ASCII"),
        ("a!b?c", "at most one"),
        ("a?b?c", "at most one"),
        ("a?", "must not end in"),
        ("x" * 100, "under 100 characters"),
    ],
)
def test_a_bad_channel_name_is_refused_with_the_reason(name, why):
    with pytest.raises(TypeError, match=why) as caught:
        names.check_channel_name(name)

    assert repr(name) in str(caught.value)


def test_a_mailbox_is_received_on_by_its_own_name():
    assert names.check_channel_name("web.Zk81!", receive=True) == "web.Zk81!"
    assert names.check_channel_name("http.request", receive=True) == "http.request"
    with pytest.raises(TypeError, match="must end at its '!'"):
        names.check_channel_name("web.Zk81!a", receive=True)


@pytest.mark.parametrize("name", ["foo.bar", "0.a_b-c", LONG])
def test_a_good_group_name_is_returned(name):
    assert names.check_group_name(name) == name


@pytest.mark.parametrize("name", [None, b"g", "", "a!b", "a?b", "a=b", "é", "a٣", "g\n", "x" * 100])
def test_a_bad_group_name_is_refused(name):
    with pytest.raises(TypeError, match="a group name m"):
        names.check_group_name(name)


@pytest.mark.parametrize(
    ("name", "mailbox", "local", "single"),
    [
        ("web.Zk81!Qx3f", "web.Zk81!", True, True),
        ("web.Zk81!", "web.Zk81!", True, True),
        ("body?Qx3f", "body?Qx3f", False, True),
        ("http.request", "http.request", False, False),
    ],
)
def test_a_name_tells_where_its_channel_lives(name, mailbox, local, single):
    assert names.non_local_name(name) == mailbox
    assert names.is_process_local(name) is local
    assert names.is_single_place(name) is single


def test_a_random_part_is_letters_and_never_the_same():
    parts = {names.random_part(12) for _ in range(100)}

    assert len(parts) == 100
    assert all(len(part) == 12 and part.isascii() and part.isalpha() for part in parts)
