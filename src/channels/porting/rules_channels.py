"""Rules for what differs from Channels 1.1 and its releases before 1.0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels.porting.findings import Edit, Finding
from channels.porting.module import (
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


def no_user(module: Module, node: ast.Compare) -> Iterator[Finding]:
    """``message.user is None`` is never true."""
    if dotted(node.left) == "message.user" and any(
        isinstance(operator, ast.Is | ast.IsNot) and isinstance(other, ast.Constant)
        for operator, other in zip(node.ops, node.comparators, strict=True)
    ):
        message = "message.user is never None: ask message.user.is_authenticated"
        yield Finding("user-none", module.line(node), message)


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


def demultiplexer(module: Module, node: ast.Attribute) -> Iterator[Finding]:
    """Where documentation and code did not agree."""
    if node.attr == "encode" and _is(module, node.value, "WebsocketDemultiplexer"):
        message = "encode is a method of WebsocketMultiplexer"
        yield Finding("demultiplexer", module.line(node), message)
    if dotted(node).endswith("multiplexer.demultiplexer"):
        message = "a multiplexer has no demultiplexer: it has stream and reply_channel"
        yield Finding("demultiplexer", module.line(node), message)


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


RULES = [
    (ast.Call, slight_ordering),
    (ast.ClassDef, class_attributes),
    (ast.FunctionDef, consumer),
    (ast.Compare, no_user),
    (ast.ClassDef, bindings),
    (ast.Attribute, demultiplexer),
    (ast.Call, called_otherwise),
    (ast.Call, bytes_pattern),
]
