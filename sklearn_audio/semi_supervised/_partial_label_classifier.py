"""What classifiers of partial labels share: labels in, decisions out."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.metrics import precision_recall_curve
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_audio._torch._partial_labels import (
    NOTHING_KNOWN,
    is_label_table,
    label_table_accuracy,
    validate_classes,
    validate_label_table,
    warn_of_unknown_labels,
)
from sklearn_audio.base import (
    SemiSupervisedClassifierMixin,
    VersionedEstimator,
    calibration_splits,
)


class PartialLabelClassifier(SemiSupervisedClassifierMixin, VersionedEstimator):
    """Decide on several labels a clip, or on one class, from one logit each.

    A subclass says in ``_logits`` what it makes of clips.

    Parameters
    ----------
    threshold : float in (0, 1) or "tuned"
        Probability from which a label is predicted.
    cv : int, splitter, iterable or None
        Folds for tuning.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"tuned"})],
        "cv": ["cv_object"],
    }

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    threshold: float | str
    cv: Any
    random_state: Any

    classes_: NDArray
    multilabel_: bool
    thresholds_: NDArray[np.float64] | None

    def _logits(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return one logit a label or class: (n_clips, n_labels)."""
        raise NotImplementedError  # pragma: no cover

    def decision_function(self, X: ArrayLike) -> NDArray:
        """Return the logits of the labels.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        logits : ndarray of shape (n_clips, n_labels) or (n_clips,), dtype float64
            Higher = more likely. With two exclusive classes, the second one's logit
            minus the first one's.
        """
        logits = self._logits(X)
        is_binary = not self.multilabel_ and len(self.classes_) == 2
        return logits[:, 1] - logits[:, 0] if is_binary else logits

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the probabilities of the labels.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_labels), dtype float64
            Of each label by itself; where ``y`` held exclusive classes, in the order
            of ``classes_``, and each row sums to 1.
        """
        logits = self._logits(X)
        return expit(logits) if self.multilabel_ else softmax(logits, axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the labels of each clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips, n_labels), dtype int, or (n_clips,)
            1 for every label whose probability reaches its threshold; where ``y`` held
            exclusive classes, the most probable one.
        """
        check_is_fitted(self)
        if self.multilabel_:
            return (self.predict_proba(X) >= self.thresholds_).astype(int)
        return self.classes_[self._logits(X).argmax(axis=1)]

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the share of clips of which all known labels are predicted rightly.

        That is strict where there are many labels; the masked metrics of
        :mod:`sklearn_audio.metrics` tell more.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.
        y : array-like of shape (n_clips, n_labels) or (n_clips,)
            Their labels, 1 and 0, and -1 or NaN where nobody knows; clips of which
            nothing is known do not count. Or their classes, and -1 for clips without
            one, which do not count either.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            What each clip counts.

        Returns
        -------
        score : float
            Accuracy, in [0, 1].
        """
        if not is_label_table(y):
            return super().score(X, y, sample_weight)
        return label_table_accuracy(self, self.predict(X), y, sample_weight)

    def _learn_labels(self, X: NDArray, y: Any, *, resume: bool = False) -> NDArray:
        """Check the labels of a fit.

        Returns
        -------
        targets : ndarray of shape (n_clips, n_labels) or (n_clips,)
            0, 1 and NaN, or the indices of classes and -1.
        """
        multilabel = is_label_table(y)
        if multilabel:
            targets: NDArray = validate_label_table(self, X, y)
            warn_of_unknown_labels(targets)
            classes: NDArray = np.arange(targets.shape[1])
        else:
            classes, targets = validate_classes(self, X, y)
        if resume and not (
            self.multilabel_ == multilabel and np.array_equal(classes, self.classes_)
        ):
            raise ValueError(
                f"warm_start=True needs the labels of the first fit, "
                f"{self.classes_.tolist()}, but y holds {classes.tolist()}."
            )
        self.multilabel_, self.classes_ = multilabel, classes
        return targets

    def _find_thresholds(
        self, X: NDArray, targets: NDArray, groups: Any, **per_entry: NDArray
    ) -> None:
        """Decide from which probability on labels are predicted.

        Parameters
        ----------
        X : ndarray of shape (n_clips, ...)
            The clips.
        targets : ndarray of shape (n_clips, n_labels) or (n_clips,)
            Their labels.
        groups : array-like of shape (n_clips,) or None
            Which clips have to stay together.
        **per_entry : ndarray of the same shape as targets
            What else ``fit`` takes of every label.
        """
        if not self.multilabel_:
            self.thresholds_ = None
        elif self.threshold == "tuned":
            self.thresholds_ = self._tuned_thresholds(X, targets, groups, per_entry)
        else:
            self.thresholds_ = np.full(len(self.classes_), float(self.threshold))

    def _tuned_thresholds(
        self, X: NDArray, labels: NDArray, groups: Any, per_entry: dict[str, NDArray]
    ) -> NDArray:
        """Tune on clips that the models in question have not seen: (L,)."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        splits = calibration_splits(
            self.cv, len(X), y=labels, groups=groups, random_state=seed
        )
        rows, probabilities = [], []
        for train, test in splits:
            others = {name: values[train] for name, values in per_entry.items()}
            with warnings.catch_warnings():
                # Rare labels are missing from some folds, which nobody can help.
                warnings.filterwarnings("ignore", NOTHING_KNOWN, UserWarning)
                model = self._unfitted().fit(X[train], labels[train], **others)
            rows.append(test)
            probabilities.append(model.predict_proba(X[test]))
        return best_thresholds(
            labels[np.concatenate(rows)], np.concatenate(probabilities)
        )

    def _unfitted(self) -> Self:
        return clone(self).set_params(threshold=0.5)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def best_thresholds(labels: NDArray, probabilities: NDArray) -> NDArray[np.float64]:
    """Return the threshold of each label that gives the highest F1.

    Parameters
    ----------
    labels : ndarray of shape (n_clips, n_labels)
        0, 1 and NaN; entries that are missing do not count.
    probabilities : ndarray of shape (n_clips, n_labels)
        Predicted by models that have not seen the clips.

    Returns
    -------
    thresholds : ndarray of shape (n_labels,)
        0.5 where a label is known to be absent only, or to be present only.
    """
    thresholds = np.full(labels.shape[1], 0.5)
    pairs = zip(labels.T, probabilities.T, strict=True)
    for label, (truth, scores) in enumerate(pairs):
        is_known = ~np.isnan(truth)
        if len(np.unique(truth[is_known])) == 2:
            thresholds[label] = _best_threshold(truth[is_known], scores[is_known])
    return thresholds


def _best_threshold(truth: NDArray, scores: NDArray) -> float:
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())
    # Halfway to the next lower score, so that clips as likely as the last are in.
    return float(thresholds[max(best - 1, 0) : best + 1].mean())
