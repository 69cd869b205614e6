"""Training in pieces, for classifiers whose weights are all that they learn."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context

from sklearn_audio._torch._classifier import TorchClassifier
from sklearn_audio._torch._sample_weights import check_weights, drop_weightless
from sklearn_audio.base import refuse_huge_values, validate_clips


class IncrementalClassifier(TorchClassifier):
    """A torch classifier that can be trained an epoch at a time.

    Not for one that calibrates thresholds or measures statistics on all clips.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on some of the clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            Some clips, at least two.
        y : array-like of shape (n_clips,)
            Their classes.
        classes : array-like of shape (n_classes,), optional
            All classes of all calls; needed at the first call.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            What each clip counts: 2 is the same as having it twice, 0 as not having it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` holds a single clip, if the first call lacks ``classes``, or if
            ``y`` holds other classes.
        """
        self._validate_params()  # scikit-learn does so before the first call alone
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all labels at once, which partial_fit "
                "never sees. Give the weights as a dict."
            )
        resume = self.__sklearn_is_fitted__()
        X = validate_clips(self, X, reset=not resume)
        refuse_huge_values(self, X)
        y = self._validate_labels(X, y)
        self._announce_classes(classes, resume=resume)
        strangers = np.setdiff1d(y, self.classes_)
        if len(strangers):
            raise ValueError(
                f"y holds {strangers.tolist()}, which are not among the classes "
                f"{self.classes_.tolist()} of the first call to partial_fit."
            )
        weights = check_weights(sample_weight, len(X))
        clips, labels, weights = drop_weightless(weights, X, y)
        self._train_on_labels(
            clips,
            labels,
            weights=weights,
            by_content=True,
            resume=resume,
            partial=True,
        )
        return self

    def _announce_classes(self, classes: ArrayLike | None, *, resume: bool) -> None:
        if resume:
            if classes is not None and not np.array_equal(
                np.unique(classes), self.classes_
            ):
                raise ValueError(
                    f"classes={np.unique(classes).tolist()} differs from that of the "
                    f"first call to partial_fit: {self.classes_.tolist()}."
                )
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        else:
            self.classes_ = np.unique(classes)
