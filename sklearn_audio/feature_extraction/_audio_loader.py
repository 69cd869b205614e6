"""Audio files, or waveforms of any rate and length, to one array of waveforms."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_audio._data_frames import DataFrameOutputMixin
from sklearn_audio.base import VersionedEstimator
from sklearn_audio.feature_extraction._clips import (
    CLIP_ERRORS,
    as_waveform,
    collect_clips,
    is_encoded,
    named,
)
from sklearn_audio.feature_extraction._decode import fit_length, read_mono
from sklearn_audio.feature_extraction._threads import map_blocks

# A thread that gets one short file at a time spends longer waiting than reading.
_FILES_PER_TASK = 32


class AudioLoader(
    ClassNamePrefixFeaturesOutMixin, DataFrameOutputMixin, VersionedEstimator
):
    """Load clips as mono waveforms of one sample rate and one length.

    Each clip is decoded, averaged over its channels, resampled, and then cropped or
    padded. A clip may be

    - a path (str or :class:`pathlib.Path`) to a file that libsndfile can read: wav,
      flac, ogg, mp3 and others;
    - the `bytes` of such a file;
    - a waveform, 1-D or of shape (n_channels, n_samples), at `input_sample_rate`.
      Integers are divided by the full scale of their dtype, 32768 for int16.

    Parameters
    ----------
    sample_rate : float, default=16000
        Sample rate of the output, in Hz. 16 kHz keeps what matters in speech; sounds
        with much above 8 kHz want 32000 or 44100.
    duration : float or None, default=1.0
        Length of the output, in seconds, rounded to whole samples. With None nothing is
        cropped or padded, and the output is ragged.
    pad : {"zeros", "tile"}, default="zeros"
        What follows a clip that is too short: silence, or the clip again and again.
    crop : {"start", "center"}, default="start"
        Which part of a clip that is too long is kept.
    quality : {"HQ", "VHQ", "MQ", "LQ", "QQ"}, default="HQ"
        Quality of soxr's resampling. "QQ" is about 2.6 times faster than "HQ" and
        lets more aliasing through; the others hardly differ in time.
    input_sample_rate : float or None, default=None
        Sample rate of clips that are given as waveforms, in Hz. None means that they
        are at `sample_rate` already. Files carry their own rate.
    on_error : {"raise", "warn"}, default="raise"
        What to do with a clip that cannot be read: raise an error that names it, or
        warn with the same words and load silence in its place (one second of it with
        ``duration=None``).
    n_jobs : int or None, default=None
        Number of threads, each of which takes a block of clips at a time. None means 1
        unless in a :func:`joblib.parallel_config` context, -1 means all processors.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in `fit`: samples per clip where the clips were a dense
        2-D array, 1 where they were a column of a table. Not set for lists.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Only set for data frames whose column names
        are all strings.

    See Also
    --------
    LogMelSpectrogram : What usually comes next.

    Notes
    -----
    The transformer learns nothing from the clips, so `transform` works without `fit`,
    and `fit` opens no file.

    The output equals ``soundfile.read(path, dtype="float32")``, a mean over channels
    and :func:`soxr.resample` bit for bit. Resampling may overshoot -1 and 1 a little.
    Its result has ``n_samples * sample_rate / input_sample_rate`` samples up to
    rounding, so clips of one length stay of one length.

    A wav or mp3 file that was cut short yields the samples that are left of it; flac
    and ogg files that were cut short are errors.

    Examples
    --------
    Two seconds of a waveform at 8 kHz, of which one second is kept, at 16 kHz:

    >>> import numpy as np
    >>> from sklearn_audio.feature_extraction import AudioLoader
    >>> hum = np.sin(2 * np.pi * 50 * np.arange(16000) / 8000)
    >>> loader = AudioLoader(sample_rate=16000, duration=1.0, input_sample_rate=8000)
    >>> loader.fit_transform([hum, hum[:1000]]).shape
    (2, 16000)

    Files, as they are:

    >>> import os, tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "hum.wav")
    ...     soundfile.write(path, hum, 8000)
    ...     clips = AudioLoader(sample_rate=8000, duration=None).fit_transform([path])
    >>> clips[0].shape, clips[0].dtype
    ((16000,), dtype('float32'))
    """

    _parameter_constraints: dict[str, Any] = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "duration": [Interval(Real, 0, None, closed="neither"), None],
        "pad": [StrOptions({"zeros", "tile"})],
        "crop": [StrOptions({"start", "center"})],
        "quality": [StrOptions({"HQ", "VHQ", "MQ", "LQ", "QQ"})],
        "input_sample_rate": [Interval(Real, 0, None, closed="neither"), None],
        "on_error": [StrOptions({"raise", "warn"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        sample_rate: float = 16000,
        duration: float | None = 1.0,
        *,
        pad: Literal["zeros", "tile"] = "zeros",
        crop: Literal["start", "center"] = "start",
        quality: Literal["HQ", "VHQ", "MQ", "LQ", "QQ"] = "HQ",
        input_sample_rate: float | None = None,
        on_error: Literal["raise", "warn"] = "raise",
        n_jobs: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.duration = duration
        self.pad = pad
        self.crop = crop
        self.quality = quality
        self.input_sample_rate = input_sample_rate
        self.on_error = on_error
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the form of the collection; open no file.

        Parameters
        ----------
        X : list, Series, one-column DataFrame or array of clips
            See `transform`.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : AudioLoader
            The transformer itself.

        Raises
        ------
        TypeError
            If `X` is a single path.
        ValueError
            If a parameter or `X` is not as documented, or a waveform is empty or not
            finite.
        """
        self._n_samples()
        clips = collect_clips(self, X, reset=True, multichannel=True)
        if self.on_error == "raise":
            for index, clip in enumerate(clips):
                try:
                    is_encoded(clip) or as_waveform(clip)
                except CLIP_ERRORS as error:
                    raise named(error, index, clip) from error
        return self

    def transform(self, X: Any) -> NDArray:
        """Load clips.

        Parameters
        ----------
        X : collection of clips
            A list, tuple, 1-D array, Series, one-column DataFrame or (n_clips, 1) array
            of paths, bytes or waveforms, which may differ in length; or a dense array
            of waveforms, (n_clips, n_samples) or (n_clips, n_channels, n_samples).

        Returns
        -------
        waveforms : ndarray of shape (n_clips, n_samples), dtype float32
            Mono waveforms, in [-1, 1] where the files are. With ``duration=None``, a
            1-D object array of n_clips such waveforms.

        Raises
        ------
        FileNotFoundError
            If a file does not exist and ``on_error="raise"``.
        TypeError
            If `X` is a single path, or a clip is none of the things above.
        ValueError
            If `X` is empty or of another form, or a clip cannot be decoded, has no
            samples, or has NaN or infinity in it. The error names the clip.
        """
        self._validate_params()
        n_samples = self._n_samples()
        clips = collect_clips(self, X, reset=False, multichannel=True)
        n_clips = len(clips)
        out: NDArray = (
            np.empty(n_clips, dtype=object)
            if n_samples is None
            else np.empty((n_clips, n_samples), dtype=np.float32)
        )
        failures = map_blocks(
            partial(self._load, clips, out),
            n_clips,
            n_jobs=self.n_jobs,
            largest=_FILES_PER_TASK,
        )
        # Warnings raised inside a thread may escape the filters of the caller, who
        # stands behind scikit-learn's wrapper of this method.
        for message in [message for block in failures for message in block]:
            warnings.warn(f"{message} Silence stands in for it.", stacklevel=3)
        return out

    def _load(self, clips: Any, out: NDArray, block: slice) -> list[str]:
        """Fill a block of ``out`` and return what was wrong with some of its clips."""
        failures = []
        for index in range(block.start, block.stop):
            try:
                samples = self._read(clips[index])
            except CLIP_ERRORS as error:
                error_with_name = named(error, index, clips[index])
                if self.on_error == "raise":
                    raise error_with_name from error
                failures.append(str(error_with_name))
                samples = np.zeros(max(1, round(self.sample_rate)), dtype=np.float32)
            if self.duration is None:
                out[index] = samples
            else:
                fit_length(samples, out[index], pad=self.pad, crop=self.crop)
        return failures

    def _read(self, clip: Any) -> NDArray[np.float32]:
        return read_mono(
            clip,
            input_sample_rate=self.input_sample_rate or self.sample_rate,
            sample_rate=self.sample_rate,
            quality=self.quality,
        )

    def _n_samples(self) -> int | None:
        """Return the number of samples of every output clip, None where it varies."""
        if self.duration is None:
            return None
        n_samples = round(self.duration * self.sample_rate)
        if n_samples < 1:
            raise ValueError(
                f"duration={self.duration} is less than one sample at sample_rate="
                f"{self.sample_rate} Hz: it is in seconds, not milliseconds."
            )
        return n_samples

    @property
    def _n_features_out(self) -> int:
        return self._n_samples() or 1

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each sample: ``audioloader0``, ``audioloader1`` and so on.

        With ``duration=None``, the output is one column of waveforms of any length,
        which is called ``audioloader0``.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Checked against the columns seen in `fit`, otherwise not used.

        Returns
        -------
        names : ndarray of shape (n_samples,), dtype object
            The names.
        """
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        # Collections of paths are 1-D and welcome too, but one_d_array would promise
        # that a single 1-D waveform is.
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags
