"""A code base in a folder, and what the scanner says about it."""

import textwrap

import pytest

from channels.porting.scan import scan


class Code:
    """A folder of files."""

    def __init__(self, root):
        self.root = root

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8", newline="")
        return path

    def scan(self):
        """Return what became of each file, by its name."""
        found = scan([self.root])
        return {str(one.path.relative_to(self.root)): one for one in found}

    def one(self, text, name="app/code.py"):
        """Return what became of a file that is alone."""
        self.write(name, text)
        return self.scan()[name]

    def fixed(self, text, name="app/code.py"):
        """Return the text of a file after ``--fix``."""
        return self.one(text, name).fixed

    def rules(self, text, name="app/code.py", *, notes=False):
        """Return which rules speak about a file: those for changes, or those for notes."""
        return [one.rule for one in self.one(text, name).findings if one.note == notes]


@pytest.fixture
def code(tmp_path):
    return Code(tmp_path)


def dedent(text):
    return textwrap.dedent(text).lstrip("\n")
