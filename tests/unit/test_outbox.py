"""The outbox: what is kept, for whom, and where it goes when the consumer ends."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels import Channel, Group
from channels.exceptions import ChannelFull
from channels.layers.clients import Send
from channels.outbox import dropped, pending_message_store
from channels.signals import consumer_finished, consumer_started
from tests.support.recording import RecordingLayer


@pytest.fixture
def layer():
    return RecordingLayer()


@pytest.fixture
def channel(layer):
    return Channel("a.one", channel_layer=layer)


@pytest.fixture
def collected():
    """Everything that the sink got, one list for each run."""
    runs = []
    with pending_message_store.collecting(runs.append):
        yield runs


def run(consumer):
    """Run a consumer as a worker does."""
    consumer_started.send(sender=run, environ={})
    try:
        return consumer()
    finally:
        consumer_finished.send(sender=run)


def names(items):
    return [(operation.channel, operation.message) for _, operation in items]


def test_sends_wait_until_the_consumer_ends_and_keep_their_order(layer, channel):
    group = Group("g", channel_layer=layer)

    def consumer():
        channel.send({"n": 1})
        group.send({"n": 2})
        channel.send({"n": 3})
        assert pending_message_store.active
        assert layer.sent == []

    run(consumer)

    assert layer.sent == [("a.one", {"n": 1}), ("*g", {"n": 2}), ("a.one", {"n": 3})]
    assert not pending_message_store.active


def test_sends_leave_also_if_the_consumer_raises(layer, channel):
    def consumer():
        channel.send({"n": 1})
        raise RuntimeError("the consumer's own")

    with pytest.raises(RuntimeError, match="the consumer's own"):
        run(consumer)

    assert layer.sent == [("a.one", {"n": 1})]


def test_immediate_sends_do_not_wait(layer, channel):
    group = Group("g", channel_layer=layer)

    def consumer():
        channel.send({"n": 1})
        channel.send({"n": 2}, immediately=True)
        group.send({"n": 3}, True)
        assert layer.sent == [("a.one", {"n": 2}), ("*g", {"n": 3})]

    run(consumer)

    assert layer.sent == [("a.one", {"n": 2}), ("*g", {"n": 3}), ("a.one", {"n": 1})]


def test_memberships_change_at_once_inside_a_consumer_too(layer, channel):
    group = Group("g", channel_layer=layer)

    def consumer():
        group.add(channel)
        group.discard(channel)
        assert layer.members == [("add", "g", "a.one"), ("discard", "g", "a.one")]

    run(consumer)


def test_an_immediate_send_to_a_full_channel_is_the_callers_to_handle(layer, channel):
    layer.full.add("a.one")

    with pytest.raises(ChannelFull):
        run(lambda: channel.send({"n": 1}, immediately=True))


def test_bad_content_is_refused_at_once_inside_a_consumer_too(layer, channel):
    with pytest.raises(TypeError):
        run(lambda: channel.send("text"))
    with pytest.raises(ValueError, match="must be a dict"):
        run(lambda: Group("g", channel_layer=layer).send("text"))


def test_a_name_that_no_layer_takes_is_not_told_inside_a_consumer(channel, collected):
    """Only the layer checks names, when the message leaves."""
    run(lambda: Channel("no name!!", channel_layer=channel.channel_layer).send({"n": 1}))

    assert [names(items) for items in collected] == [[("no name!!", {"n": 1})]]


def test_the_same_object_is_kept_not_a_copy(channel, collected):
    content = {"n": 1}

    run(lambda: channel.send(content))

    assert collected[0][0][1].message is content


def test_the_sink_gets_each_run_once_and_nothing_is_sent(layer, channel, collected):
    run(lambda: channel.send({"n": 1}))
    run(lambda: None)
    run(lambda: channel.send({"n": 2}))

    assert [names(items) for items in collected] == [
        [("a.one", {"n": 1})],
        [("a.one", {"n": 2})],
    ]
    assert layer.sent == []


def test_a_consumer_may_have_its_messages_sent_before_it_ends(layer, channel, collected):
    def consumer():
        channel.send({"n": 1})
        pending_message_store.send_and_flush()
        channel.send({"n": 2})
        assert layer.sent == [("a.one", {"n": 1}), ("a.one", {"n": 2})]

    run(consumer)

    assert collected == []


def test_the_sink_is_of_one_thread(layer, channel, collected):
    thread = threading.Thread(target=run, args=(lambda: channel.send({"n": 1}),))
    thread.start()
    thread.join(timeout=10)

    assert collected == []
    assert layer.sent == [("a.one", {"n": 1})]


def test_after_the_sink_is_gone_messages_are_sent_here(layer, channel):
    runs = []
    with pending_message_store.collecting(runs.append):
        pass

    run(lambda: channel.send({"n": 1}))

    assert (runs, layer.sent) == ([], [("a.one", {"n": 1})])


def test_a_response_goes_first(channel, collected):
    def consumer():
        channel.send({"n": 1})
        response = Send("a.one", {"status": 200})
        assert pending_message_store.keep(channel.channel_layer, response, first=True)

    run(consumer)

    assert names(collected[0]) == [("a.one", {"status": 200}), ("a.one", {"n": 1})]


def test_outside_of_a_run_nothing_is_kept(layer, channel):
    assert not pending_message_store.keep(layer, Send("a.one", {"n": 1}))
    assert not pending_message_store.keep(layer, Send("a.one", {"n": 2}), first=True)
    assert layer.sent == []

    pending_message_store.append(channel, {"n": 3})
    assert layer.sent == [("a.one", {"n": 3})]


def test_a_run_that_was_never_finished_is_forgotten(channel, collected, caplog):
    before = dropped().get("error", 0)
    consumer_started.send(sender=run)
    channel.send({"n": 1})
    channel.send({"n": 2})

    run(lambda: channel.send({"n": 3}))

    assert [names(items) for items in collected] == [[("a.one", {"n": 3})]]
    assert dropped()["error"] == before + 2
    assert "never finished; its 2 messages are lost" in caplog.text
    assert {record.name for record in caplog.records} == {"django.channels"}


def test_finishing_without_a_run_is_harmless(layer):
    consumer_finished.send(sender=run)
    pending_message_store.send_and_flush()

    assert layer.sent == []


def test_what_receivers_of_the_end_send_goes_at_once(layer, channel):
    def receiver(**kwargs):
        channel.send({"n": 2})

    consumer_finished.connect(receiver)
    try:
        run(lambda: channel.send({"n": 1}))
    finally:
        consumer_finished.disconnect(receiver)

    assert layer.sent == [("a.one", {"n": 1}), ("a.one", {"n": 2})]


def test_threads_of_a_consumer_send_at_once(layer, channel):
    def consumer():
        thread = threading.Thread(target=channel.send, args=({"n": 1},))
        thread.start()
        thread.join(timeout=10)
        assert layer.sent == [("a.one", {"n": 1})]

    run(consumer)


def test_an_async_consumer_and_all_it_awaits_share_the_outbox(layer, channel, collected):
    async def consumer():
        channel.send({"from": "coroutine"})
        await sync_to_async(channel.send)({"from": "sync_to_async"})
        await sync_to_async(channel.send, thread_sensitive=False)({"from": "another thread"})
        await asyncio.to_thread(channel.send, {"from": "to_thread"})

        async def task():
            channel.send({"from": "task"})

        await asyncio.create_task(task())
        await asyncio.gather(task(), task())

    run(lambda: async_to_sync(consumer)())

    assert layer.sent == []
    assert [one.message["from"] for _, one in collected[0]] == [
        "coroutine",
        "sync_to_async",
        "another thread",
        "to_thread",
        "task",
        "task",
        "task",
    ]


def test_an_async_consumer_ends_its_run_in_the_workers_thread(layer, channel):
    async def consumer():
        channel.send({"n": 1})

    run(lambda: async_to_sync(consumer)())
    channel.send({"n": 2})

    assert layer.sent == [("a.one", {"n": 1}), ("a.one", {"n": 2})]


def test_a_thread_of_an_async_consumer_sends_at_once(layer, channel):
    async def consumer():
        thread = threading.Thread(target=channel.send, args=({"n": 1},))
        thread.start()
        thread.join(timeout=10)
        assert layer.sent == [("a.one", {"n": 1})]

    run(lambda: async_to_sync(consumer)())


def test_what_outlives_its_consumer_sends_at_once(layer, channel):
    """A copy of the context is left behind, and the run that it knows has ended."""
    import contextvars

    left_behind = []
    run(lambda: left_behind.append(contextvars.copy_context()))

    assert left_behind[0].run(lambda: pending_message_store.active) is False
    left_behind[0].run(channel.send, {"n": 1})

    assert layer.sent == [("a.one", {"n": 1})]


def test_any_sender_is_told_to_send_immediately():
    """Whatever was appended: with its content and this one keyword, in order."""
    calls = []

    class Sender:
        name, channel_layer = "a.one", RecordingLayer()

        def send(self, *args, **kwargs):
            calls.append((args, kwargs))

    pending_message_store.append(Sender(), {"n": 1})
    run(lambda: pending_message_store.append(Sender(), {"n": 2}))

    assert calls == [(({"n": n},), {"immediately": True}) for n in (1, 2)]


def test_two_consumers_at_once_do_not_mix():
    """As in a process with several worker threads."""
    layers = [RecordingLayer() for _ in range(4)]
    together = threading.Barrier(4, timeout=10)

    def work(layer):
        channel = Channel("a.one", channel_layer=layer)

        def consumer():
            for n in range(50):
                channel.send({"n": n})
            together.wait()
            assert layer.sent == []

        run(consumer)

    threads = [threading.Thread(target=work, args=(layer,)) for layer in layers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert [len(layer.sent) for layer in layers] == [50] * 4
