"""What a message may hold, and copies of it."""

import collections
import enum

import pytest
from django.utils.functional import SimpleLazyObject

from channels.exceptions import MessageTooLarge
from channels.layers.values import MAX_DEPTH, copy_message, packed_copies, packed_copy

LIMIT = 1000


def copied(message):
    return packed_copy(message, "work", LIMIT)[0]


def test_a_copy_shares_nothing_with_its_original():
    message = {"list": [1, {"deep": [2]}], "dict": {"key": (3, [4])}}

    copy = copied(message)
    message["list"][1]["deep"].append("changed")
    message["dict"]["key"][1].append("changed")

    assert copy == {"list": [1, {"deep": [2]}], "dict": {"key": (3, [4])}}


def test_a_copy_of_a_copy_shares_nothing_with_it():
    first = copied({"list": [1]})

    second = copy_message(first)
    second["list"].append(2)

    assert first == {"list": [1]}


class Name(str):
    __slots__ = ()


class Level(enum.IntEnum):
    HIGH = 3


class Ratio(float):
    pass


Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize("value", ["x", 1, 0.5], ids=["str", "int", "float"])
def test_a_lazy_object_is_refused_like_all_that_cannot_travel(value):
    lazy = SimpleLazyObject(lambda: value)

    with pytest.raises(TypeError, match=r"message\['a'\]\[0\] is of type SimpleLazyObject"):
        copied({"a": [lazy]})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Name("x"), "x"),
        (Level.HIGH, 3),
        (Ratio(0.5), 0.5),
        (Pair(1, 2), (1, 2)),
        (collections.OrderedDict(a=1), {"a": 1}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (True, True),
        (None, None),
    ],
)
def test_subclasses_become_plain(value, plain):
    (copy,) = copied({"value": value}).values()

    assert copy == plain
    assert type(copy) is type(plain)


def test_keys_become_plain():
    (key,) = copied({Name("key"): 1})

    assert type(key) is str


@pytest.mark.parametrize(
    ("key", "plain"), [(Name("x"), str), (Level.HIGH, int), (True, bool), (None, type(None))]
)
def test_keys_below_the_message_become_plain_of_their_kind(key, plain):
    (found,) = copied({"outer": [{key: 1}]})["outer"][0]

    assert (found, type(found)) == (key, plain)


@pytest.mark.parametrize("key", [1, None, b"x", True])
def test_keys_of_the_message_itself_are_text(key):
    with pytest.raises(TypeError, match="is not a str"):
        copied({key: 1})


def test_the_size_is_that_of_the_packed_message():
    assert packed_copy({"a": b"x" * 10}, "work", LIMIT)[1] == 1 + 2 + 2 + 10


def test_a_message_of_exactly_the_limit_may_pass():
    _, size = packed_copy({"a": b"x" * 100}, "work", LIMIT)

    packed_copy({"a": b"x" * 100}, "work", size)
    with pytest.raises(MessageTooLarge) as caught:
        packed_copy({"a": b"x" * 100}, "work", size - 1)

    assert caught.value.args == ("work", size, size - 1)


@pytest.mark.parametrize("value", [{1}, object(), 1j, 2**64, -(2**63) - 1, "\ud800", len])
def test_what_cannot_travel_is_named_with_its_place(value):
    with pytest.raises(TypeError) as caught:
        copied({"outer": [0, {"inner": (value,)}]})

    assert "'work': message['outer'][1]['inner'][0] " in str(caught.value)


@pytest.mark.parametrize("key", [0.5, (1,), "\ud800", 2**64, frozenset(), object])
def test_a_key_that_cannot_travel_is_named_with_its_place(key):
    with pytest.raises(TypeError) as caught:
        copied({"outer": {key: 1}})

    assert "message['outer'] " in str(caught.value)


def test_nesting_is_bounded():
    def nested(depth):
        value = {}
        for _ in range(depth - 1):
            value = {"x": value}
        return value

    packed_copy(nested(MAX_DEPTH), "work", LIMIT)
    with pytest.raises(TypeError, match="nested") as caught:
        packed_copy(nested(MAX_DEPTH + 1), "work", LIMIT)

    assert len(str(caught.value)) < 400


def test_messages_of_a_frame_are_packed_one_by_one():
    copies, size = packed_copies([{"a": 1}, {"a": 2}], "work", LIMIT)

    assert copies == [{"a": 1}, {"a": 2}]
    assert size == 8
    with pytest.raises(AssertionError):
        packed_copies([{}, []], "work", LIMIT)
