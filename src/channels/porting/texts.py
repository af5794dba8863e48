"""Rules for files that are not Python: requirements, process files, templates.

They look at lines, so they say less than the rules for Python, and what they are
not sure of they only tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels.porting.findings import Edit, Finding

_REQUIREMENT = re.compile(r"[ \t]*([A-Za-z][\w.-]*)[ \t]*(?:\[[^]]*\])?[ \t]*([^#;\r\n]*)")

_DELETED = {
    "asgi-redis": "the Redis layer is part of channels-classic",
    "asgi-ipc": "there is no such layer: use Redis",
    "asgi-rabbitmq": "there is no such layer: use Redis",
    "daphne": "the server is part of channels-classic",
    "msgpack-python": "channels-classic brings msgpack",
    "txredisapi": "nothing uses it any more",
}

#: Pins of these to old versions keep channels-classic from being installed.
_UNPINNED = frozenset({"asgiref", "twisted", "autobahn", "redis", "msgpack"})

_OLD_DJANGO = re.compile(r"[<=~!]=?\s*(?:[0-4]\.|5\.[01](?!\d))")

#: The command itself, not the name of a service, a host or a file of it.
_DAPHNE = re.compile(r"""(?:(?<=^)|(?<=[\s"'/=\[]))daphne(?=["']?,?\s+["']?(?:-|\\|[\w.$]+:\w))""")

#: Rule, message, and start and end in the line with what goes there, if that is known.
_Found = Iterator[tuple[str, str, tuple[int, int, str] | None]]


def check(kind: str, text: str) -> list[Finding]:
    """Return what is to be said about the text of a file of this kind."""
    rule = {
        "requirements": _requirement,
        "dependencies": _dependency,
        "processes": _process,
        "template": _template,
    }[kind]
    found = []
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        for name, message, edit in rule(line):
            edits: tuple[Edit, ...] = ()
            if edit is not None:
                start, end, new = edit
                edits = (Edit(offset + start, offset + end, new),)
            found.append(Finding(name, number, message, edits))
        offset += len(line)
    return found


def _requirement(line: str) -> _Found:
    found = _REQUIREMENT.match(line)
    if found is None:
        return
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    version = found[2].strip()
    if name == "channels":
        edit = (found.start(1), found.start(2) + len(found[2].rstrip()), "channels-classic")
        yield "requirement", "channels is channels-classic", edit
    elif name in _DELETED:
        yield "requirement", f"delete {found[1]}: {_DELETED[name]}", (0, len(line), "")
    elif name in _UNPINNED and re.match(r"==|~=|<", version):
        message = f"delete {found[1]} {version}: channels-classic says which versions it needs"
        yield "requirement", message, (0, len(line), "")
    elif name == "django" and _OLD_DJANGO.match(version):
        edit = (found.start(2), found.start(2) + len(found[2].rstrip()), ">=5.2,<6.2")
        yield "requirement", "Django must be 5.2 to 6.1", edit


def _dependency(line: str) -> _Found:
    for found in re.finditer(r"[A-Za-z][\w.-]*", line.partition("#")[0]):
        name = re.sub(r"[-_.]+", "-", found[0]).lower()
        rest = line[found.end() :]
        if not re.match(r"[\"']?\s*([=<>~!\[,\"']|$)", rest):
            continue
        if name == "channels" and not re.match(r"[\"']?\s*=\s*\[", rest):
            yield "requirement", "channels is channels-classic", None
        elif name in _DELETED:
            yield "requirement", f"delete {found[0]}: {_DELETED[name]}", None


def _process(line: str) -> _Found:
    if line.lstrip().startswith("#"):
        return
    installs = re.search(r"\bpip3? install\b", line)
    if installs:
        for found in re.finditer(r"(?<=\s)[A-Za-z][\w.-]*(?=[\s=<>~\[]|$)", line[installs.end() :]):
            name = re.sub(r"[-_.]+", "-", found[0]).lower()
            if name == "channels":
                yield "requirement", "channels is channels-classic", None
            elif name in _DELETED:
                yield "requirement", f"delete {found[0]}: {_DELETED[name]}", None
        return
    module = re.search(r"-m daphne\b", line)
    if module:
        edit = (*module.span(), "-m channels.interface_server")
        yield "server", "the server is channels.interface_server", edit
        return
    command = _DAPHNE.search(line)
    if command:
        edit = (*command.span(), "interface-server")
        yield "server", "the server's command is interface-server, with the same options", edit


def _template(line: str) -> _Found:
    for found in re.finditer(r"{%\s*load\s+([^%]*?)\s*%}", line):
        for library in re.finditer(r"\b(staticfiles|admin_static)\b", found[1]):
            start = found.start(1) + library.start()
            edit = (start, start + len(library[0]), "static")
            yield "template", f"the tag library {library[0]} is static", edit
        if re.search(r"\bfrom\s+future\b", found[1]):
            yield "template", "nothing is loaded from future any more", (*found.span(), "")
    for found in re.finditer(r"{%\s*(if(?:not)?equal)\s+(\S+)\s+(\S+)\s*%}", line):
        sign = "==" if found[1] == "ifequal" else "!="
        edit = (*found.span(), f"{{% if {found[2]} {sign} {found[3]} %}}")
        yield "template", f"{found[1]} is if … {sign} …", edit
    for found in re.finditer(r"{%\s*endif(?:not)?equal\s*%}", line):
        yield "template", "ifequal is if", (*found.span(), "{% endif %}")
    if re.search(r"\b\w*user\.is_authenticated\(\)", line) and "{" in line:
        yield "template", "templates take no parentheses", None
