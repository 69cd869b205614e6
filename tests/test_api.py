"""The public names: importable, in the reference, under test, and shown at work."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from api_reference import FOLDER, public_modules, reference_pages
from generated_pages import write_pages

import sklearn_audio

PACKAGE = Path(sklearn_audio.__file__).parent
ROOT = Path(__file__).parent.parent
STUBS = {f"sklearn_audio.{p.parent.name}": p for p in PACKAGE.glob("*/__init__.pyi")}


def names_in_stub(path):
    """Read a table of contents without importing anything."""
    imports = [n for n in ast.parse(path.read_text()).body if type(n) is ast.ImportFrom]
    return [alias.asname or alias.name for node in imports for alias in node.names]


PUBLIC = [(module, name) for module in STUBS for name in names_in_stub(STUBS[module])]
each_public_name = pytest.mark.parametrize(
    ("module", "name"), PUBLIC, ids=[".".join(names) for names in PUBLIC]
)


def words(paths, pattern=r"^.*$"):
    """Collect the words of the lines of some files that match a pattern."""
    lines = [re.findall(pattern, path.read_text(), re.MULTILINE) for path in paths]
    return set(re.findall(r"\w+", "\n".join(line for some in lines for line in some)))


@pytest.fixture(scope="module")
def pages():
    return reference_pages()


@pytest.fixture(scope="module")
def words_of_tests():
    return words(set((ROOT / "tests").rglob("test_*.py")) - {Path(__file__)})


@pytest.fixture(scope="module")
def words_of_doctests():
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "docs").glob("*.rst")]
    sources += (ROOT / "docs" / "user_guide").glob("*.rst")
    return words(sources, r"^\s*(?:>>>|\.\.\.) (.*)$")


def test_every_public_subpackage_is_in_the_table_of_contents():
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    public = {f"sklearn_audio.{name}" for name in folders if not name.startswith("_")}
    assert public == STUBS.keys() == public_modules().keys()


@pytest.mark.parametrize("module", STUBS)
def test_a_subpackage_offers_exactly_the_names_of_its_stub(module):
    offered = importlib.import_module(module).__all__
    assert sorted(offered) == sorted(names_in_stub(STUBS[module]))
    assert len(set(offered)) == len(offered) > 0


@each_public_name
def test_public_name_is_importable(module, name):
    obj = getattr(importlib.import_module(module), name)
    assert getattr(obj, "__name__", name) == name


@each_public_name
def test_public_name_is_in_the_reference(module, name, pages):
    assert re.search(rf":: {module}\.{name}$", pages[f"{module}.{name}"], re.MULTILINE)
    assert f"   {name}\n" in pages[module]
    assert f"<{module}.{name}>" in pages[module]
    assert f"<{module}>" in pages["index"]


@each_public_name
def test_public_name_is_tested(module, name, words_of_tests):
    assert name in words_of_tests


@each_public_name
def test_public_name_is_shown_in_a_doctest(module, name, words_of_doctests):
    assert name in words_of_doctests


def test_writing_pages_removes_stale_ones_and_leaves_equal_ones_alone(tmp_path):
    folder = tmp_path / FOLDER
    write_pages(folder, {"kept": "same", "stale": "old"})
    before = (folder / "kept.rst").stat().st_mtime_ns
    write_pages(folder, {"kept": "same", "new": "text"})
    assert {path.name for path in folder.iterdir()} == {"kept.rst", "new.rst"}
    assert (folder / "kept.rst").stat().st_mtime_ns == before
