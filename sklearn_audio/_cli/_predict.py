"""``sklearn-audio predict``: a line for each file."""

from __future__ import annotations

import csv
import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from joblib import parallel_config
from sklearn.base import clone
from tqdm import tqdm

from sklearn_audio._cli._audio_files import blocks_of, find_audio_files, read_block
from sklearn_audio._cli._model import load_model, nested_estimators
from sklearn_audio._cli._parser import PROGRAM
from sklearn_audio.feature_extraction._audio_loader import AudioLoader

EXIT_SOME_FAILED = 1
_STDIN = "-"

# Path, label, familiarity, and a probability for each class where they are wanted.
Row = list[Any]


def predict(options: Namespace) -> int:
    """Write the labels of files to the standard output.

    Parameters
    ----------
    options : Namespace
        What the command line says.

    Returns
    -------
    exit_code : int
        0, or 1 if some files could not be read.

    Raises
    ------
    FileNotFoundError
        If there is no such model file.
    ValueError
        If the file holds no model, or one without the probabilities that are wanted.
    """
    model = load_model(options.model)
    if options.proba and not hasattr(model, "predict_proba"):
        raise ValueError(f"--proba: {options.model} predicts no probabilities")
    loader = _copy_loader(model)
    write = _make_writer(model, options)
    paths: Iterable[str] = _expand(options.files)
    n_failures = 0
    with parallel_config("threading", n_jobs=options.n_jobs):
        for block, bar in _with_bar(paths, options.files):
            waveforms, failures = read_block(loader, block)
            names = [block[place] for place in waveforms]
            # The model's loader takes what it has made itself as it is, unless it was
            # told of another rate.
            is_final = loader.input_sample_rate is None
            clips = list(waveforms.values()) if is_final else names
            for row in _predict_rows(model, names, clips, proba=options.proba):
                write(row)
            sys.stdout.flush()
            for failure in failures:
                bar.write(f"{PROGRAM}: error: {failure}", file=sys.stderr)
            n_failures += len(failures)
    return EXIT_SOME_FAILED if n_failures else 0


def _copy_loader(model: Any) -> AudioLoader:
    """Return a loader like the model's, by which files can be told apart that fail."""
    parts = nested_estimators(model)
    loader = next(part for part in parts if isinstance(part, AudioLoader))
    return clone(loader).set_params(on_error="raise", n_jobs=None)


def _expand(files: list[str]) -> Iterator[str]:
    """Yield the paths that files, folders and the standard input stand for."""
    for name in files:
        if name == _STDIN:
            yield from filter(None, (line.rstrip("\r\n") for line in sys.stdin))
        elif os.path.isdir(name):
            # A folder without audio files stands for itself, and fails to be read.
            yield from find_audio_files(Path(name)) or [name]
        else:
            yield name


def _with_bar(
    paths: Iterable[str], files: list[str]
) -> Iterator[tuple[list[str], tqdm]]:
    """Yield blocks of paths, and the bar that shows how many of them are done.

    The bar would come in the way of lines that go to the same terminal.
    """
    total = None
    if _STDIN not in files:
        paths = list(paths)
        total = len(paths)
    is_shown = sys.stderr.isatty() and not sys.stdout.isatty()
    with tqdm(desc="Predicting", total=total, unit="file", disable=not is_shown) as bar:
        for block in blocks_of(paths):
            yield block, bar
            bar.update(len(block))


def _predict_rows(
    model: Any, names: list[str], clips: list[Any], *, proba: bool
) -> Iterator[Row]:
    if not names:
        return
    labels = model.predict(clips).tolist()
    unscored = [None] * len(names)
    has_scores = hasattr(model, "score_samples")
    scores = model.score_samples(clips).tolist() if has_scores else unscored
    probabilities = model.predict_proba(clips).tolist() if proba else [[]] * len(names)
    for name, label, score, row in zip(
        names, labels, scores, probabilities, strict=True
    ):
        yield [name, label, score, *row]


def _make_writer(model: Any, options: Namespace) -> Callable[[Row], Any]:
    """Return what writes a row as a line; write the header of a CSV."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may be any bytes. They go out as they came in.
        sys.stdout.reconfigure(errors="surrogateescape")
    classes = model.classes_.tolist() if options.proba else []
    if not options.csv:
        return lambda row: print(_as_text(row, classes))
    # Not RFC 4180's "\r\n", of which cut and grep would keep the half.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        ["path", "label", "familiarity", *(f"proba_{name}" for name in classes)]
    )
    return writer.writerow


def _as_text(row: Row, classes: list[Any]) -> str:
    name, label, score, *probabilities = row
    familiarity = "-" if score is None else f"{score:.3f}"
    pairs = zip(classes, probabilities, strict=True)
    shares = [f"{class_name}={probability:.3f}" for class_name, probability in pairs]
    return "\t".join([name, str(label), familiarity, *shares])
