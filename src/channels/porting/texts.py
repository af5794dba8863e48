"""Rules for files that are not Python: requirements, process files, templates.

They look at lines, so they say less than the rules for Python, and what they are
not sure of they only tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels.porting.findings import Edit, Finding

#: The least versions of what channels-classic needs: a pin below them can't be installed.
_LEAST = {
    "asgiref": (3, 8),
    "autobahn": (24, 4),
    "django": (5, 2),
    "msgpack": (1, 0, 8),
    "redis": (6, 4),
    "twisted": (24, 10),
}

_DELETED = {
    "asgi-redis": "the Redis layer is part of channels-classic",
    "asgi-amqp": "there is no such layer: use Redis",
    "asgi-ipc": "there is no such layer: use Redis",
    "asgi-rabbitmq": "there is no such layer: use Redis",
    "daphne": "the server is part of channels-classic",
    "msgpack-python": "channels-classic brings msgpack",
    "txredisapi": "nothing uses it any more",
}

DJANGO = ">=5.2,<6.2"

#: ``>=1.8,<2``, ``==1.11.*``, and ``^1.11`` of Poetry.
VERSIONS = re.compile(r"\s*(?:===?|~=|!=|<=?|>=?|\^|~|=)\s*v?[\d.*]+\w*\s*,?")

_SOURCE = re.compile(
    r"[#&]egg=([\w.-]+)|/(channels|daphne|asgi[_-]redis|asgi[_-]ipc|asgi[_-]amqp|asgiref)(?:\.git)?(?:@|#|/|\.zip|$)"
)

_REQUIREMENT = re.compile(r"[ \t]*([A-Za-z][\w.-]*)[ \t]*(?:\[[^]]*\])?[ \t]*([^#;\r\n\\]*)")

#: A name, and the versions behind it in whatever notation.
_DEPENDENCY = re.compile(
    r"""([A-Za-z][\w.-]*)["']?\s*(?:\[[^]]*\])?\s*"""
    rf"""(?:=\s*(?:\{{[^}}]*\bversion\s*=\s*)?["'])?((?:{VERSIONS.pattern})*)"""
)

#: Of ``exclude = channels`` the value is no distribution.
_OTHER_KEY = re.compile(r"\s*(?!\S*(?:require|dep))[\w.-]+\s*=\s*", re.IGNORECASE)

_INSTALLED = re.compile(rf"([A-Za-z][\w.-]*)(?:\[[^]]*\])?((?:{VERSIONS.pattern})*)")

_INSTALL = re.compile(r"\bpip[\d.]* install\b|\b(?:pipenv|poetry|uv) (?:install|add)\b")

#: The command itself, not the name of a service, a host or a file of it.
_DAPHNE = re.compile(
    r"""(?:(?<=^)|(?<=[\s"'/=\[]))daphne"""
    r"""(?=["']?,?\s+(?:["']?-|\\|["']?(?:\{\{.*?\}\}|[\w.${}])+:[A-Za-z_]))"""
)

#: Where nothing but a command can be.
_EXECUTED = re.compile(
    r"""(?:\bexec\s+(?:\S*/)?|\b(?:ENTRYPOINT|CMD)\s*\[\s*["']"""
    r"""|^\s*(?:command|entrypoint|cmd|ExecStart)\s*[:=]\s*["']?(?:\S*/)?)(daphne)(?=["'\s]|$)"""
)

_LIST_ITEM = re.compile(r"""\s*-\s*["']?(?:\S*/)?(daphne)["']?\s*$""")

_LISTED = re.compile(r"\s*(?:command|entrypoint|args)\s*:\s*$")

_PYTHON = re.compile(
    r"""^\s*(?:FROM\s+(?:--\S+\s+)?(?:\S+/)?python:|python-|python_version\s*=\s*["']"""
    r"""|python\s*=\s*["'][~^=]*|-\s*python=+)(2\.\d+|2\b|3\.\d(?!\d))"""
)

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
    before = ""
    number = 1
    for line in _lines(text, joined=kind == "requirements"):
        for name, message, edit in (*rule(line, before), *_old_python(kind, line)):
            edits: tuple[Edit, ...] = ()
            if edit is not None:
                start, end, new = edit
                edits = (Edit(offset + start, offset + end, new),)
            found.append(Finding(name, number, message, edits, note=name == "log-out"))
        offset += len(line)
        number += len(re.findall(r"\r\n|\r|\n", line))
        before = before + line if before.rstrip().endswith("\\") else line
    return found


def _lines(text: str, *, joined: bool) -> list[str]:
    """Return the lines with their ends; what ends with a backslash goes on, if ``joined``."""
    end = (
        r"(?:\\(?:\r\n|\r|\n)|[^\r\n])*(?:\r\n|\r|\n|$)" if joined else r"[^\r\n]*(?:\r\n|\r|\n|$)"
    )
    return [line for line in re.findall(end, text) if line]


def _old_python(kind: str, line: str) -> _Found:
    found = _PYTHON.match(line) if kind != "template" else None
    if found and found[1] != "3":
        yield "python", f"Python {found[1]} is too old: channels-classic needs 3.10 to 3.13", None


def _requirement(line: str, _before: str) -> _Found:
    source = from_source(line.partition(" #")[0])
    if source is not None:
        judged = verdict(source, "")
        if judged:
            yield "requirement", judged[0], None
        return
    found = _REQUIREMENT.match(line)
    judged = verdict(found[1], found[2].strip()) if found else None
    if found is None or judged is None:
        return
    message, new = judged
    if "--hash" in line:
        yield "requirement", f"{message}; write this file anew, its hashes hold no longer", None
    elif new:
        # What comes behind stays: a marker, a comment.
        end = found.start(2) + len(found[2].rstrip())
        yield "requirement", message, (found.start(1), end, new)
    else:
        yield "requirement", message, (0, len(line), "")


def _dependency(line: str, _before: str) -> _Found:
    code = line.partition("#")[0]
    for found in _DEPENDENCY.finditer(code):
        head, rest = code[: found.start()], code[found.end(1) :]
        if not re.match(r"[\"']?\s*([=<>~!^\[,\"']|$)", rest):
            continue
        is_list = re.match(r"[\"']?\s*=\s*\[", rest)
        if is_list or head.endswith((".", "/", "-")) or _OTHER_KEY.fullmatch(head):
            continue
        judged = verdict(found[1], found[2])
        if judged:
            yield "requirement", judged[0], None


def _process(line: str, before: str) -> _Found:
    if line.lstrip().startswith("#"):
        return
    installs = _INSTALL.search(line)
    if installs or _goes_on(before):
        yield from _installed(line, installs.end() if installs else 0)
        return
    module = re.search(r"-m daphne\b", line)
    if module:
        edit = (*module.span(), "-m channels.interface_server")
        yield "server", "the server is channels.interface_server", edit
        return
    command = _DAPHNE.search(line)
    named = _EXECUTED.search(line) or (_LISTED.match(before) and _LIST_ITEM.match(line))
    if command or named:
        start, end = command.span() if command else named.span(1)  # type: ignore[union-attr]  # one is
        edit = (start, end, "interface-server")
        yield "server", "the server's command is interface-server, with the same options", edit


def _installed(line: str, start: int) -> _Found:
    end = re.compile("&&|;|$").search(line, start)
    for found in _INSTALLED.finditer(line, start, end.start() if end else len(line)):
        judged = verdict(found[1], found[2])
        around = line[found.start() - 1 : found.start()] + line[found.end() :][:1]
        if judged and (found[0] != found[0].rstrip() or not around.strip(" \t\r\n;&\"',\\")):
            yield "requirement", judged[0], None


def _goes_on(before: str) -> bool:
    """Whether the line behind these belongs to a ``pip install`` that they begin."""
    return before.rstrip().endswith("\\") and bool(_INSTALL.search(re.split("&&|;", before)[-1]))


def _template(line: str, _before: str) -> _Found:
    for found in re.finditer(r"{%-?\s*load\s+([^%]*?)\s*-?%}", line):
        for library in re.finditer(r"\b(staticfiles|admin_static)\b", found[1]):
            start = found.start(1) + library.start()
            edit = (start, start + len(library[0]), "static")
            yield "template", f"the tag library {library[0]} is static", edit
        if re.search(r"\bfrom\s+future\b", found[1]):
            alone = line.strip() == found[0]
            edit = (0, len(line), "") if alone else (*found.span(), "")
            yield "template", "nothing is loaded from future any more", edit
    for found in re.finditer(rf"{{%\s*(if(?:not)?equal)\s+({_VALUE})\s+({_VALUE})\s*%}}", line):
        sign = "==" if found[1] == "ifequal" else "!="
        edit = (*found.span(), f"{{% if {found[2]} {sign} {found[3]} %}}")
        yield "template", f"{found[1]} is if … {sign} …", edit
    for found in re.finditer(r"{%\s*endif(?:not)?equal\s*%}", line):
        yield "template", "ifequal is if", (*found.span(), "{% endif %}")
    for found in re.finditer(r"{%-?\s*(ssi)\b", line):
        yield "template", f"the tag {found[1]} is gone", None
    if re.search(r"{[{%][^}]*\|\s*length_is\b", line):
        yield "template", "the filter length_is is gone: … | length == …", None
    if re.search(r"""href=["']{%\s*url\s+["'](?:\w+:)*logout["']""", line):
        yield "log-out", "LogoutView answers POST only: a form instead of a link", None
    if re.search(r"\b\w*user\.is_(authenticated|anonymous)\(\)", line) and "{" in line:
        yield "template", "templates take no parentheses", None


#: A value in a template with its filters; what is in quotes may have blanks.
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'%])+"""


def verdict(name: str, version: str) -> tuple[str, str | None] | None:
    """Say what is to be done about a requirement.

    Args:
        name: The distribution.
        version: What follows it: ``==1.1.8``, ``>=1.0,<2``, or nothing.

    Returns:
        A message, and what to write instead: ``""`` if nothing.  ``None`` if all is well.
    """
    plain = re.sub(r"[-_.]+", "-", name).lower()
    if plain == "channels":
        return "channels is channels-classic", "channels-classic"
    if plain in _DELETED:
        return f"delete {name}: {_DELETED[plain]}", ""
    least = _LEAST.get(plain)
    if least is None or not _is_below(version, least):
        return None
    if plain == "django":
        return "Django must be 5.2 to 6.1", f"{name}{DJANGO}"
    return f"delete {name} {version.strip()}: channels-classic says which versions it needs", ""


def from_source(line: str) -> str | None:
    """Return which distribution a line takes from a repository or an archive."""
    if "://" not in line:
        return None
    found = _SOURCE.search(line)
    return (found[1] or found[2]) if found else None


def _is_below(version: str, least: tuple[int, ...]) -> bool:
    """Return whether the least version that is needed is not allowed."""
    for found in re.finditer(r"(===?|~=|<=?|\^|(?<![<>=!~])[=~])\s*v?(\d+(?:\.\d+)*)", version):
        given = tuple(int(number) for number in found[2].split("."))
        if found[1] in ("~=", "^", "~"):
            # What these allow begins with the first number at least.
            most = given[: max(1, len(given) - 1)] if found[1] != "^" else given[:1]
            if most < least[: len(most)]:
                return True
        elif given <= least if found[1] == "<" else given < least[: len(given)]:
            return True
    return False
