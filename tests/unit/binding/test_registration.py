"""Which classes are bindings, and when they begin to listen."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.apps import apps
from django.test import override_settings

from channels.binding import Binding
from channels.binding.base import BindingMetaclass
from channels.binding.websockets import WebsocketBinding, WebsocketBindingWithMembers
from tests.app.models import Note
from tests.support.processes import ROOT


def declare(**attrs):
    body = {"group_names": classmethod(lambda cls, instance: ["notes"]), "stream": "notes", **attrs}
    return BindingMetaclass("Declared", (WebsocketBinding,), body)


def test_every_class_but_the_root_is_on_the_list(registry):
    binding = declare(model=Note, fields=["text"])

    assert registry.binding_classes == [binding]
    assert isinstance(Binding, BindingMetaclass)


def test_a_class_with_no_model_of_its_own_is_abstract(registry):
    assert Binding.get_registered_models() == []
    assert WebsocketBinding.get_registered_models() == []
    assert WebsocketBindingWithMembers.get_registered_models() == []
    assert declare(model=None).get_registered_models() == []


@pytest.mark.parametrize(
    ("attrs", "said"),
    [
        ({"fields": ["text"]}, "must set model"),
        ({"model": Note}, "fields or exclude"),
        ({"model": Note, "exclude": "__all__"}, "list of names"),
        ({"model": Note, "exclude": ["__all__"]}, "list of names"),
    ],
)
def test_an_incomplete_binding_is_refused_where_it_is_declared(registry, attrs, said):
    with pytest.raises(ValueError, match=said):
        declare(**attrs)

    # It does not come back to haunt whoever registers everything again.
    assert registry.binding_classes == []


def test_before_django_is_ready_nothing_is_refused_until_it_is(registry, monkeypatch):
    monkeypatch.setattr(registry, "register_immediately", False)
    declare(model=Note)

    with pytest.raises(ValueError, match="fields or exclude"):
        registry.register_all()


def test_before_django_is_ready_in_a_process_of_its_own():
    """As applications are: declared while models are imported, refused by ``django.setup()``."""
    declares = """
from channels.binding.base import BindingMetaclass
from channels.binding.websockets import WebsocketBinding
assert BindingMetaclass.register_immediately is False
class NoteBinding(WebsocketBinding):
    model = "app.Note"
import django
try:
    django.setup()
except ValueError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", declares],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "NoteBinding must set fields or exclude" in told.stdout


def test_a_model_can_be_named(registry):
    binding = declare(model="app.Note", fields=["text"])

    assert binding.model is Note
    assert binding.model_label == "app.note"
    with pytest.raises(LookupError):
        declare(model="app.Nothing", fields=["text"])


@pytest.mark.django_db
def test_bindings_begin_when_django_is_ready_and_only_once(registry, layer, monkeypatch):
    monkeypatch.setattr(registry, "register_immediately", False)
    declare(model="app.Note", fields=["text"])
    Note.objects.create(text="early")
    assert layer.sent == []

    for _ in range(3):
        apps.get_app_config("channels").ready()
    Note.objects.create(text="late")

    assert layer.actions == [("notes", "create")]
    assert registry.register_immediately


def test_getting_ready_with_other_applications_does_not_look_models_up_again(registry):
    """Shown by nothing being raised: the model cannot be found meanwhile."""
    declare(model="app.Note", fields=["text"])

    with override_settings(INSTALLED_APPS=["channels"]):
        pass
