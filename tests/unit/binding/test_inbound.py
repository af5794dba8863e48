"""What clients may do to objects."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.base import DeserializationError
from django.db import IntegrityError
from django.db.models import signals

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.binding.websockets import WebsocketBinding
from channels.generic.websockets import WebsocketDemultiplexer
from channels.layers.clients import Answer, Frame
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.sessions import session_for_reply_channel
from channels.test import WSClient
from tests.app.models import Article, Author, Note, Restaurant, Tag
from tests.support.scripted import ScriptedLayer, run_until_idle

pytestmark = pytest.mark.django_db


def bind(**attrs):
    body = {
        "model": Article,
        "fields": ["title", "author", "tags"],
        "stream": "articles",
        "group_names": classmethod(lambda cls, instance: []),
        "has_permission": lambda self, user, action, pk: True,
        **attrs,
    }
    return type(WebsocketBinding)("ArticleBinding", (WebsocketBinding,), body)


@pytest.fixture
def article():
    return Article.objects.create(title="one", author=Author.objects.create(name="ann"))


def test_an_object_is_created(message):
    tag, author = Tag.objects.create(name="t"), Author.objects.create(name="ann")

    bind().consumer(
        message(action="create", data={"title": "new", "author": author.pk, "tags": [tag.pk]})
    )

    made = Article.objects.get()
    assert (made.title, made.author, list(made.tags.all())) == ("new", author, [tag])


def test_a_new_object_is_saved_as_any_object_is(message, monkeypatch):
    """By the model's own save(), which fixtures go round, with fields that set themselves."""
    seen = []
    real = Article.save

    def save(self, *args, **kwargs):
        seen.append("save")
        real(self, *args, **kwargs)

    def saved(sender, raw, created, **kwargs):
        seen.append((raw, created))

    monkeypatch.setattr(Article, "save", save)
    signals.post_save.connect(saved, sender=Article)

    bind().consumer(message(action="create", data={"title": "new"}))

    assert seen == ["save", (False, True)]
    assert Article.objects.get().created is not None


def test_an_object_is_updated(message, article):
    tag, bob = Tag.objects.create(name="t"), Author.objects.create(name="bob")
    Article.objects.create(title="another")

    bind().consumer(
        message(action="update", pk=article.pk, data={"author": bob.pk, "tags": [tag.pk]})
    )

    article.refresh_from_db()
    assert (article.title, article.author, list(article.tags.all())) == ("one", bob, [tag])


def test_an_object_is_deleted(message, article):
    binding = bind()

    binding.consumer(message(action="delete", pk=article.pk + 1))
    assert Article.objects.count() == 1

    binding.consumer(message(action="delete", pk=article.pk))
    assert Article.objects.count() == 0


# -- fields that are not let through -------------------------------------------------------

SENT = {"title": "new", "room": "secret", "published": True, "reviewed": True, "id": 77, "pk": 78}


@pytest.mark.parametrize(
    ("attrs", "accepted"),
    [
        ({"fields": ["title"]}, {"title"}),
        ({"fields": ["title", "nothing"]}, {"title"}),
        ({"fields": ["title", "reviewed"]}, {"title", "reviewed"}),
        ({"fields": "title"}, {"title"}),
        ({"fields": "__all__"}, {"title", "room", "published", "reviewed"}),
        ({"fields": ["__all__"]}, {"title", "room", "published", "reviewed"}),
        ({"fields": None, "exclude": ["room"]}, {"title", "published", "reviewed"}),
        ({"fields": None, "exclude": "room"}, {"title", "published", "reviewed"}),
        ({"fields": None, "exclude": []}, {"title", "room", "published", "reviewed"}),
        ({"fields": ["title", "room"], "exclude": ["room"]}, {"title"}),
    ],
)
@pytest.mark.parametrize("action", ["create", "update"])
def test_only_selected_fields_are_written(message, action, attrs, accepted):
    before = {"title": "old", "room": "lobby", "published": False, "reviewed": False}
    if action == "update":
        article = Article.objects.create(**before)
    data = {**SENT, "unknown": 1}

    bind(**attrs).consumer(
        message(action=action, pk=article.pk if action == "update" else None, data=data)
    )

    article = Article.objects.get()
    assert article.pk not in (77, 78)
    assert {name for name in before if getattr(article, name) == SENT[name]} == accepted


def test_creating_never_writes_over_an_object_with_that_key(message):
    note = Note.objects.create(text="mine")
    binding = bind(model=Note, fields=["id", "text"])

    with pytest.raises(IntegrityError):
        binding.consumer(message(action="create", data={"id": str(note.pk), "text": "yours"}))


def test_a_key_that_is_listed_may_be_chosen_for_a_new_object(message):
    key = "0b0d4fa6-7f2d-4cb9-9d84-5d4a33a4aa75"

    bind(model=Note, fields=["id", "text"]).consumer(
        message(action="create", data={"id": key, "text": "new"})
    )

    assert str(Note.objects.get().pk) == key


def test_a_key_that_is_not_listed_may_not_be_chosen(message):
    key = "0b0d4fa6-7f2d-4cb9-9d84-5d4a33a4aa75"

    bind(model=Note, fields=["__all__"]).consumer(
        message(action="create", data={"id": key, "text": "new"})
    )

    assert str(Note.objects.get().pk) != key
    assert Note.objects.get().text == "new"


def test_a_key_is_never_changed(message):
    note = Note.objects.create(text="mine")

    bind(model=Note, fields=["id", "text"]).consumer(
        message(
            action="update",
            pk=str(note.pk),
            data={"id": "0b0d4fa6-7f2d-4cb9-9d84-5d4a33a4aa75", "text": "new"},
        )
    )

    assert Note.objects.get() == note
    assert Note.objects.get().text == "new"


def test_the_key_of_a_parent_is_never_changed(message):
    mine = Restaurant.objects.create(menu="mine", address="here")
    other = Restaurant.objects.create(menu="other", address="there")

    bind(model=Restaurant, fields=["id", "place_ptr", "menu", "address"]).consumer(
        message(
            action="update",
            pk=other.pk,
            data={"id": mine.pk, "place_ptr": mine.pk, "menu": "new", "address": "new"},
        )
    )

    rows = Restaurant.objects.order_by("pk").values_list("pk", "id", "menu", "address")
    assert list(rows) == [
        (mine.pk, mine.pk, "mine", "here"),
        (other.pk, other.pk, "new", "new"),
    ]


def test_creating_never_writes_over_an_object_with_that_natural_key(message):
    get_user_model().objects.create_user("ann", email="ann@example.com", password="x")
    binding = bind(model=get_user_model(), fields=["username", "email"])

    with pytest.raises(IntegrityError):
        binding.consumer(
            message(action="create", data={"username": "ann", "email": "evil@example.com"})
        )


def test_updating_looks_nothing_up_by_its_natural_key(message, monkeypatch):
    author = Author.objects.create(name="ann")

    def look_up(self, name):
        raise AssertionError("looked up")

    monkeypatch.setattr(Author.Manager, "get_by_natural_key", look_up)

    bind(model=Author, fields=["name"]).consumer(
        message(action="update", pk=author.pk, data={"name": "bob"})
    )

    author.refresh_from_db()
    assert author.name == "bob"


def test_the_key_of_a_parent_cannot_be_chosen_by_the_way(message):
    mine = Restaurant.objects.create(menu="mine", address="here")
    binding = bind(model=Restaurant, fields="__all__")

    binding.consumer(
        message(
            action="create",
            data={"id": mine.pk, "place_ptr": mine.pk, "menu": "new", "address": "there"},
        )
    )

    mine.refresh_from_db()
    assert (mine.menu, mine.address) == ("mine", "here")
    assert Restaurant.objects.exclude(pk=mine.pk).get().address == "there"


# -- who may -------------------------------------------------------------------------------


def test_permission_is_asked_with_user_action_and_key(message, article):
    asked = []

    def has_permission(self, user, action, pk):
        asked.append((user, action, pk, self.kwargs))
        return True

    bind(has_permission=has_permission).consumer(message(action="delete", pk=article.pk), room="a")

    assert asked == [(AnonymousUser(), "delete", article.pk, {"room": "a"})]
    assert isinstance(asked[0][0], AnonymousUser)


@pytest.mark.parametrize("action", ["create", "update", "delete", "explode"])
def test_what_is_not_permitted_is_not_done_and_logged(message, article, caplog, action):
    binding = bind(has_permission=lambda self, user, action, pk: False)

    binding.consumer(message(action=action, pk=article.pk, data={"title": "new"}))

    assert Article.objects.get().title == "one"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "ArticleBinding" in record.getMessage()
    assert repr(action) in record.getMessage()


@pytest.mark.parametrize("flags", [{}, {"channel_session_user": False}])
def test_the_user_who_logged_in_is_asked_for(flags):
    """Through a demultiplexer, from the session of the connection; see what else is set."""
    asked = []

    class ArticleBinding(WebsocketBinding):
        model = Article
        stream = "articles"
        fields = ["title"]

        @classmethod
        def group_names(cls, instance):
            return []

        def has_permission(self, user, action, pk):
            same = self.user is user and (self.action, self.pk, self.data) == (action, pk, {"a": 1})
            asked.append((user.is_anonymous, user.pk, same, self.message.channel.name))

    for name, value in flags.items():
        setattr(ArticleBinding, name, value)

    class Streams(WebsocketDemultiplexer):
        http_user = True
        consumers = {"articles": ArticleBinding.consumer}

    ann = get_user_model().objects.create_user("ann", password="x")
    client = WSClient()
    client.force_login(ann)
    before = channel_layers.set(
        "default", ChannelLayerWrapper(InMemoryChannelLayer(), "default", [Streams.as_route()])
    )
    try:
        client.send_and_consume("websocket.connect", path="/")
        payload = {"action": "delete", "pk": 7, "data": {"a": 1}}
        client.send_and_consume(
            "websocket.receive", text={"stream": "articles", "payload": payload}
        )
    finally:
        channel_layers.set("default", before)

    assert asked == [(False, ann.pk, True, "websocket.receive")]


def test_the_user_of_the_connections_session_is_known_without_the_demultiplexer(layer):
    users = []
    binding = bind(has_permission=lambda self, user, action, pk: users.append(user.pk))
    ann = get_user_model().objects.create_user("ann", password="x")
    session = session_for_reply_channel("socket")
    for key, value in (
        (SESSION_KEY, str(ann.pk)),
        (BACKEND_SESSION_KEY, "django.contrib.auth.backends.ModelBackend"),
        (HASH_SESSION_KEY, ann.get_session_auth_hash()),
    ):
        session[key] = value
    session.save()
    content = {"reply_channel": "socket", "path": "/", "text": '{"action": "delete", "pk": 1}'}

    binding.consumer(Message(content, "websocket.receive", channel_layers["default"]))

    assert users == [ann.pk]


def test_the_user_of_the_message_is_asked_for(message):
    users = []
    binding = bind(
        channel_session_user=False,
        has_permission=lambda self, user, action, pk: users.append(user),
    )
    one = message(action="delete", pk=1)
    one.user = get_user_model()(username="ann")

    binding.consumer(one)

    assert users == [one.user]


@pytest.mark.parametrize("session", [True, False])
def test_without_a_user_flag_nobody_is_known(message, session):
    users = []
    binding = bind(
        channel_session_user=False,
        channel_session=session,
        has_permission=lambda self, user, action, pk: users.append(user),
    )
    one = message(action="delete", pk=1)

    binding.consumer(one)

    assert users == [AnonymousUser()]
    assert one.provides("channel_session") is session


def test_a_permission_that_looks_at_nobody_costs_no_query(message, django_assert_num_queries):
    binding = bind(has_permission=lambda self, user, action, pk: action == "nothing", create=None)

    class Quiet(binding):
        def run_action(self, action, pk, data):
            self.has_permission(self.user, action, pk)

    with django_assert_num_queries(0):
        Quiet.consumer(message(action="create", data={}))


# -- bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "error", "said"),
    [
        ({}, ValueError, r"ArticleBinding: .*'action'"),
        ({"action": "explode"}, ValueError, r"ArticleBinding: no action 'explode'"),
        ({"action": ["create"]}, ValueError, r"ArticleBinding: no action"),
        ({"action": "create"}, ValueError, r"ArticleBinding: 'data' must be an object"),
        ({"action": "create", "data": [1]}, ValueError, "must be an object, not list"),
        ({"action": "update", "pk": 1, "data": "x"}, ValueError, "must be an object, not str"),
        ({"action": "update", "pk": 1, "data": {}}, Article.DoesNotExist, "does not exist"),
        ({"action": "create", "data": {"author": "x"}}, DeserializationError, "article"),
    ],
)
def test_bad_input_is_refused_with_the_name_of_the_binding(message, payload, error, said):
    with pytest.raises(error, match=said):
        bind().consumer(message(**payload))

    assert not Article.objects.exists()


def test_a_frame_that_is_no_object_is_refused(message):
    binding = bind()
    one = message()
    for text in ("[]", '"x"', "7", "null"):
        one["text"] = text
        with pytest.raises(ValueError, match="JSON object"):
            binding.consumer(one)
    del one.content["text"]
    one["bytes"] = b"{}"
    with pytest.raises(ValueError, match="JSON object"):
        binding.consumer(one)


@pytest.mark.parametrize("channel", ["websocket.connect", "websocket.disconnect"])
def test_connecting_and_disconnecting_ask_for_nothing(message, django_assert_num_queries, channel):
    with django_assert_num_queries(0):
        bind().consumer(message(channel, action="explode"))


@pytest.mark.django_db(transaction=True)
def test_the_worker_goes_on(caplog):
    class Streams(WebsocketDemultiplexer):
        consumers = {"articles": bind().consumer}

    socket = {"reply_channel": "server!socket", "path": "/"}
    payloads = [{"action": "explode"}, {"action": "create", "data": {"title": "made"}}]
    texts = [json.dumps({"stream": "articles", "payload": payload}) for payload in payloads]
    frame = Frame("websocket.receive", [{**socket, "text": text} for text in texts], b"r", True)
    layer = ScriptedLayer(frame)

    run_until_idle(layer, ("websocket.receive", Streams))

    assert Article.objects.get().title == "made"
    assert layer.client.done == [Answer(b"r")]
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "test_inbound.Streams" in record.getMessage()
    assert "no action 'explode'" in record.exc_text


# -- order ---------------------------------------------------------------------------------


def test_strict_ordering_parks_what_comes_too_early(message, layer):
    one = message(action="create", data={"title": "new"})
    one.ordered = False
    one["order"] = 1

    bind(strict_ordering=True).consumer(one)

    assert not Article.objects.exists()
    assert [channel for channel, _ in layer.sent] == ["__wait__.server?socket"]


def test_slight_ordering_is_a_warning_and_no_error(message):
    binding = bind(slight_ordering=True)

    with pytest.warns(DeprecationWarning, match="slight_ordering = True is no longer needed"):
        binding.consumer(message(action="create", data={"title": "new"}))

    assert Article.objects.filter(title="new").exists()


# -- both ways -----------------------------------------------------------------------------


def test_what_one_client_does_others_are_told(message, layer):
    binding = bind(group_names=classmethod(lambda cls, instance: ["articles"]))

    binding.consumer(message(action="create", data={"title": "new"}))

    assert layer.actions == [("articles", "create")]
