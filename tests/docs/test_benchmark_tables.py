"""CSV files as pages of the documentation."""

import io
import re

import pytest
from benchmark_tables import split_shared_columns
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

INDEX = "Benchmarks\n==========\n\n.. benchmark-pages::\n"


@pytest.fixture
def project(tmp_path):
    """A documentation with nothing but an index of benchmarks, and its CSV folder."""
    (tmp_path / "docs" / "benchmarks").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "benchmarks" / "index.rst").write_text(INDEX)
    return tmp_path


def add_csv(project, name, text):
    (project / "benchmarks" / "results" / f"{name}.csv").write_text(text)


def build(project):
    """Build the pages; return what Sphinx complained about."""
    warnings = io.StringIO()
    source, out = project / "docs", project / "docs" / "_build"
    config = {
        "extensions": ["benchmark_tables"],
        "root_doc": "benchmarks/index",
        "exclude_patterns": ["_build"],
    }
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            source, None, out, out, "html", config, status=None, warning=warnings
        )
        app.build()
    return warnings.getvalue()


def cells(project, page):
    """Read the table of a built page, row by row."""
    html = (project / "docs" / "_build" / f"{page}.html").read_text()
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    return [re.findall(r"<p>(.*?)</p>", row) for row in rows]


def test_no_results_is_no_error(project):
    assert build(project) == ""


def test_a_new_csv_file_gets_a_page(project):
    add_csv(project, "first", "method,seconds\nours,0.12\n")
    assert build(project) == ""
    add_csv(project, "second_one", "method,seconds\nours,12\n")
    assert build(project) == ""
    assert cells(project, "generated/benchmarks/second_one")[1] == ["ours", "12"]
    index = (project / "docs" / "_build" / "benchmarks" / "index.html").read_text()
    assert "generated/benchmarks/first.html" in index
    assert "Second one" in index


def test_a_generated_page_says_what_its_script_measures(project):
    add_csv(project, "speed", "method,seconds\nours,1\n")
    script = project / "benchmarks" / "bench_speed.py"
    script.write_text('"""How fast ``this`` is."""\n')
    assert build(project) == ""
    page = project / "docs" / "_build" / "generated" / "benchmarks" / "speed.html"
    assert re.search(
        r"<p>How fast <code.*>this</span></code> is.</p>", page.read_text()
    )


def test_a_written_page_replaces_the_generated_one(project):
    add_csv(project, "speed", "method,seconds\nours,1\n")
    assert build(project) == ""
    page = project / "docs" / "benchmarks" / "speed.rst"
    page.write_text("Speed\n=====\n\n.. benchmark-table:: speed\n")
    assert build(project) == ""
    assert cells(project, "benchmarks/speed")[1] == ["ours", "1"]
    assert not (project / "docs" / "generated" / "benchmarks" / "speed.rst").exists()


def test_digits_are_kept_unless_nobody_rounded(project):
    add_csv(project, "speed", "a,b,c,d\n1.00,-0.123456789,123456789012,x\n")
    assert build(project) == ""
    row = cells(project, "generated/benchmarks/speed")[1]
    assert row == ["1.00", "-0.1235", "123456789012", "x"]


def test_changed_figures_are_read_again(project):
    add_csv(project, "speed", "method,seconds\nours,1\n")
    build(project)
    add_csv(project, "speed", "method,seconds\nours,2\n")
    assert build(project) == ""
    assert cells(project, "generated/benchmarks/speed")[1] == ["ours", "2"]


def test_a_missing_csv_file_is_named(project):
    page = project / "docs" / "benchmarks" / "lost.rst"
    page.write_text(":orphan:\n\nLost\n====\n\n.. benchmark-table:: lost\n")
    missing = project.resolve() / "benchmarks" / "results" / "lost.csv"
    assert f"{missing} does not exist" in build(project)


def test_text_that_all_rows_share_is_said_once():
    header = ["method", "torch", "ratio", "published"]
    rows = [["a", "2.13.0", "1", "3"], ["b", "2.13.0", "2", "3"]]
    shared, header, rows = split_shared_columns(header, rows)
    assert shared == "torch 2.13.0"
    assert header == ["method", "ratio", "published"]
    assert rows == [["a", "1", "3"], ["b", "2", "3"]]


def test_one_row_is_left_whole():
    assert split_shared_columns(["a"], [["x"]]) == ("", ["a"], [["x"]])
