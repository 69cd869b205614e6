"""Trials that outlive an interrupted run, for the benchmarks that take hours."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from joblib import Parallel, delayed

Scores = dict[str, float]


class Trial(Protocol):
    """What is run once, apart from all others."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Trial)


def run_trials(
    judge: Callable[[T], Scores], trials: Sequence[T], *, n_jobs: int
) -> dict[str, Scores]:
    """Return the scores of trials by name, from several processes.

    Where the environment variable ``BENCHMARK_TRIALS`` names a file, finished trials
    are kept there, so that an interrupted run goes on where it was. Names of trials
    are those of one benchmark: give each a file of its own, and a quick run none.
    """
    kept = os.environ.get("BENCHMARK_TRIALS")
    path = Path(kept) if kept else None
    done = dict(_read_trials(path)) if path else {}
    waiting = [trial for trial in trials if trial.name not in done]
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_named)(judge, trial) for trial in waiting
    )
    for name, scores in results:
        done[name] = scores
        if path:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, scores]) + "\n")
    return done


def _named(judge: Callable[[T], Scores], trial: T) -> tuple[str, Scores]:
    return trial.name, judge(trial)


def _read_trials(path: Path) -> Iterator[tuple[str, Scores]]:
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
