"""The table of delayed messages: its names, when a message is due, and who gets it."""

from datetime import timedelta
from unittest import mock

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.delay.models import DelayedMessage
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import pending_message_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer():
    return ChannelLayerWrapper(InMemoryChannelLayer(), "default", [])


def make(**values):
    return DelayedMessage(**{"channel_name": "test", "content": "{}", "delay": 0, **values})


def test_the_table_and_the_migration_have_the_names_of_old():
    assert apps.get_app_config("channels_delay").name == "channels.delay"
    assert DelayedMessage._meta.db_table == "channels.delay_delayedmessage"
    assert type(DelayedMessage._meta.pk).__name__ == "AutoField"
    assert "channels.delay_delayedmessage" in connection.introspection.table_names()


def test_the_columns_are_those_of_old():
    columns = {field.name: field for field in DelayedMessage._meta.fields}

    assert list(columns) == ["id", "due_date", "channel_name", "content"]
    assert type(columns["due_date"]).__name__ == "DateTimeField"
    assert columns["due_date"].db_index
    assert (type(columns["channel_name"]).__name__, columns["channel_name"].max_length) == (
        "CharField",
        512,
    )
    assert type(columns["content"]).__name__ == "TextField"


def test_the_migrations_are_complete():
    """Shown by the command, which exits with an error for a change that has none."""
    call_command("makemigrations", "channels_delay", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_a_table_of_old_is_adopted():
    call_command("migrate", "channels_delay", "zero", fake=True, verbosity=0)

    call_command("migrate", "channels_delay", fake_initial=True, verbosity=0)

    make().save()
    assert DelayedMessage.objects.count() == 1


def test_the_delay_is_in_milliseconds_from_now():
    now = timezone.now()
    with mock.patch("django.utils.timezone.now", return_value=now):
        message = make(delay=1500)

        assert message.due_date == now + timedelta(seconds=1.5)
        assert message.delay == 1500


def test_only_what_is_due_is_due():
    make(delay=-1).save()
    make(delay=60000).save()
    assert DelayedMessage.objects.is_due().count() == 1

    with mock.patch("django.utils.timezone.now", return_value=timezone.now() + timedelta(hours=1)):
        assert DelayedMessage.objects.is_due().count() == 2


def test_the_next_due_is_the_earliest():
    assert DelayedMessage.objects.next_due() is None
    make(delay=60000).save()
    first = make(delay=-60000)
    first.save()

    assert DelayedMessage.objects.next_due() == first.due_date


class TestSend:
    def test_the_content_is_sent_and_the_row_deleted(self, layer):
        message = make(content='{"a": [1, "ä"]}')
        message.save()

        message.send(layer)

        assert layer.receive(["test"]) == ("test", {"a": [1, "ä"]})
        assert DelayedMessage.objects.count() == 0

    def test_without_a_layer_it_goes_to_the_default_one(self, layer):
        message = make()
        message.save()
        before = channel_layers.set("default", layer)
        try:
            message.send()
        finally:
            channel_layers.set("default", before)

        assert layer.receive(["test"]) == ("test", {})

    @pytest.mark.parametrize(("options", "seconds"), [({}, 1), ({"requeue_delay": 5000}, 5)])
    def test_a_full_channel_puts_it_off(self, layer, options, seconds):
        for _ in range(10):
            layer.send("test", {})
        message = make()
        message.save()

        now = timezone.now()
        with mock.patch("django.utils.timezone.now", return_value=now):
            message.send(layer, **options)

        [stored] = DelayedMessage.objects.all()
        assert stored.pk == message.pk
        assert stored.due_date - now == timedelta(seconds=seconds)

    def test_it_is_sent_at_once_also_inside_a_consumer(self, layer):
        message = make()
        message.save()
        pending_message_store.prepare()
        try:
            message.send(layer)
            assert layer.receive(["test"]) == ("test", {})
        finally:
            pending_message_store.send_and_flush()


class TestClaiming:
    def test_the_oldest_come_first_and_are_gone_from_the_table(self):
        for n, delay in enumerate((-20000, -30000, -10000, 60000)):
            make(content=f'{{"n": {n}}}', delay=delay).save()

        claimed = [message.content for message in DelayedMessage.objects.claim_due(2)]

        assert claimed == ['{"n": 1}', '{"n": 0}']
        assert DelayedMessage.objects.count() == 2

    def test_what_is_not_asked_for_stays(self):
        for _ in range(2):
            make(delay=-1).save()

        next(DelayedMessage.objects.claim_due(10))

        assert DelayedMessage.objects.count() == 1

    def test_of_two_that_are_due_at_the_same_moment_one_is_taken(self):
        now = timezone.now()
        for n in range(2):
            DelayedMessage(due_date=now, channel_name="test", content=f'{{"n": {n}}}').save()

        [first] = DelayedMessage.objects.claim_due(1)

        assert first.content == '{"n": 0}'
        assert DelayedMessage.objects.get().content == '{"n": 1}'

    @pytest.mark.parametrize("can_skip", [True, False])
    def test_rows_are_locked_where_locked_ones_can_be_skipped(self, monkeypatch, can_skip):
        """Seen from the query; test_delay.py in the integration tests has a real PostgreSQL."""
        locks = []
        monkeypatch.setattr(
            connection.ops, "for_update_sql", lambda **kinds: locks.append(kinds) or ""
        )
        monkeypatch.setattr(connection.features, "has_select_for_update", True)
        monkeypatch.setattr(connection.features, "has_select_for_update_skip_locked", can_skip)
        for _ in range(2):
            make(delay=-1).save()

        assert len(list(DelayedMessage.objects.claim_due(1))) == 1

        kinds = [{name for name, wanted in one.items() if wanted} for one in locks]
        assert kinds == ([{"skip_locked"}] if can_skip else [])

    def test_what_somebody_else_took_is_left_out(self):
        for n in range(3):
            make(content=f'{{"n": {n}}}', delay=-3 + n).save()

        claims = DelayedMessage.objects.claim_due(10)
        next(claims)
        DelayedMessage.objects.order_by("due_date").first().delete()

        assert [message.content for message in claims] == ['{"n": 2}']

    def test_what_somebody_else_took_and_put_off_is_left_out(self):
        for n in range(3):
            make(content=f'{{"n": {n}}}', delay=-3 + n).save()

        claims = DelayedMessage.objects.claim_due(10)
        next(claims)
        other = DelayedMessage.objects.order_by("due_date").first()
        other.delay = 60000
        other.save()

        assert [message.content for message in claims] == ['{"n": 2}']
        assert DelayedMessage.objects.get().pk == other.pk

    def test_it_works_the_same_with_row_locks(self):
        """The other branch; a database without locks ignores the wish for them."""
        for n in range(3):
            make(content=f'{{"n": {n}}}', delay=-3 + n).save()
        make(delay=60000).save()

        with mock.patch.object(connection.features, "has_select_for_update_skip_locked", True):
            two = [message.content for message in DelayedMessage.objects.claim_due(2)]
            rest = [message.content for message in DelayedMessage.objects.claim_due(10)]

        assert (two, rest) == (['{"n": 0}', '{"n": 1}'], ['{"n": 2}'])
        assert DelayedMessage.objects.count() == 1


def test_a_claimed_message_that_cannot_go_is_in_the_table_again(layer):
    for _ in range(10):
        layer.send("test", {})
    make(delay=-1).save()

    [message] = DelayedMessage.objects.claim_due(1)
    sent = message.hand_over(layer)

    assert not sent
    assert DelayedMessage.objects.get().pk == message.pk
