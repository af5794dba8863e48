"""The map (for builds) and the links (for tools) describe the same tree."""

from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

from tests.support.tree import LINKED, ROOT


@pytest.fixture(scope="module")
def setuptools_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def packages_in_tree():
    """Every folder with an ``__init__.py`` that belongs into the wheel, as its import name."""
    found = set()
    for home, name in [(ROOT / "src/channels", "channels")] + [
        (ROOT / folder, f"channels.{folder}") for folder in LINKED
    ]:
        for init in home.rglob("__init__.py"):
            # Linked folders are counted from their real place only.
            inside = init.parent.relative_to(home).parts
            if name == "channels" and inside[:1] and inside[0] in LINKED:
                continue
            found.add(".".join([name, *inside]))
    return found


def test_every_package_of_the_tree_is_on_the_explicit_list(setuptools_table):
    assert set(setuptools_table["packages"]) == packages_in_tree()


@pytest.mark.parametrize("folder", LINKED)
def test_the_link_points_at_the_folder_that_the_map_names(setuptools_table, folder):
    link = ROOT / "src/channels" / folder

    assert link.is_symlink()
    assert link.readlink() == Path("../..") / folder
    assert setuptools_table["package-dir"][f"channels.{folder}"] == folder
