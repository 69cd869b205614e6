"""Show the CSV files of the benchmarks as pages.

``.. benchmark-table:: log_mel``
    the file ``log_mel.csv`` of the results folder as a table. A missing file is an
    error that names it.
``.. benchmark-pages::``
    a table of contents with one page per CSV file. ``benchmarks/<name>.rst`` is the
    page of ``<name>.csv`` where somebody wrote one. Any other CSV file gets a page by
    itself: the docstring of ``bench_<name>.py``, the script that wrote the file, and
    the table.
"""

from __future__ import annotations

import ast
import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from generated_pages import write_pages
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

SCRIPTS = Path("..", "benchmarks")
RESULTS = SCRIPTS / "results"
WRITTEN = Path("benchmarks")
GENERATED = Path("generated", "benchmarks")


class BenchmarkTable(SphinxDirective):
    """A CSV file of the results folder as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file that the argument names."""
        path = Path(self.env.srcdir) / RESULTS / f"{self.arguments[0]}.csv"
        self.env.note_dependency(os.path.relpath(path, self.env.srcdir))
        if not path.is_file():
            raise self.error(
                f"{path.resolve()} does not exist: run the benchmark that writes it, "
                "or delete this page."
            )
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        shared, header, rows = split_shared_columns(header, rows)
        content: list[nodes.Node] = [_table(header, rows)]
        if shared:
            content.append(nodes.paragraph(text=f"The same in every row: {shared}."))
        return content


class BenchmarkPages(SphinxDirective):
    """A table of contents of all benchmark pages."""

    def run(self) -> list[nodes.Node]:
        """List the page of every CSV file, written or generated."""
        root = Path(self.env.srcdir)
        entries = [f"   /{_page_of(root, name)}" for name in result_names(root)]
        if not entries:
            return [nodes.paragraph(text="No benchmark has been run yet.")]
        options = ["   :maxdepth: 1", ""]
        return self.parse_text_to_nodes("\n".join([".. toctree::", *options, *entries]))


def result_names(root: Path) -> list[str]:
    """Return the names of all CSV files, without their suffix."""
    return sorted(path.stem for path in (root / RESULTS).glob("*.csv"))


def split_shared_columns(
    header: list[str], rows: list[list[str]]
) -> tuple[str, list[str], list[list[str]]]:
    """Take the columns out that hold the same text in each of several rows.

    Returns
    -------
    shared : str
        The columns that were taken out, as one sentence; empty if there are none.
    header : list of str
        The names of the columns that are left.
    rows : list of list of str
        What is left of the rows.
    """
    if len(rows) < 2:
        return "", header, rows
    columns = list(zip(header, *rows, strict=True))
    shared = [c for c in columns if len(set(c[1:])) == 1 and not _is_number(c[1])]
    kept = [c for c in columns if c not in shared]
    sentence = ", ".join(f"{_words(c[0])} {c[1]}" for c in shared if c[1])
    header, *rows = [list(row) for row in zip(*kept, strict=True)]
    return sentence, header, rows


def _table(header: list[str], rows: list[list[str]]) -> nodes.table:
    """Return a table with a header row; numbers are rounded and set to the right."""
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row([_words(name) for name in header]))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return nodes.table("", group, classes=["benchmark"])


def _row(cells: list[str]) -> nodes.row:
    """Return a table row."""
    return nodes.row("", *(_cell(text) for text in cells))


def _cell(text: str) -> nodes.entry:
    """Return a table cell; a number that nobody rounded gets four digits."""
    if not _is_number(text):
        return nodes.entry("", nodes.paragraph(text=text))
    shown = f"{float(text):.4g}" if "." in text and len(text) > 8 else text
    return nodes.entry("", nodes.paragraph(text=shown), classes=["number"])


def _is_number(text: str) -> bool:
    """Say whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _words(name: str) -> str:
    """Return a column's or a file's name as words."""
    return name.replace("_", " ").strip()


def _is_written(root: Path, name: str) -> bool:
    """Say whether somebody wrote the page of a CSV file."""
    return (root / WRITTEN / f"{name}.rst").is_file()


def _page_of(root: Path, name: str) -> str:
    """Return the page of a CSV file, relative to the source folder."""
    folder = WRITTEN if _is_written(root, name) else GENERATED
    return (folder / name).as_posix()


def write_generic_pages(root: Path) -> None:
    """Write a page for each CSV file that nobody wrote one for."""
    names = [name for name in result_names(root) if not _is_written(root, name)]
    write_pages(root / GENERATED, {name: _generic_page(root, name) for name in names})


def _generic_page(root: Path, name: str) -> str:
    """Return a page with what the script says of itself, and its table."""
    title = _words(name).capitalize()
    script = root / SCRIPTS / f"bench_{name}.py"
    source = script.read_text(encoding="utf-8") if script.is_file() else ""
    description = ast.get_docstring(ast.parse(source)) or ""
    return "\n".join(
        [
            title,
            "=" * len(title),
            "",
            description,
            "",
            f".. benchmark-table:: {name}",
            "",
        ]
    )


def _before_reading(app: Sphinx) -> None:
    """Write the pages into the source folder."""
    write_generic_pages(Path(app.srcdir))


def _outdated(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """Have the list of pages made anew: a CSV file may have come or gone."""
    return [(WRITTEN / "index").as_posix()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives, and write the pages before Sphinx looks for them."""
    app.add_directive("benchmark-table", BenchmarkTable)
    app.add_directive("benchmark-pages", BenchmarkPages)
    app.connect("builder-inited", _before_reading)
    app.connect("env-get-outdated", _outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
