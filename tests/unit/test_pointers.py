"""Comments point to headings of docs/: each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("interface_server", "worker", "routing", "src/channels", "tests", "project", "benchmarks")

POINTER = re.compile(r"\b(docs/\w+\.md)(?:#([\w-]+))?")


def pointers():
    """Every page, and the headings that the code points to on it."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for page, heading in POINTER.findall(path.read_text("utf-8")):
                found.setdefault(page, set()).add(heading)
    return found


def headings(page):
    """The anchors of a page, as every renderer of Markdown makes them of its headings."""
    titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", pointers())
def test_what_comments_point_to_is_there(page):
    missing = pointers()[page] - {"", *headings(page)}

    assert not missing


def test_the_headings_of_the_reference_are_unique():
    found = headings("docs/channels1.md")

    assert len(found) == len(set(found))
