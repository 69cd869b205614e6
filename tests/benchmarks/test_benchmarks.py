"""Each benchmark runs when it is small, and writes what its page will read."""

import csv
import importlib
from pathlib import Path

import harness
import numpy as np
import pytest

SCRIPTS = sorted(Path(harness.__file__).parent.glob("bench_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_runs_small_and_writes_a_table(script, tmp_path, capsys):
    module = importlib.import_module(script.stem)
    out = tmp_path / "table.csv"
    assert module.main(["--quick", "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(value for row in rows for value in row.values())
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_whole_table_is_there(script):
    name = script.stem.removeprefix("bench_")
    assert (harness.RESULTS / f"{name}.csv").is_file()


def test_ways_are_timed_in_turn():
    calls = []
    seconds = harness.interleaved_seconds(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, n_runs=3
    )
    assert calls == ["a", "b"] * 4  # one round to warm up
    assert seconds["a"].shape == (3,)


def test_ratios_are_taken_within_a_round():
    numerator, denominator = np.array([2.0, 30.0, 4.0]), np.array([1.0, 10.0, 2.0])
    assert harness.median_ratio(numerator, denominator) == 2.0


def test_a_table_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "table.csv"
    harness.write_csv([{"a": 1}], path)
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        harness.write_csv([{"a": 2}, {"b": 3}], path)
    assert path.read_text() == "a\n1\n"
