"""The rule for consumers of ``websocket.connect``, each of which must answer the handshake.

Before Channels 1.0 none of them did, as sockets were open already.  Since then one
that ends without an answer leaves the client waiting.  Whether a call answers can't
always be seen; what may do it counts as an answer.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import libcst as cst

from channels.porting.analysis import Module, derives
from channels.porting.findings import Finding
from channels.porting.nodes import dotted, methods, parameters, string, walk

_CONSUMERS = frozenset({"WebsocketConsumer", "JsonWebsocketConsumer"})


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
_Ways = tuple[list[cst.CSTNode], bool]


def connect_function(module: Module, node: cst.FunctionDef) -> Iterator[Finding]:
    """A function that is routed from websocket.connect."""
    if "websocket.connect" in module.handles(node.name.value):
        yield from _look(module, node)


def connect_method(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """``connect`` of a consumer class that overrides it."""
    method = methods(node).get("connect")
    if method is None or not derives(module, node, _CONSUMERS):
        return
    names = {*parameters(method), *(one.name.value for one in method.params.kwonly_params)}
    if "multiplexer" not in names:  # the demultiplexer answers for its streams
        yield from _look(module, method)


def _look(module: Module, node: cst.FunctionDef) -> Iterator[Finding]:
    open_ends = list(_open_ends(node.body.body))
    if not open_ends:
        return
    answers = {_answer(one) for one in walk(node.body)}
    if _Answer.ACCEPTS in answers:
        lines = ", ".join(sorted({str(module.line(one)) for one in open_ends}, key=int))
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


def _open_ends(body: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """Yield the last statement of each way through a function on which nothing answers."""
    ends, falls_through = _follow(body)
    yield from ends
    if falls_through:
        yield body[-1]


def _follow(body: Sequence[cst.CSTNode]) -> _Ways:
    """Follow statements that begin without an answer."""
    ends: list[cst.CSTNode] = []
    for statement in body:
        found, goes_on = _follow_one(statement)
        ends += found
        if not goes_on:
            return ends, False
    return ends, True


def _follow_one(statement: cst.CSTNode) -> _Ways:
    if isinstance(statement, cst.If):
        return _follow_if(statement)
    if isinstance(statement, cst.Try):
        return _follow_try(statement)
    if isinstance(statement, cst.With):
        ends, goes_on = _follow(_lines(statement.body))
        return ends, goes_on and not _may_answer(*statement.items)
    if isinstance(statement, cst.FunctionDef | cst.ClassDef):
        return [], True
    if _may_answer(statement):
        return [], False
    if isinstance(statement, cst.For | cst.While):
        return _follow(_lines(statement.body))[0], True
    parts = list(walk(statement))
    if any(isinstance(part, cst.Raise) for part in parts):
        return [], False
    if any(isinstance(part, cst.Return) for part in parts):
        return [statement], False
    return [], True


def _follow_if(statement: cst.If) -> _Ways:
    if _may_answer(statement.test):
        return [], False
    ends, goes_on = _follow(_lines(statement.body))
    if statement.orelse is None:
        return ends, True
    if isinstance(statement.orelse, cst.If):
        others, others_go_on = _follow_if(statement.orelse)
    else:
        others, others_go_on = _follow(_lines(statement.orelse.body))
    return ends + others, goes_on or others_go_on


def _follow_try(statement: cst.Try) -> _Ways:
    if statement.finalbody is not None and _may_answer(statement.finalbody):
        return [], False
    body = [*_lines(statement.body), *(_lines(statement.orelse.body) if statement.orelse else ())]
    ends, goes_on = _follow(body)
    for handler in statement.handlers:
        found, handler_goes_on = _follow(_lines(handler.body))
        ends += found
        goes_on |= handler_goes_on
    return ends, goes_on


def _lines(body: cst.BaseSuite) -> Sequence[cst.CSTNode]:
    return body.body


def _may_answer(*nodes: cst.CSTNode) -> bool:
    return any(_answer(part) for node in nodes for part in walk(node))


def _answer(part: cst.CSTNode) -> _Answer | None:
    if isinstance(part, cst.Assign):
        # Under another name, it is not known any more who calls it.
        called_later = dotted(part.value).endswith(".reply_channel.send")
        return _Answer.ACCEPTS if called_later else None
    return _answer_of_call(part) if isinstance(part, cst.Call) else None


def _answer_of_call(call: cst.Call) -> _Answer | None:
    func = call.func
    if isinstance(func, cst.Attribute):
        name = func.attr.value
        if name == "send":
            return _answer_of_send(call, func)
        if name in _ANSWERS:
            return _ANSWERS[name]
        if dotted(func.value) == "self":
            return _Answer.ACCEPTS  # a method that may do it
        if name in _LOOKS_ONLY:
            return None
    elif dotted(func) in _LOOKS_ONLY:
        return None
    return _Answer.ACCEPTS if any(_hands_on(arg.value) for arg in call.args) else None


def _answer_of_send(call: cst.Call, func: cst.Attribute) -> _Answer | None:
    content = call.args[0].value if call.args else None
    keys = _keys(content)
    if "accept" in keys or "reply_channel" in keys:
        return _Answer.ACCEPTS
    if dotted(func.value.func if isinstance(func.value, cst.Call) else None) == "Group":
        return None  # it is not certain that the socket is a member
    if keys == {"close"}:
        return _Answer.REFUSES
    if keys or any(arg.keyword for arg in call.args):
        return _Answer.SENDS
    return _Answer.ACCEPTS


def _keys(content: cst.CSTNode | None) -> set[str | None]:
    """Return the keys of a dict as it is written; of another expression none."""
    if not isinstance(content, cst.Dict):
        return set()
    return {
        string(element.key) if isinstance(element, cst.DictElement) else None
        for element in content.elements
    }


def _hands_on(value: cst.BaseExpression) -> bool:
    """Whether whoever gets this value can answer: message, consumer, channel, or its method."""
    if isinstance(value, cst.Tuple | cst.List):
        return any(_hands_on(element.value) for element in value.elements)
    if isinstance(value, cst.Dict):
        return any(_hands_on(element.value) for element in value.elements)
    name = dotted(value)
    return name in {"message", "self"} or name.endswith((".reply_channel", ".reply_channel.send"))


RULES = [
    (cst.FunctionDef, connect_function),
    (cst.ClassDef, connect_method),
]
