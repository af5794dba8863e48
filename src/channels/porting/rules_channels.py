"""Rules for what differs from Channels 1.1 and its releases before 1.0."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module, derives
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import (
    argument,
    assigned,
    dotted,
    methods,
    parameters,
    positional,
    statements,
    string,
    walk,
)
from channels.porting.packages import VERSIONS, from_source, verdict

_BINDINGS = frozenset({"Binding", "WebsocketBinding", "WebsocketBindingWithMembers"})

#: A binding with its own decides itself when it sends, and what it asks for groups.
_RECEIVERS = frozenset(
    {
        *("pre_save_receiver", "post_save_receiver", "pre_delete_receiver"),
        *("post_delete_receiver", "pre_change_receiver", "post_change_receiver", "send_messages"),
    }
)

_HTTP_SESSION = frozenset(
    f"channels.{module}.{name}"
    for module in ("sessions", "auth")
    for name in ("http_session", "http_session_user")
)

_DEFERRED = "only its own socket waits for it: anything long goes to another channel"


def _is(module: Module, node: cst.CSTNode, *names: str) -> bool:
    """Return whether an expression is one of some things in ``channels``, however imported."""
    found = module.qualified(node)
    return found.startswith("channels.") and found.rpartition(".")[2] in names


def slight_ordering(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``enforce_ordering(slight=True)``."""
    if not _is(module, node, "enforce_ordering"):
        return
    slight = argument(node, "slight") or next(iter(positional(node)), None)
    if slight is None or dotted(slight.value) == "False":
        return
    if argument(node, "slight") is None and dotted(slight.value) != "True":
        return  # enforce_ordering(consumer)
    message = "slight ordering is no option any more: ordering is strict, and free"
    edits = (module.replace(node, module.code(node.func)),)
    yield Finding("slight", module.line(node), message, edits)


def free_ordering(module: Module, node: cst.Decorator) -> Iterator[Finding]:
    """``@enforce_ordering`` costs nothing now."""
    if _is(module, node.decorator, "enforce_ordering"):
        message = "the messages of one socket are in order anyway now; this costs nothing"
        yield Finding("ordering", module.line(node), message, note=True)


def class_attributes(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Attributes of consumer classes."""
    for statement in statements(node):
        found = assigned(statement)
        if found is None or dotted(found[1]) != "True":
            continue
        if found[0] == "slight_ordering" and isinstance(statement, cst.Assign):
            message = "slight_ordering is no option any more: strict_ordering, which is free"
            edits = (module.replace(statement.targets[0].target, "strict_ordering"),)
            yield Finding("slight", module.line(statement), message, edits)
        elif found[0] == "strict_ordering":
            message = "the messages of one socket are in order anyway now; this costs nothing"
            yield Finding("ordering", module.line(statement), message, note=True)


def http_session(module: Module, node: cst.FunctionDef) -> Iterator[Finding]:
    """What is expected of HTTP sessions where there is none."""
    decorators = [module.qualified(one.decorator) for one in node.decorators]
    takes_session = any(
        name.startswith("channels.") and "http_session" in name for name in decorators
    )
    if takes_session:
        for part in walk(node.body):
            if isinstance(part, cst.Attribute) and dotted(part) == "message.session":
                edits = (module.replace(part.attr, "http_session"),)
                message = "the HTTP session is message.http_session"
                yield Finding("http-session", module.line(part), message, edits)
    later = module.handles(node.name.value) & {"websocket.receive", "websocket.disconnect"}
    if later and any(name in _HTTP_SESSION for name in decorators):
        message = (
            f"{min(later)} carries no cookie, so the HTTP session is None here: use"
            " channel_and_http_session"
        )
        yield Finding("http-session", module.line(node), message)


def no_user(module: Module, node: cst.Comparison) -> Iterator[Finding]:
    """``message.user is None`` is never true."""
    if dotted(node.left) == "message.user" and any(
        isinstance(part.operator, cst.Is | cst.IsNot) and dotted(part.comparator) == "None"
        for part in node.comparisons
    ):
        message = "message.user is never None: ask message.user.is_authenticated"
        yield Finding("user-none", module.line(node), message)


def bindings(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Data binding as it was before 1.0, and what is different now."""
    if not derives(module, node, _BINDINGS) or not _RECEIVERS.isdisjoint(methods(node)):
        return
    message = "it sends after the transaction commits now; CHANNELS_BINDINGS_ON_COMMIT = False not"
    yield Finding("binding-commit", module.line(node), message, note=True)
    method = methods(node).get("group_names")
    if method is None:
        return
    decorated = any(dotted(one.decorator) == "classmethod" for one in method.decorators)
    if not decorated or len(parameters(method)) > 2:
        message = "group_names is a classmethod with one argument, the instance"
        yield Finding("binding-groups", module.line(method), message)


def demultiplexer(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Demultiplexers name consumers, not channels."""
    if not derives(module, node, frozenset({"WebsocketDemultiplexer"})):
        return
    for statement in statements(node):
        found = assigned(statement)
        if found and found[0] == "mapping":
            message = "a demultiplexer has consumers = {stream: consumer}, no mapping to channels"
            yield Finding("demultiplexer", module.line(statement), message)


def demultiplexer_encode(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """Where documentation and code of old did not agree."""
    if node.attr.value == "encode" and _is(module, node.value, "WebsocketDemultiplexer"):
        message = "encode is a method of WebsocketMultiplexer"
        yield Finding("demultiplexer", module.line(node), message)
    if dotted(node).endswith("multiplexer.demultiplexer"):
        message = "a multiplexer has no demultiplexer: it has stream and reply_channel"
        yield Finding("demultiplexer", module.line(node), message)


def long_consumer(module: Module, node: cst.FunctionDef) -> Iterator[Finding]:
    """A consumer that sleeps holds up what its socket sends next."""
    if "message" not in parameters(node)[:2]:
        return
    for part in walk(node.body):
        if isinstance(part, cst.Call) and module.qualified(part) == "time.sleep":
            message = f"while this consumer sleeps its socket's next event waits; {_DEFERRED}"
            yield Finding("long-consumer", module.line(part), message, note=True)
            return


def receive_many(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``layer.receive_many()`` is ``receive()``."""
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "receive_many":
        edits = (module.replace(node.func.attr, "receive"),)
        yield Finding("receive-many", module.line(node), "receive_many() is receive()", edits)


def requirements(module: Module, node: cst.SimpleString) -> Iterator[Finding]:
    """Distributions in ``setup.py``."""
    value = string(node)
    if value is None or module.parts[-1] != "setup.py" or _is_named(module, node):
        return
    source = from_source(value)
    found = re.fullmatch(rf"([A-Za-z][\w.-]*)\s*(?:\[[^]]*\])?((?:{VERSIONS.pattern})*)", value)
    if source is None and found is None:
        return
    judged = verdict(source, "") if source else found and verdict(found[1], found[2])
    if not judged:
        return
    message, new = judged
    edits: tuple[Edit, ...] = ()
    if new and not source:
        edits = (module.replace(node, module.code(node).replace(value, new)),)
    yield Finding("requirement", module.line(node), message, edits)


def _is_named(module: Module, node: cst.SimpleString) -> bool:
    """Whether it is what ``setup(name=…)`` or ``packages=…`` says of the project itself."""
    start = module.span(node)[0]
    line = module.text[module.text.rfind("\n", 0, start) + 1 : start]
    return bool(re.search(r"\b(name|packages|py_modules|keywords)\s*=\s*\[?\s*$", line))


RULES = [
    (cst.Call, slight_ordering),
    (cst.Decorator, free_ordering),
    (cst.ClassDef, class_attributes),
    (cst.FunctionDef, http_session),
    (cst.Comparison, no_user),
    (cst.ClassDef, bindings),
    (cst.ClassDef, demultiplexer),
    (cst.Attribute, demultiplexer_encode),
    (cst.FunctionDef, long_consumer),
    (cst.Call, receive_many),
    (cst.SimpleString, requirements),
]
