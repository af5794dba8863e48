"""Which files of a code base are looked at, and how one is read and written.

Links are not followed: what they point to inside of the tree is found at its own
place, and what lies outside is another project's.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Larger files are generated ones: they are named, not read.
MAX_SIZE = 2_000_000

#: Folders of tools, and of other people's code.
_SKIPPED = frozenset(
    {"__pycache__", "node_modules", "bower_components", "site-packages", "build", "dist"}
)

_PROCESS_FILES = re.compile(
    r"(?:\w+\.)?(?:Procfile|Dockerfile|Makefile)(?:[.-]\w+)*|Vagrantfile", re.IGNORECASE
)
_REQUIREMENTS = re.compile(r"[\w.-]*(?:requirements|constraints)[\w.-]*\.(?:txt|in|pip)", re.I)
_DEPENDENCIES = frozenset({"pyproject.toml", "setup.cfg", "Pipfile", "tox.ini", "environment.yml"})
#: Templates of configuration management, and examples: they are of the kind of what they make.
_MADE_FROM = frozenset({".j2", ".tmpl", ".template", ".example", ".sample", ".dist"})

#: Hidden folders with process files.
_LOOKED_INTO = frozenset({".github", ".gitlab", ".circleci", ".docker", ".ebextensions"})

_PROCESS_SUFFIXES = frozenset({".sh", ".conf", ".ini", ".service", ".yml", ".yaml", ".upstart"})
_TEMPLATE_SUFFIXES = frozenset({".html", ".htm", ".txt", ".xml", ".jinja", ".djhtml"})


class UnreadableError(Exception):
    """The file can't be read as text; it was and will be left as it is."""


@dataclass(frozen=True)
class SourceFile:
    """The text of a file, and what is needed to write it back unchanged elsewhere."""

    path: Path
    text: str
    encoding: str
    mark: bytes = b""

    def write(self, text: str) -> None:
        """Replace the file's content in one step; permissions, encoding and line ends stay.

        Raises:
            OSError, UnicodeEncodeError: The file is as it was.
        """
        content = self.mark + text.encode(self.encoding)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(name, self.path.stat().st_mode & 0o7777)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise


def kind_of(path: Path) -> str | None:
    """Return how to look at a file: ``python``, ``requirements``, ``processes`` …, or not."""
    name = path.name
    if path.suffix in _MADE_FROM:
        made = kind_of(path.with_suffix(""))
        return None if made == "python" else made
    if name in {"runtime.txt", ".python-version"}:
        return "processes"
    in_requirements = path.parent.name == "requirements" and path.suffix == ".txt"
    if path.suffix == ".py":
        return "python"
    if _REQUIREMENTS.fullmatch(name) or in_requirements:
        return "requirements"
    if name in _DEPENDENCIES:
        return "dependencies"
    if _PROCESS_FILES.fullmatch(name) or path.suffix in _PROCESS_SUFFIXES:
        return "processes"
    if path.suffix in _TEMPLATE_SUFFIXES:
        return "template"
    return None if path.suffix else _kind_of_script(path)


def _kind_of_script(path: Path) -> str | None:
    """Return how to look at a file that has no suffix: its first line may say what runs it."""
    try:
        with path.open("rb") as file:
            line = file.readline(100)
    except OSError:
        return None
    found = re.match(rb"#!\s*\S*?(?:/|env\s+)(python|(?:ba|da|z)?sh)", line)
    if found is None:
        return None
    return "python" if found[1] == b"python" else "processes"


def files(root: Path) -> Iterator[Path]:
    """Yield the files below a folder that can be looked at, in order; or the file itself."""
    if not root.is_dir():
        yield root
        return
    for folder, below, names in os.walk(root, followlinks=False):
        here = Path(folder)
        below[:] = sorted(name for name in below if _is_ours(here / name))
        for name in sorted(names):
            path = here / name
            if kind_of(path) and path.is_file() and not path.is_symlink():
                yield path


def _is_ours(folder: Path) -> bool:
    if folder.name in _SKIPPED or folder.name.endswith(".egg-info"):
        return False
    if folder.name.startswith(".") and folder.name not in _LOOKED_INTO:
        return False
    # Environments, also those of a legacy virtualenv, of Windows and of conda.
    marks = ("pyvenv.cfg", "bin/activate", "Scripts/activate", "conda-meta")
    return not any((folder / mark).exists() for mark in marks)


def read(path: Path) -> SourceFile:
    """Read a file.

    Raises:
        UnreadableError: It is too large, not text, in another encoding than it
            says, or can't be read at all.
    """
    try:
        size = path.stat().st_size
        if size > MAX_SIZE:
            raise UnreadableError(f"not looked at: it has {size:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"can't be read: {error.strerror or error}") from error
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    try:
        encoding = "utf-8"
        if kind_of(path) == "python":
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        text = content[len(mark) :].decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UnreadableError(f"can't be decoded: {error}") from error
    return SourceFile(path, text, encoding, mark)
