"""Whether a text is Python that can be parsed."""

from __future__ import annotations

import ast
import warnings

#: Python 3.10 parses what is nested more deeply than libcst's stack can take: that ends the
#: process.  3,000 has been tried, newer Pythons give up at 6,000, and people stay below 100.
MAX_DEPTH = 2000


class UnparsableError(Exception):
    """The text is no Python that this interpreter understands.

    Attributes:
        line: Where, from 1.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def check_syntax(text: str) -> None:
    """Parse a text and forget the result.

    Raises:
        UnparsableError: It can't be parsed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its escapes are its own business
            tree = ast.parse(text)
    except SyntaxError as error:
        raise UnparsableError(error.lineno or 1, error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnparsableError(1, str(error) or "it is nested too deeply") from error
    if _is_deeper(tree, MAX_DEPTH):
        raise UnparsableError(1, "it is nested too deeply")


def _is_deeper(tree: ast.AST, limit: int) -> bool:
    """Return whether something in the tree is inside of more than ``limit`` others."""
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True
