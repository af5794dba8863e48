"""What groups are told when objects are saved and deleted."""

from __future__ import annotations

import pickle
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import models

from channels.binding import Binding
from channels.binding.websockets import WebsocketBinding, WebsocketBindingWithMembers
from channels.exceptions import LayerUnavailable
from channels.message import pending_message_store
from tests.app.models import Article, Author, Note, Person, Restaurant, Tag

pytestmark = pytest.mark.django_db


class InRooms:
    """Groups by room, and one of all published articles."""

    stream = "articles"

    @classmethod
    def group_names(cls, instance):
        names = [f"room-{instance.room}"]
        return [*names, "published"] if instance.published else names


def bind(**attrs):
    attrs = {"model": Article, "fields": ["title"], **attrs}
    return type(WebsocketBinding)("ArticleBinding", (InRooms, WebsocketBinding), attrs)


def test_a_new_object_is_told_to_its_groups_once(layer):
    bind()

    article = Article.objects.create(title="one", published=True)

    told = {"action": "create", "pk": article.pk, "data": {"title": "one"}, "model": "app.article"}
    assert layer.payloads == [("published", told), ("room-lobby", told)]


def test_the_frame_names_the_stream(layer):
    bind()

    Article.objects.create(title="one")

    ((_, content),) = layer.sent
    assert content["text"].startswith('{"stream": "articles", "payload": {')


def test_an_update_and_a_deletion_are_told(layer):
    bind()
    article = Article.objects.create(title="one")
    key = article.pk
    layer.forget()

    article.title = "two"
    article.save()
    article.delete()

    assert layer.payloads == [
        (
            "room-lobby",
            {"action": action, "pk": key, "data": {"title": "two"}, "model": "app.article"},
        )
        for action in ("update", "delete")
    ]


def test_an_object_with_a_key_before_its_first_save_is_new_all_the_same(layer):
    class NoteBinding(WebsocketBinding):
        model = Note
        stream = "notes"
        fields = ["text"]

        @classmethod
        def group_names(cls, instance):
            return ["notes"]

    note = Note.objects.create(text="one")
    note.save()

    assert isinstance(note.pk, uuid.UUID)
    assert [(one["action"], one["pk"]) for _, one in layer.payloads] == [
        ("create", str(note.pk)),
        ("update", str(note.pk)),
    ]


class Switching(InRooms):
    """Asks elsewhere, so that the answer may change while an object is saved."""

    answers: list[list[str]] = []

    @classmethod
    def group_names(cls, instance):
        return cls.answers.pop(0)


def test_first_who_lost_it_then_who_has_it_then_who_got_it(layer):
    class SwitchingBinding(Switching, WebsocketBinding):
        model = Article
        fields = ["title"]
        answers = [["a"], ["left", "stays", "also left"], ["stays", "new", "also new"]]

    article = Article.objects.create(title="one")
    layer.forget()
    article.save()

    assert layer.actions == [
        ("also left", "delete"),
        ("left", "delete"),
        ("stays", "update"),
        ("also new", "create"),
        ("new", "create"),
    ]


def test_without_asking_the_database_a_changed_object_has_only_its_new_groups(layer):
    bind()
    article = Article.objects.create(title="one")
    layer.forget()

    article.room = "cellar"
    article.save()

    assert layer.actions == [("room-cellar", "update")]


def test_the_stored_object_can_be_asked_for_its_groups(layer, django_assert_num_queries):
    bind(groups_from_database=True)
    Article.objects.create(title="other", room="attic")
    with django_assert_num_queries(1):
        article = Article.objects.create(title="one")
    layer.forget()

    article.room = "cellar"
    with django_assert_num_queries(2):
        article.save()

    assert layer.actions == [("room-lobby", "delete"), ("room-cellar", "create")]


def test_an_object_that_is_no_longer_stored_is_asked_itself(layer):
    bind(groups_from_database=True)
    article = Article.objects.create(title="one")
    Article.objects.all()._raw_delete("default")
    layer.forget()

    article.save()

    assert layer.actions == [("room-lobby", "create")]


@pytest.mark.parametrize("called", ["by hand", "after a save"])
def test_changes_without_signals_may_be_told_by_the_two_receivers(layer, called):
    """As applications of old do it for relations and updates."""
    binding = bind(stream="articles")
    article = Article.objects.create(title="one")
    layer.forget()

    if called == "by hand":
        binding.pre_change_receiver(article, "update")
        article.room = "cellar"
    binding.post_change_receiver(article, "update")

    expected = [("room-lobby", "delete"), ("room-cellar", "create")]
    assert layer.actions == (expected if called == "by hand" else [("room-lobby", "update")])


def test_the_two_receivers_may_be_overridden(layer):
    seen = []

    class Watching(InRooms, WebsocketBinding):
        model = Article
        fields = ["title"]

        @classmethod
        def pre_change_receiver(cls, instance, action):
            super().pre_change_receiver(instance, action)
            seen.append(("pre", action, sorted(instance._binding_group_names[cls])))

        @classmethod
        def post_change_receiver(cls, instance, action, **kwargs):
            seen.append(("post", action, kwargs["using"]))
            super().post_change_receiver(instance, action, **kwargs)

    article = Article.objects.create(title="one")
    article.save()
    article.delete()

    assert seen == [
        ("pre", "create", []),
        ("post", "create", "default"),
        ("pre", "update", ["room-lobby"]),
        ("post", "update", "default"),
        ("pre", "delete", ["room-lobby"]),
        ("post", "delete", "default"),
    ]
    assert layer.actions == [("room-lobby", one) for one in ("create", "update", "delete")]


def test_other_models_are_none_of_its_business(layer):
    class Strict(WebsocketBinding):
        model = Article
        stream = "articles"
        fields = ["title"]

        @classmethod
        def group_names(cls, instance):
            assert type(instance) is Article
            return ["articles"]

    note, person = Note.objects.create(text="one"), Person.objects.create()
    person.friends.add(Person.objects.create())
    person.friends.clear()
    note.save()
    note.delete()

    assert layer.sent == []


def test_an_object_that_is_stored_anew_under_its_key_is_decided_by_its_state(layer):
    """Not by what the database did: such an object counts as new until it was saved once."""
    bind()
    article = Article.objects.create(title="one")
    layer.forget()

    Article(pk=article.pk, title="two", created=article.created).save()

    assert layer.actions == [("room-lobby", "create")]


def test_binding_a_model_costs_no_query(layer, django_assert_num_queries):
    bind()

    with django_assert_num_queries(1):
        article = Article.objects.create(title="one")
    with django_assert_num_queries(1):
        article.save()


def test_nobody_is_told_when_there_are_no_groups(layer):
    class Silent(WebsocketBinding):  # not even a stream is needed then
        model = Article
        fields = ["title"]

        @classmethod
        def group_names(cls, instance):
            return []

    Article.objects.create(title="one").delete()

    assert layer.sent == []


def test_an_empty_payload_is_not_sent(layer):
    bind(serialize=lambda self, instance, action: {} if action == "update" else {"action": action})

    Article.objects.create(title="one").save()

    assert layer.actions == [("room-lobby", "create")]


def test_sending_without_a_stream_is_a_mistake(layer):
    bind(stream=None)

    with pytest.raises(AssertionError, match="must set stream"):
        Article.objects.create(title="one")


def test_what_the_signal_came_with_can_be_read(layer):
    seen = []

    def serialize(self, instance, action):
        told = self.signal_kwargs
        seen.append((action, self.instance is instance, told["using"], told["sender"]))
        assert not told.get("raw")
        return {}

    bind(serialize=serialize, fields=["tags"])
    article = Article.objects.create(title="one")
    article.save()
    article.tags.add(Tag.objects.create(name="t"))
    article.delete()

    assert seen == [
        ("create", True, "default", Article),
        ("update", True, "default", Article),
        ("update", True, "default", Article.tags.through),
        ("delete", True, "default", Article),
    ]


def test_nothing_is_left_on_an_object_that_would_travel_with_it(layer):
    bind()
    article = Article.objects.create(title="one")

    assert not hasattr(article, "_binding_group_names")
    assert pickle.loads(pickle.dumps(article)) == article


def test_a_receiver_may_save_the_object_again(layer):
    bind()

    def again(sender, instance, created, **kwargs):
        if created:
            instance.save()

    models.signals.post_save.connect(again, sender=Article)
    Article.objects.create(title="one")

    assert layer.actions == [("room-lobby", "create"), ("room-lobby", "update")]


def test_several_bindings_of_a_model_each_tell(layer):
    bind(stream="one")
    bind(stream="two")

    Article.objects.create(title="x")

    assert ['"one"' in content["text"] for _, content in layer.sent] == [True, False]


def test_inside_a_consumer_messages_wait_for_its_end(layer):
    bind()
    pending_message_store.prepare()
    Article.objects.create(title="one")
    assert layer.sent == []

    pending_message_store.send_and_flush()
    assert layer.actions == [("room-lobby", "create")]


def test_a_layer_that_is_down_does_not_fail_the_save(layer, caplog):
    bind()

    def unavailable(group, message):
        raise LayerUnavailable("gone")

    layer.send_group = unavailable
    article = Article.objects.create(title="one")

    assert Article.objects.get() == article
    (record,) = caplog.records
    assert "ArticleBinding" in record.getMessage()
    assert "room-lobby" in record.getMessage()


def test_messages_to_several_groups_share_nothing(layer):
    bind()
    Article.objects.create(title="one", published=True)

    (_, first), (_, second) = layer.sent
    assert first == second
    assert first is not second


# -- what is in it ---------------------------------------------------------------------


ALL = {"title", "room", "published", "created", "reviewed", "author", "tags"}


@pytest.mark.parametrize(
    ("attrs", "names"),
    [
        ({"fields": ["title", "tags", "nothing"]}, {"title", "tags"}),
        ({"fields": ("title",)}, {"title"}),
        ({"fields": "title"}, {"title"}),
        ({"fields": []}, set()),
        ({"fields": ["__all__"]}, ALL),
        ({"fields": "__all__"}, ALL),
        ({"fields": None, "exclude": ["title", "room"]}, ALL - {"title", "room"}),
        ({"fields": None, "exclude": "title"}, ALL - {"title"}),
        ({"fields": None, "exclude": []}, ALL),
        ({"fields": ["title", "room"], "exclude": ["room"]}, {"title"}),
        ({"fields": "__all__", "exclude": ["room"]}, ALL - {"room"}),
    ],
)
def test_the_selected_fields_are_sent(layer, attrs, names):
    bind(**attrs)

    Article.objects.create(title="one")

    ((_, payload),) = layer.payloads
    assert payload["data"].keys() == names


def test_values_are_as_json_has_them(layer):
    bind(fields=["created", "author", "tags"])
    author = Author.objects.create(name="ann")
    article = Article.objects.create(author=author)
    article.tags.add(tag := Tag.objects.create(name="t"))

    data = layer.payloads[-1][1]["data"]
    assert data == {"created": data["created"], "author": author.pk, "tags": [tag.pk]}
    assert isinstance(data["created"], str)


def test_members_are_sent_along(layer):
    class ArticleBinding(InRooms, WebsocketBindingWithMembers):
        model = Article
        fields = ["title"]
        send_members = ["author.shout", "author.name", "get_next", "created"]

    Article.get_next = lambda self: {"key": self.pk}
    try:
        article = Article.objects.create(title="one", author=Author.objects.create(name="ann"))
    finally:
        del Article.get_next

    data = layer.payloads[0][1]["data"]
    assert isinstance(data.pop("created"), str)
    assert data == {
        "title": "one",
        "author__shout": "ANN",
        "author__name": "ann",
        "get_next": {"key": article.pk},
    }


def test_models_with_parents_are_bound_by_themselves(layer):
    class RestaurantBinding(WebsocketBinding):
        model = Restaurant
        stream = "restaurants"
        fields = ["menu"]

        @classmethod
        def group_names(cls, instance):
            return ["restaurants"]

    Restaurant.objects.create(menu="soup", address="here").delete()

    assert layer.actions == [("restaurants", "create"), ("restaurants", "delete")]


def test_a_user_model_is_bound_like_any_other(layer):
    class UserBinding(WebsocketBinding):
        model = get_user_model()
        stream = "users"
        exclude = ["password", "first_name"]

        @classmethod
        def group_names(cls, instance):
            return ["users"]

    get_user_model().objects.create(username="ann", email="a@example.com")

    ((_, payload),) = layer.payloads
    assert payload["model"] == "auth.user"
    assert payload["data"]["email"] == "a@example.com"
    assert not {"password", "first_name"} & payload["data"].keys()


# -- what Django sends no signals for ----------------------------------------------------


def test_touching_tells_of_what_an_update_did(layer):
    binding = bind()
    Article.objects.bulk_create([Article(title="one"), Article(title="two", room="cellar")])
    Article.objects.update(title="three")
    assert layer.sent == []

    binding.touch(Article.objects.order_by("pk"))

    assert [(group, one["action"], one["data"]["title"]) for group, one in layer.payloads] == [
        ("room-lobby", "update", "three"),
        ("room-cellar", "update", "three"),
    ]


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_touching_takes_objects_and_what_happened_to_them(layer, action):
    binding = bind()
    (article,) = Article.objects.bulk_create([Article(title="one")])

    binding.touch(article, action)
    binding.touch([article], action=action)

    assert layer.actions == [("room-lobby", action)] * 2


def test_the_root_touches_through_every_binding_of_the_model(layer):
    bind(stream="one")
    bind(stream="two")
    (article,) = Article.objects.bulk_create([Article(title="one")])

    Binding.touch(article)

    assert len(layer.sent) == 2


def test_touching_what_is_not_bound_says_so(layer):
    binding = bind()

    with pytest.raises(TypeError, match="nothing is bound"):
        binding.touch(Tag.objects.create(name="t"))


# -- what has to be defined ----------------------------------------------------------------


def test_a_plain_binding_says_what_it_lacks():
    class Bare(Binding):
        model = None

    calls = [
        lambda: Bare.group_names(None),
        lambda: Bare.encode("s", {}),
        lambda: Bare().serialize(None, "create"),
        lambda: Bare().deserialize(None),
        lambda: Bare().has_permission(None, "create", 1),
        lambda: Bare().create({}),
        lambda: Bare().update(1, {}),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError, match="Bare does not define"):
            call()
