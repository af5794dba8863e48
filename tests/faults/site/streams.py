"""Responses without an end, or a long one, that write down when they are closed."""

import asyncio
import io
import time

from django.http import FileResponse, StreamingHttpResponse

from tests.faults.site.notes import note

#: Bytes of the file.
SIZE = 30 * 1024 * 1024


def generator():
    try:
        while True:
            yield b"data: tick\n\n"
            time.sleep(0.1)
    except GeneratorExit:
        note("closed", "generator")
        raise


async def async_generator():
    try:
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.1)
    finally:
        note("closed", "async")


async def silent():
    """Wait for an event that never comes."""
    try:
        yield b"data: first\n\n"
        await asyncio.Event().wait()
    finally:
        note("closed", "silent")


async def stubborn():
    """Take no notice of being cancelled."""
    while True:
        try:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            pass
        except GeneratorExit:
            note("closed", "stubborn")
            raise


class Iterator:
    """No generator: something with a ``close`` of its own."""

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(0.1)
        return b"data: tick\n\n"

    def close(self):
        note("closed", "iterator")


class File(io.BytesIO):
    def close(self):
        if not self.closed:
            note("closed", "file")
        super().close()


STREAMS = {
    "generator": generator,
    "async": async_generator,
    "silent": silent,
    "stubborn": stubborn,
    "iterator": Iterator,
}


def stream(request, kind):
    if kind == "file":
        return FileResponse(File(bytes(SIZE)))
    return StreamingHttpResponse(STREAMS[kind](), content_type="text/event-stream")
