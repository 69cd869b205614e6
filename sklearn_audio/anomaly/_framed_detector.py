"""Any detector of anomalous clips, slid over long recordings."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import MetaEstimatorMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import BaseCrossValidator
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_audio.anomaly._frames import cut_frames
from sklearn_audio.base import AnomalyDetector, Split, calibration_splits
from sklearn_audio.feature_extraction._clips import CLIP_ERRORS, collect_clips, named
from sklearn_audio.feature_extraction._stream import stream_mono

# Samples of the frames that the detector is given at once: 8 MB.
_BATCH_SAMPLES = 2**21


class FramedDetector(MetaEstimatorMixin, AnomalyDetector):
    r"""Slide a detector of anomalous clips over long recordings.

    Recordings are cut into overlapping frames, which are clips to the detector:
    :meth:`score_curve` tells how familiar each moment of a recording is, and
    :meth:`detect_events` when something foreign is heard, in seconds. A recording is as
    familiar as its strangest frame. Files are scored while they are read, so that
    memory does not grow with their length.

    Parameters
    ----------
    detector : outlier detector
        Any scikit-learn outlier detector, density model or pipeline that takes
        waveforms of shape (n_frames, n_samples), such as ``make_pipeline(
        LogMelSpectrogram(), SpectrogramStatistics(), OneClassSVM())``. It has
        `decision_function`, or else `score_samples`, and finds the familiarity of a
        frame from that frame alone. One wrapped into
        :class:`sklearn.frozen.FrozenEstimator` is not fitted again.
    sample_rate : float
        Sample rate of the frames, in Hz. Files are resampled to it; recordings that are
        given as arrays must have it. It should be that of the front end in `detector`.
    frame_duration : float, default=1.0
        Length of a frame, in seconds, rounded to whole samples. The detector hears no
        context beyond it, and events are located no more finely.
    hop_duration : float, default=0.5
        From the start of one frame to the start of the next, in seconds, rounded to
        whole samples; at most `frame_duration`, for nothing may go unheard. By default
        each moment is heard twice, so that a sound of up to half a frame is whole in
        one of them. Half the hop takes twice the time.
    contamination : float in (0, 0.5], "auto" or None, default=0.05
        Where the threshold lies, below which a frame is anomalous:

        - a number: this fraction of fresh normal recordings has an anomalous frame;
        - "auto": where the `decision_function` of the detector is 0. The threshold then
          is about single frames, see Notes;
        - None: no frame is anomalous. Scores alone are needed for rankings.
    novelty : bool, default=True
        True: the threshold is for recordings that are not given to `fit`, and is found
        by `cv`. False: it is for those given to `fit`, of which at most the fraction
        `contamination` is called anomalous, and `fit_predict` says which.
    cv : int, splitter or None, default=None
        Folds by which the recordings are scored, each by a detector that was not fitted
        on it; None is 5. A frozen detector needs none.
    n_jobs : int or None, default=None
        Folds that are fitted at once.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_recordings,)
        Scores of the recordings from which `offset_` is found, in ascending order.
        Empty where `contamination` is no number.
    detector_ : outlier detector
        The fitted detector of frames. Those of this package have no threshold of their
        own, unless `contamination` is "auto".
    frame_length_ : int
        Samples of a frame.
    hop_length_ : int
        Samples from the start of one frame to the start of the next.
    offset_ : float
        Frames of lower familiarity are anomalous; minus infinity with
        ``contamination=None``.
    n_features_in_ : int
        Number of samples per recording seen in `fit`. Only set for dense arrays, after
        which other dense arrays must have as many; lists of recordings may be ragged.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Only set for data frames whose column names
        are all strings.

    See Also
    --------
    sklearn_audio.inspection.AnomalyScoreDisplay : Draws the curve and the events.

    Notes
    -----
    Frames begin at multiples of the hop. If the recording does not end with a frame,
    one more does, which overlaps more with the frame before. A recording that is
    shorter than one frame is an error.

    There is one threshold, and ``predict`` calls a recording anomalous if
    :meth:`detect_events` finds anything in it. A threshold below which the share
    :math:`c` of normal frames lies raises a false alarm in about :math:`1 - (1 - c)^n`
    of the normal recordings of :math:`n` frames: at :math:`c = 0.05`, which suits
    clips, in nearly all that last a minute, which are 119 frames. That is why
    `contamination` is about recordings, and replaces the threshold of the detector.
    Recordings longer than those given to `fit` still raise more false alarms, shorter
    ones fewer.

    What the detector was trained on is more familiar to it than new recordings are. The
    threshold therefore comes from recordings that the detector was not trained on: by
    folds, or all of them where the detector is frozen. Frames of one recording never
    are on both sides of a fold; `groups` keep recordings together, such as those of one
    machine. With "auto", a detector whose `fit` takes `groups` is given the recordings
    of the frames.

    Examples
    --------
    A detector that knows six recordings of noise, and one in which a tone is heard from
    4.0 to 4.2 s:

    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_audio.anomaly import FramedDetector
    >>> from sklearn_audio.feature_extraction import (
    ...     LogMelSpectrogram,
    ...     SpectrogramStatistics,
    ... )
    >>> rng = np.random.default_rng(0)
    >>> recordings = rng.normal(scale=0.1, size=(7, 10 * 8000))
    >>> *normal, recording = recordings
    >>> recording[32000:33600] += 0.1 * np.sin(2 * np.pi * 0.1 * np.arange(1600))
    >>> detector = make_pipeline(
    ...     LogMelSpectrogram(8000, n_mels=8),
    ...     SpectrogramStatistics(),
    ...     GaussianMixture(covariance_type="diag"),
    ... )
    >>> framed = FramedDetector(
    ...     detector, sample_rate=8000, frame_duration=0.5, hop_duration=0.25
    ... )
    >>> framed.fit(normal).detect_events(recording)
    array([[3.75, 4.5 ]])
    >>> times, scores = framed.score_curve(recording)
    >>> times[scores < framed.offset_]
    array([3.75, 4.  ])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "detector": [
            HasMethods(["fit", "decision_function"]),
            HasMethods(["fit", "score_samples"]),
        ],
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "frame_duration": [Interval(Real, 0, None, closed="neither")],
        "hop_duration": [Interval(Real, 0, None, closed="neither")],
        **AnomalyDetector._parameter_constraints,
        "contamination": [
            Interval(Real, 0, 0.5, closed="right"),
            StrOptions({"auto"}),
            None,
        ],
        "cv": ["cv_object"],
    }

    contamination: Any

    def __init__(
        self,
        detector: Any,
        sample_rate: float,
        *,
        frame_duration: float = 1.0,
        hop_duration: float = 0.5,
        contamination: float | Literal["auto"] | None = 0.05,
        novelty: bool = True,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.detector = detector
        self.sample_rate = sample_rate
        self.frame_duration = frame_duration
        self.hop_duration = hop_duration
        self.contamination = contamination
        self.novelty = novelty
        self.cv = cv
        self.n_jobs = n_jobs

    # Nested validation is left on: the wrapped detector is the user's own.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Fit the detector on all frames, and find the threshold.

        All frames are held in memory, ``frame_duration / hop_duration`` times the
        recordings. A frozen detector is only calibrated, in little memory; with
        ``contamination="auto"``, nothing is read at all.

        Parameters
        ----------
        X : list of recordings, or array-like of shape (n_recordings, n_samples)
            Nearly all of them normal. A recording is a path, the `bytes` of an audio
            file, or a waveform of one channel, float or integer; a list may mix them
            and be ragged. A Series or a column of paths is welcome as well.
        y : Ignored
            Not used, present for API consistency.
        groups : array-like of shape (n_recordings,), optional
            What recordings have in common, such as the machine. No group is then on
            both sides of a fold.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        FileNotFoundError
            If a file does not exist.
        TypeError
            If `X` is a single path, or a recording is none of the things above.
        ValueError
            If a parameter or `X` is not as documented, or a recording cannot be
            decoded, is shorter than a frame, or has NaN or infinity in it: the error
            names the recording. Or if there are too few recordings for `cv`.
        """
        recordings = collect_clips(self, X, reset=True)
        self._rate = self.sample_rate  # whatever is set after fit
        self.frame_length_, self.hop_length_ = self._lengths()
        self._set_thresholds(self._calibrate(recordings, groups))
        if self.contamination == "auto":
            self._check_has_decisions()
            self._offsets = {"score": 0.0}
        return self

    def score_curve(
        self, recording: Any
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how familiar each moment of one recording is.

        Parameters
        ----------
        recording : path, bytes, or array-like of shape (n_samples,)
            One recording, see `fit`. Files and memory-mapped arrays of any length are
            read piece by piece.

        Returns
        -------
        times : ndarray of shape (n_frames,), dtype float64
            Start of each frame, in seconds, rising.
        scores : ndarray of shape (n_frames,), dtype float64
            Familiarity of each frame, higher = more normal: the `decision_function` of
            the detector, or its `score_samples` where it has no other.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            As in `fit`.
        """
        check_is_fitted(self)
        starts, scores = self._score_frames(recording)
        return starts / self._rate, scores

    def detect_events(self, recording: Any) -> NDArray[np.float64]:
        """Return when something foreign is heard in one recording.

        Parameters
        ----------
        recording : path, bytes, or array-like of shape (n_samples,)
            One recording, see `score_curve`.

        Returns
        -------
        events : ndarray of shape (n_events, 2), dtype float64
            Start and end of each event, in seconds, in their order: what the frames
            below `offset_` cover, in one piece where they overlap or touch. Events are
            made of whole frames, so that they begin up to one frame before the sound
            and end up to one after it.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            As in `fit`.
        """
        check_is_fitted(self)
        starts, scores = self._score_frames(recording)
        anomalous = starts[scores < self.offset_]
        gaps = np.flatnonzero(np.diff(anomalous) > self.frame_length_)
        runs = [run for run in np.split(anomalous, gaps + 1) if run.size]
        events = [(run[0], run[-1] + self.frame_length_) for run in runs]
        return np.array(events, dtype=np.float64).reshape(-1, 2) / self._rate

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return how familiar the strangest moment of each recording is.

        Parameters
        ----------
        X : list of recordings, or array-like of shape (n_recordings, n_samples)
            The recordings, see `fit`.

        Returns
        -------
        scores : ndarray of shape (n_recordings,), dtype float64
            Least familiarity of a frame, higher = more normal.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            As in `fit`.
        """
        check_is_fitted(self)
        return self._least_scores(collect_clips(self, X, reset=False))

    def _lengths(self) -> tuple[int, int]:
        """Return the samples of a frame and of a hop."""
        if self.hop_duration > self.frame_duration:
            raise ValueError(
                f"hop_duration={self.hop_duration} is longer than frame_duration="
                f"{self.frame_duration}: what lies between the frames would go unheard."
            )
        hop_length = round(self.hop_duration * self.sample_rate)
        if hop_length < 1:
            raise ValueError(
                f"hop_duration={self.hop_duration} is less than one sample at "
                f"sample_rate={self.sample_rate} Hz: it is in seconds, not "
                "milliseconds."
            )
        return round(self.frame_duration * self.sample_rate), hop_length

    @property
    def _calibrates(self) -> bool:
        return self.contamination not in ("auto", None)

    def _calibrate(
        self, recordings: Any, groups: Any
    ) -> dict[str, NDArray[np.float64]]:
        """Fit the detector, and return the scores that the threshold is found from."""
        if isinstance(self.detector, FrozenEstimator):
            self.detector_ = clone(self.detector)
            check_is_fitted(self.detector_)
            return {"score": self._least_scores(recordings)} if self._calibrates else {}
        frames = [
            np.concatenate([new for _, new in self._frames(recording, index)])
            for index, recording in enumerate(recordings)
        ]
        rows = np.arange(len(frames))
        splits: list[Split] = []
        if self._calibrates and self.novelty:
            splits = calibration_splits(self.cv, len(frames), groups=groups)
        owners = rows if groups is None else np.asarray(groups)
        self.detector_ = self._fitted(frames, owners)
        if not self._calibrates:
            return {}
        if not self.novelty:
            return {"score": self._least_of(self.detector_, frames)}
        folds = Parallel(n_jobs=self.n_jobs)(
            delayed(self._score_fold)(frames, owners, train, test)
            for train, test in splits
        )
        return {"score": np.concatenate(folds)}

    def _fitted(self, frames: list[NDArray], owners: NDArray) -> Any:
        """Return a detector that is fitted on frames of recordings."""
        detector = clone(self.detector)
        last, prefix = _last_step(detector)
        params = {}
        if isinstance(last, AnomalyDetector) and self.contamination != "auto":
            last.set_params(contamination=None)  # the threshold is that of recordings
        elif has_fit_parameter(last, "groups") and len(np.unique(owners)) > 1:
            per_frame = np.repeat(owners, [len(some) for some in frames])
            params = {f"{prefix}groups": per_frame}
        return detector.fit(np.concatenate(frames), **params)

    def _score_fold(
        self, frames: list[NDArray], owners: NDArray, train: NDArray, test: NDArray
    ) -> NDArray[np.float64]:
        detector = self._fitted([frames[row] for row in train], owners[train])
        return self._least_of(detector, [frames[row] for row in test])

    def _least_of(self, detector: Any, frames: list[NDArray]) -> NDArray[np.float64]:
        curves = (self._familiarity(detector, some) for some in frames)
        return np.array([scores.min() for scores in curves])

    def _check_has_decisions(self) -> None:
        if not hasattr(self.detector_, "decision_function"):
            raise ValueError(
                f'contamination="auto" asks for the threshold of the detector, but '
                f"{self.detector_} has no decision_function and so no threshold. "
                "Give the fraction of recordings that may raise an alarm, such as "
                "0.05."
            )

    def _least_scores(self, recordings: Any) -> NDArray[np.float64]:
        curves = (self._score_frames(r, index) for index, r in enumerate(recordings))
        return np.array([scores.min() for _, scores in curves])

    def _score_frames(
        self, recording: Any, index: int = 0
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the first sample of each frame, and its familiarity."""
        starts: list[NDArray[np.intp]] = []
        scores: list[NDArray[np.float64]] = []
        for new_starts, frames in self._frames(recording, index):
            starts.append(new_starts)
            scores.append(self._familiarity(self.detector_, frames))
        return np.concatenate(starts), np.concatenate(scores)

    def _familiarity(self, detector: Any, frames: NDArray) -> NDArray[np.float64]:
        per_batch = max(1, _BATCH_SAMPLES // self.frame_length_)
        batches = gen_batches(len(frames), per_batch)
        return np.concatenate([_scores_of(detector, frames[b].copy()) for b in batches])

    def _frames(
        self, recording: Any, index: int
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Read and cut a recording, whose place or path stands in every error."""
        blocks = stream_mono(recording, self._rate)
        try:
            yield from cut_frames(blocks, self.frame_length_, self.hop_length_)
        except CLIP_ERRORS as error:
            raise named(error, index, recording) from error

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True  # collections of paths
        return tags


def _scores_of(detector: Any, frames: NDArray) -> NDArray[np.float64]:
    has_decisions = hasattr(detector, "decision_function")
    method = "decision_function" if has_decisions else "score_samples"
    scores = np.asarray(getattr(detector, method)(frames), dtype=np.float64)
    if scores.shape != (len(frames),):
        raise ValueError(
            f"{method} of the detector must return one number a frame, but "
            f"returned an array of shape {scores.shape} for {len(frames)} frames."
        )
    return scores


def _last_step(detector: Any) -> tuple[Any, str]:
    """Return the detector in a pipeline, and what names of its fit's arguments get."""
    if not isinstance(detector, Pipeline):
        return detector, ""
    name, step = detector.steps[-1]
    last, prefix = _last_step(step)
    routes = sklearn.get_config()["enable_metadata_routing"]
    return last, "" if routes else f"{name}__{prefix}"
