"""Contracts that every estimator keeps, without torch.

Input checks for clips (rows or spectrograms), versions in pickles, outlier labels and
the threshold below which a clip is called unknown.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from sklearn_audio._version import __version__
from sklearn_audio.exceptions import InconsistentVersionWarning

NUMERIC_OUTLIER_LABEL = -1
TEXT_OUTLIER_LABEL = "unknown"
UNLABELED = -1


class VersionedEstimator(BaseEstimator):
    """A scikit-learn estimator whose pickles know which version made them.

    scikit-learn checks versions only for its own classes.
    """

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
        If ``y`` is missing, continuous, or has more than one column.
    """
    if y is None:
        # scikit-learn's checks look for these very words.
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    check_classification_targets(y)
    return column_or_1d(y, warn=True)


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
            stacklevel=3,
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


def rejection_threshold(
    out_of_fold_scores: NDArray, training_scores: NDArray, rejection_rate: float
) -> float:
    """Return the familiarity below which a clip is called unknown.

    The out-of-fold quantile rejects the wanted share of fresh known clips, which the
    quantile of the training scores, all too familiar, does not. Nothing that the final
    model was trained on is rejected.

    Parameters
    ----------
    out_of_fold_scores : ndarray of shape (n_clips,)
        Scores of the training clips by models that did not see them.
    training_scores : ndarray of shape (n_clips,)
        Scores of the training clips by the final model.
    rejection_rate : float
        Share of known clips, in [0, 1), that may be rejected.

    Returns
    -------
    threshold : float
        Scores below it are to be rejected.
    """
    quantile = np.quantile(out_of_fold_scores, rejection_rate)
    lowest = training_scores.min()
    # Another memory layout may round the score of a training clip differently.
    rounding = np.finfo(np.float32).eps * abs(lowest)
    return float(min(quantile, lowest - rounding))


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
