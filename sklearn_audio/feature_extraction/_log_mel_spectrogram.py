"""Waveforms to log-mel spectrograms with librosa's conventions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import Tags, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklearn_audio._data_frames import DataFrameOutputMixin
from sklearn_audio._torch._arithmetic import single_threaded
from sklearn_audio.base import VersionedEstimator
from sklearn_audio.feature_extraction._clips import (
    Waveforms,
    check_finite,
    check_waveforms,
    collect_clips,
)
from sklearn_audio.feature_extraction._decibels import (
    find_band_moments,
    find_peaks,
    find_range,
    power_to_db,
    scale_to_unit,
    standardize,
)
from sklearn_audio.feature_extraction._mel_filters import make_mel_power
from sklearn_audio.feature_extraction._mel_power import MelPower, PadMode
from sklearn_audio.feature_extraction._threads import map_blocks

# Spectrograms that `fit` holds at a time, in values: 16 MB.
_FIT_VALUES = 2**22


class LogMelSpectrogram(DataFrameOutputMixin, VersionedEstimator):
    """Turn waveforms into log-mel spectrograms.

    The same numbers as :func:`librosa.feature.melspectrogram` followed by
    :func:`librosa.power_to_db`, several times faster and in little memory, then scaled
    if wanted.

    Parameters
    ----------
    sample_rate : float, default=16000
        Sample rate of the waveforms, in Hz. It should be that of the
        :class:`AudioLoader` before.
    n_fft : int, default=512
        Length of the FFT, in samples. 512 at 16 kHz are 32 ms, as usual for speech.
    hop_length : int, default=160
        Samples from one frame to the next. 160 at 16 kHz are 10 ms.
    win_length : int or None, default=None
        Length of the window, in samples, at most `n_fft` and padded to it with zeros.
        None means `n_fft`.
    window : str, tuple or float, default="hann"
        Window as :func:`scipy.signal.get_window` names it.
    center : bool, default=True
        Whether frame t is centred on sample ``t * hop_length``; the clip is then
        continued by half a frame on both sides, so that clips of any length will do.
        Otherwise frame t begins there, and clips shorter than `n_fft` are an error.
    pad_mode : {"constant", "edge", "reflect", "symmetric"}, default="constant"
        How :func:`numpy.pad` continues a clip when ``center=True``. "constant" is
        silence.
    power : float, default=2.0
        Exponent of the magnitudes: 2 for energy, 1 for amplitude.
    n_mels : int, default=64
        Number of mel bands.
    fmin : float, default=0.0
        Lowest frequency, in Hz.
    fmax : float or None, default=None
        Highest frequency, in Hz, at most half of `sample_rate`, which None stands for.
    htk : bool, default=False
        Whether to use the mel scale of HTK instead of Slaney's.
    norm : {"slaney"}, float or None, default="slaney"
        What each mel filter is divided by: the width of its band, its norm of that
        order, or nothing.
    ref : float or "max", default=1.0
        Power that is 0 dB. "max" is the maximum of each clip, which discards how loud
        the clip is.
    amin : float, default=1e-10
        Powers below are raised to this one, so that silence has a logarithm.
    top_db : float or None, default=80.0
        Values this far below the maximum of their clip are raised to that floor, in dB.
        None keeps them all.
    scaling : {"db", "unit", "standardize"}, default="db"
        What is done to the dB. "db": nothing. "unit": the minimum and the maximum seen
        in `fit` become -1 and 1, and whatever lies beyond them is clipped.
        "standardize": each band gets mean 0 and standard deviation 1 over the frames
        seen in `fit`.
    n_frames : int or None, default=None
        Number of frames of every spectrogram. Longer clips lose the frames at their
        end, before any maximum is taken. Shorter ones are continued by what silence
        would give in that clip. None keeps all frames, and needs clips of one length.
    flatten : bool, default=False
        Whether the output is 2-D, one row of ``n_mels * n_frames`` values per clip, for
        classifiers that take tables and for
        :class:`~sklearn.compose.ColumnTransformer`.
    n_jobs : int or None, default=None
        Number of threads. None means 1 unless in a :func:`joblib.parallel_config`
        context, -1 means all processors. Setting them up takes as long as some hundred
        clips of one second.

    Attributes
    ----------
    n_frames_ : int
        Number of frames of every spectrogram.
    db_range_ : tuple of (float, float)
        Minimum and maximum seen in `fit`, in dB. Only with ``scaling="unit"``.
    mean_ : ndarray of shape (n_mels,)
        Mean of each band seen in `fit`, in dB. Only with ``scaling="standardize"``.
    scale_ : ndarray of shape (n_mels,)
        Standard deviation of each band seen in `fit`, in dB, or 1 where the band is
        constant. Only with ``scaling="standardize"``.
    n_features_in_ : int
        Number of samples per clip seen in `fit`. Only set for dense input.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Only set for data frames whose column names
        are all strings.

    Warns
    -----
    UserWarning
        In `fit`, when mel bands are narrower than the FFT resolves and stay empty. Such
        a band is constant.

    See Also
    --------
    AudioLoader : Makes the waveforms.
    SpectrogramStatistics : Turns the spectrograms into short rows of numbers.

    Notes
    -----
    Every clip goes through blocks of one constant size, on one native thread, so its
    spectrogram does not depend, not by a bit, on the clips beside it or on `n_jobs`.
    Apart from the output, `transform` needs about ten megabytes per thread, whatever
    the number and the length of the clips.

    With ``ref="max"``, a silent clip is 0 dB everywhere: the loudest value there is.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> time = np.arange(16000) / 16000
    >>> waveforms = np.stack([np.sin(2 * np.pi * f * time) for f in (440, 1760)])
    >>> log_mel = LogMelSpectrogram(sample_rate=16000)
    >>> spectrograms = log_mel.fit_transform(waveforms)
    >>> spectrograms.shape
    (2, 64, 101)
    >>> spectrograms.mean(axis=2).argmax(axis=1)  # the loudest band of each clip
    array([ 8, 32])
    """

    _parameter_constraints: dict[str, Any] = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "n_fft": [Interval(Integral, 2, None, closed="left")],
        "hop_length": [Interval(Integral, 1, None, closed="left")],
        "win_length": [Interval(Integral, 1, None, closed="left"), None],
        "window": [str, tuple, Real],
        "center": ["boolean"],
        "pad_mode": [StrOptions({"constant", "edge", "reflect", "symmetric"})],
        "power": [Interval(Real, 0, None, closed="neither")],
        "n_mels": [Interval(Integral, 1, None, closed="left")],
        "fmin": [Interval(Real, 0, None, closed="left")],
        "fmax": [Interval(Real, 0, None, closed="neither"), None],
        "htk": ["boolean"],
        "norm": [StrOptions({"slaney"}), Interval(Real, 0, None, closed="right"), None],
        "ref": [StrOptions({"max"}), Interval(Real, 0, None, closed="neither")],
        "amin": [Interval(Real, float(np.finfo(np.float32).tiny), None, closed="left")],
        "top_db": [Interval(Real, 0, None, closed="left"), None],
        "scaling": [StrOptions({"db", "unit", "standardize"})],
        "n_frames": [Interval(Integral, 1, None, closed="left"), None],
        "flatten": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        sample_rate: float = 16000,
        *,
        n_fft: int = 512,
        hop_length: int = 160,
        win_length: int | None = None,
        window: str | tuple | float = "hann",
        center: bool = True,
        pad_mode: PadMode = "constant",
        power: float = 2.0,
        n_mels: int = 64,
        fmin: float = 0.0,
        fmax: float | None = None,
        htk: bool = False,
        norm: Literal["slaney"] | float | None = "slaney",
        ref: float | Literal["max"] = 1.0,
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        scaling: Literal["db", "unit", "standardize"] = "db",
        n_frames: int | None = None,
        flatten: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.window = window
        self.center = center
        self.pad_mode = pad_mode
        self.power = power
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.htk = htk
        self.norm = norm
        self.ref = ref
        self.amin = amin
        self.top_db = top_db
        self.scaling = scaling
        self.n_frames = n_frames
        self.flatten = flatten
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the number of frames and what the scaling needs.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms, see `transform`.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : LogMelSpectrogram
            The transformer itself.
        """
        clips = self._start_fit(X)
        check_finite(clips)
        if self.scaling != "db":
            batches = gen_batches(len(clips), self._clips_per_batch())
            self._learn_scaling(self._decibels(clips[b], b.start) for b in batches)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Fit and return the spectrograms, which are computed once.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms, see `transform`.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        spectrograms : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
            The same as ``fit(X).transform(X)``.
        """
        decibels = self._decibels(self._start_fit(X))
        if self.scaling != "db":
            batches = gen_batches(len(decibels), self._clips_per_batch())
            self._learn_scaling(decibels[batch] for batch in batches)
        return self._scale(decibels)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute spectrograms.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms of any real dtype; integers are divided by the full scale of their
            dtype. Lists and 1-D object arrays may be ragged if `n_frames` is set.

        Returns
        -------
        spectrograms : ndarray of shape (n_clips, n_mels, n_frames), dtype float32
            In dB or scaled, see `scaling`. With ``flatten=True``, of shape
            (n_clips, n_mels * n_frames), all frames of the lowest band first.

        Raises
        ------
        TypeError
            If a clip is not a waveform.
        ValueError
            If `X` is empty or of another form, or a clip has NaN or infinity in it, is
            too short, or gives another number of frames than in `fit`. The error names
            the clip.
        """
        check_is_fitted(self)
        clips = check_waveforms(collect_clips(self, X, reset=False))
        self._check_lengths(clips, self.n_frames_)
        return self._scale(self._decibels(clips))

    def _start_fit(self, X: Any) -> Waveforms:
        """Learn the number of frames; return the clips."""
        mel_power = self._mel_power()
        if mel_power.empty_filters:
            warnings.warn(
                f"The mel bands {mel_power.empty_filters} are empty: with n_fft="
                f"{self.n_fft}, {self.sample_rate} Hz are too coarsely resolved for "
                f"n_mels={self.n_mels}. Raise n_fft, or lower n_mels.",
                stacklevel=5,
            )
        clips = check_waveforms(collect_clips(self, X, reset=True))
        n_frames = self.n_frames or mel_power.n_frames(clips[0].size)
        self._check_lengths(clips, n_frames)
        self.n_frames_ = n_frames
        return clips

    def _check_lengths(self, clips: Waveforms, n_frames: int) -> None:
        lengths = [clip.size for clip in clips]
        expected = n_frames if self.n_frames is None else None
        self._mel_power().check_lengths(lengths, expected)

    def _clips_per_batch(self) -> int:
        return max(1, _FIT_VALUES // (self.n_mels * self.n_frames_))

    def _mel_power(self) -> MelPower:
        return make_mel_power(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            win_length=self.win_length,
            window=self.window,
            center=self.center,
            pad_mode=self.pad_mode,
            power=self.power,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
            htk=self.htk,
            norm=self.norm,
        )

    def _decibels(self, clips: Waveforms, first: int = 0) -> NDArray[np.float32]:
        """Return the spectrograms in dB, not scaled, not flattened."""
        n_clips = len(clips)
        out = np.empty((n_clips, self.n_mels, self.n_frames_), dtype=np.float32)
        fill = partial(self._fill, clips, out, first)
        with single_threaded():
            map_blocks(fill, n_clips, n_jobs=self.n_jobs)
        return out

    def _fill(
        self, clips: Waveforms, out: NDArray[np.float32], first: int, part: slice
    ) -> None:
        """Compute some of the spectrograms of ``out``, each by itself."""
        clips, out, first = clips[part], out[part], first + part.start
        # Power that is not finite is found by its peaks, and named.
        with np.errstate(over="ignore", invalid="ignore"):
            for done in self._mel_power().fill(clips, out, first):
                peaks = find_peaks(out[done], clips[done], first + done.start)
                power_to_db(
                    out[done], peaks, ref=self.ref, amin=self.amin, top_db=self.top_db
                )

    def _learn_scaling(self, batches: Iterable[NDArray[np.float32]]) -> None:
        if self.scaling == "unit":
            self.db_range_ = find_range(batches)
        else:
            self.mean_, self.scale_ = find_band_moments(batches)

    def _scale(self, decibels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale in place; flatten if wanted."""
        if self.scaling == "unit":
            scale_to_unit(decibels, *self.db_range_)
        elif self.scaling == "standardize":
            standardize(decibels, self.mean_, self.scale_)
        return decibels.reshape(len(decibels), -1) if self.flatten else decibels

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each band, or for each value of a table.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Checked against the columns seen in `fit`, otherwise not used.

        Returns
        -------
        names : ndarray of shape (n_mels,) or (n_mels * n_frames,), dtype object
            Names of the second axis of what `transform` returns: of the bands,
            ``mel0``, ``mel1`` and so on, from which the next step makes the names of
            its columns; with ``flatten=True``, of all values, ``mel0_frame0``,
            ``mel0_frame1`` and so on.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        names = [f"mel{band}" for band in range(self.n_mels)]
        if self.flatten:
            frames = range(self.n_frames_)
            names = [f"{name}_frame{frame}" for name in names for frame in frames]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
