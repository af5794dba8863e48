"""App configurations, labels, test runners."""

import pytest

SETTINGS = 'INSTALLED_APPS = ["channels", "mysite.chat", "blog"]\nOTHER = "elsewhere"\n'
CONFIG = """
from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = {name!r}
"""


@pytest.mark.parametrize(
    ("folder", "name", "told"),
    [
        ("mysite/chat", "chat", "name is chat, the app is mysite.chat"),
        ("mysite/chat", "mysite.chats", "name is mysite.chats, the app is mysite.chat"),
        ("mysite/chat", "mysite.chat", None),
        ("blog", "blog", None),
        ("src/blog", "src.blog", "name is src.blog, the app is blog"),
        ("elsewhere", "anything", None),  # not installed: who knows
    ],
)
def test_a_configuration_has_the_name_that_the_settings_use(code, folder, name, told):
    code.write("mysite/settings.py", SETTINGS)
    file = f"{folder}/apps.py"
    code.write(file, CONFIG.format(name=name))

    found = code.scan()[file].findings

    assert [one.rule for one in found] == (["app-config"] if told else [])
    assert all(one.message.startswith(f"{told}:") and not one.edits for one in found)


@pytest.mark.parametrize(
    "text",
    [
        'from django.apps import AppConfig\nclass A(AppConfig):\n    label = "my.a"\n',
        'class Post(Model):\n    class Meta:\n        app_label = "my.blog"\n',
    ],
)
def test_labels_have_no_dots(code, text):
    assert code.rules(text) == ["app-label"]
    assert code.rules(text.replace("my.", "my_")) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def build_suite(self, test_labels, extra_tests=None, **kwargs):\n        pass", True),
        ("def run_tests(self, labels, *, extra_tests=()):\n        pass", True),
        (
            "def build_suite(self, labels, *args, **kwargs):\n"
            "        return super().build_suite(labels, extra_tests=None, **kwargs)",
            True,
        ),
        ("def build_suite(self, test_labels=None, **kwargs):\n        pass", False),
        ("def make(self, extra_tests):\n        pass", False),
    ],
)
def test_runners_get_no_extra_tests(code, text, told):
    assert code.rules(f"class Runner(DiscoverRunner):\n    {text}\n") == ["test-runner"] * told
