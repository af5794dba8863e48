"""Changes of many-to-many relations, from either end."""

from __future__ import annotations

import pytest

from channels.binding.websockets import WebsocketBinding
from tests.app.models import Article, Person, Tag

pytestmark = pytest.mark.django_db


def bind(**attrs):
    body = {
        "model": Article,
        "fields": ["title", "tags"],
        "stream": "articles",
        "group_names": classmethod(lambda cls, instance: ["articles"]),
        **attrs,
    }
    return type(WebsocketBinding)("ArticleBinding", (WebsocketBinding,), body)


@pytest.fixture
def article():
    return Article.objects.create(title="one")


@pytest.fixture
def tag():
    return Tag.objects.create(name="t")


def tags_told(layer):
    return [(one["action"], one["data"]["tags"]) for _, one in layer.payloads]


def test_adding_removing_and_clearing_are_updates(layer, article, tag):
    bind()

    article.tags.add(tag)
    article.tags.remove(tag)
    article.tags.set([tag])
    article.tags.clear()

    assert tags_told(layer) == [
        ("update", [tag.pk]),
        ("update", []),
        ("update", [tag.pk]),
        ("update", []),
    ]


def test_the_other_end_is_followed_too(layer, article, tag):
    bind()
    other = Article.objects.create(title="two")
    layer.forget()

    tag.articles.add(article, other)
    assert sorted(one["pk"] for _, one in layer.payloads) == [article.pk, other.pk]
    layer.forget()

    tag.articles.remove(other)
    assert [one["pk"] for _, one in layer.payloads] == [other.pk]
    layer.forget()

    tag.articles.clear()
    assert [(one["pk"], one["data"]["tags"]) for _, one in layer.payloads] == [(article.pk, [])]


def test_what_changes_nothing_is_not_told(layer, article, tag):
    article.tags.add(tag)
    bind()

    article.tags.add(tag)

    assert layer.sent == []


def test_a_relation_that_is_not_sent_is_not_told(layer, article, tag):
    bind(fields=["title"])

    article.tags.add(tag)
    article.tags.clear()

    assert layer.sent == []


def test_groups_may_depend_on_a_relation(layer, article, tag):
    def by_tag(cls, instance):
        return ["all", *(f"tag-{one.name}" for one in instance.tags.all())]

    bind(fields=["title"], group_names=classmethod(by_tag))

    article.tags.add(tag)
    article.tags.clear()
    tag.articles.add(article)

    assert layer.actions == [("tag-t", "create"), ("tag-t", "delete"), ("tag-t", "create")]


def test_of_two_friends_the_one_that_was_changed_is_told_of(layer):
    bind(model=Person, fields=["friends"])
    ann, bob = Person.objects.create(), Person.objects.create()
    layer.forget()

    ann.friends.add(bob)

    assert [(one["pk"], one["data"]) for _, one in layer.payloads] == [
        (ann.pk, {"friends": [bob.pk]})
    ]


def test_nothing_is_left_on_the_objects(layer, article, tag):
    bind()

    article.tags.add(tag)
    tag.articles.clear()

    assert not hasattr(article, "_binding_group_names")
    assert not hasattr(tag, "_binding_group_names")
