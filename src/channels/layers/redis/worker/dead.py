"""What becomes of what a dead worker had in hand, told by who saw it die."""

from __future__ import annotations

from collections.abc import Sequence

from channels.layers.clients import LOST
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items, processes


def settle_for(
    store: Store, worker: str, take: int, begun: int, receipt: bytes | None
) -> tuple[int, int]:
    """Give back what a worker had taken and not begun, and have the rest known to be lost.

    Args:
        store: Of its layer.
        worker: Its name in the process registry.
        take: The number of the last take that it has seen.
        begun: How many frames of that had begun.
        receipt: That of the frame which began last.

    Returns:
        How many frames went back, and how many receipts were reported lost; a sender that had its
        answer already does not mind.

    Raises:
        LayerUnavailable: Not all of it was done; it can be tried again.
    """
    given_back, lost = 0, dict.fromkeys([receipt] if receipt else [])
    for index in range(len(store.ring.hosts)):
        (answer,) = store.ring.run(index, [store.commands.claim_hand(worker, take, begun)])
        if isinstance(answer, Exception):
            raise refusal(answer)
        count, *frames = answer
        given_back += count
        lost.update(dict.fromkeys(_receipts(frames)))
    # Nobody need ask it any more whether it holds something.
    store.ring.ask(worker, *processes.write_death(store.keys, worker))
    store.answer_all(lost, LOST)
    return given_back, len(lost)


def _receipts(frames: Sequence[bytes]) -> list[bytes]:
    return [receipt for receipt in map(items.receipt_of, frames) if receipt is not None]
