"""``sklearn-audio fit``: a folder of sounds to a model in a file."""

from __future__ import annotations

import math
import sys
import tempfile
import textwrap
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from sklearn_audio._cli._audio_files import read_blocks
from sklearn_audio._cli._model import write_model
from sklearn_audio.datasets._folder import load_audio_folder
from sklearn_audio.feature_extraction._audio_loader import AudioLoader
from sklearn_audio.feature_extraction._log_mel_spectrogram import LogMelSpectrogram
from sklearn_audio.feature_extraction._spectrogram_statistics import (
    SpectrogramStatistics,
)
from sklearn_audio.open_set._rejecting_classifier import RejectingClassifier
from sklearn_audio.open_set._scattering_resnet_classifier import (
    ScatteringResNetClassifier,
)

Say = Callable[[str], None]

# Seconds of a frame, and from one to the next. On a few hundred clips of speech and of
# everyday sounds, frames three times as dense were no better and took twice as long.
_FRAME = 0.032
_N_MELS = 32
# The default duration: what this part of the clips fits into, but no more seconds.
_COVERED = 0.9
_LONGEST = 10.0
_N_FOLDS = 5


def fit(options: Namespace) -> int:
    """Train a rejecting classifier on a folder and write it to a file.

    Parameters
    ----------
    options : Namespace
        What the command line says.

    Returns
    -------
    exit_code : int
        0.

    Raises
    ------
    OSError
        If the folder or a file cannot be read, or the model cannot be written.
    ValueError
        If the folder's content cannot be learned from.
    """
    say = _be_silent if options.quiet else _say
    begin = time.monotonic()
    out = _check_out(options)
    paths, y = _list_clips(options)
    with parallel_config(backend="threading", n_jobs=options.n_jobs):
        loader = _make_loader(options, paths, say)
        X, y, log_mel = _read_clips(options, loader, paths, y)
        say(_count_clips(y))
        classifier = _train(options, X, y, say)
    steps = [("loader", loader), ("log_mel", log_mel), ("classifier", classifier)]
    write_model(Pipeline(steps), out)
    kilobytes = out.stat().st_size / 1000
    say(
        f"Wrote {options.out} ({kilobytes:.0f} kB) in {time.monotonic() - begin:.0f} s."
    )
    return 0


# What can go wrong is found out before the minutes of training.


def _check_out(options: Namespace) -> Path:
    out = Path(options.out).expanduser().resolve()
    if out.is_dir():
        raise IsADirectoryError(f"--out {options.out} is a folder: name a file in it")
    if out.exists() and not options.force:
        raise FileExistsError(f"--out {options.out} exists: give --force to replace it")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OSError(
            f"--out {options.out}: its folder cannot be written to ({error.strerror})"
        ) from error
    return out


def _list_clips(options: Namespace) -> tuple[list[str], NDArray]:
    paths, y = load_audio_folder(options.folder, return_X_y=True)
    for subfolder in sorted(Path(options.folder).expanduser().iterdir()):
        is_class = subfolder.is_dir() and not subfolder.name.startswith(".")
        if is_class and subfolder.name not in y:
            warnings.warn(f"{subfolder} holds no audio files", stacklevel=2)
    _check_classes(y, options)
    return list(paths), y


def _check_classes(y: NDArray, options: Namespace) -> None:
    """Refuse classes that nothing can be learned from, or not what was asked for."""
    classes, sizes = np.unique(y, return_counts=True)
    if len(classes) < 2:
        names = f"only the class {classes[0]}" if len(classes) else "no class"
        raise ValueError(
            f"{options.folder} holds {names}: give it a subfolder for each of two or "
            "more classes, with audio files in each"
        )
    lonely = classes[sizes == 1]
    if len(lonely):
        raise ValueError(
            f"only 1 clip of {', '.join(lonely)}: give every class 2 clips or more"
        )
    if options.outlier_label in classes:
        raise ValueError(
            f"{options.outlier_label!r} is a class and the label of clips of no known "
            "class: choose another --outlier-label"
        )


# Reading


def _make_loader(options: Namespace, paths: list[str], say: Say) -> AudioLoader:
    lengths = np.array(list(_lengths(paths)))
    duration = options.duration or _choose_duration(lengths)
    if len(lengths):
        extremes = dict.fromkeys(f"{s:.3g}" for s in (lengths.min(), lengths.max()))
        say(
            f"The clips last {' to '.join(extremes)} s. Each is cropped or padded to "
            f"{duration:g} s at {options.sample_rate:g} Hz."
        )
    return AudioLoader(sample_rate=options.sample_rate, duration=duration)


def _lengths(paths: list[str]) -> Iterator[float]:
    """Yield the seconds that files say to last; reading tells which say nothing."""
    for path in paths:
        try:
            yield soundfile.info(path).duration
        except (OSError, ValueError, soundfile.SoundFileError):
            continue


def _choose_duration(lengths: NDArray) -> float:
    if not len(lengths):
        return 1.0
    covering = float(np.quantile(lengths, _COVERED, method="higher"))
    return min(max(math.ceil(100 * covering) / 100, 0.01), _LONGEST)


def _read_clips(
    options: Namespace, loader: AudioLoader, paths: list[str], y: NDArray
) -> tuple[NDArray, NDArray, LogMelSpectrogram]:
    """Return log-mel spectrograms and classes of what is readable, and their maker.

    Waveforms are dropped block by block: they are sixteen times as large.
    """
    log_mel = _make_log_mel(loader)
    spectrograms: list[NDArray] = []
    readable: list[str] = []
    failures: list[str] = []
    with _bar(options, "Reading", len(paths)) as bar:
        for block in read_blocks(loader, paths):
            if block.failures and not options.skip_unreadable:
                reason = block.failures[0]
                raise ValueError(f"{reason} Give --skip-unreadable to leave it out.")
            if block.paths:
                spectrograms.append(log_mel.transform(block.waveforms))
            readable += block.paths
            failures += block.failures
            bar.update(block.n_files)
    for failure in failures:
        warnings.warn(f"left out {failure}", stacklevel=2)
    label_of = dict(zip(paths, y, strict=True))
    y = np.array([label_of[path] for path in readable], dtype=y.dtype)
    _check_classes(y, options)
    return np.concatenate(spectrograms), y, log_mel


def _make_log_mel(loader: AudioLoader) -> LogMelSpectrogram:
    frame = max(2, round(_FRAME * loader.sample_rate))
    log_mel = LogMelSpectrogram(
        loader.sample_rate, n_fft=frame, hop_length=frame, n_mels=_N_MELS
    )
    # All it learns in dB is how many frames a clip has. A silent one tells.
    return log_mel.fit(loader.transform([np.zeros(1)]))


# Training


def _train(options: Namespace, X: NDArray, y: NDArray, say: Say) -> RejectingClassifier:
    n_folds = _limit_folds(_N_FOLDS, y)
    say(
        f"Training the {options.classifier} classifier {n_folds + 1} times: on all "
        f"clips, and {n_folds} times without a part of them, to find out what to "
        "reject."
    )
    model = RejectingClassifier(
        _make_classifier(options),
        outlier_label=options.outlier_label,
        rejection_rate=options.rejection_rate,
        cv=n_folds,
    ).fit(X, y)
    _estimate_accuracy(options, model, X, y, say)
    if options.classifier == "network":  # bars are for whoever watches now
        model.set_params(estimator__verbose=0)
        model.estimator_.set_params(verbose=0)
    return model


def _limit_folds(wanted: int, y: NDArray) -> int:
    """Return how many parts there can be with a clip of each class in every one."""
    return min(wanted, int(np.unique(y, return_counts=True)[1].min()))


def _make_classifier(options: Namespace) -> ClassifierMixin:
    if options.classifier == "linear":
        return make_pipeline(
            SpectrogramStatistics(),
            StandardScaler(),
            LogisticRegression(max_iter=1000),
        )
    return ScatteringResNetClassifier(
        max_epochs=options.max_epochs,
        random_state=options.random_state,
        verbose=int(_shows_bars(options)),
    )


def _estimate_accuracy(
    options: Namespace, model: RejectingClassifier, X: NDArray, y: NDArray, say: Say
) -> None:
    """Say how clips fare with classifiers that have not seen them."""
    wanted = options.cross_validate
    if wanted is None:
        wanted = _N_FOLDS if options.classifier == "linear" else 0
    if not wanted:
        return
    n_folds = _limit_folds(wanted, y)
    say(f"Training it {n_folds} times more to estimate the accuracy.")
    probabilities = cross_val_predict(
        model.estimator, X, y, cv=n_folds, method="predict_proba"
    )
    is_right = model.classes_[probabilities.argmax(axis=1)] == y
    is_known = probabilities.max(axis=1) >= model.offset_
    say(
        f"Clips that were held out: {np.mean(is_right & is_known):.1%} right, "
        f"{np.mean(~is_right & is_known):.1%} wrong, {np.mean(~is_known):.1%} "
        f"called {options.outlier_label}. If nothing were rejected, "
        f"{np.mean(is_right):.1%} would be right."
    )


# Telling


def _count_clips(y: NDArray) -> str:
    classes, sizes = np.unique(y, return_counts=True)
    pairs = zip(classes, sizes, strict=True)
    counts = ", ".join(f"{name} {size}" for name, size in pairs)
    return f"{len(y)} clips of {len(classes)} classes: {counts}"


def _bar(options: Namespace, what: str, n_files: int) -> tqdm:
    is_hidden = not _shows_bars(options)
    return tqdm(desc=what, total=n_files, unit="file", disable=is_hidden)


def _shows_bars(options: Namespace) -> bool:
    return sys.stderr.isatty() and not options.quiet


def _say(message: str) -> None:
    lines = textwrap.wrap(message, break_long_words=False, break_on_hyphens=False)
    print("\n  ".join(lines), file=sys.stderr)


def _be_silent(message: str) -> None:
    """Take the place of `_say` with ``--quiet``."""
