"""What a page of the documentation tells its reader to do, as one shell script.

The page is followed in its order: ``sh`` blocks are run as they stand, and a block whose
first line is a comment with a file's name is written to that file, or added at its end if the
line says ``: at the end``.  So a test of a page holds no copy of its code.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|\{#|//) (?P<name>[\w./]+\.(?:py|html))(?P<add>: at the end)?(?: #\})?\n")
_END = "END OF THE FILE"


@dataclass(frozen=True)
class Block:
    """One block of code of a page.

    Attributes:
        text: What it holds, without the line that names its file.
        file: The file that it is; None for commands.
        add: Whether it goes to the end of the file.
    """

    text: str
    file: str | None = None
    add: bool = False

    def as_shell(self) -> str:
        """Return what does in a shell what the reader does with the block."""
        if self.file is None:
            return self.text
        folder = shlex.quote(str(Path(self.file).parent))
        arrow = ">>" if self.add else ">"
        return (
            f"mkdir -p {folder}\n"
            f"cat {arrow} {shlex.quote(self.file)} <<'{_END}'\n{self.text}{_END}\n"
        )


def section(page: Path, heading: str) -> str:
    """Return a section of a page, with the sections inside it, without its heading."""
    text = page.read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"{page.name} has no section {heading!r}"
    level = len(found[1])
    rest = text[found.end() :]
    # A comment in code looks like a heading.
    prose = _FENCE.sub(lambda fence: " " * len(fence[0]), rest)
    following = re.search(rf"^#{{1,{level}}} ", prose, re.MULTILINE)
    return rest[: following.start()] if following else rest


def blocks(text: str) -> Iterator[Block]:
    """Return the commands and files of a text, in its order; other blocks are left out."""
    for language, content in _FENCE.findall(text):
        named = _FILE.match(content)
        if named:
            yield Block(content[named.end() :], named["name"], named["add"] is not None)
        elif language == "sh":
            yield Block(content)


def as_script(steps: Sequence[Block], *before: str) -> str:
    """Return a script for ``bash -c`` that follows the steps and stops at the first failure.

    A command at the end takes the shell's place, so that signals reach it.

    Args:
        steps: What to do.
        before: Lines to run first.
    """
    lines = ["set -e", *before, *(step.as_shell().rstrip("\n") for step in steps)]
    if steps and steps[-1].file is None:
        *first, last = lines[-1].split("\n")
        lines[-1:] = [*first, f"exec {last}"]
    return "\n".join(lines) + "\n"
