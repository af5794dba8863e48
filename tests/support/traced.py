"""Runs a command of ours and writes down through which functions of ours a message passes.

``python -m tests.support.traced FOLDER MODULE …`` runs a module as ``python -m`` does.  While
the folder holds a file ``on``, every call of a function of the package is looked at;
``PID.began`` says that it is.  Once the switch is gone, ``PID.passed`` has a line for each
function that the message passed, with how often it did.

A message passes a function that gets it as an argument (whole, in part, or as bytes), that
returns it, or that calls such a function.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import runpy
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from tests.support.processes import ROOT

#: The text of the messages that are followed.
MARK = "message-on-its-way"

Function = tuple[str, str]  # path of the file from the root, qualified name


def carries(value: Any, depth: int = 5) -> bool:
    """Whether the text is in a value, or in a plain value inside it."""
    if isinstance(value, str):
        return MARK in value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return MARK.encode() in bytes(value)
    if depth == 0:
        return False
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    elif dataclasses.is_dataclass(value):
        parts = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    elif type(value).__name__ == "Message":
        parts = [value.content]
    else:
        return False
    return any(carries(part, depth - 1) for part in parts)


@cache
def functions_of(file: str) -> dict[int, str]:
    """The qualified names of a file's functions, by the line that each begins in."""
    found = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = f"{prefix}{child.name}."
                if not isinstance(child, ast.ClassDef):
                    first = min([child.lineno, *(item.lineno for item in child.decorator_list)])
                    found[first] = inner[:-1]
            visit(child, inner)

    visit(ast.parse(Path(file).read_text("utf-8")), "")
    return found


@cache
def function(file: str, line: int) -> Function | None:
    """Which function of the package it is; None for foreign code and for comprehensions."""
    path = Path(file).resolve()
    if (
        path.suffix != ".py"
        or not path.is_relative_to(ROOT)
        or "site-packages" in path.parts
        or "tests" in path.parts
    ):
        return None
    name = functions_of(str(path)).get(line)
    return name and (str(path.relative_to(ROOT)), name)


class Trace:
    """Counts the passing of messages, as a profile function of every thread."""

    def __init__(self) -> None:
        self.on = False
        self.called: set[Function] = set()
        self.passed: Counter[Function] = Counter()

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if not self.on or event not in ("call", "return"):
            return
        here = function(frame.f_code.co_filename, frame.f_code.co_firstlineno)
        if here is None:
            return
        if event == "call":
            self.called.add(here)
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            arguments = frame.f_locals
            found = any(carries(arguments.get(name)) for name in names if name != "self")
        else:
            found = carries(value)
        if found:
            self.passed.update({here, *self._callers(frame)})

    def _callers(self, frame: FrameType) -> Iterator[Function]:
        """The function of ours that called; through foreign code if it was called for the message.

        What started the reactor did not call what the reactor calls.
        """
        outer = frame.f_back
        direct = True
        while outer is not None:
            found = function(outer.f_code.co_filename, outer.f_code.co_firstlineno)
            if found is not None:
                if direct or found in self.called:
                    yield found
                return
            direct = False
            outer = outer.f_back


def follow(trace: Trace, folder: Path) -> None:
    """Look while the switch is on, then write what was seen."""
    switch = folder / "on"
    while not switch.exists():
        time.sleep(0.02)
    trace.on = True
    (folder / f"{os.getpid()}.began").touch()
    while switch.exists():
        time.sleep(0.02)
    trace.on = False
    lines = [f"{count}\t{file}\t{name}\n" for (file, name), count in trace.passed.items()]
    part = folder / f"{os.getpid()}.part"
    part.write_text("".join(lines))
    part.rename(part.with_suffix(".passed"))


if __name__ == "__main__":
    folder, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    trace = Trace()
    threading.Thread(target=follow, args=(trace, folder), daemon=True).start()
    threading.setprofile(trace)
    sys.setprofile(trace)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
