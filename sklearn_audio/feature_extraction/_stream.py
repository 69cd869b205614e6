"""One long recording, block by block, in memory that does not grow with its length."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_audio.feature_extraction._clips import (
    as_waveform,
    check_samples,
    is_encoded,
    write_float32,
)
from sklearn_audio.feature_extraction._decode import check_path, undecodable

# 2 MB of each channel.
_BLOCK_SAMPLES = 2**19


class _ForwardFile(soundfile.SoundFile):
    """A file that is read from its start to its end.

    After every read, soundfile seeks to where a seekable file is already. Decoders of
    mp3 and opus then forget what the next samples depend on.
    """

    def seekable(self) -> bool:
        return False


def stream_mono(recording: Any, sample_rate: float) -> Iterator[NDArray[np.float32]]:
    """Yield what `read_mono` returns at once, resampled in soxr's quality "HQ".

    Parameters
    ----------
    recording : path, bytes, or array-like of shape (n_samples,)
        An audio file, the content of one, or a waveform at `sample_rate`. Memory-mapped
        arrays are read block by block as well.
    sample_rate : float
        Rate of the result, in Hz.

    Yields
    ------
    block : ndarray of shape (n_samples,), dtype float32
        What comes next of the recording. Blocks differ in length and may be empty.

    Raises
    ------
    FileNotFoundError
        If the path leads nowhere.
    TypeError
        If the recording is none of the things above.
    ValueError
        If it cannot be decoded, or a sample is not finite.
    """
    if not is_encoded(recording):
        yield from _array_blocks(recording)
        return
    with _opened(recording) as file:
        blocks, rate = _file_blocks(file), file.samplerate
        if rate != sample_rate:
            blocks = _resampled(blocks, rate, sample_rate)
        yield from blocks


def _array_blocks(recording: Any) -> Iterator[NDArray[np.float32]]:
    samples = as_waveform(recording)
    if samples.ndim != 1:
        raise ValueError(
            f"has the shape {samples.shape} where a waveform of one channel, "
            "(n_samples,), is expected. Average its channels."
        )
    for part in gen_batches(samples.size, _BLOCK_SAMPLES):
        block: NDArray[np.float32] = np.empty(samples[part].shape, dtype=np.float32)
        write_float32(samples[part], block)
        yield block


@contextmanager
def _opened(recording: str | bytes | os.PathLike) -> Iterator[soundfile.SoundFile]:
    if not isinstance(recording, bytes):
        check_path(Path(recording))
    source = BytesIO(recording) if isinstance(recording, bytes) else recording
    try:
        with _ForwardFile(source) as file:
            yield file
    except (soundfile.SoundFileError, TypeError) as error:
        raise undecodable(error) from error


def _file_blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    while len(samples := file.read(_BLOCK_SAMPLES, dtype="float32")):
        check_samples(samples)
        yield samples if samples.ndim == 1 else samples.mean(axis=1)


def _resampled(
    blocks: Iterable[NDArray[np.float32]], rate: float, sample_rate: float
) -> Iterator[NDArray[np.float32]]:
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    # The filter holds back what depends on samples to come.
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)
