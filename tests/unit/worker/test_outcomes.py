"""What becomes of a message: every way in which a consumer, a route or a receiver can fail."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from unittest import mock

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from channels import Channel, Group
from channels.exceptions import (
    ChannelFull,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    LayerUnavailable,
    MessageTooLarge,
    WebsocketCloseException,
)
from channels.signals import consumer_finished, consumer_started
from channels.worker.outcome import last_word
from tests.support.scripted import Answer, Frame, GroupSend, ScriptedLayer, Send, run_until_idle

CLOSE = Send("web.a!x", {"close": True})
DONE = Answer(b"r1")


def raising(error, *replies):
    def consumer(message):
        for reply in replies:
            message.reply_channel.send(reply)
        raise error

    return consumer


def run(channel, consumer, content=None, **options):
    """Run one message, and another one on ``after`` to see that the loop goes on."""
    content = {"reply_channel": "web.a!x"} if content is None else content
    layer = ScriptedLayer(Frame(channel, [content], b"r1"), Frame("after", [{}], b"r2"))
    after = mock.Mock()
    run_until_idle(layer, (channel, consumer), ("after", after), **options)
    assert after.call_count == 1
    assert layer.client.exchanges[-1] == [Answer(b"r2")]
    return [one for exchange in layer.client.exchanges[:-1] for one in exchange]


class TestDenyConnection:
    def test_a_denied_handshake_is_closed_behind_what_was_queued(self):
        consumer = raising(DenyConnection(), {"text": "no"})

        assert run("websocket.connect", consumer) == [
            Send("web.a!x", {"text": "no"}),
            CLOSE,
            DONE,
        ]

    def test_on_another_channel_it_is_an_error_of_the_consumer(self, caplog):
        assert run("websocket.receive", raising(DenyConnection())) == [DONE]
        assert "Error processing message with consumer" in caplog.text

    def test_without_a_reply_channel_it_is_an_error_too(self, caplog):
        assert run("websocket.connect", raising(DenyConnection()), {}) == [DONE]
        assert "DenyConnection" in caplog.text


class TestImplicitAccept:
    """``CHANNELS_IMPLICIT_ACCEPT``: how connecting went before 1.0."""

    ACCEPT = Send("web.a!x", {"accept": True})

    def test_it_is_off_unless_asked_for(self):
        assert run("websocket.connect", mock.Mock(return_value=None)) == [DONE]

    def test_a_consumer_that_only_returns_accepts(self, settings):
        settings.CHANNELS_IMPLICIT_ACCEPT = True

        assert run("websocket.connect", mock.Mock(return_value=None)) == [self.ACCEPT, DONE]

    def test_so_does_one_that_is_async(self, settings):
        settings.CHANNELS_IMPLICIT_ACCEPT = True

        async def consumer(message):
            Group("everyone", channel_layer=message.channel_layer).send({"text": "somebody came"})

        assert run("websocket.connect", consumer) == [
            self.ACCEPT,
            GroupSend("everyone", {"text": "somebody came"}),
            DONE,
        ]

    def test_what_it_sends_comes_after(self, settings):
        settings.CHANNELS_IMPLICIT_ACCEPT = True

        def consumer(message):
            Channel("log", channel_layer=message.channel_layer).send({"accept": False})
            message.reply_channel.send({"text": "welcome", "close": False})

        assert run("websocket.connect", consumer) == [
            self.ACCEPT,
            Send("log", {"accept": False}),
            Send("web.a!x", {"text": "welcome", "close": False}),
            DONE,
        ]

    @pytest.mark.parametrize("reply", [{"accept": True}, {"accept": False}, {"close": True}])
    def test_one_that_decides_is_left_alone(self, settings, reply):
        settings.CHANNELS_IMPLICIT_ACCEPT = True

        def consumer(message):
            message.reply_channel.send(reply)

        assert run("websocket.connect", consumer) == [Send("web.a!x", reply), DONE]

    @pytest.mark.parametrize("error", [DenyConnection(), WebsocketCloseException(), ValueError()])
    def test_one_that_raises_does_not_accept(self, settings, error):
        settings.CHANNELS_IMPLICIT_ACCEPT = True

        assert run("websocket.connect", raising(error)) == [CLOSE, DONE]

    def test_other_messages_are_not_answered(self, settings):
        settings.CHANNELS_IMPLICIT_ACCEPT = True
        silent = mock.Mock(return_value=None)

        assert run("websocket.receive", silent) == [DONE]
        assert run("websocket.connect", silent, {}) == [DONE]


class TestSocketExceptions:
    def test_closing_by_exception_sends_the_code(self):
        closing = raising(WebsocketCloseException(3001))

        assert run("websocket.receive", closing) == [Send("web.a!x", {"close": 3001}), DONE]

    @pytest.mark.parametrize("second", [ValueError("odd"), SystemExit(1), ConsumeLater()])
    def test_one_whose_run_raises_is_an_error_of_the_consumer(self, second, caplog):
        class Odd(ChannelSocketException):
            def run(self, message):
                raise second

        assert run("websocket.receive", raising(Odd())) == [DONE]
        assert type(second).__name__ in caplog.text


class TestErrors:
    def test_what_was_queued_leaves_although_the_consumer_failed(self):
        failing = raising(ValueError("odd"), {"text": "so far"})

        assert run("websocket.receive", failing) == [Send("web.a!x", {"text": "so far"}), DONE]

    @pytest.mark.parametrize(
        "error",
        [ValueError("odd"), SystemExit(3), GeneratorExit(), asyncio.CancelledError()],
    )
    def test_nothing_that_a_consumer_raises_ends_the_loop(self, error, caplog):
        assert run("test", raising(error)) == [DONE]
        assert "test_outcomes.raising.<locals>.consumer" in caplog.text or "consumer" in caplog.text
        assert type(error).__name__ in caplog.text

    def test_keyboard_interrupt_of_user_code_is_only_an_error_where_ctrl_c_is_not_ours(self):
        with mock.patch("signal.getsignal", return_value=lambda *args: None):
            assert run("test", raising(KeyboardInterrupt())) == [DONE]

    def test_ctrl_c_leaves_the_loop_after_flush_and_receipt(self, monkeypatch):
        # Python leaves SIGINT ignored if whoever started it did, as shells do in the background.
        monkeypatch.setattr("signal.getsignal", lambda signo: signal.default_int_handler)
        layer = ScriptedLayer(Frame("test", [{"reply_channel": "web.a!x"}], b"r1"))

        with pytest.raises(KeyboardInterrupt):
            run_until_idle(layer, ("test", raising(KeyboardInterrupt(), {"text": "x"})))

        assert layer.client.done == [Send("web.a!x", {"text": "x"}), DONE]
        assert layer.client.closed == 1

    def test_keyboard_interrupt_in_another_thread_is_only_an_error(self, monkeypatch):
        monkeypatch.setattr("signal.getsignal", lambda signo: signal.default_int_handler)
        sent = []
        thread = threading.Thread(
            target=lambda: sent.extend(run("test", raising(KeyboardInterrupt())))
        )

        thread.start()
        thread.join(10)

        assert sent == [DONE]

    def test_a_recursion_that_runs_too_deep_is_an_error(self, caplog):
        def consumer(message):
            consumer(message)

        assert run("test", consumer) == [DONE]
        assert "RecursionError" in caplog.text

    def test_an_exception_that_cannot_be_printed_is_an_error(self):
        class Unprintable(Exception):
            def __str__(self):
                raise ValueError

        assert run("test", raising(Unprintable())) == [DONE]

    def test_a_route_that_fails_is_an_error_of_its_message(self, caplog):
        class Failing:
            def channel_names(self):
                return {"test"}

            def match(self, message):
                raise TypeError("int filter value")

        layer = ScriptedLayer(Frame("test", [{}], b"r1"))
        from channels.worker import Worker
        from tests.support.scripted import wrap

        wrapper = wrap(layer)
        wrapper.router.add_route(Failing())
        worker = Worker(wrapper, signal_handlers=False)
        layer.client.when_idle = worker.request_stop
        worker.run()

        assert layer.client.done == [DONE]
        assert "int filter value" in caplog.text

    def test_a_message_without_a_route_is_answered_and_sends_no_signals(self, caplog):
        started = []

        def receiver(**kwargs):
            started.append(kwargs)

        layer = ScriptedLayer(Frame("nowhere", [{}], b"r1"))
        consumer_started.connect(receiver)
        try:
            run_until_idle(layer, ("test", mock.Mock()))
        finally:
            consumer_started.disconnect(receiver)

        assert layer.client.done == [DONE]
        assert started == []
        assert "nowhere" in caplog.text

    def test_a_mock_as_consumer_that_raises_is_named(self, caplog):
        assert run("test", mock.Mock(side_effect=ValueError("odd"))) == [DONE]
        assert "Mock" in caplog.text

    def test_a_name_that_is_no_text_is_for_the_layer_to_refuse(self):
        def consumer(message):
            Channel(None, channel_layer=message.channel_layer).send({"n": 1})

        assert run("test", consumer) == [Send(None, {"n": 1}), DONE]

    def test_a_message_that_is_no_dict_is_an_error(self, caplog):
        assert run("test", mock.Mock(), ["odd"]) == [DONE]
        assert "Error processing message" in caplog.text

    def test_odd_retry_counts_in_a_message_do_no_harm(self):
        layer = ScriptedLayer(Frame("test", [{"__retries__": "many"}]))

        run_until_idle(layer, ("test", raising(ConsumeLater())))

        assert layer.client.done == [Send("test", {"__retries__": 1})]


class TestClientsThatWait:
    def test_a_handshake_whose_consumer_failed_is_refused(self):
        assert run("websocket.connect", raising(ValueError())) == [CLOSE, DONE]

    @pytest.mark.parametrize(
        "reply", [{"accept": True}, {"text": "hi"}, {"bytes": b"hi"}, {"close": 3000}]
    )
    def test_a_handshake_that_was_decided_before_the_error_stays_as_it_is(self, reply):
        """Data without ``accept`` accepts as well."""
        failing = raising(ValueError(), reply)

        assert run("websocket.connect", failing) == [Send("web.a!x", reply), DONE]

    def test_a_word_to_somebody_else_decides_nothing(self):
        def failing(message):
            Channel("web.a!y", channel_layer=message.channel_layer).send({"accept": True})
            raise ValueError

        assert run("websocket.connect", failing) == [Send("web.a!y", {"accept": True}), CLOSE, DONE]

    def test_a_handshake_whose_retries_are_used_up_is_refused(self):
        assert run("websocket.connect", raising(ConsumeLater()), message_retries=0) == [CLOSE, DONE]

    def test_a_request_whose_consumer_failed_gets_a_500(self):
        sent = run("http.request", raising(ValueError()))

        page = {
            "status": 500,
            "headers": [(b"Content-Type", b"text/plain")],
            "content": b"Internal Server Error",
            "more_content": False,
        }
        assert isinstance(sent[0], Send)
        assert sent[0].channel == "web.a!x"
        assert {key: sent[0].message[key] for key in page} == page
        assert sent[1:] == [DONE]

    def test_a_request_that_was_answered_before_the_error_gets_nothing_more(self):
        answer = {"status": 200, "content": b"fine"}

        assert run("http.request", raising(ValueError(), answer)) == [
            Send("web.a!x", answer),
            DONE,
        ]

    @pytest.mark.parametrize(
        ("channel", "reply"),
        [("http.request", {"content": b"x"}), ("websocket.connect", {"order": 1})],
    )
    def test_a_reply_that_decides_nothing_leaves_the_client_waiting(self, channel, reply):
        sent = run(channel, raising(ValueError(), reply))

        # With whom to blame for it, as the server finds it malformed.
        blamed = {**reply, "__consumer__": "tests.unit.worker.test_outcomes.consumer"}
        assert sent[0] == Send("web.a!x", blamed)
        assert not {"status", "close"}.isdisjoint(sent[1].message)

    @pytest.mark.parametrize(
        ("channel", "to", "reply"),
        [
            ("websocket.receive", "web.a!x", {"text": "a"}),
            ("websocket.receive", "web.a!x", {"text": "a", "close": 4000}),
            ("websocket.receive", "web.a!y", {"odd": 1}),
            ("websocket.receive", "task", {"odd": 1}),
            ("task", "web.a!x", {"odd": 1}),
            ("http.request", "web.a!x", {"status": 200, "odd": 1}),
        ],
    )
    def test_nobody_is_blamed_for_a_good_reply_or_what_may_be_one(self, channel, to, reply):
        def consumer(message):
            Channel(to, channel_layer=message.channel_layer).send(reply)

        assert run(channel, consumer)[0] == Send(to, reply)

    @pytest.mark.parametrize("channel", ["http.request", "websocket.receive"])
    def test_what_a_project_receives_itself_is_as_it_was_sent(self, channel):
        def consumer(message):
            message.reply_channel.send({"odd": 1})

        sent = run(channel, consumer, {"reply_channel": "results"})

        assert sent[0] == Send("results", {"odd": 1})

    @pytest.mark.parametrize("channel", ["http.request", "websocket.connect"])
    def test_neither_does_a_word_to_a_group(self, channel):
        def failing(message):
            Group("web.a!x", channel_layer=message.channel_layer).send({"status": 1, "close": 1})
            raise ValueError

        sent = run(channel, failing)

        assert [type(one) for one in sent] == [GroupSend, Send, Answer]


class TestTheLastWord:
    """For a client whose reply was refused, if that was the reply's own fault."""

    TOO_LARGE = MessageTooLarge("web.a!x", 9, 5)
    REPLY = Send("web.a!x", {})

    def said(self, channel, *refused):
        return last_word(channel, {"reply_channel": "web.a!x"}, refused)

    @pytest.mark.parametrize("channel", ["http.request", "websocket.connect", "websocket.receive"])
    @pytest.mark.parametrize("error", [TOO_LARGE, TypeError("a set")])
    def test_it_is_said_to_whom_nothing_else_will_be(self, channel, error):
        (word,) = self.said(channel, (Answer(b"r1"), error), (self.REPLY, error))

        assert isinstance(word, Send)
        assert word.channel == "web.a!x"

    @pytest.mark.parametrize("channel", ["websocket.disconnect", "test"])
    def test_nobody_waits_on_other_channels(self, channel):
        assert self.said(channel, (self.REPLY, self.TOO_LARGE)) == []

    @pytest.mark.parametrize(
        "refused",
        [
            [],
            [(REPLY, ChannelFull("web.a!", 1))],
            [(REPLY, LayerUnavailable("gone"))],
            [(Send("web.a!y", {}), TOO_LARGE)],
            [(GroupSend("web.a!x", {}), TOO_LARGE)],
            [(Answer(b"r1"), TOO_LARGE)],
        ],
    )
    @pytest.mark.parametrize("channel", ["http.request", "websocket.connect"])
    def test_it_is_kept_where_the_reply_was_not_at_fault(self, channel, refused):
        assert self.said(channel, *refused) == []


class TestSignalsAndCallback:
    def test_the_callback_comes_before_the_signals_and_the_consumer(self):
        order = []

        def started(sender, environ, **kwargs):
            order.append(("started", sender.__name__, environ))

        def finished(sender, **kwargs):
            order.append("finished")

        consumer_started.connect(started)
        consumer_finished.connect(finished)
        try:
            run(
                "test",
                lambda message: order.append("consumer"),
                callback=lambda channel, message: order.append((channel, message.channel.name)),
            )
        finally:
            consumer_started.disconnect(started)
            consumer_finished.disconnect(finished)

        assert order[:4] == [("test", "test"), ("started", "Worker", {}), "consumer", "finished"]

    def test_a_callback_that_fails_does_not_cost_the_message(self, caplog):
        consumer = mock.Mock()

        run("test", consumer, callback=mock.Mock(side_effect=SystemExit))

        assert consumer.call_count == 1
        assert "SystemExit" in caplog.text

    def test_a_receiver_that_fails_at_the_start_is_an_error_of_the_consumer(self, caplog):
        consumer = mock.Mock()

        def receiver(**kwargs):
            consumer_started.disconnect(receiver)
            raise ValueError("no tenant")

        consumer_started.connect(receiver)

        assert run("test", consumer) == [DONE]
        assert consumer.call_count == 0
        assert "no tenant" in caplog.text

    def test_a_receiver_that_fails_at_the_end_does_not_keep_back_what_was_sent(self):
        def receiver(**kwargs):
            consumer_finished.disconnect(receiver)
            raise ValueError("odd")

        consumer_finished.connect(receiver)

        sent = run("test", lambda message: message.reply_channel.send({"text": "x"}))

        assert sent == [Send("web.a!x", {"text": "x"}), DONE]


class TestCoroutines:
    def test_what_a_coroutine_sends_leaves_with_its_receipt(self):
        async def consumer(message):
            await asyncio.sleep(0)
            message.reply_channel.send({"text": "x"})
            Group("all", channel_layer=message.channel_layer).send({"text": "y"})

        assert run("test", consumer) == [
            Send("web.a!x", {"text": "x"}),
            GroupSend("all", {"text": "y"}),
            DONE,
        ]

    def test_messages_share_one_event_loop_and_sync_code_runs_in_the_worker_thread(self):
        loops, threads = [], []

        async def consumer(message):
            loops.append(asyncio.get_running_loop())
            threads.append(await sync_to_async(threading.current_thread)())

        frames = [Frame("test", [{}, {}], b"r1"), Frame("test", [{}], b"r2")]
        run_until_idle(ScriptedLayer(*frames), ("test", consumer))

        assert len(loops) == 3
        assert len(set(map(id, loops))) == 1
        assert loops[0].is_closed()
        assert set(threads) == {threading.current_thread()}

    def test_what_a_sync_consumer_runs_asynchronously_shares_that_loop(self):
        loops = []

        async def find_loop():
            loops.append(asyncio.get_running_loop())

        frames = [Frame("test", [{}], b"r1"), Frame("test", [{}], b"r2")]
        consumer = lambda message: async_to_sync(find_loop)()  # noqa: E731 (one line says it all)
        run_until_idle(ScriptedLayer(*frames), ("test", consumer))

        assert len(set(map(id, loops))) == 1
        assert len(loops) == 2

    @pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1), asyncio.CancelledError()])
    def test_a_coroutine_that_fails_is_an_error_of_the_consumer(self, error, caplog):
        async def consumer(message):
            raise error

        assert run("test", consumer) == [DONE]
        assert type(error).__name__ in caplog.text

    def test_a_coroutine_may_ask_for_later(self):
        async def consumer(message):
            raise ConsumeLater

        layer = ScriptedLayer(Frame("test", [{"n": 1}]))
        run_until_idle(layer, ("test", consumer))

        assert layer.client.done == [Send("test", {"n": 1, "__retries__": 1})]

    def test_a_task_that_outlives_its_consumer_goes_on_beside_the_next_message(self):
        done = threading.Event()
        tasks = []

        async def background():
            while len(seen) < 2:
                await asyncio.sleep(0.001)
            done.set()

        seen = []

        async def consumer(message):
            seen.append(message["n"])
            if message["n"] == 1:
                tasks.append(asyncio.get_running_loop().create_task(background()))
            else:
                await tasks[0]

        run_until_idle(ScriptedLayer(Frame("test", [{"n": 1}, {"n": 2}])), ("test", consumer))

        assert done.is_set()


def test_tasks_that_still_run_when_the_worker_ends_are_cancelled():
    cancelled = threading.Event()

    async def background():
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def consumer(message):
        kept.append(asyncio.get_running_loop().create_task(background()))
        await asyncio.sleep(0)

    kept = []
    run_until_idle(ScriptedLayer(Frame("test", [{}])), ("test", consumer))

    assert cancelled.is_set()


def test_sends_outside_of_the_workers_thread_go_at_once():
    layer_of = {}

    def consumer(message):
        layer_of["it"] = message.channel_layer.channel_layer

        def elsewhere():
            Channel("other", channel_layer=message.channel_layer).send({"n": 1})

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert run("test", consumer) == [DONE]
    assert layer_of["it"].sent == [("other", {"n": 1})]


def test_the_recursion_limit_is_as_it_was():
    # The deep recursion above must not have been survived by changing it.
    assert sys.getrecursionlimit() >= 1000
