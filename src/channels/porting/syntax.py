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


def check_syntax(text: str) -> list[ast.AST]:
    """Parse a text, and return every node of it, from the top downwards.

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
    nodes: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        nodes += level
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return nodes
    raise UnparsableError(1, "it is nested too deeply")
