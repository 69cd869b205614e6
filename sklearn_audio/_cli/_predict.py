"""``sklearn-audio predict``: a line for each file."""

from __future__ import annotations

import csv
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from joblib import parallel_config
from sklearn.base import clone
from tqdm import tqdm

from sklearn_audio._cli._audio_files import Block, find_audio_files, read_blocks
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
    paths, n_paths = _list_paths(options.files)
    n_failures = 0
    with (
        parallel_config(backend="threading", n_jobs=options.n_jobs),
        _bar(n_paths) as bar,
    ):
        for block in read_blocks(loader, paths):
            for row in _predict_rows(model, loader, block, proba=options.proba):
                write(row)
            sys.stdout.flush()
            for failure in block.failures:
                bar.write(f"{PROGRAM}: error: {failure}", file=sys.stderr)
            n_failures += len(block.failures)
            bar.update(block.n_files)
    return EXIT_SOME_FAILED if n_failures else 0


def _copy_loader(model: Any) -> AudioLoader:
    """Return a loader like the model's, by which files can be told apart that fail."""
    parts = nested_estimators(model)
    loader = next(part for part in parts if isinstance(part, AudioLoader))
    return clone(loader).set_params(on_error="raise", n_jobs=None)


def _list_paths(files: list[str]) -> tuple[Iterable[str], int | None]:
    """Return the paths and their number; None while the standard input may go on."""
    paths = _expand(files)
    if _STDIN in files:
        return paths, None
    listed = list(paths)
    return listed, len(listed)


def _expand(files: list[str]) -> Iterator[str]:
    """Yield the paths that files, folders and the standard input stand for."""
    for name in files:
        if name == _STDIN:
            lines = (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
            yield from (os.fsdecode(line) for line in lines if line)
        elif os.path.isdir(name):
            # A folder without audio files stands for itself, and fails to be read.
            yield from find_audio_files(Path(name)) or [name]
        else:
            yield name


def _bar(n_paths: int | None) -> tqdm:
    """Return a progress bar; it would only disturb lines on the same terminal."""
    is_shown = sys.stderr.isatty() and not sys.stdout.isatty()
    return tqdm(desc="Predicting", total=n_paths, unit="file", disable=not is_shown)


def _predict_rows(
    model: Any, loader: AudioLoader, block: Block, *, proba: bool
) -> Iterator[Row]:
    n_clips = len(block.paths)
    if n_clips == 0:
        return
    # The model's loader takes what its like has made as it is, unless it was told that
    # waveforms have another rate.
    clips = block.paths if loader.input_sample_rate else block.waveforms
    columns: list[list[Any]] = [block.paths, model.predict(clips).tolist()]
    has_scores = hasattr(model, "score_samples")
    columns.append(
        model.score_samples(clips).tolist() if has_scores else [None] * n_clips
    )
    if proba:
        columns.extend(model.predict_proba(clips).T.tolist())
    yield from map(list, zip(*columns, strict=True))


def _make_writer(model: Any, options: Namespace) -> Callable[[Row], Any]:
    """Return what writes a row as a line; write the header of a CSV."""
    classes = model.classes_.tolist() if options.proba else []
    if not options.csv:
        return lambda row: print(_as_text(row, classes))
    # Not RFC 4180's "\r\n", of which cut and grep would keep the half.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", "familiarity"] + [f"proba_{c}" for c in classes])
    sys.stdout.flush()
    return writer.writerow


def _as_text(row: Row, classes: list[Any]) -> str:
    name, label, score, *probabilities = row
    familiarity = "-" if score is None else f"{score:.3f}"
    pairs = zip(classes, probabilities, strict=True)
    shares = [f"{class_name}={probability:.3f}" for class_name, probability in pairs]
    return "\t".join([name, str(label), familiarity, *shares])
