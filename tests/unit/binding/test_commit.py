"""When groups are told: on commit; at once inside a TestCase, which never commits."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import TestCase

from channels.binding import outbound
from channels.binding.websockets import WebsocketBinding
from tests.app.models import Article


def bind(**attrs):
    body = {
        "model": Article,
        "fields": ["title"],
        "stream": "articles",
        "group_names": classmethod(lambda cls, instance: ["articles"]),
        **attrs,
    }
    return type(WebsocketBinding)("ArticleBinding", (WebsocketBinding,), body)


@pytest.mark.django_db(transaction=True)
class TestReally:
    """With transactions that are really committed and rolled back."""

    def test_without_a_transaction_groups_are_told_at_once(self, layer):
        bind()

        article = Article.objects.create(title="one")
        assert layer.actions == [("articles", "create")]

        article.delete()
        assert layer.actions == [("articles", "create"), ("articles", "delete")]

    def test_in_a_transaction_they_are_told_on_commit(self, layer):
        bind()

        with transaction.atomic():
            article = Article.objects.create(title="one")
            article.title = "two"
            article.save()
            article.delete()
            assert layer.sent == []

        # In order, each as it was saved.
        assert [(one["action"], one["data"]["title"]) for _, one in layer.payloads] == [
            ("create", "one"),
            ("update", "two"),
            ("delete", "two"),
        ]

    def test_after_a_rollback_they_are_told_nothing(self, layer):
        bind()

        with transaction.atomic():
            Article.objects.create(title="one")
            transaction.set_rollback(True)

        assert layer.sent == []

    def test_only_what_a_savepoint_kept_is_told(self, layer):
        bind()

        with transaction.atomic():
            Article.objects.create(title="kept")
            with transaction.atomic():
                Article.objects.create(title="lost")
                transaction.set_rollback(True)

        assert [one["data"]["title"] for _, one in layer.payloads] == ["kept"]

    def test_touching_waits_as_well(self, layer):
        binding = bind()

        with transaction.atomic():
            Article.objects.bulk_create([Article(title="one")])
            binding.touch(Article.objects.all())
            assert layer.sent == []

        assert layer.actions == [("articles", "update")]

    def test_a_binding_may_tell_at_once(self, layer):
        bind(send_on_commit=False)

        with transaction.atomic():
            Article.objects.create(title="one")
            assert layer.actions == [("articles", "create")]

    def test_the_setting_is_for_all_bindings_that_do_not_say(self, layer, settings):
        settings.CHANNELS_BINDINGS_ON_COMMIT = False
        bind()

        with transaction.atomic():
            Article.objects.create(title="one")
            assert layer.actions == [("articles", "create")]

    def test_a_binding_may_wait_in_spite_of_the_setting(self, layer, settings):
        settings.CHANNELS_BINDINGS_ON_COMMIT = False
        bind(send_on_commit=True)

        with transaction.atomic():
            Article.objects.create(title="one")
            assert layer.sent == []

        assert len(layer.sent) == 1

    def test_where_autocommit_is_off_groups_are_told_at_once(self, layer):
        """Django does not know of commits there."""
        bind()

        transaction.set_autocommit(False)
        try:
            Article.objects.create(title="one")
            assert layer.actions == [("articles", "create")]
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)


@pytest.mark.django_db
class TestInsideATestsTransaction:
    def test_groups_are_told_at_once(self, layer):
        bind()

        Article.objects.create(title="one").delete()

        assert layer.actions == [("articles", "create"), ("articles", "delete")]

    def test_also_inside_a_block_of_the_code_under_test(self, layer):
        bind()

        with transaction.atomic():
            Article.objects.create(title="one")
            assert layer.actions == [("articles", "create")]
        Article.objects.get_or_create(title="two")

        assert len(layer.sent) == 2


class TestInADjangoTestCase(TestCase):
    """The class itself, not pytest's fixture made of it."""

    @classmethod
    def setUpTestData(cls):
        cls.article = Article.objects.create(title="one")

    @pytest.fixture(autouse=True)
    def _layer(self, layer):
        self.layer = layer

    def test_groups_are_told_at_once(self):
        bind()

        self.article.save()
        with transaction.atomic():
            self.article.save()
            assert self.layer.actions == [("articles", "update")] * 2

    def test_callbacks_that_are_captured_do_not_tell_twice(self):
        bind()

        with self.captureOnCommitCallbacks(execute=True):
            self.article.save()

        assert self.layer.actions == [("articles", "update")]


@pytest.mark.django_db
def test_the_commit_that_is_waited_for_is_one_of_the_database_of_the_change(layer, monkeypatch):
    """Of the signal's, or else of the one that the object came from."""
    waited = []
    monkeypatch.setattr(outbound, "when_committed", lambda tell, using: waited.append(using))
    binding = bind()
    article = Article.objects.create(title="one")
    article._state.db = "where it came from"

    binding().send_messages(article, ["articles"], "update", using="where it went")
    binding().send_messages(article, ["articles"], "update")
    binding.touch(article)

    assert waited == ["default", "where it went", "where it came from", "where it came from"]
