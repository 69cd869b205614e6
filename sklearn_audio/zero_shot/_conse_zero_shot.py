"""Convex combinations of semantic embeddings."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval

from sklearn_audio.base import validate_clips
from sklearn_audio.zero_shot._class_embeddings import knows_its_labels
from sklearn_audio.zero_shot._tags import check_probabilities, check_tag_vectors
from sklearn_audio.zero_shot._zero_shot_classifier import (
    ZeroShotClassifier,
    mean_over_frames,
    unit,
)

# Divides cosines where no labelled clips are there to fit it.
_TEMPERATURE_WITHOUT_LABELS = 0.1


class ConSEZeroShot(ZeroShotClassifier):
    r"""Place a clip among class names by what a classifier takes it for.

    Convex combination of semantic embeddings [1]_. A classifier says how probable each
    class, or tag, that it knows is for a clip. The clip's place among the class vectors
    is the mean of the :math:`T` most probable ones' vectors :math:`s`, weighted by the
    probabilities, and classes are scored by the cosine between their vectors
    :math:`\varphi` and that place:

    .. math:: f(x) = \sum_{t=1}^{T} p(y_t \mid x)\, s(y_t), \qquad
              F(x, y) = \cos(f(x), \varphi(y)).

    What half dog and half engine is called may be a motorcycle. Nothing but the
    classifier is trained.

    There are two ways to use it. By default a classifier is trained on the seen
    classes, as in [1]_. With `tag_embeddings` no training takes place: `X` then holds
    the probabilities of a network that was trained on many sounds already, such as
    :meth:`PretrainedEmbedding.tag
    <sklearn_audio.feature_extraction.PretrainedEmbedding.tag>`.

    Parameters
    ----------
    class_embeddings : object, default=None
        The classes' vectors, in the same space as those of the tags:

        - a dict from labels to vectors;
        - a pandas DataFrame, one row a class, with the labels as index;
        - a tuple (array of shape (n_classes, n_dims), labels);
        - a :class:`LabelEmbedding`, or another transformer from labels to vectors;
        - None, for one-hot vectors: the classifier's own classes, and no others.
    candidate_classes : array-like of shape (n_classes,) or None, default=None
        The classes to choose from, seen or unseen. None means all that have a vector;
        beside a transformer or None, the classes of ``y``.
    estimator : classifier or None, default=None
        The classifier of the seen classes, with ``predict_proba``. None is logistic
        regression on standardised features.
    tag_embeddings : array-like of shape (n_tags, n_dims) or None, default=None
        The vectors of the tags, in the order of the columns of `X`. Leave out columns
        of `X` that have no vector. It excludes `estimator`.
    n_top : int, default=10
        How many of the most probable classes or tags count; all, where there are fewer.
        From 5 to 30 it makes little difference.
    seen_penalty : float, default=0.0
        Subtracted from the scores of seen classes, which are favoured otherwise [2]_.
        Read in ``predict``, so that it can be changed without a new fit.
    temperature : float or "auto", default="auto"
        Divides the scores before the softmax of ``predict_proba``. "auto" finds what
        makes the training clips' classes most likely among the seen ones, and is 0.1
        where ``fit`` is given no labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The candidate classes, sorted.
    embedded_classes_ : ndarray of shape (n_embedded,)
        All classes that have a vector, sorted.
    embedded_vectors_ : ndarray of shape (n_embedded, n_dims), dtype float32
        Their vectors.
    estimator_ : classifier
        The fitted classifier; only without `tag_embeddings`.
    input_shape_ : tuple of int
        Shape of one clip.
    n_features_in_ : int
        Number of features, or of tags.
    seen_classes_ : ndarray of shape (n_seen,)
        The classes of ``y``, sorted; none where there is no ``y``.
    source_vectors_ : ndarray of shape (n_sources, n_dims), dtype float32
        Vectors that are combined: those of the seen classes, or of the tags.
    temperature_ : float
        What scores are divided by.

    See Also
    --------
    BilinearZeroShot : Learns from seen classes what unseen ones sound like.
    LabelEmbedding : Vectors for classes and tags.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Probabilities of 527 tags.

    Notes
    -----
    A network that was trained on the very sounds that are looked for, under other
    names, is not zero-shot in the strict sense. Leave the columns of such tags out to
    see how well truly new classes are told apart.

    References
    ----------
    .. [1] Norouzi, M., Mikolov, T., Bengio, S., Singer, Y., Shlens, J., Frome, A.,
       Corrado, G. and Dean, J. (2014). "Zero-shot learning by convex combination of
       semantic embeddings." ICLR. https://doi.org/10.48550/arXiv.1312.5650
    .. [2] Chao, W.-L., Changpinyo, S., Gong, B. and Sha, F. (2016). "An empirical study
       and analysis of generalized zero-shot learning for object recognition in the
       wild." ECCV. https://doi.org/10.1007/978-3-319-46475-6_4

    Examples
    --------
    Probabilities of three tags, and vectors of the tags and of two other classes:

    >>> from sklearn_audio.zero_shot import ConSEZeroShot
    >>> tags = [[1.0, 0.0], [0.8, 0.2], [0.0, 1.0]]  # dog, cat, engine
    >>> classes = {"wolf": [0.9, 0.1], "motorcycle": [0.2, 1.0]}
    >>> conse = ConSEZeroShot(classes, tag_embeddings=tags)
    >>> X = [[0.7, 0.4, 0.0], [0.1, 0.0, 0.6]]
    >>> conse.fit(X).predict(X)
    array(['wolf', 'motorcycle'], dtype='<U10')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ZeroShotClassifier._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "tag_embeddings": ["array-like", None],
        "n_top": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        class_embeddings: Any = None,
        candidate_classes: ArrayLike | None = None,
        *,
        estimator: BaseEstimator | None = None,
        tag_embeddings: ArrayLike | None = None,
        n_top: int = 10,
        seen_penalty: float = 0.0,
        temperature: float | Literal["auto"] = "auto",
    ) -> None:
        self.class_embeddings = class_embeddings
        self.candidate_classes = candidate_classes
        self.estimator = estimator
        self.tag_embeddings = tag_embeddings
        self.n_top = n_top
        self.seen_penalty = seen_penalty
        self.temperature = temperature

    # Nested validation is left on: the classifier is the user's own.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Train the classifier of the seen classes, or take the tags as they are.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips' vectors, or with `tag_embeddings` the probabilities of their
            tags. Frames, or windows, are averaged.
        y : array-like of shape (n_clips,), default=None
            Their classes, text or numbers, each of which has a class vector. With
            `tag_embeddings` they may be left out: nothing but `seen_classes_` and
            `temperature_` comes from them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If ``class_embeddings`` is none of the forms that it may have.
        ValueError
            If ``X`` is not finite, has the wrong shape, or holds negative
            probabilities; if ``y`` is missing or holds one class alone; if a class has
            no vector; if vectors are not finite or differ in length; or if
            `estimator` and `tag_embeddings` are both given.
        """
        if self.tag_embeddings is not None and self.estimator is not None:
            raise ValueError(
                "estimator and tag_embeddings exclude each other: with tag_embeddings, "
                "X already holds probabilities. Leave one of them None."
            )
        X = validate_clips(self, X, reset=True)
        if y is None and self.tag_embeddings is not None:
            self._learn_candidates()
            self.source_vectors_ = self._check_tags()
            check_probabilities(X, "X")
            self.temperature_ = _TEMPERATURE_WITHOUT_LABELS
            if self.temperature != "auto":
                self.temperature_ = float(self.temperature)
            return self
        y, classes = self._validate_classes(X, y)
        vectors = self._learn_classes(classes)
        if self.tag_embeddings is None:
            self.estimator_ = self._make_estimator().fit(mean_over_frames(X), y)
            self.source_vectors_ = vectors
        else:
            self.source_vectors_ = self._check_tags()
        self._learn_temperature(self._score(X, classes), np.searchsorted(classes, y))
        return self

    def _make_estimator(self) -> Any:
        if self.estimator is not None:
            return clone(self.estimator)
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))

    def _learn_candidates(self) -> None:
        """Set the classes where no labels are given: none of them is seen."""
        names_itself = knows_its_labels(self.class_embeddings)
        if self.candidate_classes is None and not names_itself:
            raise ValueError(
                "There is nothing to choose from: without y, give candidate_classes, "
                "or class_embeddings that name the classes, such as a dict."
            )
        self._learn_classes(np.array([], dtype=object))

    def _check_tags(self) -> NDArray[np.float32]:
        """Return the vectors of the tags, one for each column of X."""
        n_dims = self.embedded_vectors_.shape[1]
        return check_tag_vectors(self.tag_embeddings, self.n_features_in_, n_dims, "X")

    def _compatibilities(self, X: ArrayLike, classes: NDArray) -> NDArray:
        return self._score(validate_clips(self, X, reset=False), classes)

    def _score(self, X: NDArray, classes: NDArray) -> NDArray:
        """Return cosines of clips and classes: (n, d[, t]), (C,) -> (n, C)."""
        clips = mean_over_frames(X)
        if self.tag_embeddings is None:
            probabilities = self.estimator_.predict_proba(clips)  # (n, K)
        else:
            check_probabilities(clips, "X")
            probabilities = clips
        vectors = self._vectors_of(classes).astype(np.float64)  # (C, s)
        places = unit(self._combine(np.asarray(probabilities, dtype=np.float64)))
        # A matrix product would round a clip's scores by the number of clips.
        return np.einsum("ns,cs->nc", places, unit(vectors))

    def _combine(self, probabilities: NDArray) -> NDArray:
        """Add the most probable sources' vectors up: (n, K) -> (n, s).

        Lengths do not matter to the cosine, nor does the sum of the probabilities.
        """
        sources = self.source_vectors_.astype(np.float64)  # (K, s)
        order = np.argsort(-probabilities, axis=1, kind="stable")  # (n, K)
        places = np.zeros((len(probabilities), sources.shape[1]))
        for best in order[:, : self.n_top].T:  # (n,)
            weights = np.take_along_axis(probabilities, best[:, np.newaxis], axis=1)
            places += weights * sources[best]
        return places

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # check_estimator yields next to no checks where two_d_array is False.
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = self.tag_embeddings is not None
        tags.target_tags.required = self.tag_embeddings is None
        return tags
