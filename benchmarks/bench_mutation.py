"""The fraction of small faults that the tests notice, module by module.

Mutation testing: each mutant is a copy of a module with one small fault, such as ``+``
for ``-``, ``<=`` for ``<``, a sum for a mean, another number, or a statement left out.
The module's own tests run on every mutant. "killed" counts those that made a test fail,
or run far longer than the module itself does. "equivalent" counts those that cannot
make a difference; ``benchmarks/equivalent_mutants.csv`` says why, one by one. What
survives is written to standard error: each is a fault that no test of the module would
notice. Modules that the script lists and the table lacks have not been measured yet.

Run ``python benchmarks/bench_mutation.py`` on Linux or macOS; ``--quick`` only shows
that it works. ``MUTATION_MODULES`` restricts a run to some modules, separated by
spaces. The files of the package stay as they are: mutants live in memory.
"""

from __future__ import annotations

import ast
import csv
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis
import pytest
from grafting import graft
from harness import Row, run_benchmark
from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).parent / "equivalent_mutants.csv"
_METRICS = sorted(
    f"tests/metrics/{path.name}"
    for path in (ROOT / "tests" / "metrics").glob("test_*.py")
    if path.stem != "test_scorers"
)

# Modules, and the tests of each.
TESTS: dict[str, list[str]] = {
    "base": ["tests/test_base.py"],
    "_torch._adversarial": ["tests/_torch/test_adversarial.py"],
    "_torch._mixup": ["tests/_torch/test_mixup.py"],
    "open_set._familiarities": ["tests/open_set/test_familiarities.py"],
    "open_set._gan_losses": ["tests/open_set/test_gan_losses.py"],
    "anomaly._band_errors": ["tests/anomaly/test_band_errors.py"],
    "anomaly._gaussian_mixture": ["tests/anomaly/test_gaussian_mixture.py"],
    "_torch._masked_losses": ["tests/_torch/test_masked_losses.py"],
    "_torch._partial_labels": ["tests/_torch/test_partial_labels.py"],
    "transfer._embedding_penalties": ["tests/transfer/test_embedding_penalties.py"],
    "zero_shot._closed_forms": ["tests/zero_shot/test_closed_forms.py"],
    "zero_shot._ranking_losses": ["tests/zero_shot/test_ranking_losses.py"],
    "metrics._checks": _METRICS,
    "metrics._label_responses": ["tests/metrics/test_scorers.py"],
    "metrics._open_set_labels": ["tests/metrics/test_open_set_labels.py"],
    "metrics._open_set_ranking": ["tests/metrics/test_open_set_ranking.py"],
    "metrics._oscr": ["tests/metrics/test_oscr.py"],
    "metrics._partial_auc": ["tests/metrics/test_partial_auc.py"],
    "metrics._partial_labels": ["tests/metrics/test_partial_labels.py"],
    "metrics._responses": ["tests/metrics/test_scorers.py"],
    "metrics._zero_shot": ["tests/metrics/test_zero_shot.py"],
}

# Imported once, before the processes that run the tests part.
_SLOW_IMPORTS = [
    "geomloss",
    "hypothesis",
    "pytest",
    "scipy.stats",
    "sklearn.pipeline",
    "skorch",
    "torch.distributed.tensor",
]
# pytest would rather import hypothesis itself.
_OPTIONS = [
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-p",
    "no:unraisableexception",
    "--hypothesis-profile=mutation",
]
_N_EXAMPLES = 25
# A mutant may run so many times as long as the module itself, and 20 seconds more.
_PATIENCE = 5
# Seconds of a mutant that is imported.
_LONGEST = 600


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Finds one module in memory instead of in its file."""

    def __init__(self, module: str, tree: object) -> None:
        self.module = module
        self.tree = tree

    def find_spec(
        self, name: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.module:
            return None
        file = str(file_of(name))
        loader = _MutantLoader(name, file)
        loader.tree = self.tree
        return importlib.util.spec_from_file_location(name, file, loader=loader)


class _MutantLoader(importlib.machinery.SourceFileLoader):
    tree: object

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.tree, self.path, "exec")


def file_of(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def in_a_new_process(target: Callable[..., None], *args: object) -> BaseProcess:
    """Start a function where the package is not imported yet."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_SLOW_IMPORTS)
    process = context.Process(target=target, args=args)
    process.start()
    return process


def run_tests(tests: list[str], *plugins: object) -> int:
    """Run pytest without a word, and return its exit status."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    # That an example fails is enough: nobody reads how small it can be made.
    hypothesis.settings.register_profile(
        "mutation",
        max_examples=_N_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    return pytest.main([*_OPTIONS, *tests], plugins=plugins)


# Most mutants: a copy of a process that has collected the tests is given their code.


class _Judge:
    """A plugin for pytest that runs the tests once for each mutant, and counts none.

    Attributes
    ----------
    survivors : list of int
        Places of the mutants with which all tests passed.
    """

    def __init__(self, module: str, mutants: Sequence[Mutant]) -> None:
        self.module = module
        self.mutants = mutants
        self.survivors: list[int] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        own = ast.parse(file_of(self.module).read_text(encoding="utf-8"))
        start = time.perf_counter()
        if session.testsfailed or not self._survives(session, own, None):
            raise pytest.UsageError("tests fail without a mutant")
        limit = 20 + _PATIENCE * (time.perf_counter() - start)
        self.survivors = [
            place
            for place, mutant in enumerate(self.mutants)
            if self._survives(session, mutant.tree, limit)
        ]
        return True

    def _survives(
        self, session: pytest.Session, tree: ast.Module, seconds: float | None
    ) -> bool:
        child = os.fork()
        if not child:
            try:
                graft(importlib.import_module(self.module), tree)
                os._exit(_n_failed(session))
            except BaseException:
                os._exit(1)
        return _exit_status(child, seconds) == 0


def _n_failed(session: pytest.Session) -> int:
    """Run the collected tests until one fails."""
    items = [*session.items, None]
    for item, following in itertools.pairwise(items):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def _exit_status(child: int, seconds: float | None) -> int:
    """Wait for a process; return what it ends with, or -1 where it took too long."""
    start = time.perf_counter()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if seconds is not None and time.perf_counter() - start > seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -1
        time.sleep(0.005)


def _judge(
    module: str, mutants: Sequence[Mutant], tests: list[str], answer: Connection
) -> None:
    judge = _Judge(module, mutants)
    answer.send((run_tests(tests, judge), judge.survivors))


# Faults in constants and decorators, which others copied when they imported the module:
# a process of its own, which imports the mutant.


def _run_imported(module: str, mutant: Mutant, tests: list[str]) -> None:
    sys.meta_path.insert(0, _MutantFinder(module, mutant.tree))
    os._exit(run_tests(tests))


def survives_import(module: str, mutant: Mutant, tests: list[str]) -> bool:
    """Tell whether tests pass where a mutant is imported instead of a module."""
    process = in_a_new_process(_run_imported, module, mutant, tests)
    process.join(_LONGEST)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def survivors_of(
    module: str, mutants: Sequence[Mutant], tests: list[str]
) -> list[Mutant]:
    """Return the mutants of a module that its tests do not notice."""
    answer, question = Pipe(duplex=False)
    process = in_a_new_process(_judge, module, mutants, tests, question)
    question.close()
    status, places = answer.recv()
    process.join()
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"The tests of {module} fail without a mutant: mend them.")
    suspects = [mutants[place] for place in places]
    return [
        mutant
        for mutant in suspects
        if not mutant.is_copied or survives_import(module, mutant, tests)
    ]


def equivalent_mutants() -> set[tuple[str, str]]:
    """Return modules and names of the mutants that make no difference."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return {(row["module"], row["mutant"]) for row in csv.DictReader(file)}


def measure_module(module: str, tests: list[str], n_mutants: int | None) -> Row:
    """Return the counts of a module, and write down what survived."""
    name = f"sklearn_audio.{module}"
    mutants = mutants_of(file_of(name))[:n_mutants]
    alive = survivors_of(name, mutants, tests)
    excused = equivalent_mutants()
    survivors = [mutant for mutant in alive if (module, mutant.name) not in excused]
    for mutant in survivors:
        print(f"{module}: survived: {mutant.name}", file=sys.stderr, flush=True)
    n_equivalent = len(alive) - len(survivors)
    return {
        "module": module,
        "mutants": len(mutants),
        "killed": len(mutants) - len(alive),
        "equivalent": n_equivalent,
        "survived": len(survivors),
    }


def measure(n_runs: int, quick: bool) -> list[Row]:  # noqa: ARG001
    """Count the mutants of every module; of one module, two, when quick."""
    if quick:
        module = "_torch._adversarial"
        return [measure_module(module, TESTS[module], n_mutants=2)]
    modules = os.environ.get("MUTATION_MODULES", " ".join(TESTS)).split()
    return [measure_module(module, TESTS[module], None) for module in modules]


def main(argv: Sequence[str] | None = None) -> int:
    return run_benchmark(
        measure,
        name="mutation",
        description=__doc__.splitlines()[0],
        n_runs=1,
        argv=argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
