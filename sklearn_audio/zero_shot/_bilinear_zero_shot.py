"""A bilinear model of clips and class vectors."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight

from sklearn_audio.base import validate_clips
from sklearn_audio.zero_shot._compatibility_model import (
    ALPHAS,
    SOLVERS,
    CompatibilityModel,
)
from sklearn_audio.zero_shot._ranking_losses import RANKING_LOSSES
from sklearn_audio.zero_shot._tags import Tags, check_tags

if TYPE_CHECKING:
    from skorch.callbacks import Callback


class BilinearZeroShot(CompatibilityModel):
    r"""Recognise classes without training clips, by a bilinear model of their names.

    How well a clip and a class go together is a product of the clip's vector
    :math:`\theta(x)`, such as an embedding of a pre-trained network, the class's vector
    :math:`\varphi(y)`, such as a mean of word vectors, and a matrix between them that
    is learnt from the seen classes [1]_:

    .. math:: F(x, y) = \theta(x)^\top W \varphi(y), \qquad
              f(x) = \arg\max_y F(x, y).

    A class needs a vector to be recognised, and no clips. With few clips of it, they
    are given to ``fit`` like all others. Without class vectors it is a plain linear
    classifier.

    Parameters
    ----------
    class_embeddings : object, default=None
        The classes' vectors:

        - a dict from labels to vectors;
        - a pandas DataFrame, one row a class, with the labels as index;
        - a tuple (array of shape (n_classes, n_dims), labels);
        - a :class:`LabelEmbedding`, or another transformer from labels to vectors;
        - None, for one-hot vectors of the classes of ``y``.

        More classes than those of ``y`` are welcome, and fewer are an error. Labels
        are text or numbers.
    candidate_classes : array-like of shape (n_classes,) or None, default=None
        The classes to choose from, seen or unseen. None means all that have a vector;
        beside a transformer or None, the classes of ``y``. All classes of ``y`` are
        trained on, candidates or not. :meth:`set_candidates` changes them after a fit.
    tag_embeddings : array-like of shape (n_tags, n_dims) or None, default=None
        The vectors of the tags of a tagger, in the same space as those of the classes;
        for "exemplar". ``fit`` then takes the probabilities of the tags for the
        training clips, and each tag counts as one more class. It is worth more than
        any other setting where a network is at hand that knows hundreds of sounds;
        nothing but the clips' vectors is needed to predict.
    solver : str, default="exemplar"
        How W is found. In closed form:

        - "exemplar": classes are Gaussians around :math:`W \varphi(y)`, a ridge
          regression of the classes' mean clips on the class vectors [2]_ [3]_; the
          score is :math:`F - \frac12 \lVert W \varphi(y) \rVert^2`, that is, minus
          half the squared distance, up to a term without y. Where a class has clips,
          its exemplar moves towards their mean, the further the more there are;
        - "ridge": a ridge regression of the class vectors on the clips;
        - "eszsl": regression of the labels with a penalty on either side [4]_;
        - "sae": the class vectors encode the clips, which can be decoded again [5]_.

        By descent on a ranking loss, with :math:`\ell = 1 + F(x, y) - F(x, y_n)` of
        the wrong classes:

        - "batch": the weighted ranking loss of [1]_, Eq. 4, in batches;
        - "algorithm1": Algorithm 1 of [1]_, clip by clip, with the losses sorted in
          descending order;
        - "warp": clip by clip, wrong classes drawn until one violates the margin [6]_;
        - "devise": sum of all violations, in batches [7]_;
        - "sje": largest violation, in batches [8]_.
    projection : {"bilinear", "factored", "nonlinear"}, default="bilinear"
        What stands between clip and class: the matrix W; a product of two, of rank
        `rank`; or a layer of `rank` units with tanh and a linear layer behind it [9]_.
        The latter two are for the solvers "batch", "devise" and "sje".
    rank : int, default=128
        Inner size of "factored" and "nonlinear".
    alpha : float or None, default=None
        Penalty of the closed forms: on :math:`\lVert W \rVert^2`; that of "eszsl" on
        the clips' side, :math:`\gamma`; the weight of encoding in "sae",
        :math:`\lambda`. None is 3 for "exemplar" and "eszsl", 1 for "ridge" and 0.1
        for "sae". Tune it on held-out *classes*.
    class_alpha : float, default=1.0
        Penalty of "eszsl" on the classes' side, :math:`\lambda`.
    normalize : bool, default=True
        Whether the vectors of clips and classes are scaled to length 1. Learning rates
        and penalties are meant for such vectors.
    standardize : bool, default=True
        Whether the clips' features are first centred and divided by their standard
        deviations, and the class vectors centred, all by what was seen in ``fit``.
        Without it, what all clips or all names have in common outweighs what sets them
        apart.
    fit_intercept : bool, default=True
        Whether a constant 1 is appended to the clips' vectors. Not used by "exemplar",
        which needs none, and "nonlinear", which has its own.
    class_weight : dict, "balanced" or None, default="balanced"
        Weights of the seen classes in the loss. With "balanced" every class counts the
        same, so that a few clips of a new class are not drowned out.
    seen_penalty : float, default=0.0
        Subtracted from the scores of seen classes, which are favoured otherwise where
        both kinds are candidates: calibrated stacking [10]_. Read in ``predict``, so
        that it can be changed without a new fit.
    temperature : float or "auto", default="auto"
        Divides the scores before the softmax of ``predict_proba``. "auto" finds what
        makes the training clips' classes most likely among the seen ones.
    optimizer : {"adam", "sgd"}, default="adam"
        Optimiser of "batch", "devise" and "sje": AdamW or stochastic gradient descent.
    max_epochs : int, default=50
        Passes over the training clips; for the solvers by descent, as all parameters
        from here to `warm_start`.
    batch_size : int, default=256
        Clips a training step, at most. Clip-by-clip solvers give the same at any size,
        but for rounding.
    lr : float, default=1e-2
        Learning rate.
    weight_decay : float, default=0.0
        Weight decay of the optimiser.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside, stratified by class, to measure
        the validation loss. It tells nothing about unseen classes.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last W.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one. Closed forms
        are solved on the CPU.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the validation split, the order of the clips and the
        draws of "warp". Closed forms have nothing random.
    verbose : int, default=0
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    class_mean_ : ndarray of shape (n_dims,), dtype float32
        Subtracted from class vectors; zero without `standardize`.
    classes_ : ndarray of shape (n_classes,)
        The candidate classes, sorted.
    coef_ : ndarray of shape (n_features, n_dims), dtype float32
        W, for vectors that are standardised and normalised; not for "nonlinear".
    embedded_classes_ : ndarray of shape (n_embedded,)
        All classes that have a vector, sorted.
    embedded_vectors_ : ndarray of shape (n_embedded, n_dims), dtype float32
        Their vectors, as they were given.
    history_ : dict of str to list of float
        Losses of every epoch: ``train_loss``, and ``valid_loss`` where clips are set
        aside. Empty for closed forms.
    input_shape_ : tuple of int
        Shape of one clip.
    intercept_ : ndarray of shape (n_dims,), dtype float32
        The row of the constant 1; zero without one. Not for "nonlinear".
    mean_, scale_ : ndarray of shape (n_features,), dtype float32
        Subtracted from the clips' features, and what they are then divided by.
    modules_ : dict of str to torch.nn.Module
        The map from clips to class vectors, under "module".
    n_features_in_ : int
        Number of features.
    n_iter_ : int
        Epochs trained; 0 for closed forms.
    seen_bias_ : ndarray of shape (n_seen,) or None
        What is added to the scores of seen classes that weigh more or less than the
        average one: variance times logarithm of the prior. "exemplar" only.
    seen_classes_ : ndarray of shape (n_seen,)
        The classes of ``y``, sorted.
    seen_offsets_ : ndarray of shape (n_seen, n_features) or None
        How far the seen classes' exemplars lie from :math:`W \varphi(y)`. "exemplar"
        only.
    temperature_ : float
        What scores are divided by in ``predict_proba``.

    See Also
    --------
    ConSEZeroShot : Needs no training where a network's tags are at hand.
    LabelEmbedding : Class vectors from word vectors.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Clips' vectors.

    Notes
    -----
    Choose solver and penalty on held-out classes, not on held-out clips:
    ``GridSearchCV(..., cv=GroupKFold(5))`` with ``groups=y``.

    All solvers but "nonlinear" can tell no more classes apart than their vectors do:
    classes with equal vectors tie.

    References
    ----------
    .. [1] Xie, H. and Virtanen, T. (2019). "Zero-shot audio classification based on
       class label embeddings." IEEE WASPAA. https://doi.org/10.1109/WASPAA.2019.8937283
    .. [2] Shigeto, Y., Suzuki, I., Hara, K., Shimbo, M. and Matsumoto, Y. (2015).
       "Ridge regression, hubness, and zero-shot learning." ECML PKDD.
       https://doi.org/10.1007/978-3-319-23528-8_9
    .. [3] Changpinyo, S., Chao, W.-L. and Sha, F. (2017). "Predicting visual exemplars
       of unseen classes for zero-shot learning." ICCV.
       https://doi.org/10.1109/ICCV.2017.376
    .. [4] Romera-Paredes, B. and Torr, P. (2015). "An embarrassingly simple approach to
       zero-shot learning." ICML. https://proceedings.mlr.press/v37/romera-paredes15.html
    .. [5] Kodirov, E., Xiang, T. and Gong, S. (2017). "Semantic autoencoder for
       zero-shot learning." CVPR. https://doi.org/10.1109/CVPR.2017.473
    .. [6] Weston, J., Bengio, S. and Usunier, N. (2010). "Large scale image annotation:
       learning to rank with joint word-image embeddings." Machine Learning 81.
       https://doi.org/10.1007/s10994-010-5198-3
    .. [7] Frome, A., Corrado, G., Shlens, J., Bengio, S., Dean, J., Ranzato, M. and
       Mikolov, T. (2013). "DeViSE: a deep visual-semantic embedding model." NeurIPS.
       https://papers.nips.cc/paper/5204
    .. [8] Akata, Z., Reed, S., Walter, D., Lee, H. and Schiele, B. (2015). "Evaluation
       of output embeddings for fine-grained image classification." CVPR.
       https://doi.org/10.1109/CVPR.2015.7298911
    .. [9] Xie, H., Räsänen, O. and Virtanen, T. (2021). "Zero-shot audio classification
       with factored linear and nonlinear acoustic-semantic projections." ICASSP.
       https://doi.org/10.1109/ICASSP39728.2021.9414994
    .. [10] Chao, W.-L., Changpinyo, S., Gong, B. and Sha, F. (2016). "An empirical
       study and analysis of generalized zero-shot learning for object recognition in
       the wild." ECCV. https://doi.org/10.1007/978-3-319-46475-6_4

    Examples
    --------
    Clips of three seen classes and of one unseen class, all of which lie where their
    class vectors say:

    >>> import numpy as np
    >>> from sklearn_audio.zero_shot import BilinearZeroShot
    >>> vectors = {
    ...     "dog": [1.0, 0.0, 0.1],
    ...     "bell": [0.0, 1.0, 0.9],
    ...     "engine": [0.0, 0.0, 1.0],
    ...     "wolf": [0.9, 0.0, 0.0],
    ... }
    >>> rng = np.random.default_rng(0)
    >>> sounds = rng.normal(size=(3, 16))
    >>> y = np.repeat(["dog", "bell", "engine"], 20)
    >>> X = np.array([vectors[label] for label in y]) @ sounds
    >>> X += rng.normal(scale=0.1, size=X.shape)
    >>> model = BilinearZeroShot(vectors, ["bell", "engine", "wolf"]).fit(X, y)
    >>> howl = np.array([[0.9, 0.0, 0.0]]) @ sounds
    >>> model.predict(howl)
    array(['wolf'], dtype='<U6')
    >>> model.set_candidates(None).top_k(howl, 2)
    array([['dog', 'wolf']], dtype='<U6')
    """

    # True means: taken when given.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"tags": True}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CompatibilityModel._parameter_constraints,
        "tag_embeddings": ["array-like", None],
        "solver": [StrOptions(set(SOLVERS))],
        "projection": [StrOptions({"bilinear", "factored", "nonlinear"})],
        "rank": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "class_alpha": [Interval(Real, 0, None, closed="neither")],
        "normalize": ["boolean"],
        "standardize": ["boolean"],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "optimizer": [StrOptions({"adam", "sgd"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        class_embeddings: Any = None,
        candidate_classes: ArrayLike | None = None,
        *,
        tag_embeddings: ArrayLike | None = None,
        solver: str = "exemplar",
        projection: Literal["bilinear", "factored", "nonlinear"] = "bilinear",
        rank: int = 128,
        alpha: float | None = None,
        class_alpha: float = 1.0,
        normalize: bool = True,
        standardize: bool = True,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | str | None = "balanced",
        seen_penalty: float = 0.0,
        temperature: float | Literal["auto"] = "auto",
        optimizer: Literal["adam", "sgd"] = "adam",
        max_epochs: int = 50,
        batch_size: int = 256,
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.class_embeddings = class_embeddings
        self.candidate_classes = candidate_classes
        self.tag_embeddings = tag_embeddings
        self.solver = solver
        self.projection = projection
        self.rank = rank
        self.alpha = alpha
        self.class_alpha = class_alpha
        self.normalize = normalize
        self.standardize = standardize
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.seen_penalty = seen_penalty
        self.temperature = temperature
        self.optimizer = optimizer
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_paper(cls, class_embeddings: Any = None, **parameters: Any) -> Self:
        """Return an estimator with the training that the paper prints.

        Algorithm 1, which begins at zero, with the bilinear form of Eq. 1 alone: no
        centring, intercept, class weights or penalty on W.

        Parameters
        ----------
        class_embeddings : object, default=None
            As in the constructor.
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        estimator : BilinearZeroShot
            Not fitted yet.

        Notes
        -----
        The paper gives neither the learning rate, nor the number of epochs, nor the
        scale of the embeddings, of which the steps depend on the product. Here both
        sides are unit vectors, with ``lr=0.01`` and ``max_epochs=50``: choose them on
        held-out classes. It does not say in which direction losses are sorted, either;
        here the largest comes first, and weighs most.
        """
        paper = {
            # Algorithm 1, Eq. 1
            "solver": "algorithm1",
            "projection": "bilinear",
            "tag_embeddings": None,
            "standardize": False,
            "fit_intercept": False,
            "class_weight": None,
            "weight_decay": 0.0,
            "seen_penalty": 0.0,
            # Not printed
            "normalize": True,
            "lr": 1e-2,
            "max_epochs": 50,
            "validation_fraction": None,
            "n_iter_no_change": None,
        }
        return cls(class_embeddings, **{**paper, **parameters})

    @property
    def coef_(self) -> NDArray[np.float32]:
        """Matrix W, of shape (n_features, n_dims)."""
        return self._matrix()[: self.input_shape_[0]]

    @property
    def intercept_(self) -> NDArray[np.float32]:
        """What is added to a projected clip, of shape (n_dims,); zero without one."""
        return self._matrix()[self.input_shape_[0] :].sum(axis=0)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, tags: ArrayLike | None = None) -> Self:
        """Learn which clips and class vectors go together.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_features, n_frames)
            The clips' vectors, such as embeddings. Frames, or windows, are averaged.
        y : array-like of shape (n_clips,)
            Their classes, text or numbers, each of which has a class vector. A few
            clips of a class are welcome: zero-shot becomes few-shot learning.
        tags : array-like of shape (n_clips, n_tags) or None, default=None
            With `tag_embeddings`, how probable each tag is for each clip, as
            :meth:`PretrainedEmbedding.tag
            <sklearn_audio.feature_extraction.PretrainedEmbedding.tag>` says.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If ``class_embeddings`` is none of the forms that it may have.
        ValueError
            If ``X`` is not finite or has the wrong shape; if ``y`` holds one class
            alone; if a class of ``y`` or of ``candidate_classes`` has no vector; if
            class vectors are not finite or differ in length; if `tags` and
            `tag_embeddings` do not fit; if the solver has no such projection, or no use
            for tags; or if the training diverges.
        """
        self._check_combination()
        resume = self.solver not in ALPHAS and self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        y, classes = self._validate_classes(X, y)
        vectors = self._learn_classes(classes)
        known = self._check_tags(tags, len(X), vectors.shape[1])
        labels = np.searchsorted(classes, y)
        weights = compute_class_weight(self.class_weight, classes=classes, y=y)
        weights = weights / weights[labels].mean()  # (C,)
        self._learn_scales(X, vectors)
        clips, vectors = self._prepare_clips(X), self._prepare_classes(vectors)
        if self.solver in ALPHAS:
            self._solve(clips, labels, vectors, weights, known)
        else:
            self._descend(clips, labels, vectors, weights, resume=resume)
        scores = self._score(clips, classes)
        if not np.isfinite(scores).all():
            raise ValueError(
                f"X holds values up to {np.abs(X).max():.2g}, and the scores overflow "
                "single precision. Set standardize=True or normalize=True, or scale X."
            )
        self._learn_temperature(scores, labels)
        return self

    def _check_combination(self) -> None:
        if self.projection != "bilinear" and self.solver not in RANKING_LOSSES:
            raise ValueError(
                f"solver={self.solver!r} has no projection={self.projection!r}: it "
                "finds one matrix. Set projection='bilinear', or one of the solvers "
                f"{sorted(RANKING_LOSSES)}, which train by backpropagation."
            )

    def _check_tags(self, tags: Any, n_clips: int, n_dims: int) -> Tags | None:
        if tags is None and self.tag_embeddings is None:
            return None
        if tags is None or self.tag_embeddings is None:
            missing = "tags in fit" if tags is None else "tag_embeddings"
            raise ValueError(
                f"There are no {missing}: probabilities of tags and the vectors of "
                "these go together. Give both or none."
            )
        if self.solver != "exemplar":
            raise ValueError(
                f"solver={self.solver!r} has no use for tags. Set solver='exemplar', "
                "or tag_embeddings=None and give no tags."
            )
        return check_tags(tags, self.tag_embeddings, n_clips, n_dims)
