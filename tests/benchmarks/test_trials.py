from typing import NamedTuple

import pytest
from trials import run_trials


class Squaring(NamedTuple):
    number: int

    @property
    def name(self):
        return f"square of {self.number}"


def square(trial):
    return {"value": trial.number**2}


def fail(trial):
    raise ValueError(trial.name)


TRIALS = [Squaring(2), Squaring(3)]
SQUARES = {"square of 2": {"value": 4}, "square of 3": {"value": 9}}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_trial_is_run(n_jobs, monkeypatch):
    monkeypatch.delenv("BENCHMARK_TRIALS", raising=False)
    assert run_trials(square, TRIALS, n_jobs=n_jobs) == SQUARES


def test_finished_trials_are_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_TRIALS", str(tmp_path / "kept.jsonl"))
    run_trials(square, TRIALS[:1], n_jobs=1)
    with pytest.raises(ValueError, match="square of 3"):
        run_trials(fail, TRIALS, n_jobs=1)
    run_trials(square, TRIALS, n_jobs=1)
    assert run_trials(fail, TRIALS, n_jobs=1) == SQUARES
