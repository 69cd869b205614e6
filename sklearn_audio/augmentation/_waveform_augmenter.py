"""Random changes of waveforms, in front of any front end."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import librosa
import numpy as np
import soxr
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval

from sklearn_audio.augmentation._checks import check_range

# Window of the phase vocoder, in seconds: a compromise between low tones, which it has
# to resolve, and onsets, which it smears.
_VOCODER_WINDOW = 0.064
# Coloured noise is flat below, in Hz, where a power law would let hum drown all else.
_LOWEST_FREQUENCY = 50.0


class WaveformAugmenter(BaseEstimator):
    """Change waveforms at random, as other recordings of the same sounds would.

    A clip is played faster or slower, changed in pitch and shifted; stretches of it may
    be silenced; noise is added, and the level is changed. Every clip is changed
    differently and keeps its length.

    The defaults suit clips of about a second. 0 or None switches an effect off.

    Parameters
    ----------
    sample_rate : float, default=16000
        Sample rate of the waveforms, in Hz.
    time_shift : float or None, default=0.1
        Largest shift in time, to either side, in seconds. What is shifted in is
        silence.
    speed : float in [0, 1] or None, default=0.1
        Largest relative change of the speed: with 0.1, clips are played up to 1.1 times
        as fast or as slow, which raises or lowers their pitch as well. The logarithm of
        the factor is uniformly distributed. Clips are cut or padded with silence at
        both ends to the length that they had.
    pitch : float or None, default=2.0
        Largest change of the pitch, to either side, in semitones, at unchanged speed.
    gain : float or None, default=6.0
        Largest change of the level, to either side, in dB.
    snr : tuple of (float, float) or None, default=(5.0, 40.0)
        Range of the signal-to-noise ratio in dB: mean power of the clip to mean power
        of the noise that is added to it. Uniformly distributed.
    noise_probability : float in [0, 1], default=0.8
        Share of the clips to which noise is added; the others stay clean.
    n_masks : int or None, default=0
        Number of stretches that are silenced. They may overlap. Off by default: holes
        in the sound disturb statistics over time, on which plain classifiers rely, more
        than they help.
    mask_width : float, default=0.1
        Longest silenced stretch, in seconds. All lengths from 0 on are equally likely.

    See Also
    --------
    SpectrogramAugmenter : The same for spectrograms, fast enough for every batch.
    AugmentingClassifier : Trains any classifier on changed copies of its clips.

    Notes
    -----
    The order is: speed, pitch, shift, masks, noise, gain. Noise thus fills the silence
    as well; a clip that is silent throughout stays so. The colour of the noise is
    drawn for each clip, between white (equal power in all hertz) and brown (6 dB less
    an octave).

    Floating-point clips may exceed [-1, 1] afterwards, which harms no front end.
    Integers are rounded, and clipped at the full scale of their dtype, as a recorder
    would do.

    The change of pitch is librosa's phase vocoder. It takes some milliseconds per
    second of sound, longer than everything else together, and smears onsets a little.

    Examples
    --------
    >>> from sklearn_audio.augmentation import WaveformAugmenter
    >>> from sklearn_audio.datasets import make_sound_events
    >>> X, y = make_sound_events(4, random_state=0)
    >>> augmenter = WaveformAugmenter(sample_rate=16000, snr=(10, 30))
    >>> changed = augmenter.augment(X, random_state=0)
    >>> changed.shape, changed.dtype
    ((4, 16000), dtype('float32'))

    Clips of unequal length keep their lengths:

    >>> clips = [X[0], X[1, :8000]]
    >>> [clip.size for clip in augmenter.augment(clips, random_state=0)]
    [16000, 8000]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "time_shift": [Interval(Real, 0, None, closed="left"), None],
        "speed": [Interval(Real, 0, 1, closed="both"), None],
        "pitch": [Interval(Real, 0, None, closed="left"), None],
        "gain": [Interval(Real, 0, None, closed="left"), None],
        "snr": [tuple, list, None],
        "noise_probability": [Interval(Real, 0, 1, closed="both")],
        "n_masks": [Interval(Integral, 0, None, closed="left"), None],
        "mask_width": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        sample_rate: float = 16000,
        *,
        time_shift: float | None = 0.1,
        speed: float | None = 0.1,
        pitch: float | None = 2.0,
        gain: float | None = 6.0,
        snr: tuple[float, float] | None = (5.0, 40.0),
        noise_probability: float = 0.8,
        n_masks: int | None = 0,
        mask_width: float = 0.1,
    ) -> None:
        self.sample_rate = sample_rate
        self.time_shift = time_shift
        self.speed = speed
        self.pitch = pitch
        self.gain = gain
        self.snr = snr
        self.noise_probability = noise_probability
        self.n_masks = n_masks
        self.mask_width = mask_width

    def augment(
        self, X: Any, random_state: int | RandomState | None = None
    ) -> NDArray | list[NDArray]:
        """Return a changed copy of every clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms of one channel, of any integer or floating dtype. Lists and 1-D
            object arrays may be ragged.
        random_state : int, RandomState instance or None, default=None
            Seed. The same seed changes the same clips in the same way.

        Returns
        -------
        changed : ndarray of the shape and dtype of `X`, or list of ndarray
            The copies, in the order of `X`, each with the length and the dtype of its
            clip.

        Raises
        ------
        TypeError
            If a clip is not a waveform. The error names the clip.
        ValueError
            If a parameter is out of its range, or `X` is empty, or a clip is empty, has
            several channels, or has NaN or infinity in it. The error names the clip.
        """
        self._validate_params()
        snr = None if self.snr is None else check_range("snr", self.snr)
        rng = check_random_state(random_state)
        clips = _check_clips(self, X)
        changed = clips.copy()
        for index, clip in enumerate(clips):
            samples = self._change(_as_float(clip), snr, rng)
            changed[index] = _with_dtype(samples, clip.dtype)
        return changed

    def _change(
        self, clip: NDArray, snr: tuple[float, float] | None, rng: RandomState
    ) -> NDArray:
        if self.speed:
            largest = math.log1p(self.speed)
            clip = _change_speed(clip, math.exp(rng.uniform(-largest, largest)))
        if self.pitch:
            n_semitones = rng.uniform(-self.pitch, self.pitch)
            clip = _change_pitch(clip, n_semitones, self.sample_rate)
        if self.time_shift:
            seconds = rng.uniform(-self.time_shift, self.time_shift)
            clip = _shift(clip, round(seconds * self.sample_rate))
        if self.n_masks:
            longest = round(self.mask_width * self.sample_rate)
            clip = _mask(clip, self.n_masks, longest, rng)
        if snr and rng.uniform() < self.noise_probability:
            clip = _add_noise(clip, rng.uniform(*snr), self.sample_rate, rng)
        if self.gain:
            clip = clip * 10 ** (rng.uniform(-self.gain, self.gain) / 20)
        return clip


def _check_clips(augmenter: WaveformAugmenter, X: Any) -> NDArray | list[NDArray]:
    """Return clips in a list or an object array, or as a dense array."""
    if isinstance(X, (list, tuple)):
        if not X:
            raise ValueError("X holds no clips: it is empty.")
        return [_check_clip(index, clip) for index, clip in enumerate(X)]
    if getattr(X, "ndim", None) == 1 and X.dtype.kind == "O":
        clips = np.empty(len(X), dtype=object)
        for index, clip in enumerate(_check_clips(augmenter, list(X))):
            clips[index] = clip
        return clips
    X = check_array(X, estimator=augmenter, input_name="X")
    _check_clip(0, X[0])
    return X


def _check_clip(index: int, clip: Any) -> NDArray:
    """Return a clip as an array, or say which one is not a waveform, and why."""
    try:
        samples = np.asarray(clip)
    except ValueError:  # nested lists of unequal lengths
        samples = np.empty(0, dtype=object)
    if samples.dtype.kind not in "iuf":
        raise TypeError(
            f"clip {index}: expected a waveform of real numbers, but it is a "
            f"{type(clip).__name__}. Put an AudioLoader before the augmentation."
        )
    if samples.ndim != 1:
        raise ValueError(
            f"clip {index}: has the shape {samples.shape} where a waveform of one "
            "channel, (n_samples,), is expected. AudioLoader mixes channels down."
        )
    if samples.size == 0:
        raise ValueError(f"clip {index}: it has 0 samples.")
    if not np.isfinite(samples).all():
        raise ValueError(f"clip {index}: it contains NaN or infinity.")
    return samples


def _as_float(clip: NDArray) -> NDArray:
    """Return a clip as floating-point numbers around 0, in a dtype that holds them."""
    return clip.astype(np.result_type(clip.dtype, np.float32)) - _midpoint(clip.dtype)


def _with_dtype(samples: NDArray, dtype: np.dtype) -> NDArray:
    """Undo `_as_float`."""
    if dtype.kind == "f":
        return samples.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    rounded = np.rint(samples + _midpoint(dtype))
    return rounded.clip(limits.min, limits.max).astype(dtype)


def _midpoint(dtype: np.dtype) -> int:
    """Return what silence is: the middle of the range of unsigned integers, or 0."""
    return (int(np.iinfo(dtype).max) + 1) // 2 if dtype.kind == "u" else 0


def _change_speed(clip: NDArray, factor: float) -> NDArray:
    """Play a clip faster by a factor; cut or pad both ends to the length it had."""
    played = soxr.resample(clip, in_rate=factor, out_rate=1.0)
    surplus = max(0, played.size - clip.size) // 2
    cut = played[surplus : surplus + clip.size]
    return librosa.util.pad_center(cut, size=clip.size)


def _change_pitch(clip: NDArray, n_semitones: float, sample_rate: float) -> NDArray:
    n_fft = 2 ** max(1, round(math.log2(_VOCODER_WINDOW * sample_rate)))
    padded = librosa.util.fix_length(clip, size=max(clip.size, n_fft))
    changed = librosa.effects.pitch_shift(
        padded, sr=sample_rate, n_steps=n_semitones, n_fft=n_fft
    )
    return changed[: clip.size]


def _shift(clip: NDArray, n_samples: int) -> NDArray:
    """Move a clip to later samples, or to earlier ones where the number is negative."""
    shifted = np.roll(clip, n_samples)
    gap = slice(n_samples) if n_samples >= 0 else slice(n_samples, None)
    shifted[gap] = 0
    return shifted


def _mask(clip: NDArray, n_masks: int, longest: int, rng: RandomState) -> NDArray:
    masked = clip.copy()
    for width in rng.randint(min(longest, clip.size) + 1, size=n_masks):
        start = rng.randint(clip.size - width + 1)
        masked[start : start + width] = 0
    return masked


def _add_noise(
    clip: NDArray, snr: float, sample_rate: float, rng: RandomState
) -> NDArray:
    """Add noise of exactly the wanted mean power, of a random colour."""
    n_fft = next_fast_len(clip.size, real=True)
    frequencies = np.maximum(rfftfreq(n_fft, 1 / sample_rate), _LOWEST_FREQUENCY)
    colour = (frequencies / _LOWEST_FREQUENCY) ** -rng.uniform(0, 1)
    white = rng.standard_normal(n_fft)
    noise = irfft(rfft(white) * colour, n_fft)[: clip.size]
    scale = 10 ** (-snr / 20) * _rms(clip) / _rms(noise)
    return clip + (scale * noise).astype(clip.dtype)


def _rms(samples: NDArray) -> float:
    return math.sqrt(np.square(samples, dtype=np.float64).mean())
