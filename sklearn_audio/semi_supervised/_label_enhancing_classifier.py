"""A teacher says which missing labels not to take for negative."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax
from sklearn.base import MetaEstimatorMixin, _fit_context, clone
from sklearn.ensemble._base import _set_random_states
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_audio.base import validate_clips
from sklearn_audio.semi_supervised._last_step import last_step_of, weight_keyword
from sklearn_audio.semi_supervised._mean_teacher_classifier import (
    MeanTeacherClassifier,
)
from sklearn_audio.semi_supervised._partial_label_classifier import (
    PartialLabelClassifier,
)
from sklearn_audio.semi_supervised._per_label_classifier import PerLabelClassifier


class LabelEnhancingClassifier(MetaEstimatorMixin, PartialLabelClassifier):
    r"""A teacher completes partial labels, and a student learns from them.

    Most labels that are missing are absent: a clip has few of all the sounds there are.
    To take all of them for absent teaches that many present ones are, too. Here a
    teacher, trained on the labels that are known, says of every label which clips most
    probably have it; those are left out of the loss, the other missing entries are
    taken for negative, and a student is trained from scratch [1]_, [2]_. The few clips
    of which the teacher is surest may be taken for positive. All that is guessed counts
    less than what is known.

    Parameters
    ----------
    estimator : classifier or None, default=None
        What teacher and student are copies of: a :class:`MeanTeacherClassifier`, or any
        classifier of scikit-learn for rows of features, of which each label gets one of
        its own. None is the plain masked network,
        ``MeanTeacherClassifier(consistency=0, decay=0)``.
    missing : {"mask", "negative"}, default="mask"
        What missing labels mean to the teacher. "mask" trains it on known entries.
        "negative" is the paper's: it takes all of them for absent, which is far worse
        a teacher where most are missing.
    masked_share : float in [0, 1], default=0.3
        Share of a label's missing entries, the most probable ones, that are not taken
        for negative. 0 takes all for negative; 1 guesses no negatives at all.
    positive_share : float in [0, 1], default=0.4
        Share of the missing positives, as many as the teacher expects, that are filled
        in, the most probable first. 0, as in the paper, fills in none.
    guess_weight : float in (0, 1], default=0.1
        Weight of a guessed entry, negative or positive, beside the 1 of a known one.
        1, as in the paper, trusts them alike; less needs an estimator whose ``fit``
        takes ``sample_weight``, or a network of ours.
    threshold : float in (0, 1) or "tuned", default=0.5
        Probability from which a label is predicted. "tuned" finds one for each label,
        the best F1 score of known entries on clips that the model in question has not
        seen: ``cv`` more trainings.
    cv : int, cross-validation generator, iterable or None, default=None
        Folds for tuning: an int shuffles the clips into so many, None into 5. Where
        ``fit`` receives ``groups``, the folds keep each group together; a splitter
        that does not is refused. Unused elsewhere.
    random_state : int, RandomState instance or None, default=None
        Seeds teacher, student and folds, and replaces the estimator's own seed. None
        leaves that as it is.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_labels,)
        The classes; where ``y`` has a column a label, the columns' numbers.
    estimator_ : classifier
        The student.
    input_shape_ : tuple of int
        Shape of one clip.
    multilabel_ : bool
        Whether ``y`` had several labels a clip.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    thresholds_ : ndarray of shape (n_labels,) or None
        Probability from which each label is predicted; None for exclusive classes.
    transduction_ : ndarray of shape (n_clips, n_labels), dtype float32
        The labels that the student learned from: 0 and 1, known or guessed, and NaN
        where it is left open.

    See Also
    --------
    MeanTeacherClassifier : Guesses all the time, and no harder than it is sure.
    sklearn.semi_supervised.SelfTrainingClassifier : Guesses one of several classes.
    sklearn_audio.model_selection.MultilabelStratifiedKFold : Folds for partial labels.
    sklearn_audio.metrics.masked_average_precision_score : Judges by known labels.

    Notes
    -----
    A label's share is rounded down, so that a share of few entries may be none. Of a
    label that no clip is known to have nothing is filled in. Where nothing is missing,
    there is neither teacher nor guess.

    Exclusive classes, one a clip and -1 for none, are learned as a label each; the
    guesses may then contradict each other.

    References
    ----------
    .. [1] Gururani, S. and Lerch, A. (2021). "Semi-supervised audio classification with
       partially labeled data." IEEE ISM. https://doi.org/10.1109/ISM52913.2021.00027
    .. [2] Fonseca, E. et al. (2020). "Addressing missing labels in large-scale sound
       event recognition using a teacher-student framework with loss masking." IEEE
       Signal Processing Letters 27. https://doi.org/10.1109/LSP.2020.3006378

    Examples
    --------
    Two labels a clip, nine of ten of which nobody knows:

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_audio.metrics import masked_average_precision_score
    >>> from sklearn_audio.semi_supervised import LabelEnhancingClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 8))
    >>> truth = (X[:, :2] + X[:, 2:4] > 0).astype(int)
    >>> y = np.where(rng.random(truth.shape) < 0.9, -1, truth)
    >>> classifier = LabelEnhancingClassifier(LogisticRegression()).fit(
    ...     X[:400], y[:400]
    ... )
    >>> classifier.predict(X[400:]).shape
    (200, 2)
    >>> probabilities = classifier.predict_proba(X[400:])
    >>> masked_average_precision_score(truth[400:], probabilities) > 0.85
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **PartialLabelClassifier._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"]), None],
        "missing": [StrOptions({"mask", "negative"})],
        "masked_share": [Interval(Real, 0, 1, closed="both")],
        "positive_share": [Interval(Real, 0, 1, closed="both")],
        "guess_weight": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        missing: str = "mask",
        masked_share: float = 0.3,
        positive_share: float = 0.4,
        guess_weight: float = 0.1,
        threshold: float | str = 0.5,
        cv: int | BaseCrossValidator | Iterable | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.missing = missing
        self.masked_share = masked_share
        self.positive_share = positive_share
        self.guess_weight = guess_weight
        self.threshold = threshold
        self.cv = cv
        self.random_state = random_state

    @classmethod
    def from_paper(cls, estimator: Any = None, **parameters: Any) -> Self:
        """Return a classifier with the procedure of the papers.

        The teacher takes all missing labels for absent. Of those of each label, the
        tenth that it finds most probable is left out of the student's loss, and the
        others count as much as known labels; none is filled in as present.

        Parameters
        ----------
        estimator : classifier or None, default=None
            As in the constructor; None is the network of
            :meth:`MeanTeacherClassifier.from_paper`, without its teacher.
        **parameters : dict
            Parameters that differ from the papers'.

        Returns
        -------
        classifier : LabelEnhancingClassifier
            Not fitted yet.

        Notes
        -----
        The papers choose the share that is left out on validation clips, as you should:
        ``masked_share=0.1`` is where to begin.
        """
        if estimator is None:
            estimator = MeanTeacherClassifier.from_paper(consistency=0.0, decay=0.0)
        paper = {
            "missing": "negative",
            "masked_share": 0.1,
            "positive_share": 0.0,
            "guess_weight": 1.0,
        }
        return cls(estimator, **{**paper, **parameters})

    # Validating the classifier is its own matter.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Train the teacher, let it complete the labels, and train the student.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features, or as spectrograms or embeddings over time
            where the estimator takes them.
        y : array-like of shape (n_clips, n_labels) or (n_clips,)
            For each label, 1, 0 and, where it is unknown, -1, NaN or ``pandas.NA``, or
            a masked array that hides it. Or one class per clip, numbers or text; then
            -1 means none where at least two others exist.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as its speaker or source recording, which
            ``threshold="tuned"`` keeps together: no model is asked about a clip of a
            group that it was trained on. Unused elsewhere, and not passed to the
            estimator.

        Returns
        -------
        self : LabelEnhancingClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if ``y`` holds anything else,
            no label at all or one class alone, if the estimator refuses them, or if
            thresholds are to be tuned on groups that are not one per clip, that ``cv``
            parts, or of which there is only one.

        Warns
        -----
        UserWarning
            If nothing is known of a label.
        """
        X = validate_clips(self, X, reset=True)
        targets = self._learn_labels(X, y)
        labels = targets if self.multilabel_ else one_vs_rest(targets)
        rng = check_random_state(self.random_state)
        student = self._make_estimator(rng)
        weights: dict[str, NDArray] = {}
        is_missing = np.isnan(labels)
        if is_missing.any():
            weights = self._weights(student, is_missing)
            labels = self._enhanced(X, labels, self._make_estimator(rng))
        self.transduction_ = labels
        self.estimator_ = student.fit(X, labels, **weights)
        self._find_thresholds(X, targets, groups)
        return self

    def _enhanced(self, X: NDArray, labels: NDArray, teacher: Any) -> NDArray:
        """Return the labels with the teacher's guesses: (n, ...), (n, L) -> (n, L)."""
        shown = np.nan_to_num(labels) if self.missing == "negative" else labels
        probabilities = teacher.fit(X, shown).predict_proba(X)
        return enhance(labels, probabilities, self.masked_share, self.positive_share)

    def _weights(self, student: Any, is_missing: NDArray) -> dict[str, NDArray]:
        """Return what makes ``student.fit`` trust guesses less: (n, L)."""
        if self.guess_weight == 1:
            return {}
        if isinstance(student, PerLabelClassifier):
            keyword = "label_weight"
            taken, classifier = "sample_weight", last_step_of(student.estimator)
        else:
            keyword = weight_keyword(student, "label_weight")
            taken, classifier = "label_weight", last_step_of(student)
        if not has_fit_parameter(classifier, taken):
            raise ValueError(
                f"guess_weight={self.guess_weight} wants an estimator whose fit takes "
                f"{taken}, which {type(classifier).__name__} does not. Set "
                "guess_weight=1, or take another estimator."
            )
        weights = np.where(is_missing, self.guess_weight, 1.0).astype(np.float32)
        return {keyword: weights}

    def _make_estimator(self, rng: np.random.RandomState) -> Any:
        if self.estimator is None:
            estimator: Any = MeanTeacherClassifier(consistency=0.0, decay=0.0)
        else:
            estimator = clone(self.estimator)
        if self.random_state is not None:
            _set_random_states(estimator, rng)
        takes_tables = isinstance(last_step_of(estimator), PartialLabelClassifier)
        return estimator if takes_tables else PerLabelClassifier(estimator)

    def _logits(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        logits = self.estimator_.decision_function(X)  # (n, L)
        if self.multilabel_:
            return logits
        # Each class was trained by itself: their probabilities are scaled to sum to 1.
        return log_softmax(log_expit(logits), axis=1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def one_vs_rest(indices: NDArray) -> NDArray[np.float32]:
    """Return a column a class, with NaN for clips without one: (n,) -> (n, C)."""
    labels = np.eye(indices.max() + 1, dtype=np.float32)[indices]  # (n, C)
    labels[indices < 0] = np.nan
    return labels


def enhance(
    labels: NDArray, probabilities: NDArray, masked_share: float, positive_share: float
) -> NDArray[np.float32]:
    """Fill in missing labels where a teacher is sure enough.

    Parameters
    ----------
    labels : ndarray of shape (n_clips, n_labels)
        0, 1 and, where the label is missing, NaN.
    probabilities : ndarray of shape (n_clips, n_labels)
        What the teacher says.
    masked_share : float in [0, 1]
        Share of a label's missing entries that are not taken for negative: the most
        probable ones, rounded down.
    positive_share : float in [0, 1]
        Share of the positives among the missing entries, of which the teacher expects
        the sum of its probabilities, that are filled in: the most probable ones,
        rounded down. None where no clip is known to have the label: all that a teacher
        knows of it is that it is rare.

    Returns
    -------
    enhanced : ndarray of shape (n_clips, n_labels), dtype float32
        What was known, unchanged; what was missing, 0, 1 or still NaN.
    """
    enhanced = np.array(labels, dtype=np.float32)
    for column, scores in zip(enhanced.T, probabilities.T, strict=True):
        missing = np.flatnonzero(np.isnan(column))
        order = missing[np.argsort(-scores[missing], kind="stable")]
        n_masked = int(masked_share * len(missing))
        is_heard = (column == 1).any()
        n_positive = int(is_heard * positive_share * scores[missing].sum())
        column[order[n_masked:]] = 0.0
        column[order[:n_positive]] = 1.0
    return enhanced
