"""AsgiHandler.encode_response: from a Django response to reply messages."""

from __future__ import annotations

import asyncio
import io
import threading

import pytest
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, StreamingHttpResponse

from channels.handler import AsgiHandler
from channels.handler import replies as encode_module
from channels.handler.replies import iterate_async


class SmallChunks(AsgiHandler):
    chunk_size = 30


def encode(response, handler=AsgiHandler):
    return list(handler.encode_response(response))


class TestHeaders:
    def test_they_keep_order_and_case(self):
        response = HttpResponse("x", content_type="text/plain")
        response["X-Mixed-cAsE"] = "1"
        response["a-last"] = "é"

        (reply,) = encode(response)

        assert reply["headers"] == [
            (b"Content-Type", b"text/plain"),
            (b"X-Mixed-cAsE", b"1"),
            (b"a-last", b"\xe9"),
        ]

    def test_each_cookie_is_a_header_after_the_others(self):
        response = HttpResponse("x")
        response.set_cookie("foo", "1")
        response.set_cookie("bar", "2", max_age=0, httponly=True, samesite="Lax")
        response["Late"] = "yes"

        (reply,) = encode(response)

        assert [name for name, _ in reply["headers"]] == [
            b"Content-Type", b"Late", b"Set-Cookie", b"Set-Cookie",
        ]  # fmt: skip
        cookies = [value for name, value in reply["headers"] if name == b"Set-Cookie"]
        assert cookies[0] == b"foo=1; Path=/"
        assert cookies[1].startswith(b"bar=2; expires=")
        assert b"HttpOnly" in cookies[1]

    def test_a_redirect_has_status_and_location(self):
        (reply,) = encode(HttpResponseRedirect("/élsewhere/"))

        assert reply["status"] == 302
        assert dict(reply["headers"])[b"Location"] == b"/%C3%A9lsewhere/"


class TestOrdinaryContent:
    def test_a_short_response_is_one_reply(self):
        assert encode(HttpResponse("Hi", status=201, content_type="text/plain")) == [
            {
                "status": 201,
                "headers": [(b"Content-Type", b"text/plain")],
                "content": b"Hi",
                "more_content": False,
            }
        ]

    def test_an_empty_one_is_one_reply_too(self):
        (reply,) = encode(HttpResponse())

        assert (reply["content"], reply["more_content"]) == (b"", False)

    def test_a_long_one_is_cut_and_only_the_first_reply_has_a_status(self):
        replies = encode(HttpResponse(b"x" * 70), SmallChunks)

        assert [len(reply["content"]) for reply in replies] == [30, 30, 10]
        assert [reply["more_content"] for reply in replies] == [True, True, False]
        assert ["status" in reply for reply in replies] == [True, False, False]
        assert set(replies[1]) == {"content", "more_content"}

    def test_an_exact_multiple_has_no_empty_tail(self):
        replies = encode(HttpResponse(b"x" * 60), SmallChunks)

        assert [len(reply["content"]) for reply in replies] == [30, 30]

    @pytest.mark.parametrize(
        ("data", "chunks"),
        [
            (b"", [(b"", True)]),
            (b"x" * 30, [(b"x" * 30, True)]),
            (b"x" * 31, [(b"x" * 30, False), (b"x", True)]),
        ],
    )
    def test_chunk_bytes_tells_the_last(self, data, chunks):
        assert list(SmallChunks.chunk_bytes(data)) == chunks


class TestStreams:
    def test_each_part_is_a_reply_and_the_end_another(self):
        replies = encode(StreamingHttpResponse(str(n) for n in range(10)))

        assert len(replies) == 11
        assert [reply.get("content") for reply in replies] == [
            *(str(n).encode() for n in range(10)),
            None,
        ]
        assert [reply["more_content"] for reply in replies] == [True] * 10 + [False]
        assert replies[0]["status"] == 200
        assert replies[-1] == {"more_content": False}

    def test_a_long_part_is_cut(self):
        replies = encode(StreamingHttpResponse([b"x" * 40, b"y"]), SmallChunks)

        assert [reply.get("content") for reply in replies] == [b"x" * 30, b"x" * 10, b"y", None]

    def test_one_without_parts_is_a_single_reply(self):
        assert encode(StreamingHttpResponse([], content_type="text/plain")) == [
            {"status": 200, "headers": [(b"Content-Type", b"text/plain")], "more_content": False}
        ]

    def test_a_part_leaves_before_the_next_is_made(self):
        made = []
        replies = AsgiHandler.encode_response(
            StreamingHttpResponse(made.append(n) or str(n) for n in range(3))
        )

        next(replies)

        assert made == [0]

    def test_a_file_that_is_read_at_once_is_two_replies(self, tmp_path):
        path = tmp_path / "file.txt"
        path.write_bytes(b"content")
        response = FileResponse(path.open("rb"))

        replies = encode(response)
        response.close()

        assert [reply.get("content") for reply in replies] == [b"content", None]
        assert dict(replies[0]["headers"])[b"Content-Length"] == b"7"

    def test_a_file_response_of_text_is_one_reply_for_each_letter(self):
        assert len(encode(FileResponse("abcd"))) == 5

    def test_what_is_like_a_file_is_read_as_one(self):
        class Unclosable:
            def read(self, size=-1):
                return b""

        assert len(encode(FileResponse(Unclosable()))) == 1
        assert len(encode(FileResponse(io.BytesIO(b"content")))) == 2

    def test_a_file_that_was_closed_is_the_authors_error(self):
        closed = io.BytesIO(b"content")
        closed.close()

        with pytest.raises(ValueError, match="closed file"):
            encode(FileResponse(closed))

    def test_parts_that_are_no_text_are_made_so_as_django_does(self):
        replies = encode(StreamingHttpResponse(range(10)))

        assert [reply.get("content") for reply in replies[:3]] == [b"0", b"1", b"2"]
        assert len(replies) == 11

    def test_an_ordinary_response_that_says_it_streams_is_sent_in_parts(self):
        class Streaming(HttpResponse):
            streaming = True

        replies = encode(Streaming(b"x" * 40), SmallChunks)

        assert [reply.get("content") for reply in replies] == [b"x" * 30, b"x" * 10, None]

    def test_claiming_not_to_stream_is_the_authors_error(self):
        class Lying(StreamingHttpResponse):
            streaming = False

        with pytest.raises(AttributeError):
            encode(Lying(["x"]))


class TestAsynchronousStreams:
    def test_each_part_is_a_reply(self):
        async def parts():
            for n in range(3):
                await asyncio.sleep(0)
                yield str(n)

        replies = encode(StreamingHttpResponse(parts()))

        assert [reply.get("content") for reply in replies] == [b"0", b"1", b"2", None]

    def test_a_part_leaves_before_the_next_but_one_is_made(self):
        made = []

        async def parts():
            for n in range(5):
                made.append(n)
                yield str(n)

        replies = AsgiHandler.encode_response(StreamingHttpResponse(parts()))
        next(replies)

        assert len(made) <= 3
        replies.close()

    def test_all_of_it_runs_in_one_task(self):
        tasks = set()

        async def parts():
            for _ in range(3):
                tasks.add(id(asyncio.current_task()))
                yield b"x"

        assert list(iterate_async(parts())) == [b"x"] * 3
        assert len(tasks) == 1

    def test_what_it_raises_is_raised_after_the_parts_before(self):
        async def parts():
            yield b"first"
            raise OSError("the source broke")

        content = iterate_async(parts())

        assert next(content) == b"first"
        with pytest.raises(OSError, match="the source broke"):
            next(content)

    def test_leaving_it_early_ends_it_and_what_it_started(self):
        ended = []

        async def helper():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("helper")

        async def parts():
            task = asyncio.create_task(helper())
            try:
                while True:
                    await asyncio.sleep(0)
                    yield b"x"
            finally:
                ended.append("parts")
                assert not task.done()

        content = iterate_async(parts())
        next(content)
        content.close()

        assert sorted(ended) == ["helper", "parts"]

    def test_synchronous_code_in_it_shares_one_thread_that_ends(self, monkeypatch):
        from asgiref.sync import sync_to_async

        threads = []

        async def parts():
            for _ in range(2):
                await sync_to_async(lambda: threads.append(threading.current_thread()))()
                yield b"x"

        closed = []

        class Connections:
            def close_all(self):
                closed.append(threading.current_thread())

        monkeypatch.setattr(encode_module, "connections", Connections())

        list(iterate_async(parts()))

        assert threads[0] is threads[1]
        assert threads[0] is not threading.current_thread()
        assert closed == [threads[0]]  # nobody else could close what it opened
        threads[0].join(10)
        assert not threads[0].is_alive()
