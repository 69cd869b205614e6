"""Random changes of spectrograms, fast enough for every batch of a training."""

from __future__ import annotations

import copy
import math
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn import functional as F

from sklearn_audio._torch._arithmetic import single_threaded
from sklearn_audio._torch._random import draw_seed
from sklearn_audio.augmentation._checks import check_range
from sklearn_audio.augmentation._decibel_unit import find_decibels_per_unit

# Fall of the noise from the lowest to the highest band, at most, in dB: that of brown
# noise, 6 dB an octave, over the seven octaves below 8 kHz.
_STEEPEST_TILT = 40.0
# Gains that an equaliser draws; those of the bands between are interpolated.
_N_EQUALIZER_KNOTS = 5
# Of natural logarithms of power.
_NEPERS_PER_DECIBEL = math.log(10) / 10
# Values that `augment` works on at a time: 4 MB.
_BATCH_VALUES = 2**20


class SpectrogramAugmenter(BaseEstimator):
    """Change log spectrograms at random, as other recordings of the same sounds would.

    A clip is shifted and stretched in time, shifted in pitch, equalised, and drowned in
    noise; a few bands and frames are masked (SpecAugment [1]_), and its level is
    changed. Every
    clip of a batch is changed differently, all of them at once: 32 clips of 32 bands
    and 32 frames take one core about a millisecond, so that a network can see every
    clip changed anew in every epoch.

    The defaults suit short sounds on a mel scale of 30 to 130 bands. 0 or None switches
    an effect off.

    Parameters
    ----------
    time_shift : float in [0, 1] or None, default=0.15
        Largest shift in time, to either side, as a part of the clip's duration. What is
        shifted in is the first or the last frame, repeated.
    speed : float in [0, 1] or None, default=0.1
        Largest relative change of the speed: with 0.1, sounds become up to 1.1 times
        as fast or as slow, about the middle of the clip and without a change of pitch.
        The logarithm of the factor is uniformly distributed.
    pitch : float in [0, 1] or None, default=0.06
        Largest shift along the bands, to either side, as a part of their number. Mel
        bands are about logarithmic, so that a shift is about a change of pitch. Rows of
        features have one band, which is not shifted.
    gain : float or None, default=6.0
        Largest change of the level, to either side, in dB.
    equalizer : float or None, default=6.0
        Largest change of the level of some bands, to either side, in dB, as other
        microphones, rooms and voices make it: gains are drawn for five places from the
        lowest band to the highest, and interpolated between. Rows of features have one
        band, which is not equalised.
    snr : tuple of (float, float) or None, default=(10.0, 40.0)
        Range of the signal-to-noise ratio in dB: mean power of the clip to mean power
        of the noise that is added to it. Uniformly distributed.
    noise_probability : float in [0, 1], default=0.8
        Share of the clips to which noise is added; the others stay clean.
    n_masks : int or None, default=2
        Number of masks along time, and as many along the bands. They may overlap.
    mask_width : float in [0, 1], default=0.12
        Largest width of a mask as a part of the axis. Widths are whole numbers of
        frames or bands from 0 on, all equally likely. Masked values become the mean of
        their clip.
    decibels_per_unit : float or "auto", default="auto"
        How many dB one unit of the spectrograms is: 1 for what
        :class:`~sklearn_audio.feature_extraction.LogMelSpectrogram` returns by default,
        40 where 80 dB are scaled to [-1, 1], ``10 / ln(10)`` for natural logarithms of
        power. "auto" concludes it from the spread of the clips: 1 where nine of ten
        values lie within 30 to 140, and otherwise what makes them lie within 64 dB,
        as they usually do. A classifier that is given the augmenter measures the spread
        of its training clips; otherwise it is that of the clips of a call.

    See Also
    --------
    WaveformAugmenter : The same for waveforms, before the front end.
    AugmentingClassifier : Trains any classifier on changed copies of its clips.

    Notes
    -----
    The order is: shifts and stretch, which are one bilinear interpolation; equaliser;
    noise; masks; gain.

    Noise is added as power, as microphones do it, and so fills what is quiet and leaves
    what is loud. It falls by 0 to 40 dB from the lowest band to the highest, which is
    between white and brown noise for the bands of a mel scale, and it fluctuates from
    bin to bin as the mean power of two bins of Gaussian noise does.

    References
    ----------
    .. [1] Park, D. S., Chan, W., Zhang, Y., Chiu, C.-C., Zoph, B., Cubuk, E. D. and
       Le, Q. V. (2019). "SpecAugment: a simple data augmentation method for automatic
       speech recognition." Interspeech.
       https://doi.org/10.21437/Interspeech.2019-2680

    Examples
    --------
    >>> from sklearn_audio.augmentation import SpectrogramAugmenter
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> X, y = make_sound_events(8, random_state=0)
    >>> spectrograms = LogMelSpectrogram().fit_transform(X)
    >>> changed = SpectrogramAugmenter().augment(spectrograms, random_state=0)
    >>> changed.shape == spectrograms.shape
    True

    With one effect alone, a clip becomes louder or softer as a whole:

    >>> only_gain = SpectrogramAugmenter(
    ...     time_shift=0, speed=0, pitch=0, equalizer=0, snr=None, n_masks=0, gain=6
    ... )
    >>> gains = only_gain.augment(spectrograms, random_state=0) - spectrograms
    >>> bool(abs(gains).max() < 6.001), bool(gains.std(axis=(1, 2)).max() < 0.001)
    (True, True)

    Inside a training, the batch and the generator are torch's:

    >>> import torch
    >>> augmenter, generator = SpectrogramAugmenter(), torch.Generator().manual_seed(0)
    >>> augmenter(torch.from_numpy(spectrograms), generator).shape
    torch.Size([8, 64, 101])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "time_shift": [Interval(Real, 0, 1, closed="both"), None],
        "speed": [Interval(Real, 0, 1, closed="both"), None],
        "pitch": [Interval(Real, 0, 1, closed="both"), None],
        "gain": [Interval(Real, 0, None, closed="left"), None],
        "equalizer": [Interval(Real, 0, None, closed="left"), None],
        "snr": [tuple, list, None],
        "noise_probability": [Interval(Real, 0, 1, closed="both")],
        "n_masks": [Interval(Integral, 0, None, closed="left"), None],
        "mask_width": [Interval(Real, 0, 1, closed="both")],
        "decibels_per_unit": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
        ],
    }

    def __init__(
        self,
        *,
        time_shift: float | None = 0.15,
        speed: float | None = 0.1,
        pitch: float | None = 0.06,
        gain: float | None = 6.0,
        equalizer: float | None = 6.0,
        snr: tuple[float, float] | None = (10.0, 40.0),
        noise_probability: float = 0.8,
        n_masks: int | None = 2,
        mask_width: float = 0.12,
        decibels_per_unit: float | str = "auto",
    ) -> None:
        self.time_shift = time_shift
        self.speed = speed
        self.pitch = pitch
        self.gain = gain
        self.equalizer = equalizer
        self.snr = snr
        self.noise_probability = noise_probability
        self.n_masks = n_masks
        self.mask_width = mask_width
        self.decibels_per_unit = decibels_per_unit

    def augment(
        self, X: Any, random_state: int | RandomState | None = None
    ) -> NDArray[np.float32]:
        """Return a changed copy of every clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
            Log spectrograms, low bands first, or rows, which are taken for one band of
            `n_features` frames.
        random_state : int, RandomState instance or None, default=None
            Seed. The same seed changes the same clips in the same way.

        Returns
        -------
        changed : ndarray of the shape of `X`, dtype float32
            The copies, in the order of `X`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or `X` is empty, has another number of
            dimensions, or has NaN or infinity in it.
        """
        X = check_array(
            X, dtype=np.float32, allow_nd=True, estimator=self, input_name="X"
        )
        if X.ndim > 3 or 0 in X.shape:
            raise ValueError(
                f"X has the shape {X.shape}, but spectrograms (n_clips, n_bands, "
                "n_frames) or rows (n_clips, n_features) are expected, with at least "
                "one band and one frame."
            )
        generator = torch.Generator().manual_seed(draw_seed(random_state))
        out = np.empty(X.shape, dtype=np.float32)
        augmenter = self.in_unit(find_decibels_per_unit(X))
        with single_threaded():
            for rows in gen_batches(len(X), max(1, _BATCH_VALUES // X[0].size)):
                out[rows] = augmenter(torch.tensor(X[rows]), generator).numpy()
        return out

    def in_unit(self, decibels_per_unit: float) -> Self:
        """Return an augmenter for clips of a unit, unless this one has its own.

        Parameters
        ----------
        decibels_per_unit : float
            What is meant by ``decibels_per_unit="auto"``.

        Returns
        -------
        augmenter : SpectrogramAugmenter
            A copy with that unit; this augmenter itself where its unit is a number.
        """
        if self.decibels_per_unit != "auto":
            return self
        return copy.copy(self).set_params(decibels_per_unit=decibels_per_unit)

    def __call__(self, X: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return a changed copy of every clip of a batch of a training.

        Parameters
        ----------
        X : Tensor of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
            The clips, in float32, on any device.
        generator : torch.Generator
            A generator of the CPU, whatever the device of `X`: the same seed then
            changes clips in the same way on every device.

        Returns
        -------
        changed : Tensor of the shape of `X`, on its device
            The copies; `X` itself where every effect is off.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        if self.decibels_per_unit == "auto":
            return self.in_unit(find_decibels_per_unit(X.numpy(force=True)))(
                X, generator
            )
        unit = float(self.decibels_per_unit)
        clips = X[:, None] if X.ndim == 2 else X  # (B, F, T)
        clips = self._resample(clips, generator)
        if self.equalizer and clips.shape[1] > 1:
            gains = _draw_curves(self.equalizer, clips, generator)  # (B, F, 1)
            clips = clips + gains / unit
        if self.snr is not None:
            ratios = check_range("snr", self.snr)
            clips = self._add_noise(clips, *ratios, unit, generator)
        if self.n_masks:
            clips = self._mask(clips, self.n_masks, generator)
        if self.gain:
            gains = _draw_between(-self.gain, self.gain, clips, generator)
            clips = clips + gains / unit
        return clips.reshape(X.shape)

    def _resample(
        self, clips: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Shift and stretch in time, and shift along the bands, in one go."""
        if not (self.time_shift or self.speed or self.pitch):
            return clips
        _, n_bands, n_frames = clips.shape
        largest = math.log1p(self.speed or 0.0)
        time_shift, pitch = self.time_shift or 0.0, self.pitch or 0.0
        factors = _draw_between(-largest, largest, clips, generator).exp()
        shifts = _draw_between(-time_shift, time_shift, clips, generator)
        pitches = _draw_between(-pitch, pitch, clips, generator)
        # grid_sample counts from -1 to 1 across an axis: twice its fractions.
        times = factors * _centers(n_frames, clips) - 2 * shifts  # (B, 1, T)
        bands = _centers(n_bands, clips)[:, None] - 2 * pitches  # (B, F, 1)
        grid = torch.stack(torch.broadcast_tensors(times, bands), dim=-1)
        return F.grid_sample(
            clips[:, None], grid, padding_mode="border", align_corners=False
        )[:, 0]

    def _add_noise(
        self,
        clips: torch.Tensor,
        low: float,
        high: float,
        unit: float,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Add noise to the power, by logarithms alone, so that nothing overflows."""
        nepers_per_unit = unit * _NEPERS_PER_DECIBEL
        peaks = clips.amax(dim=(1, 2), keepdim=True)  # (B, 1, 1)
        sound = (clips - peaks) * nepers_per_unit  # (B, F, T), at most 0
        ratios = _draw_between(low, high, clips, generator) * _NEPERS_PER_DECIBEL
        noise = _draw_noise(clips, generator) + _log_mean(sound, (1, 2)) - ratios
        mixed = torch.logaddexp(sound, noise) / nepers_per_unit + peaks
        is_noisy = _draw_between(0, 1, clips, generator) < self.noise_probability
        return torch.where(is_noisy, mixed, clips)

    def _mask(
        self,
        clips: torch.Tensor,
        n_masks: int,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Put the mean of the clip in place of some bands and some frames."""
        n_clips, n_bands, n_frames = clips.shape
        in_bands, in_frames = (
            _draw_masks(n_clips, length, n_masks, self.mask_width, generator)
            for length in (n_bands, n_frames)
        )
        is_masked = in_bands[:, :, None] | in_frames[:, None, :]  # (B, F, T)
        means = clips.mean(dim=(1, 2), keepdim=True)
        return torch.where(is_masked.to(clips.device), means, clips)


def _draw_between(
    low: float, high: float, like: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Draw one number a clip: (B, 1, 1)."""
    draws = torch.rand(len(like), 1, 1, generator=generator)
    return (low + (high - low) * draws).to(like.device)


def _draw_curves(
    largest: float, like: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Draw smooth curves over the bands, between -largest and largest: (B, F, 1)."""
    draws = torch.rand(len(like), 1, _N_EQUALIZER_KNOTS, generator=generator)
    knots = largest * (2 * draws - 1)
    curves = F.interpolate(
        knots, size=like.shape[1], mode="linear", align_corners=True
    )  # (B, 1, F)
    return curves.transpose(1, 2).to(like.device)


def _centers(n: int, like: torch.Tensor) -> torch.Tensor:
    """Return the centres of n equal cells between -1 and 1: (n,)."""
    return (2 * torch.arange(n, device=like.device) + 1) / n - 1


def _log_mean(log_values: torch.Tensor, dim: tuple[int, ...]) -> torch.Tensor:
    """Return the logarithm of a mean, given the logarithms of the values."""
    n_values = math.prod(log_values.shape[axis] for axis in dim)
    return log_values.logsumexp(dim, keepdim=True) - math.log(n_values)


def _draw_noise(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw the logarithm of coloured noise of mean power 1: (B, F, T).

    The power of a bin of Gaussian noise is exponentially distributed, as minus the
    logarithm of a uniform number is. This takes a seventh of the time of
    ``Tensor.exponential_``.
    """
    tilts = _draw_between(0, _STEEPEST_TILT, like, generator) * _NEPERS_PER_DECIBEL
    falls = -tilts * (_centers(like.shape[1], like)[:, None] + 1) / 2  # (B, F, 1)
    draws = 1 - torch.rand(2, *like.shape, generator=generator)  # in (0, 1]
    powers = draws.prod(dim=0).log() / -2  # (B, F, T)
    powers = powers.clamp_min(torch.finfo(powers.dtype).tiny).to(like.device)
    return powers.log() + falls - _log_mean(falls, (1,))


def _draw_masks(
    n_clips: int,
    length: int,
    n_masks: int,
    mask_width: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw which places of an axis are masked: (B, length)."""
    draws = torch.rand(2, n_clips, n_masks, 1, generator=generator)
    widths = (draws[0] * (int(mask_width * length) + 1)).floor()
    starts = (draws[1] * (length - widths + 1)).floor()
    places = torch.arange(length)
    return ((places >= starts) & (places < starts + widths)).any(dim=1)
