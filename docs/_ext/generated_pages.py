"""Write generated pages into the source folder of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Make ``folder`` hold exactly the given pages.

    A page that did not change is left alone, so that Sphinx does not read it again.

    Parameters
    ----------
    folder : Path
        Created where it is missing. Its other ``.rst`` files are deleted.
    pages : mapping of str to str
        The text of each page by its name, which is the file's name without ``.rst``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
