"""Names of channels and groups (docs/channels1.md#names-of-channels-and-groups)."""

import string

import pytest

from channels import names

VALID = [
    "http.request",
    "http.response!ab0def",
    "http.request.body?ab0def",
    "0.a_b-c?d_e-f.1",
    "web.Zk81!",
    "-",
    "a" * 99,
    "a" * 97 + "?b",
]

INVALID = {
    "no type behind": "http.request?",
    "two types": "a?b!c",
    "two types turned": "a!b?c",
    "the type twice": "a!!",
    "nothing before the type": "!abc",
    "a pound": "chan£el",
    "a plus": "chan+el",
    "a space": "chan el",
    "a newline at the end": "channel\n",
    "a newline behind the type": "channel!x\n",
    "a digit of another script": "channel٣",
    "a letter of another script": "channel!é",
    "a slash": "chan/nel",
    "nothing at all": "",
    "100 characters": "a" * 100,
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_channel_name_is_returned(name):
    assert names.check_channel_name(name) == name


@pytest.mark.parametrize("name", INVALID.values(), ids=INVALID)
def test_an_invalid_channel_name_is_refused_and_shown(name):
    with pytest.raises(TypeError) as caught:
        names.check_channel_name(name)

    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (None, "must be a str, not NoneType"),
        ("a b", "may hold ASCII"),
        ("!a", "may hold ASCII"),
        ("a!b?c", "at most one"),
        ("a?", "must not end in"),
        ("a" * 100, "under 100 characters"),
    ],
)
def test_the_reason_of_a_refusal_is_told(name, why):
    with pytest.raises(TypeError, match=why):
        names.check_channel_name(name)


@pytest.mark.parametrize("name", [None, 1, b"bytes", ["list"]])
def test_a_name_must_be_a_str(name):
    with pytest.raises(TypeError, match=type(name).__name__):
        names.check_channel_name(name)
    with pytest.raises(TypeError, match=type(name).__name__):
        names.check_group_name(name)


def test_every_other_ascii_character_is_refused():
    allowed = set(string.ascii_letters + string.digits + "-_.")
    for character in map(chr, range(128)):
        if character in allowed:
            assert names.check_group_name(character) == character
        else:
            with pytest.raises(TypeError):
                names.check_group_name(character)


def test_one_receives_on_whole_mailboxes():
    for name in ("web.Zk81!", "http.request", "main?abc"):
        assert names.check_channel_name(name, receive=True) == name
    with pytest.raises(TypeError, match="must end at its '!'"):
        names.check_channel_name("web.Zk81!local", receive=True)


@pytest.mark.parametrize("name", ["foo.bar", "0.a_b-c", "g" * 99])
def test_a_valid_group_name_is_returned(name):
    assert names.check_group_name(name) == name


@pytest.mark.parametrize("name", ["foo?bar", "foo!bar", "foo=bar", "füü", "g\n", "", "g" * 100])
def test_an_invalid_group_name_is_refused_and_shown(name):
    with pytest.raises(TypeError) as caught:
        names.check_group_name(name)

    assert repr(name) in str(caught.value)


def test_the_mailbox_of_a_name_ends_at_its_mark():
    assert names.non_local_name("web.Zk81!Qx3f") == "web.Zk81!"
    assert names.non_local_name("web.Zk81!") == "web.Zk81!"
    assert names.non_local_name("main?abc") == "main?abc"
    assert names.non_local_name("http.request") == "http.request"


def test_a_name_tells_where_it_is_read():
    told = {
        name: (names.is_process_local(name), names.is_on_one_host(name))
        for name in ("http.request", "main?abc", "web!abc")
    }

    assert told == {
        "http.request": (False, False),
        "main?abc": (False, True),
        "web!abc": (True, True),
    }


def test_random_parts_are_letters_and_differ():
    parts = {names.random_part(12) for _ in range(100)}

    assert len(parts) == 100
    assert all(len(part) == 12 and part.isalpha() and part.isascii() for part in parts)
    assert names.random_part(0) == ""
