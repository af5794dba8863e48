"""The table of messages that wait for their time.

A row is taken by deleting it, before its message is sent: what deleted it sends it, and
nobody else.  So several ``rundelay`` never deliver a message twice; one that is killed
between the two loses the one message it held (delivery is at most once).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, models, router, transaction
from django.utils import timezone

from channels.channel import Channel
from channels.exceptions import ChannelFull


class DelayedMessageQuerySet(models.QuerySet["DelayedMessage"]):
    """Delayed messages, by when they are due."""

    def is_due(self) -> DelayedMessageQuerySet:
        """Return those whose time has come."""
        due: DelayedMessageQuerySet = self.filter(due_date__lte=timezone.now())
        return due

    def next_due(self) -> datetime | None:
        """Return when the next one is due or was due; ``None`` if there is none."""
        earliest: datetime | None = (
            self.order_by("due_date").values_list("due_date", flat=True).first()
        )
        return earliest

    def claim_due(self, most: int) -> Iterator[DelayedMessage]:
        """Take up to ``most`` that are due out of the table, one by one, the oldest first.

        The next one is taken when the iterator is asked for it.  What it has given
        belongs to the caller, who must send or save it: it is stored nowhere else.
        """
        database = router.db_for_write(self.model)
        rows = self.using(database)
        if connections[database].features.has_select_for_update_skip_locked:
            for _ in range(most):
                found = rows._claim_one()
                if found is None:
                    return
                yield found
        else:
            for found in rows.is_due().order_by("due_date", "pk")[:most]:
                if rows._delete_unchanged(found):
                    yield found

    def _claim_one(self) -> DelayedMessage | None:
        """Take the oldest that nobody else is taking, without waiting for anybody."""
        with transaction.atomic(using=self.db):
            due = self.is_due().order_by("due_date", "pk")
            found = due.select_for_update(skip_locked=True).first()
            return found if found is not None and self._delete_unchanged(found) else None

    def _delete_unchanged(self, found: DelayedMessage) -> bool:
        """Delete a row as it was read; False if another process took it, or put it off."""
        deleted: int = self.filter(pk=found.pk, due_date=found.due_date).delete()[0]
        return deleted == 1


class DelayedMessage(models.Model):
    """One message, the channel that it is for, and when it is due.

    Besides the fields, ``delay`` (milliseconds from now) is accepted as an argument.
    """

    due_date = models.DateTimeField(db_index=True)
    channel_name = models.CharField(max_length=512)
    content = models.TextField()

    objects = DelayedMessageQuerySet.as_manager()

    class Meta:
        """The legacy name, which today's label would not give."""

        db_table = "channels.delay_delayedmessage"

    def __str__(self) -> str:
        return f"message {self.pk} for channel {self.channel_name!r}, due {self.due_date}"

    @property
    def delay(self) -> float:
        """Milliseconds from now until it is due; setting it sets ``due_date``."""
        return (self.due_date - timezone.now()) / timedelta(milliseconds=1)

    @delay.setter
    def delay(self, milliseconds: float) -> None:
        self.due_date = timezone.now() + timedelta(milliseconds=milliseconds)

    def send(self, channel_layer: Any = None, requeue_delay: float = 1000) -> None:
        """Send the content to its channel now, and delete the row; or put it off if that is full.

        Args:
            channel_layer: Layer to send on; ``None`` for the default one.
            requeue_delay: Milliseconds to put it off.

        Raises:
            ValueError: The content is no JSON.
            TypeError, AssertionError, MessageTooLarge: The layer does not carry it.
            LayerUnavailable: It may or may not have been sent.
        """
        if self.hand_over(channel_layer, requeue_delay):
            self.delete()

    def hand_over(self, channel_layer: Any = None, requeue_delay: float = 1000) -> bool:
        """Like :meth:`send`, for a row that was taken out of the table already.

        Returns:
            Whether it was sent; if not, it is in the table again, put off.
        """
        channel = Channel(self.channel_name, channel_layer=channel_layer)
        full = (ChannelFull, channel.channel_layer.ChannelFull)
        try:
            channel.send(json.loads(self.content), immediately=True)
        except full:
            self.delay = requeue_delay
            self.save()
            return False
        return True
