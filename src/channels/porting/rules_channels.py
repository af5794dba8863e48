"""Rules for what differs from Channels 1.1 and its releases before 1.0."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterator, Sequence

from channels.porting.findings import Edit, Finding, rule
from channels.porting.module import (
    FunctionDef,
    Module,
    argument,
    assignments,
    dotted,
    methods,
    parameters,
    string,
    walk,
)

_BINDINGS = ("Binding", "WebsocketBinding", "WebsocketBindingWithMembers")

#: A binding with its own decides itself when it sends, and what it asks for groups.
_RECEIVERS = frozenset(
    {
        *("pre_save_receiver", "post_save_receiver", "pre_delete_receiver"),
        *("post_delete_receiver", "pre_change_receiver", "post_change_receiver", "send_messages"),
    }
)

_ROUTES = frozenset(
    f"channels.{home}{name}"
    for home in ("", "routing.")
    for name in ("route", "route_class", "include", "Route", "RouteClass", "Include")
)

_FREE = "the messages of one socket are in order anyway now; this costs nothing"


def _is(module: Module, node: ast.AST, name: str) -> bool:
    """Return whether an expression is something in ``channels``, however imported."""
    found = module.qualified(node)
    return found.startswith("channels.") and found.rpartition(".")[2] == name


@rule(ast.Call)
def slight_ordering(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``enforce_ordering(slight=True)``; what is called without a name may be the consumer."""
    if not _is(module, node, "enforce_ordering"):
        return
    slight = argument(node, "slight")
    if slight is None and [one.value for one in node.args if isinstance(one, ast.Constant)] == [
        True
    ]:
        slight = node.args[0]
    if slight is not None and not (isinstance(slight, ast.Constant) and not slight.value):
        message = "slight ordering is no option any more: ordering is strict, and free"
        edits = (module.replace(node, module.code(node.func)),)
        yield Finding("slight", module.line(node), message, edits)


@rule(ast.ClassDef)
def class_attributes(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """Attributes of consumer classes, and of demultiplexers, which name no channels."""
    for name, statement in assignments(node.body):
        is_true = isinstance(statement.value, ast.Constant) and statement.value.value is True
        if name == "slight_ordering" and is_true:
            message = "slight_ordering is no option any more: strict_ordering, which is free"
            edits = (module.rename(statement, name, "strict_ordering"),)
            yield Finding("slight", module.line(statement), message, edits)
        elif name == "strict_ordering" and is_true:
            yield Finding("ordering", module.line(statement), _FREE, note=True)
        elif name == "mapping" and module.derives(node, "WebsocketDemultiplexer"):
            message = "a demultiplexer has consumers = {stream: consumer}, no mapping to channels"
            yield Finding("demultiplexer", module.line(statement), message)


@rule(ast.FunctionDef)
def consumer(module: Module, node: ast.FunctionDef) -> Iterator[Finding]:
    """What is expected of HTTP sessions where there is none; order; and sleep."""
    decorators = [module.qualified(one) for one in node.decorator_list]
    ours = [name for name in decorators if name.startswith("channels.")]
    for one in node.decorator_list:
        if _is(module, one, "enforce_ordering"):
            yield Finding("ordering", module.line(one), _FREE, note=True)
    if any("http_session" in name for name in ours):
        for part in walk(node):
            if isinstance(part, ast.Attribute) and dotted(part) == "message.session":
                edits = (module.rename(part, "session", "http_session"),)
                message = "the HTTP session is message.http_session"
                yield Finding("http-session", module.line(part), message, edits)
    later = module.project.handles(module.path, node.name)
    later &= {"websocket.receive", "websocket.disconnect"}
    if later and any(name.endswith((".http_session", ".http_session_user")) for name in ours):
        message = (
            f"{min(later)} carries no cookie, so the HTTP session is None here: use"
            " channel_and_http_session"
        )
        yield Finding("http-session", module.line(node), message)
    calls = (one for one in walk(node) if isinstance(one, ast.Call))
    sleep = next((one for one in calls if module.qualified(one) == "time.sleep"), None)
    if sleep is not None and "message" in parameters(node)[:2]:
        message = (
            "while this consumer sleeps its socket's next event waits; only its own socket waits"
            " for it: anything long goes to another channel"
        )
        yield Finding("long-consumer", module.line(sleep), message, note=True)


@rule(ast.Compare)
def no_user(module: Module, node: ast.Compare) -> Iterator[Finding]:
    """``message.user is None`` is never true."""
    if dotted(node.left) == "message.user" and any(
        isinstance(operator, ast.Is | ast.IsNot) and isinstance(other, ast.Constant)
        for operator, other in zip(node.ops, node.comparators, strict=True)
    ):
        message = "message.user is never None: ask message.user.is_authenticated"
        yield Finding("user-none", module.line(node), message)


@rule(ast.ClassDef)
def bindings(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """Data binding as it was before 1.0, and what is different now."""
    if not module.derives(node, *_BINDINGS) or not _RECEIVERS.isdisjoint(methods(node)):
        return
    message = "it sends after the transaction commits now; CHANNELS_BINDINGS_ON_COMMIT = False not"
    yield Finding("binding-commit", module.line(node), message, note=True)
    method = methods(node).get("group_names")
    if method is None:
        return
    decorated = any(dotted(one) == "classmethod" for one in method.decorator_list)
    if not decorated or len(parameters(method)) > 2:
        message = "group_names is a classmethod with one argument, the instance"
        yield Finding("binding-groups", module.line(method), message)


@rule(ast.Attribute)
def demultiplexer(module: Module, node: ast.Attribute) -> Iterator[Finding]:
    """Where documentation and code did not agree."""
    if node.attr == "encode" and _is(module, node.value, "WebsocketDemultiplexer"):
        message = "encode is a method of WebsocketMultiplexer"
        yield Finding("demultiplexer", module.line(node), message)
    if dotted(node).endswith("multiplexer.demultiplexer"):
        message = "a multiplexer has no demultiplexer: it has stream and reply_channel"
        yield Finding("demultiplexer", module.line(node), message)


@rule(ast.Call)
def called_otherwise(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``layer.receive_many()``, and ``message["path"].decode("ascii")``: it is text."""
    func = node.func
    if not isinstance(func, ast.Attribute):
        return
    if func.attr == "receive_many":
        edits = (module.rename(func, "receive_many", "receive"),)
        yield Finding("receive-many", module.line(node), "receive_many() is receive()", edits)
    if func.attr == "decode" and isinstance(func.value, ast.Subscript):
        key = string(func.value.slice)
        if key in {"path", "text"} and dotted(func.value.value).split(".")[0] in {
            "message",
            "self",
        }:
            edits = (Edit(module.span(func.value)[1], module.span(node)[1], ""),)
            yield Finding("python-2", module.line(node), f'message["{key}"] is text already', edits)


@rule(ast.Call)
def bytes_pattern(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``route(…, path=b"^/chat/")`` and ``url(b"^chat/$", …)``."""
    name = module.qualified(node)
    if name in _ROUTES or dotted(node.func).endswith(".as_route"):
        for given in node.keywords:
            if _is_bytes(given.value):
                message = f"{given.arg} is text now; a pattern of ASCII bytes still works"
                yield Finding("bytes", module.line(given.value), message, note=True)
            elif dotted(getattr(given.value, "func", None)) == "re.compile":
                pattern = argument(given.value, "pattern", 0)  # type: ignore[arg-type]  # a call
                if pattern is not None and _is_bytes(pattern):
                    message = f"a pattern for {given.arg} is compiled from text: drop the b"
                    edits = _as_text(module, pattern)
                    yield Finding("bytes", module.line(given.value), message, edits)
    is_url = name in {"django.conf.urls.url", "django.urls.re_path"}
    if is_url and node.args and _is_bytes(node.args[0]):
        edits = _as_text(module, node.args[0])
        message = "the pattern of a URL is text: drop the b"
        yield Finding("bytes", module.line(node.args[0]), message, edits)


def _is_bytes(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bytes)


def _as_text(module: Module, node: ast.expr) -> tuple[Edit, ...]:
    code = module.code(node)
    quote = min(at for at in map(code.find, "\"'") if at >= 0)
    return (module.replace(node, code[:quote].translate({66: None, 98: None}) + code[quote:]),)


# -- consumers of websocket.connect ----------------------------------------------------
#
# Each of them must answer the handshake.  Before Channels 1.0 none did, as sockets were
# open already; since then one that ends without an answer leaves the client waiting.  Whether
# a call answers can't always be seen; what may do it counts as an answer.


class _Answer(enum.Enum):
    """What a call does to the handshake."""

    ACCEPTS = enum.auto()  # or may do so
    SENDS = enum.auto()  # which accepts, too: apps from before 1.0 have it
    REFUSES = enum.auto()


_ANSWERS = {
    "accept": _Answer.ACCEPTS,
    "close": _Answer.REFUSES,
    "connect": _Answer.ACCEPTS,
    "group_send": _Answer.SENDS,
    "raw_connect": _Answer.ACCEPTS,
}

#: They are given the message or the socket, and don't answer.
_LOOKS_ONLY = frozenset(
    {
        *("add", "discard", "debug", "info", "warning", "warn", "error", "exception", "log"),
        *("print", "repr", "str", "isinstance", "getattr", "hasattr", "super"),
    }
)

#: The ``return`` statements that are reached without an answer, and whether the end is.
_Ways = tuple[list[ast.stmt], bool]


@rule(ast.FunctionDef)
def connect_function(module: Module, node: ast.FunctionDef) -> Iterator[Finding]:
    """A function that is routed from websocket.connect."""
    if "websocket.connect" in module.project.handles(module.path, node.name):
        yield from _look(module, node)


@rule(ast.ClassDef)
def connect_method(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """``connect`` of a consumer class that overrides it."""
    method = methods(node).get("connect")
    if method is None or not module.derives(node, "WebsocketConsumer", "JsonWebsocketConsumer"):
        return
    if "multiplexer" not in parameters(method):  # the demultiplexer answers for its streams
        yield from _look(module, method)


def _look(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    open_ends, falls_through = _follow(node.body)
    if falls_through:
        open_ends = [*open_ends, node.body[-1]]
    if not open_ends:
        return
    answers = {_answer(one) for statement in node.body for one in walk(statement)}
    if _Answer.ACCEPTS in answers:
        lines = ", ".join(map(str, sorted({module.line(one) for one in open_ends})))
        message = (
            f"the client gets no answer when it ends on line {lines}, and 403 after"
            ' --websocket-connect-timeout: {"close": True} refuses it at once'
        )
        yield Finding("accept", module.line(node), message, note=True)
        return
    where = "it never answers the handshake"
    if answers - {None}:
        where = "it leaves some handshakes without an answer"
    message = (
        f'{where}: message.reply_channel.send({{"accept": True}}), or set'
        " CHANNELS_IMPLICIT_ACCEPT for all"
    )
    yield Finding("accept", module.line(node), message)


def _follow(body: Sequence[ast.stmt]) -> _Ways:
    """Follow statements that begin without an answer."""
    ends: list[ast.stmt] = []
    for statement in body:
        found, goes_on = _follow_one(statement)
        ends += found
        if not goes_on:
            return ends, False
    return ends, True


def _follow_one(statement: ast.stmt) -> _Ways:
    if isinstance(statement, ast.If):
        if _may_answer(statement.test):
            return [], False
        return _either(statement.body, statement.orelse)
    if isinstance(statement, ast.Try):
        if _may_answer(*statement.finalbody):
            return [], False
        handlers = [handler.body for handler in statement.handlers]
        return _either([*statement.body, *statement.orelse], *handlers)
    if isinstance(statement, ast.With):
        ends, goes_on = _follow(statement.body)
        return ends, goes_on and not _may_answer(*statement.items)
    if isinstance(statement, (*FunctionDef, ast.ClassDef)):
        return [], True
    if _may_answer(statement):
        return [], False
    if isinstance(statement, ast.For | ast.While):
        return _follow(statement.body)[0], True
    if isinstance(statement, ast.Raise):
        return [], False
    if isinstance(statement, ast.Return):
        return [statement], False
    return [], True


def _either(*bodies: Sequence[ast.stmt]) -> _Ways:
    ways = [_follow(body) for body in bodies]
    return [end for ends, _ in ways for end in ends], any(goes_on for _, goes_on in ways)


def _may_answer(*nodes: ast.AST) -> bool:
    return any(_answer(part) for node in nodes for part in walk(node))


def _answer(part: ast.AST) -> _Answer | None:
    if isinstance(part, ast.Assign):
        # Under another name, it is not known any more who calls it.
        called_later = dotted(part.value).endswith(".reply_channel.send")
        return _Answer.ACCEPTS if called_later else None
    return _answer_of_call(part) if isinstance(part, ast.Call) else None


def _answer_of_call(call: ast.Call) -> _Answer | None:
    func = call.func
    if isinstance(func, ast.Attribute):
        if func.attr == "send":
            return _answer_of_send(call, func)
        if func.attr in _ANSWERS:
            return _ANSWERS[func.attr]
        if dotted(func.value) == "self":
            return _Answer.ACCEPTS  # a method that may do it
    if (func.attr if isinstance(func, ast.Attribute) else dotted(func)) in _LOOKS_ONLY:
        return None
    given = (*call.args, *(one.value for one in call.keywords))
    return _Answer.ACCEPTS if any(map(_hands_on, given)) else None


def _answer_of_send(call: ast.Call, func: ast.Attribute) -> _Answer | None:
    content = call.args[0] if call.args else None
    keys = set(map(string, content.keys)) if isinstance(content, ast.Dict) else set()
    if "accept" in keys or "reply_channel" in keys:
        return _Answer.ACCEPTS
    if dotted(func.value.func if isinstance(func.value, ast.Call) else None) == "Group":
        return None  # it is not certain that the socket is a member
    if keys == {"close"}:
        return _Answer.REFUSES
    return _Answer.SENDS if keys or call.keywords else _Answer.ACCEPTS


def _hands_on(value: ast.expr) -> bool:
    """Whether what gets this value can answer: message, consumer, channel, or its method."""
    if isinstance(value, ast.Tuple | ast.List):
        return any(map(_hands_on, value.elts))
    if isinstance(value, ast.Dict):
        return any(map(_hands_on, value.values))
    name = dotted(value)
    return name in {"message", "self"} or name.endswith((".reply_channel", ".reply_channel.send"))
