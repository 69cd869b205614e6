"""Contracts that every estimator keeps, without torch.

Input checks for clips (rows or spectrograms), versions in pickles, outlier labels and
the threshold below which a clip is called unknown.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import _safe_indexing
from sklearn.utils._missing import is_pandas_na
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_audio._version import __version__
from sklearn_audio.exceptions import InconsistentVersionWarning

NUMERIC_OUTLIER_LABEL = -1
TEXT_OUTLIER_LABEL = "unknown"
UNLABELED = -1
# Squares of larger values, summed over a batch, may be infinite in single precision.
_LARGEST_VALUE = 1e15

Split = tuple[NDArray, NDArray]  # rows to train on and rows to score


class VersionedEstimator(BaseEstimator):
    """A scikit-learn estimator whose pickles know which version made them.

    scikit-learn checks versions only for its own classes.

    A ``fit`` or ``partial_fit`` that fails leaves the estimator as it was, with what it
    had learned before. To that end these methods replace what was learned, and never
    change it in place.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("fit", "partial_fit", "fit_transform"):
            if name in vars(cls):
                setattr(cls, name, _whole_or_not_at_all(vars(cls)[name]))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_sklearn_audio_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version = state.pop("_sklearn_audio_version", "an unknown version")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(type(self).__name__, version, __version__),
                stacklevel=2,
            )
        super().__setstate__(state)


def _whole_or_not_at_all(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fit``, which puts back all attributes where it fails."""

    @functools.wraps(fit)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:  # an interrupt from the keyboard, too
            vars(self).clear()
            vars(self).update(before)
            raise

    return wrapper


def validate_clips(estimator: BaseEstimator, X: Any, *, reset: bool) -> NDArray:
    """Check that ``X`` holds one clip a row, as features or as a spectrogram.

    Parameters
    ----------
    estimator : BaseEstimator
        The estimator that was given ``X``; learns ``n_features_in_`` and
        ``input_shape_`` when ``reset`` is True.
    X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
        Finite numbers.
    reset : bool
        Whether to learn the shape (in ``fit``) or to check it (in ``predict``).

    Returns
    -------
    X : ndarray of the same shape, dtype float32
        The checked data, copied only where the dtype demands it.

    Raises
    ------
    ValueError
        If ``X`` has another number of dimensions, is empty, is not finite, or has
        another shape than the clips of ``fit``.
    """
    # scikit-learn itself words the refusal of 0-D and 1-D data.
    X = validate_data(estimator, X, reset=reset, dtype=np.float32, allow_nd=True)
    name = type(estimator).__name__
    if X.ndim > 3:
        raise ValueError(
            f"{name} expects X of shape (n_clips, n_features) or (n_clips, n_bands, "
            f"n_frames), got {X.ndim} dimensions: {X.shape}. Drop or merge an axis."
        )
    if 0 in X.shape:
        raise ValueError(
            f"{name} found array with 0 frame(s) (shape={X.shape}) while a minimum of "
            "1 is required."
        )
    if reset:
        estimator.input_shape_ = X.shape[1:]
    elif X.shape[1:] != estimator.input_shape_:
        raise ValueError(
            f"X holds clips of shape {X.shape[1:]}, but {name} was fitted on clips of "
            f"shape {estimator.input_shape_}. Use the same front end for both."
        )
    return X


def refuse_huge_values(estimator: BaseEstimator, X: NDArray) -> None:
    """Raise where the variance of ``X`` might be infinite in single precision.

    A network that begins with batch normalisation would see nothing but zeros.

    Parameters
    ----------
    estimator : BaseEstimator
        The estimator that was given ``X``.
    X : ndarray of shape (n_clips, ...), dtype float32
        The clips.

    Raises
    ------
    ValueError
        If a value is beyond 1e15.
    """
    largest = max(X.max(), -X.min())
    if largest > _LARGEST_VALUE:
        raise ValueError(
            f"X holds values up to {largest:.2g}, whose squares are infinite in the "
            f"single precision of {type(estimator).__name__}. Scale X, for example by "
            "StandardScaler."
        )


def validate_labels(estimator: BaseEstimator, y: Any) -> NDArray:
    """Check that ``y`` holds classes, one a clip.

    Parameters
    ----------
    estimator : BaseEstimator
        The classifier that was given ``y``.
    y : array-like of shape (n_clips,)
        Numbers or text; a column is flattened, with a warning.

    Returns
    -------
    y : ndarray of shape (n_clips,)
        The labels.

    Raises
    ------
    ValueError
        If ``y`` is missing, continuous, hidden by a mask in part, or has more than one
        column.
    """
    if y is None:
        # scikit-learn's checks look for these very words.
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    refuse_hidden_classes(y)
    check_classification_targets(y)
    return column_or_1d(y, warn=True)


def refuse_hidden_classes(y: Any) -> None:
    """Raise ValueError if ``y`` is a masked array that hides classes.

    Converted to an array, it would show what is below the mask.
    """
    if np.ma.is_masked(y):
        raise ValueError(
            f"y is a masked array that hides {np.ma.count_masked(y)} of {len(y)} "
            "classes. Leave these clips out, or mark them as unlabelled with "
            "y.filled(-1) for a classifier that learns from such clips."
        )


def missing_as_nan(y: Any, dtype: type = np.float64) -> NDArray:
    """Return a table of numbers with NaN for every value that is missing.

    Parameters
    ----------
    y : array-like
        Numbers, of which some may be NaN, ``pandas.NA``, None or hidden by the mask of
        a masked array.
    dtype : type, default=numpy.float64
        A floating point type.

    Returns
    -------
    table : ndarray of the same shape
        A copy.

    Raises
    ------
    TypeError, ValueError
        If ``y`` holds anything but numbers.
    """
    if isinstance(y, np.ma.MaskedArray):
        return np.ma.filled(y.astype(dtype), np.nan)
    table = np.array(y)
    if table.dtype == object:
        table[np.frompyfunc(is_pandas_na, 1, 1)(table).astype(bool)] = np.nan
    return table.astype(dtype)


def resolve_outlier_label(outlier_label: Any, classes: NDArray) -> Any:
    """Return the label that ``predict`` gives to unknown clips.

    Parameters
    ----------
    outlier_label : "auto", None or a label
        "auto" is -1 beside numeric classes and "unknown" beside text; None means that
        nothing is ever rejected.
    classes : ndarray of shape (n_classes,)
        The known classes.

    Returns
    -------
    label : object
        The label, or None where nothing is to be rejected.

    Raises
    ------
    ValueError
        If an explicit label is one of the classes.
    TypeError
        If an explicit label is text beside numeric classes or the other way round.
    """
    if outlier_label is None:
        return None
    is_text = classes.dtype.kind in "OUST"
    if isinstance(outlier_label, str) and outlier_label == "auto":
        label = TEXT_OUTLIER_LABEL if is_text else NUMERIC_OUTLIER_LABEL
        if label not in classes:
            return label
        warnings.warn(
            f"The outlier label {label!r} is also a class, so that nothing will be "
            "rejected. Give outlier_label= a label that is not a class.",
            UserWarning,
            stacklevel=5,
        )
        return None
    if isinstance(outlier_label, str) != is_text:
        raise TypeError(
            f"outlier_label={outlier_label!r} does not go with classes such as "
            f"{classes[0]!r}: text beside text, a number beside numbers."
        )
    if outlier_label in classes:
        raise ValueError(
            f"outlier_label={outlier_label!r} is one of the classes "
            f"{classes.tolist()}. Give a label that is not a class."
        )
    return outlier_label


def label_outliers(labels: NDArray, is_outlier: NDArray, outlier_label: Any) -> NDArray:
    """Return ``labels`` with ``outlier_label`` where ``is_outlier``.

    The dtype is promoted first: a longer text assigned into an array of shorter ones
    would be cut, and -1 into unsigned integers would wrap around.
    """
    dtype = labels.dtype
    if dtype.kind in "SU":
        dtype = np.promote_types(dtype, np.asarray(outlier_label).dtype)
    elif dtype.kind in "biu":
        dtype = np.promote_types(dtype, np.min_scalar_type(outlier_label))
    labels = labels.astype(dtype)
    labels[is_outlier] = outlier_label
    return labels


def conformal_threshold(scores: NDArray, rate: float) -> float:
    r"""Return the score below which a fraction ``rate`` of fresh clips lies.

    Split conformal prediction: a fresh clip is as likely to take any place among the n
    calibration clips as any other, so that it scores below the k-th lowest of them with
    probability :math:`k / (n + 1)`, and :math:`k = \lfloor \mathrm{rate}\,(n + 1)
    \rfloor`. The plain quantile of the scores, which leaves the fresh clip out of the
    count, rejects more than was asked for where clips are few.

    Parameters
    ----------
    scores : ndarray of shape (n_clips,)
        Scores by models that were not trained on these clips; higher = more normal.
    rate : float
        Fraction of fresh clips, in (0, 1), that may score below the threshold.

    Returns
    -------
    threshold : float
        Clips that score below it are to be rejected. It is never below the lowest
        score: fewer than ``1 / rate - 1`` clips cannot tell so small a fraction apart,
        and 1 of n + 1 fresh clips is then rejected. Of several equal scores, such as
        a forest's, it rejects all or none, whichever is nearer to the rate.
    """
    # A rounding error must not cost a whole clip: .3 * 10 is below 3.
    wanted = rate * (len(scores) + 1) * (1 + 1e-9)
    place = max(math.floor(wanted), 1) - 1
    threshold = np.partition(scores, place)[place]
    n_lower, n_equal = np.sum(scores < threshold), np.sum(scores == threshold)
    if n_equal > 1 and n_lower + n_equal - wanted < wanted - n_lower:
        threshold = np.nextafter(threshold, np.inf)
    return float(threshold)


def calibration_splits(
    cv: Any,
    n_clips: int,
    *,
    y: NDArray | None = None,
    groups: Any = None,
    default: int = 5,
    random_state: int | None = None,
) -> list[Split]:
    """Return the folds of an out-of-fold calibration.

    Parameters
    ----------
    cv : int, splitter, iterable of splits or None
        An integer is lowered to what the clips, the groups and the smallest class
        allow. Its folds are stratified by class where there are classes, and keep
        groups together where there are groups.
    n_clips : int
        Number of clips.
    y : ndarray of shape (n_clips,) or (n_clips, n_labels), optional
        The classes; none for a detector. The folds of a table of labels, which a
        splitter receives, are not stratified.
    groups : array-like of shape (n_clips,), optional
        Speakers or source recordings.
    default : int
        Number of folds where ``cv`` is None.
    random_state : int, optional
        Seeds the shuffling of the clips, or of their groups, where ``cv`` is None or an
        integer.

    Returns
    -------
    splits : list of (ndarray, ndarray)
        Rows to train on and rows to score, for each fold.

    Raises
    ------
    ValueError
        If a class has one clip or one group alone, if ``cv`` puts clips of one group on
        both sides of a split, or if a fold leaves no clip of a class to train on.
    """
    if groups is not None:
        groups = check_groups(groups, n_clips)
    cv = default if cv is None else cv
    classes = None if y is None or y.ndim > 1 else y
    if isinstance(cv, Integral):
        if random_state is None and classes is None and groups is None:
            # Without classes, neighbouring rows are often of one recording: folds in
            # their order would nearly be folds of recordings.
            random_state = 0
        cv = fold_splitter(int(cv), n_clips, classes, groups, random_state)
    splits = split_groups_apart(cv, np.zeros((n_clips, 1)), y, groups)
    if classes is not None:
        for i, (train, _) in enumerate(splits):
            _check_classes_left(i, classes, classes[train])
    return splits


def split_groups_apart(
    cv: Any, X: Any, y: NDArray | None, groups: NDArray | None
) -> list[Split]:
    """Return all splits of a splitter, none of which parts a group.

    Parameters
    ----------
    cv : splitter or iterable of splits
        Where to split.
    X : array-like of shape (n_clips, ...)
        The clips.
    y : ndarray of shape (n_clips,) or (n_clips, n_labels) or None
        The classes or labels.
    groups : ndarray of shape (n_clips,) or None
        Speakers or source recordings.

    Returns
    -------
    splits : list of (ndarray, ndarray)
        Rows to train on and rows to score, for each fold.

    Raises
    ------
    ValueError
        If ``cv`` puts clips of one group on both sides of a split.
    """
    with warnings.catch_warnings():
        # Whether the groups were heeded is checked below.
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        splits = list(check_cv(cv).split(X, y, groups))
    if groups is not None:
        for train, test in splits:
            _check_groups_apart(cv, groups[train], groups[test])
    return splits


def check_groups(groups: Any, n_clips: int) -> NDArray:
    """Return the group of each clip, or raise.

    Parameters
    ----------
    groups : array-like of shape (n_clips,)
        Speakers or source recordings.
    n_clips : int
        Number of clips.

    Returns
    -------
    groups : ndarray of shape (n_clips,)
        The same.

    Raises
    ------
    ValueError
        If there is not one group per clip.
    """
    groups = column_or_1d(groups)
    if len(groups) != n_clips:
        raise ValueError(
            f"groups holds {len(groups)} values, but there are {n_clips} clips. "
            "Give one group per clip."
        )
    return groups


def fold_splitter(
    n_splits: int,
    n_clips: int,
    y: NDArray | None,
    groups: NDArray | None,
    random_state: int | None = None,
) -> BaseCrossValidator:
    """Return folds that are stratified by class and heed the groups.

    Parameters
    ----------
    n_splits : int
        Number of folds, lowered to what clips, groups and the smallest class allow.
    n_clips : int
        Number of clips.
    y : ndarray of shape (n_clips,) or None
        The classes.
    groups : ndarray of shape (n_clips,) or None
        Speakers or source recordings.
    random_state : int, optional
        Seeds the shuffling of the clips; the folds are in order by default.

    Returns
    -------
    splitter : BaseCrossValidator
        Its ``split`` takes the same ``y`` and ``groups``.

    Raises
    ------
    ValueError
        If a class has one clip or one group alone.
    """
    unit = "sample" if groups is None else "group"
    n_units = n_clips if groups is None else len(np.unique(groups))
    if y is not None:
        units = np.arange(n_clips) if groups is None else groups
        n_units = min(len(np.unique(units[y == label])) for label in np.unique(y))
    n_splits = min(n_splits, n_units)
    if n_splits < 2:
        owner = "X" if y is None else "A class"
        raise ValueError(
            f"{owner} has one {unit} alone, so that no threshold can be calibrated out "
            f"of fold. Give at least 2 {unit}s, or ask for no threshold."
        )
    if y is None:
        splitter: Any = KFold if groups is None else GroupKFold
    else:
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    shuffle = random_state is not None
    return splitter(n_splits, shuffle=shuffle, random_state=random_state)


def _check_threshold(detector: AnomalyDetector) -> bool:
    if not getattr(detector, "_offsets", detector.contamination is not None):
        raise AttributeError(
            f"{type(detector).__name__} has no threshold with contamination=None, and "
            "so no decision_function. Use score_samples, or fit it with a number for "
            "contamination."
        )
    return True


def _check_fit_predict(detector: AnomalyDetector) -> bool:
    if detector.novelty:
        raise AttributeError(
            "fit_predict is not available when novelty=True. Use novelty=False if you "
            "want to predict on the training set."
        )
    return True


class AnomalyDetector(OutlierMixin, VersionedEstimator):
    """What anomaly detectors share: a threshold for each of their scores, and answers.

    A subclass computes ``score_samples``, and hands scores of the training clips to
    ``_set_thresholds`` in ``fit``.

    Parameters
    ----------
    contamination : float in (0, 0.5] or None
        Fraction of fresh normal clips that are called anomalous.
    novelty : bool
        Whether the threshold is for fresh clips, or for the training clips.
    n_jobs : int or None
        Parallel jobs.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "novelty": ["boolean"],
        "n_jobs": [Integral, None],
    }

    __metadata_request__fit = {"groups": True}

    contamination: float | None
    novelty: bool
    calibration_scores_: NDArray[np.float64]
    _offsets: dict[str, float]

    @property
    def offset_(self) -> float:
        """The score below which clips are called anomalous."""
        check_is_fitted(self)
        return self._offsets.get(self._score_name, -np.inf)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return how normal the clips are, higher = more normal."""
        raise NotImplementedError  # pragma: no cover

    @available_if(_check_threshold)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return how far the clips are from the threshold.

        Not available with ``contamination=None``, which sets no threshold.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips, see `score_samples`.

        Returns
        -------
        distances : ndarray of shape (n_clips,), dtype float64
            ``score_samples(X) - offset_``: negative for anomalous clips.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Tell normal from anomalous clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips, see `score_samples`.

        Returns
        -------
        labels : ndarray of shape (n_clips,), dtype int64
            1 for a normal clip and -1 for an anomalous one. All are normal where
            ``contamination=None`` sets no threshold.
        """
        return np.where(self.score_samples(X) < self.offset_, -1, 1)

    @available_if(_check_fit_predict)
    def fit_predict(self, X: Any, y: Any = None, **params: Any) -> NDArray[np.int64]:
        """Find the anomalous clips among the training clips.

        Only available with ``novelty=False``: the threshold is for fresh clips
        otherwise.

        Parameters
        ----------
        X : array-like of shape (n_clips, ...)
            The clips, see `fit`.
        y : Ignored
            Not used.
        **params : dict
            Further arguments of `fit`.

        Returns
        -------
        labels : ndarray of shape (n_clips,), dtype int64
            1 for a normal clip and -1 for an anomalous one.
        """
        return super().fit_predict(X, y, **params)

    @property
    def _score_name(self) -> str:
        """Which of its scores the detector returns now."""
        return "score"

    def _set_thresholds(self, scores: dict[str, NDArray[np.float64]]) -> None:
        """Find a threshold for each score: of clips out of fold, or of their own."""
        self._offsets = {k: self._threshold(v) for k, v in scores.items()}
        self.calibration_scores_ = np.sort(scores.get(self._score_name, np.empty(0)))

    def _threshold(self, scores: NDArray[np.float64]) -> float:
        if self.contamination is None:
            return -np.inf
        if self.novelty:
            return conformal_threshold(scores, self.contamination)
        # At most this fraction of the training clips is below.
        return float(np.sort(scores)[int(self.contamination * len(scores))])


def _check_groups_apart(cv: Any, training: NDArray, tested: NDArray) -> None:
    shared = np.intersect1d(training, tested)
    if len(shared):
        raise ValueError(
            f"cv={cv!r} puts clips of group {shared.tolist()[0]!r} on both sides of a "
            "split. Give a number of folds or a splitter that heeds groups, such as "
            "GroupKFold; or leave out groups."
        )


def _check_classes_left(fold: int, y: NDArray, training: NDArray) -> None:
    missing = np.setdiff1d(y, training)
    if len(missing):
        raise ValueError(
            f"Fold {fold} of cv leaves no clip of {missing.tolist()} to train on. Use "
            "fewer folds, or give these classes more clips or groups."
        )


def is_unlabeled(y: NDArray) -> NDArray[np.bool_]:
    """Return which clips have no label, by scikit-learn's convention.

    Parameters
    ----------
    y : ndarray of shape (n_clips,)
        Classes.

    Returns
    -------
    mask : ndarray of shape (n_clips,), dtype bool
        True where a numeric ``y`` is -1 and at least two other classes exist: beside
        fewer, -1 is a class like any other, as in labels of -1 and 1.
    """
    if y.dtype.kind not in "if":
        return np.zeros(len(y), dtype=bool)
    mask = y == UNLABELED
    return mask if len(np.unique(y[~mask])) > 1 else np.zeros(len(y), dtype=bool)


class SemiSupervisedClassifierMixin(ClassifierMixin):
    """A classifier that is not scored on clips without a label."""

    classes_: NDArray

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the accuracy on the clips with a label.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.
        y : array-like of shape (n_clips,)
            Their classes. Clips of -1 do not count, unless -1 is in ``classes_``.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            Weight of each clip.

        Returns
        -------
        score : float
            Fraction of the clips with a label whose class is predicted.

        Raises
        ------
        ValueError
            If no clip has a label.
        """
        y = validate_labels(self, y)
        # Not is_unlabeled: a test of one class and of clips without a label is one too.
        if y.dtype.kind not in "if" or UNLABELED in self.classes_:
            return super().score(X, y, sample_weight)
        rows = np.flatnonzero(y != UNLABELED)
        if len(rows) == 0:
            raise ValueError(
                f"{type(self).__name__} cannot be scored: all {len(y)} clips have the "
                "label -1, which means that their class is unknown. Score clips with a "
                "label; SemiSupervisedSplit makes test folds of them."
            )
        if sample_weight is not None:
            sample_weight = _safe_indexing(sample_weight, rows)
        return super().score(_safe_indexing(X, rows), y[rows], sample_weight)


def rarest_labels(is_positive: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return one label of each clip, for splits that take one class per clip.

    Parameters
    ----------
    is_positive : ndarray of shape (n_clips, n_labels), dtype bool
        Which labels clips have.

    Returns
    -------
    labels : ndarray of shape (n_clips,)
        Of a clip's labels the one that the fewest clips have; n_labels where a clip has
        none.
    """
    by_rarity = np.argsort(is_positive.sum(axis=0), kind="stable")  # (n_labels,)
    rarest = by_rarity[is_positive[:, by_rarity].argmax(axis=1)]
    return np.where(is_positive.any(axis=1), rarest, is_positive.shape[1])
