"""What tests do with the frames that a worker's client took."""

from __future__ import annotations

from typing import Any

from channels.layers.clients import Frame, WorkerClient


def messages_of(worker: WorkerClient, frames: list[Frame]) -> list[dict[str, Any]]:
    """Open frames, and return the messages of those that may run."""
    opened = [worker.open(frame) for frame in frames]
    return [message for frame in opened if frame is not None for message in frame.messages]


def next_messages(worker: WorkerClient) -> list[dict[str, Any]]:
    """Take without waiting until something comes that may run, and return its messages."""
    while frames := worker.exchange([])[1]:
        if messages := messages_of(worker, frames):
            return messages
    return []
