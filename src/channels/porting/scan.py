"""From files to findings, and from a file's text to the text as it should be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from channels.porting import (
    imports,
    rules_apps,
    rules_auth,
    rules_channels,
    rules_connect,
    rules_django,
    rules_layers,
    rules_python,
    rules_settings,
    rules_urls,
    rules_views,
    texts,
    tree,
)
from channels.porting.analysis import Module
from channels.porting.apps import Apps
from channels.porting.findings import Finding, apply
from channels.porting.parallel import in_order
from channels.porting.relevance import may_need_change
from channels.porting.routes import Routes
from channels.porting.syntax import UnparsableError, check_syntax
from channels.porting.urlconfs import UrlConfs

#: Edits of one pass may reveal what the next one finds; this many are enough for any file.
MAX_PASSES = 20

#: A line with this comment is left alone.
IGNORE = "channels-port: ignore"

#: With this setting a connect consumer need not answer.
_IMPLICIT_ACCEPT = re.compile(r"^CHANNELS_IMPLICIT_ACCEPT\s*=\s*True", re.MULTILINE)

_Rule = Callable[[Module, Any], Iterator[Finding]]

_RULES: dict[type, list[_Rule]] = {}
for _node_type, _rule in [
    *imports.RULES,
    *rules_django.RULES,
    *rules_urls.RULES,
    *rules_auth.RULES,
    *rules_views.RULES,
    *rules_python.RULES,
    *rules_settings.RULES,
    *rules_channels.RULES,
    *rules_connect.RULES,
    *rules_apps.RULES,
    *rules_layers.RULES,
]:
    _RULES.setdefault(_node_type, []).append(_rule)  # type: ignore[arg-type]  # each takes its node


@dataclass
class Ported:
    """What became of one file.

    Attributes:
        path: The file.
        findings: In the order of its lines.
        source: Its text; ``None`` if it could not be read.
        fixed: The text with every edit made; the old one if there is none.
    """

    path: Path
    findings: list[Finding]
    source: tree.Source | None = None
    fixed: str = ""

    @property
    def changes(self) -> bool:
        """Whether the new text differs from the old one."""
        return self.source is not None and self.fixed != self.source.text


@dataclass
class Project:
    """The files below some folders.

    Args:
        roots: Folders or files.
    """

    roots: Iterable[Path]
    _routes: Routes = field(default_factory=Routes)
    _urlconfs: UrlConfs = field(default_factory=UrlConfs)
    _apps: Apps = field(default_factory=Apps)
    _accepts_by_itself: bool = False
    #: What was parsed to collect routes, so that it is parsed once.
    _modules: dict[Path, Module] = field(default_factory=dict)

    def scan(self, tell: Callable[[int, int], None] = lambda done, total: None) -> Iterator[Ported]:
        """Yield what there is to say about each file, in order.  Nothing is written.

        Args:
            tell: Is told after each file how many are done, of how many.

        Raises:
            BrokenProcessPool: One of the processes that look at files was killed.
        """
        # Once each, also if one folder is given within another.
        paths = list(dict.fromkeys(path for root in self.roots for path in tree.files(root)))
        for path in paths:
            self._collect(path)
        for done, ported in enumerate(in_order(self._look, paths), 1):
            tell(done, len(paths))
            yield ported

    def _collect(self, path: Path) -> None:
        if tree.kind_of(path) != "python":
            return
        try:
            text = tree.read(path).text
            self._urlconfs.collect(text, path)
            self._apps.collect(text)
            self._accepts_by_itself |= bool(_IMPLICIT_ACCEPT.search(text))
            if "websocket." in text:
                self._modules[path] = module = self._module(text, path)
                self._routes.collect(module, path)
        except (tree.UnreadableError, UnparsableError, RecursionError):
            return  # told when it is looked at

    def _module(self, text: str, path: Path) -> Module:
        routes, urls = self._routes, self._urlconfs
        return Module(text, path, routes.handled, urls.has_app_name, self._apps.other_name)

    def _look(self, path: Path) -> Ported:
        kind = tree.kind_of(path)
        if kind is None:
            return Ported(path, [Finding("unreadable", 1, "not a kind of file that is known")])
        try:
            source = tree.read(path)
        except tree.UnreadableError as error:
            # Of a file that may be of any encoding nothing is expected.
            return Ported(path, [Finding("unreadable", 1, str(error), note=kind != "python")])
        try:
            findings = self._findings(kind, source.text, path)
        except UnparsableError as error:
            message = f"can't be read as Python 3, nothing else is known of it: {error.reason}"
            return Ported(path, [Finding("syntax", error.line, message)])
        return self._fixed(kind, source, findings)

    def _fixed(self, kind: str, source: tree.Source, findings: list[Finding]) -> Ported:
        """Make the edits, again while there are new ones; never a text that can't be parsed."""
        text, left = source.text, findings
        for _ in range(MAX_PASSES):
            new = apply(text, left)
            if new == text:
                break
            try:
                left = self._findings(kind, new, source.path)
                new.encode(source.encoding)
            except (UnparsableError, UnicodeEncodeError):
                unfixed = [replace(one, edits=()) for one in findings]
                return Ported(source.path, unfixed, source, source.text)
            text = new
        return Ported(source.path, findings, source, text)

    def _findings(self, kind: str, text: str, path: Path) -> list[Finding]:
        """Return what there is to say about a text.

        Raises:
            UnparsableError: It is to be Python, and is not.
        """
        if kind == "python":
            found = self._python(text, path)
        else:
            found = texts.check(kind, text)
        if self._accepts_by_itself:
            found = [one for one in found if one.rule != "accept"]
        if IGNORE in text:
            lines = text.splitlines()
            found = [one for one in found if IGNORE not in lines[one.line - 1]]
        return sorted(set(found), key=lambda one: (one.line, one.rule, one.message))

    def _python(self, text: str, path: Path) -> list[Finding]:
        if not may_need_change(text) and not self._routes.lead_to(path):
            check_syntax(text)
            return []
        module = self._modules.pop(path, None)
        if module is None or module.text != text:
            module = self._module(text, path)
        try:
            return [
                finding
                for node in module.nodes
                for rule in _RULES.get(type(node), ())
                for finding in rule(module, node)
            ]
        except RecursionError as error:
            raise UnparsableError(1, "it is nested too deeply") from error
