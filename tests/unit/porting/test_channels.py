"""What differs from Channels 1.1 and its releases before 1.0."""

import pytest

from tests.unit.porting.conftest import dedent

FIXED = {
    "slight ordering": (
        """
        from channels.sessions import enforce_ordering
        @enforce_ordering(slight=True)
        def ws(message): pass
        """,
        """
        from channels.sessions import enforce_ordering
        @enforce_ordering
        def ws(message): pass
        """,
    ),
    "slight ordering of a class": (
        """
        from channels.generic.websockets import WebsocketConsumer
        class A(WebsocketConsumer):
            slight_ordering = True
        """,
        """
        from channels.generic.websockets import WebsocketConsumer
        class A(WebsocketConsumer):
            strict_ordering = True
        """,
    ),
    "the session of HTTP": (
        """
        from channels.sessions import channel_and_http_session
        @channel_and_http_session
        def ws(message):
            message.channel_session["a"] = message.session["b"]
        """,
        """
        from channels.sessions import channel_and_http_session
        @channel_and_http_session
        def ws(message):
            message.channel_session["a"] = message.http_session["b"]
        """,
    ),
    "receive_many": (
        "channel, message = layer.receive_many(['a'], block=True)\n",
        "channel, message = layer.receive(['a'], block=True)\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIXED.values(), ids=FIXED)
def test_code_is_fixed(code, before, after):
    fixed = code.fixed(before)

    assert fixed == dedent(after)
    assert code.rules(fixed) == []


TOLD = {
    "a user that is None": ("user-none", "def ws(message):\n    if message.user is None: pass\n"),
    "groups of a binding": (
        "binding-groups",
        "from channels.binding.websockets import WebsocketBinding\n"
        "class B(WebsocketBinding):\n    def group_names(self, instance, action): pass\n",
    ),
    "streams to channels": (
        "demultiplexer",
        "from channels.generic.websockets import WebsocketDemultiplexer\n"
        "class D(WebsocketDemultiplexer):\n    mapping = {'a': 'b'}\n",
    ),
    "encode of the demultiplexer": (
        "demultiplexer",
        "from channels.generic.websockets import WebsocketDemultiplexer as D\nD.encode('a', {})\n",
    ),
    "the demultiplexer of a multiplexer": (
        "demultiplexer",
        "def receive(self, content, multiplexer):\n    multiplexer.demultiplexer # message\n",
    ),
    "a connect that does not answer": (
        "accept",
        "from channels.generic.websockets import JsonWebsocketConsumer\n"
        "class A(JsonWebsocketConsumer):\n    def connect(self, message, **kwargs):\n"
        "        Group('a').add(message.reply_channel)\n",
    ),
}


@pytest.mark.parametrize(("rule", "text"), TOLD.values(), ids=TOLD)
def test_code_that_no_rule_can_fix_is_told_and_left(code, rule, text):
    found = code.one(text)

    assert [one.rule for one in found.findings if not one.note] == [rule]
    assert found.fixed == text


CONNECT = {
    "super": "super().connect(message, **kwargs)",
    "send": "self.send(text='a')",
    "reply": "message.reply_channel.send({'accept': True})",
    "close": "self.close()",
    "exception": "raise DenyConnection",
    "elsewhere": "answer(message)",
    "only refuses": "message.reply_channel.send({'close': 4000})",
    "text before the end": "message.reply_channel.send({'text': 'no', 'close': True})",
    "a helper that is handed the method": "greet(user, message.reply_channel.send)",
    "a thread": "Thread(target=join, args=(message,)).start()",
    "a channel among others": "greet({'to': [message.reply_channel]})",
    "under another name": "reply = message.reply_channel.send; reply(accepted)",
    "a name": "message.reply_channel.send(answer)",
    "a method of its own": "self.join()",
    "both branches": "if a: self.close()\n        else: self.send(text='a')",
    "each of three": "if a: self.close()\n        elif b: raise E\n        else: answer(message)",
    "a condition that may": "if not accepted(message): return",
    "in the end": "try: a()\n        finally: self.send(text='a')",
    "in every handler": "try: self.close()\n        except E: self.send(text='a')",
    "in a block": "with a: self.send(text='a')",
    "for each": "for a in b: self.send(text='a')",
}


@pytest.mark.parametrize("line", CONNECT.values(), ids=CONNECT)
def test_a_connect_that_answers_is_left_alone(code, line):
    text = (
        "from channels.generic.websockets import WebsocketConsumer\n"
        f"class A(WebsocketConsumer):\n    def connect(self, message, **kwargs):\n        {line}\n"
    )

    assert code.rules(text) == []


REFUSES_SOME = {
    "reply": "if a: message.reply_channel.send({'close': True})",
    "close": "if a: self.close()",
    "exception": "if a: raise DenyConnection",
    "a group": "if a: self.close()\n        else: Group('a').send({'text': 'a'})",
    "text for some": "if a: self.send(text='a')",
    "text and the end for some": "if a: message.reply_channel.send({'text': 'no', 'close': True})",
    "an early return": "if a: return\n        self.send(text='a')",
    "a handler": "try: self.send(text='a')\n        except E: return",
    "a handler that goes on": "try: self.send(text='a')\n        except E: a()",
    "a loop that ends": "for a in b:\n            if a: return\n        self.close()",
    "a block": "with a:\n            if b: return\n            self.send(text='a')",
    "the last of three": "if a: self.close()\n        elif b: self.close()\n        else: a()",
    "a function that is not called": "if a: self.close()\n        def f(): self.send(text='a')",
}


@pytest.mark.parametrize("line", REFUSES_SOME.values(), ids=REFUSES_SOME)
def test_a_connect_that_only_refuses_some_leaves_the_others_waiting(code, line):
    text = (
        "from channels.generic.websockets import WebsocketConsumer\n"
        f"class A(WebsocketConsumer):\n    def connect(self, message, **kwargs):\n        {line}\n"
    )

    assert code.rules(text) == ["accept"]


def test_a_consumer_of_1_0_that_lets_some_wait_is_only_noted(code):
    text = (
        "from channels import route\n"
        "def ws(message):\n"
        "    try:\n        room = message['path'].strip('/')\n"
        "    except ValueError:\n        return\n"
        "    message.reply_channel.send({'accept': True})\n"
        "routes = [route('websocket.connect', ws)]\n"
    )

    found = code.one(text).findings

    assert [(one.rule, one.line, one.note) for one in found] == [("accept", 2, True)]
    assert "when it ends on line 6" in found[0].message


def test_a_class_that_derives_from_one_of_the_file_is_a_consumer_too(code):
    text = (
        "from channels.generic.websockets import WebsocketConsumer\n"
        "class A(WebsocketConsumer): pass\nclass B(A): pass\n"
        "class C(B, C):\n    def connect(self, message): pass\n"
    )

    found = code.one(text).findings

    assert [(one.rule, one.line) for one in found] == [("accept", 5)]


def test_a_stream_of_a_demultiplexer_need_not_answer(code):
    text = (
        "from channels.generic.websockets import WebsocketConsumer\n"
        "class A(WebsocketConsumer):\n    def connect(self, message, multiplexer, **kwargs): pass\n"
    )

    assert code.rules(text) == []


ROUTES = {
    "a module": "from . import consumers\nroutes = [route('websocket.connect', consumers.ws)]\n",
    "a name": "from .consumers import ws\nroutes = [route('websocket.connect', ws, path='a')]\n",
    "absolute": "import chat.consumers\nroutes = [route('websocket.connect', chat.consumers.ws)]\n",
    "dotted": "routes = [route('websocket.connect', 'chat.consumers.ws')]\n",
    "several": "routes = [route(['a.b', 'websocket.connect'], 'chat.consumers.ws')]\n",
    "a dict": "routes = {'websocket.connect': 'chat.consumers.ws'}\n",
}


@pytest.mark.parametrize("routes", ROUTES.values(), ids=ROUTES)
def test_routes_tell_which_functions_must_answer(code, routes):
    code.write("src/chat/routing.py", "from channels import route\n" + routes)
    consumer = "def ws(message):\n    Group('a').send({'text': 'b'})\n"
    code.write("src/chat/consumers.py", consumer)
    code.write("src/other/consumers.py", consumer)

    found = code.scan()

    assert [one.rule for one in found["src/chat/consumers.py"].findings] == ["accept"]
    assert found["src/other/consumers.py"].findings == []


def test_no_consumer_need_answer_if_the_settings_do(code):
    code.write("settings.py", "CHANNELS_IMPLICIT_ACCEPT = True\n")

    found = code.one("routes = {'websocket.connect': ws}\ndef ws(message): pass\n")

    assert found.findings == []


def test_a_route_beside_its_consumer(code):
    text = (
        "from channels.routing import route\ndef ws(message): pass\n"
        "def other(message): pass\nroutes = [route('websocket.connect', ws)]\n"
    )

    found = code.one(text, "routing.py")

    assert [(one.rule, one.line) for one in found.findings] == [("accept", 2)]


def test_an_http_session_is_not_expected_of_later_messages(code):
    text = (
        "from channels import route\nfrom channels.auth import http_session_user\n"
        "@http_session_user\ndef receive(message): message.reply_channel.send({})\n"
        "@http_session_user\ndef connect(message): message.reply_channel.send({})\n"
        "routes = [route('websocket.receive', receive), route('websocket.connect', connect)]\n"
    )

    found = code.one(text)

    assert [(one.rule, one.line) for one in found.findings] == [("http-session", 4)]


NOTES = {
    "ordering": (
        "ordering",
        "from channels.sessions import enforce_ordering as e\n@e\ndef ws(message): pass\n",
    ),
    "ordering of a class": ("ordering", "class A(Consumer):\n    strict_ordering = True\n"),
    "bindings": (
        "binding-commit",
        "from channels.binding.websockets import WebsocketBinding\n"
        "class B(WebsocketBinding):\n    fields = []\n",
    ),
    "a consumer that sleeps": (
        "long-consumer",
        "import time\ndef ws(message):\n    while True: time.sleep(1)\n",
    ),
}


@pytest.mark.parametrize(("rule", "text"), NOTES.values(), ids=NOTES)
def test_what_behaves_differently_is_noted(code, rule, text):
    assert code.rules(text, notes=True) == [rule]
    assert code.rules(text) == []


def test_a_setup_script_requires_other_distributions(code):
    found = code.one(
        "setup(install_requires=['channels>=1.1', 'daphne[tls]', 'asgiref~=1.1',"
        " 'Django>=1.8,<2.0', 'git+https://github.com/django/channels.git@1.1.8'])\n",
        "setup.py",
    )

    assert [one.rule for one in found.findings] == ["requirement"] * 5
    assert "['channels-classic', 'daphne[tls]'" in found.fixed
    assert "'Django>=5.2,<6.2'" in found.fixed


def test_a_setup_script_may_be_of_a_project_with_such_a_name(code):
    text = "setup(name='channels', packages=['daphne'], install_requires=['asgiref>=3.8'])\n"

    assert code.one(text, "setup.py").findings == []


def test_other_names_are_left_alone(code):
    text = (
        "from mine import enforce_ordering\n@enforce_ordering(slight=True)\ndef ws(message): pass\n"
        "def f(message): return message.session\n"
    )

    assert code.one(text).findings == []


def test_a_binding_with_receivers_of_its_own_is_left_alone(code):
    text = """
        from channels.binding.websockets import WebsocketBinding

        class Told(WebsocketBinding):
            fields = []

        class Own(WebsocketBinding):
            def group_names(self, instance, action):
                return []

            @classmethod
            def post_save_receiver(cls, instance, created, **kwargs):
                send_it(instance)
    """
    assert [(one.rule, one.line) for one in code.one(text).findings] == [("binding-commit", 3)]


def test_a_connect_that_stores_the_name_of_its_channel_has_not_answered(code):
    text = (
        "from channels.generic.websockets import WebsocketConsumer\n"
        "class A(WebsocketConsumer):\n    def connect(self, message, **kwargs):\n"
        "        save(message.reply_channel.name, message.content)\n"
    )
    assert code.rules(text) == ["accept"]
