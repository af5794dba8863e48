"""The rule for consumers of ``websocket.connect``, each of which must answer the handshake.

Before Channels 1.0 none of them did, as sockets were open already.  Since then one
that ends without an answer leaves the client waiting.  Whether a call answers can't
always be seen; what may do it counts as an answer.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterator, Sequence

from channels.porting.findings import Finding
from channels.porting.module import FunctionDef, Module, dotted, methods, parameters, string, walk


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


def connect_function(module: Module, node: ast.FunctionDef) -> Iterator[Finding]:
    """A function that is routed from websocket.connect."""
    if "websocket.connect" in module.project.handles(module.path, node.name):
        yield from _look(module, node)


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


RULES = [(ast.FunctionDef, connect_function), (ast.ClassDef, connect_method)]
