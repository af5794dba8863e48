"""From files to findings, and from a file's text to the text as it should be."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from channels.porting import (  # noqa: F401 (each module adds its rules)
    rules_channels,
    rules_django,
    rules_moved,
    rules_settings,
    rules_urls,
    texts,
    tree,
)
from channels.porting.findings import NEWLINE, RULES, Finding, UnparsableError, apply
from channels.porting.module import Module
from channels.porting.project import Project
from channels.porting.upgrade import IGNORE, upgrade

#: Edits of one pass may reveal what the next one finds; this many are enough for any file.
MAX_PASSES = 20

#: Fewer files are done sooner than processes are started.
MANY = 40


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
    source: tree.SourceFile | None = None
    fixed: str = ""

    @property
    def changes(self) -> bool:
        """Whether the new text differs from the old one."""
        return self.source is not None and self.fixed != self.source.text


def scan(
    roots: Iterable[Path], tell: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Ported]:
    """Yield what there is to say about each file below some folders, in order.

    Nothing is written.

    Args:
        roots: Folders or files.
        tell: Is told after each file how many are done, of how many.

    Raises:
        BrokenProcessPool: One of the processes that look at files was killed.
    """
    # Once each, also if one folder is given within another.
    paths = list(dict.fromkeys(path for root in roots for path in tree.files(root)))
    project = Project()
    for path in paths:
        if tree.kind_of(path) == "python":
            try:
                project.collect(tree.read(path).text, path)
            except (tree.UnreadableError, UnparsableError):
                continue  # told when it is looked at
    for done, ported in enumerate(_shared(_Look(project), paths), 1):
        tell(done, len(paths))
        yield ported


def _shared(look: _Look, paths: list[Path]) -> Iterator[Ported]:
    """Yield the results in order, from as many processes as there are cores if files are many."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    # To fork beside other threads may copy a lock that is held.
    alone = threading.active_count() == 1 and "fork" in multiprocessing.get_all_start_methods()
    if len(paths) < MANY or cores < 2 or not alone:
        yield from map(look, paths)
        return
    context = multiprocessing.get_context("fork")
    ignored = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(cores, context, signal.signal, ignored) as processes:
        try:
            yield from processes.map(look, paths, chunksize=4)
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Look:
    """From a file to what there is to say about it."""

    project: Project

    def __call__(self, path: Path) -> Ported:
        kind = tree.kind_of(path)
        if kind is None:
            return Ported(path, [Finding("unreadable", 1, "not a kind of file that is known")])
        try:
            source = tree.read(path)
        except tree.UnreadableError as error:
            # Of a file that may be of any encoding nothing is expected.
            return Ported(path, [Finding("unreadable", 1, str(error), note=kind != "python")])
        try:
            if kind == "python":
                return self._python(source)
            return self._fixed(source, source.text, texts.check(kind, source.text), kind)
        except UnparsableError as error:
            message = f"can't be read as Python 3, nothing else is known of it: {error.reason}"
            return Ported(path, [Finding("syntax", error.line, message)])

    def _python(self, source: tree.SourceFile) -> Ported:
        Module(source.text, source.path, self.project)  # before anything is made of it
        upgraded = upgrade(source.text, source.path)
        lines = upgraded.lines
        module = Module(upgraded.text, source.path, self.project, lines)
        findings = [*upgraded.findings, *_ruled(module)]
        return self._fixed(source, upgraded.text, findings, "python")

    def _fixed(
        self, source: tree.SourceFile, text: str, findings: list[Finding], kind: str
    ) -> Ported:
        """Make the edits, again while there are new ones; never a text that can't be parsed."""
        found = left = self._wanted(findings, source.text)
        try:
            for _ in range(MAX_PASSES):
                new = apply(text, left)
                if new == text:
                    if kind != "python" or text == source.text:
                        break
                    new = upgrade(text, source.path).text
                    if new == text:
                        break
                again = (
                    texts.check(kind, new)
                    if kind != "python"
                    else _ruled(Module(new, source.path, self.project))
                )
                left = self._wanted(again, new)
                text = new
            text.encode(source.encoding)
        except (UnparsableError, UnicodeEncodeError):
            unfixed = [replace(one, edits=(), upgraded=False) for one in found]
            return Ported(source.path, unfixed, source, source.text)
        return Ported(source.path, found, source, text)

    def _wanted(self, findings: list[Finding], text: str) -> list[Finding]:
        """Return findings in order, without those that the settings or a comment answer."""
        lines = NEWLINE.split(text)
        wanted = {
            one
            for one in findings
            if IGNORE not in lines[one.line - 1]
            and not (one.rule == "accept" and self.project.accepts_by_itself)
        }
        return sorted(wanted, key=lambda one: (one.line, one.rule, one.message))


def _ruled(module: Module) -> list[Finding]:
    """Return what the rules say about a file.

    Raises:
        UnparsableError: It is nested too deeply for them.
    """
    try:
        return [
            finding
            for node in module.nodes
            for rule in RULES.get(type(node), ())
            for finding in rule(module, node)
        ]
    except RecursionError as error:
        raise UnparsableError(1, "it is nested too deeply") from error
