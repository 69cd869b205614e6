"""The open-set GAN as an estimator: an ensemble of folds with an outlier label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import _fit_context, clone
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklearn_audio._torch._random import draw_seed
from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.augmentation._training_augmentation import Augmenter
from sklearn_audio.base import (
    Split,
    calibration_splits,
    conformal_threshold,
    fold_splitter,
    label_outliers,
    resolve_outlier_label,
    validate_clips,
)
from sklearn_audio.open_set._familiarities import (
    energy,
    mahalanobis,
    max_logit,
    max_softmax,
    measure_embeddings,
)
from sklearn_audio.open_set._gan_losses import (
    SCORE_SCALING,
    class_distances,
    sinkhorn_divergence,
)
from sklearn_audio.open_set._open_set_gan import OUTLIER_KINDS, OpenSetGAN

if TYPE_CHECKING:
    from skorch.callbacks import Callback

# What "combined" is the mean of, each standardised on the training clips.
COMBINED = ("max_softmax", "max_logit", "mahalanobis")
FAMILIARITIES = (*COMBINED, "energy", "sinkhorn", "detector", "combined")
_N_FOLDS = 4


class Outputs(NamedTuple):
    """What one member makes of n clips."""

    logits: NDArray  # (n, K) or, with those of outliers made of clips, (n, 2K or 3K)
    embeddings: NDArray  # (n, d)
    realness: NDArray  # (n,): the detector's logits; zero where there is none


class Fold(NamedTuple):
    """A network and its scores of the clips that it has not seen."""

    member: OpenSetGANClassifier
    rows: NDArray  # of these clips
    scores: dict[str, NDArray]  # of these clips, by what is scored


class OpenSetGANClassifier(OpenSetGAN):
    r"""Classifier that knows what it was not trained on, from few clips.

    It is trained jointly to name clips of the known classes and to know outliers, which
    it makes for itself, and so rejects sounds of unknown classes. The outliers are of
    three kinds:

    - *spliced*: clips that begin as one class and end as another, as an unknown word
      may share a syllable with each of two known ones;
    - *reversed*: training clips played backwards, which sound like speech or events
      of the same voice and room, but are none of the classes;
    - *generated*: by the game of the paper [1]_, in which an encoder maps clips to a
      normal posterior, a generator maps draws from around it back to clips, a detector
      tells these from real ones, and the classifier's answer to them is drawn towards
      the uniform distribution :math:`U` by the Sinkhorn divergence,

    .. math::

        \min_\theta E_x[-\log p_\theta(y \mid x)]
        + \lambda E_z[S_\varepsilon(p_\theta(\cdot \mid G(z)), U)]

    Spliced clips are told apart by the class that they begin as, reversed ones by the
    class that they are of: K classes more for either kind, whose outputs are left out
    of the answers.

    Four networks, each trained on three quarters of the clips, answer together
    (``ensemble=True``). The scores of the clips that each has not seen set the
    threshold ``offset_`` below which a clip is called unknown. As the mean of four
    networks varies less than one of them, a fifth network, which leaves out some clips
    of each fold, tells by how much, and is not kept.

    The default differs from the paper, by measurement on unseen speakers: spliced clips
    in place of generated ones, a plain first stage in place of scattering, four
    networks in place of one, and another score. :meth:`from_paper` gives the published
    method.

    Parameters
    ----------
    outliers : str, tuple of str or None, default="spliced"
        What the classifier learns to reject: "spliced", "reversed" or "generated"
        clips, or several kinds of them. None trains it on the known clips alone.
        Reversed clips are no outliers where sounds have no direction in time, such as
        rain or the hum of an engine.
    first_stage : {"convolution", "scattering"}, default="convolution"
        What stands in front of ResNet-18's third layer: a 3 x 3 convolution and the
        first two layers, or the paper's wavelet scattering, which is better on few
        clips only where nothing is augmented.
    width : int, default=16
        Channels of ResNet-18's first layer; later layers have 2, 4 and 8 times as
        many. The paper's is 64, which takes nine times as long.
    n_scales : int, default=2
        J: the scattering averages over ``2**n_scales`` bands and frames.
    n_angles : int, default=8
        L: orientations of the wavelets in the plane of bands and frames.
    augmenter : "auto", callable or None, default="auto"
        Changes clips at random in every batch: called with a tensor of clips and a
        torch.Generator, it returns a tensor of the same shape. "auto" is
        :class:`~sklearn_audio.augmentation.SpectrogramAugmenter` for spectrograms, in
        dB or scaled, and nothing for rows of features. No other part of the
        method is worth as much.
    mixup_alpha : float, default=0
        Parameter of the Beta distribution that mixes clips and labels; 0 mixes none.
        Mixtures teach that what lies between classes is familiar, which harms the
        rejection.
    label_smoothing : float in [0, 1), default=0.2
        Share of the target probability that is spread over all outputs.
    gan_width : int, default=32
        Channels of the first layer of encoder and detector, and of the generator's
        last hidden one. The paper's is 128.
    latent_dim : int, default=20
        Dimensions of the latent space.
    sampling : {"posterior", "prior"}, default="posterior"
        Whether outliers are generated from around the latent means of training clips
        or from the standard normal distribution.
    noise_scale : float, default=1
        Standard deviations of what is drawn, as multiples of the posterior's or the
        prior's own: larger ones push the outliers away from the known clips. With
        "prior" it is of no effect: the generator's first batch normalisation takes out
        how wide all draws are.
    use_spectral_norm : bool, default=False
        Whether to bound the detector's layers in place of normalising its batches,
        which keeps it from outrunning the generator.
    confidence_weight : float, default=0.1
        :math:`\lambda`: what generated outliers count in the loss.
    confidence_cost : {"euclidean", "discrete", "semantic"}, default="euclidean"
        What the divergence transports: a vector of probabilities as one point, which
        comes to :math:`\frac12 \lVert p - U \rVert^2`; mass between classes at equal
        cost; or mass between classes at the distance of their embeddings.
    class_embeddings : dict, array-like or None, default=None
        A vector for each class, by label or as rows in the order of ``classes_``, for
        ``confidence_cost="semantic"``.
    blur : float, default=0.5
        :math:`\sqrt\varepsilon`: how much the transport is blurred. "euclidean" does
        not depend on it; with the other costs, less of it converges slowly.
    warmup : float in [0, 1), default=0.2
        Share of the epochs in which the confidence loss is left out; over as many more
        its weight rises to ``confidence_weight``. Uniform answers too early cost
        accuracy. With 0 it counts in full from the first epoch on.
    reconstruction_weight : float, default=100
        :math:`\alpha`: what the squared error of reconstructions counts for the
        generator.
    feature_weight : float, default=1
        :math:`\beta`: the same for the detector's features.
    reduction : {"mean", "sum"}, default="mean"
        Whether squared errors are averaged over the values of a clip, and over its
        features, so that the weights hold for clips of any size; or summed, as the
        paper prints them.
    kl_weight : float, default=0.01
        What the divergence of posterior and prior counts for encoder and generator.
    familiarity : str, default="combined"
        What :meth:`score_samples` returns:

        - "max_softmax": the largest probability of a known class, those of spliced and
          reversed clips taking their share;
        - "max_logit": the largest logit;
        - "energy": :math:`\log \sum_k \exp f_k(x)`;
        - "mahalanobis": minus the distance, in the space before the last layer, to the
          nearest class mean;
        - "sinkhorn": the divergence of the answer from the uniform distribution;
        - "detector": the detector's logit; needs generated outliers;
        - "combined": the mean of the first two and "mahalanobis", each standardised on
          the training clips.

        It is not named ``score``, which is a method of every classifier.
    outlier_label : "auto", None or a label, default="auto"
        What ``predict`` returns for unknown clips. "auto" is -1 beside numeric classes
        and "unknown" beside text. None rejects nothing.
    rejection_rate : float in [0, 1) or None, default=0.05
        Fraction of fresh clips of the known classes that may be rejected; training
        clips of the known classes may be rejected, too. None or 0 rejects nothing.
    ensemble : bool, default=True
        Whether the networks of all folds answer together, by the means of their logits
        and familiarities. False trains one network on all clips, beside those of the
        folds, which then only calibrate the threshold; with ``rejection_rate=None``
        that one alone.
    cv : int, splitter or None, default=None
        The folds; None is 4. An integer is lowered to the number of clips of the
        smallest class, or of its groups. Give ``groups`` to ``fit`` where several clips
        have one speaker or source recording: no group is then on both sides of a fold.
    n_jobs : int or None, default=None
        Folds that are trained at once.
    max_epochs : int, default=100
        Passes over the training clips.
    batch_size : int, default=32
        Clips a training step, at most, before outliers are added; batches are of nearly
        equal size.
    lr : float, default=2e-3
        Learning rate of the classifier's AdamW.
    lr_generator : float, default=2e-4
        Learning rate of encoder's and generator's Adam.
    lr_detector : float, default=4e-4
        Learning rate of the detector's Adam: twice the generator's, so that its
        judgement is up to date.
    lr_schedule : {"cosine"} or None, default="cosine"
        Lowers the classifier's learning rate to nearly zero along half a cosine.
    weight_decay : float, default=1e-2
        Weight decay of the classifier's AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss. "balanced" makes every class count the same.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside, stratified by class, to measure
        the validation loss. None by default: where clips are scarce, none is to spare.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches, augmentation and noise. The same seed gives the same
        model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the losses, one for each network.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_clips,)
        Scores of the training clips, in ascending order, by networks that were not
        trained on them, from which ``offset_`` is found. Empty where nothing is
        rejected.
    classes_ : ndarray of shape (n_classes,)
        The known classes; the outlier label is not among them.
    estimators_ : list of OpenSetGANClassifier
        The members of the ensemble, one a fold; only with ``ensemble=True``.
    history_ : dict of str to list of float
        Every loss of every epoch, as a mean over the members: ``train_loss``; its parts
        ``train_classification`` and, once it counts, ``train_confidence``; the
        detector's ``train_detector``; the generator's ``train_structure``,
        ``train_kl`` and ``train_adversarial``; how much generated clips vary as a
        share of what real ones do, ``train_diversity``; and ``valid_loss`` where clips
        are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The networks: "module", the classifier, and with generated outliers "encoder",
        "generator" and "detector". Those of an ensemble are in its members.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    offset_ : float
        Clips of a lower score are rejected; minus infinity where none is. There is a
        threshold for each score, so that ``familiarity`` can be set after ``fit``.
    outlier_label_ : object
        The label of rejected clips, or None.

    See Also
    --------
    RejectingClassifier : An outlier label for any classifier.
    AugGANClassifier : The closed-set predecessor.
    sklearn_audio.metrics.get_scorer : Scorers for open-set searches.
    sklearn_audio.model_selection.OpenSetSplit : Splits with unknown test classes.

    Notes
    -----
    ``predict_proba`` and ``decision_function`` are those of the known classes;
    ``predict`` alone rejects. ``score_samples``, :meth:`encode`, :meth:`reconstruct`
    and :meth:`sample` show what it goes by.

    A collapsed generator, whose clips are all alike, is reported by a
    :class:`~sklearn.exceptions.ConvergenceWarning`; a loss that is no longer finite
    ends the fit with an error.

    Where the paper's equations contradict each other, the loss is that of [2]_, with
    the Sinkhorn divergence [3]_ in place of Kullback and Leibler's.

    References
    ----------
    .. [1] Teh, K. K. and Tran, H. D. (2021). "Open-set audio classification with
       limited training resources based on augmentation enhanced variational
       auto-encoder GAN with detection-classification joint training." Interspeech.
       https://doi.org/10.21437/Interspeech.2021-1142
    .. [2] Lee, K., Lee, H., Lee, K. and Shin, J. (2018). "Training
       confidence-calibrated classifiers for detecting out-of-distribution samples."
       ICLR. https://doi.org/10.48550/arXiv.1711.09325
    .. [3] Feydy, J., Séjourné, T., Vialard, F.-X., Amari, S., Trouvé, A. and Peyré, G.
       (2019). "Interpolating between optimal transport and MMD using Sinkhorn
       divergences." AISTATS. https://doi.org/10.48550/arXiv.1810.08278

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> from sklearn_audio.open_set import OpenSetGANClassifier
    >>> X, y = make_sound_events(60, ["bell", "chirp"], random_state=0)
    >>> small = OpenSetGANClassifier(
    ...     width=4, max_epochs=40, lr=1e-2, batch_size=16, cv=3, random_state=0
    ... )
    >>> front_end = LogMelSpectrogram(n_mels=32, hop_length=512)
    >>> classifier = make_pipeline(front_end, small).fit(X, y)
    >>> X_new, y_new = make_sound_events(
    ...     20, ["bell", "chirp"], n_outliers=20, random_state=1
    ... )
    >>> answers, is_known = classifier.predict(X_new), y_new != "unknown"
    >>> bool((answers == y_new)[is_known].mean() > 0.8)
    True
    """

    __metadata_request__fit = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **OpenSetGAN._parameter_constraints,
        "outliers": [StrOptions(set(OUTLIER_KINDS)), tuple, list, None],
        "sampling": [StrOptions({"posterior", "prior"})],
        "noise_scale": [Interval(Real, 0, None, closed="left")],
        "use_spectral_norm": ["boolean"],
        "confidence_weight": [Interval(Real, 0, None, closed="left")],
        "confidence_cost": [StrOptions({"euclidean", "discrete", "semantic"})],
        "class_embeddings": [Mapping, "array-like", None],
        "blur": [Interval(Real, 0, None, closed="neither")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "reduction": [StrOptions({"mean", "sum"})],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "lr_detector": [Interval(Real, 0, None, closed="neither")],
        "familiarity": [StrOptions(set(FAMILIARITIES))],
        "outlier_label": "no_validation",
        "rejection_rate": [Interval(Real, 0, 1, closed="left"), None],
        "ensemble": ["boolean"],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        outliers: str | Sequence[str] | None = "spliced",
        first_stage: str = "convolution",
        width: int = 16,
        n_scales: int = 2,
        n_angles: int = 8,
        augmenter: str | Augmenter | None = "auto",
        mixup_alpha: float = 0.0,
        label_smoothing: float = 0.2,
        gan_width: int = 32,
        latent_dim: int = 20,
        sampling: str = "posterior",
        noise_scale: float = 1.0,
        use_spectral_norm: bool = False,
        confidence_weight: float = 0.1,
        confidence_cost: str = "euclidean",
        class_embeddings: Mapping[Any, ArrayLike] | ArrayLike | None = None,
        blur: float = 0.5,
        warmup: float = 0.2,
        reconstruction_weight: float = 100.0,
        feature_weight: float = 1.0,
        reduction: str = "mean",
        kl_weight: float = 0.01,
        familiarity: str = "combined",
        outlier_label: Any = "auto",
        rejection_rate: float | None = 0.05,
        ensemble: bool = True,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
        max_epochs: int = 100,
        batch_size: int = 32,
        lr: float = 2e-3,
        lr_generator: float = 2e-4,
        lr_detector: float = 4e-4,
        lr_schedule: str | None = "cosine",
        weight_decay: float = 1e-2,
        class_weight: Mapping[Any, float] | str | None = None,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.outliers = outliers
        self.first_stage = first_stage
        self.width = width
        self.n_scales = n_scales
        self.n_angles = n_angles
        self.augmenter = augmenter
        self.mixup_alpha = mixup_alpha
        self.label_smoothing = label_smoothing
        self.gan_width = gan_width
        self.latent_dim = latent_dim
        self.sampling = sampling
        self.noise_scale = noise_scale
        self.use_spectral_norm = use_spectral_norm
        self.confidence_weight = confidence_weight
        self.confidence_cost = confidence_cost
        self.class_embeddings = class_embeddings
        self.blur = blur
        self.warmup = warmup
        self.reconstruction_weight = reconstruction_weight
        self.feature_weight = feature_weight
        self.reduction = reduction
        self.kl_weight = kl_weight
        self.familiarity = familiarity
        self.outlier_label = outlier_label
        self.rejection_rate = rejection_rate
        self.ensemble = ensemble
        self.cv = cv
        self.n_jobs = n_jobs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_generator = lr_generator
        self.lr_detector = lr_detector
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_paper(cls, **parameters: Any) -> Self:
        r"""Return an estimator with the settings that the paper prints.

        One scattering network of full width and outliers that are generated from around
        training clips; the sum of the printed losses, of which :math:`\lambda = 0.1`
        alone has a weight; 150 epochs in batches of 100, with Adam at 2e-4 throughout;
        Sinkhorn scores. It is meant for log-mel spectrograms of 32 bands and 32 frames,
        80 dB of which are scaled to [-1, 1].

        The paper finds its thresholds on development data, which ``fit`` has none of:
        ``predict`` rejects nothing. Compare :meth:`score_samples` with a threshold of
        your own, or set ``rejection_rate``.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        estimator : OpenSetGANClassifier
            Not fitted yet.

        Notes
        -----
        What the paper leaves open is read as follows:

        - Eq. 8 names :math:`\alpha` and :math:`\beta` without values: both are 1, and
          its norms are sums over the values of a clip, and over its features, as those
          of Eq. 6 are over the latent dimensions;
        - the transport of Eqs. 2 to 4 moves a vector of probabilities as one point;
        - the noise of the reparametrisation has the posterior's own spread;
        - betas of Adam are 0.5 and 0.999 in the game, as in Lee et al. (2018), to whom
          it goes back, and torch's own for the classifier;
        - widths are those of Lee et al. and of ResNet-18;
        - game and classifier get augmented clips; kinds and strengths are the defaults
          of :class:`~sklearn_audio.augmentation.SpectrogramAugmenter`.

        The generator's hidden layers have plain ReLUs behind batch normalisation, as in
        Lee et al., where the paper says that all layers leak with a slope of 0.2.
        """
        paper = {
            # Networks (Section 3.2)
            "first_stage": "scattering",
            "width": 64,
            "n_scales": 2,
            "n_angles": 8,
            "gan_width": 128,
            "latent_dim": 20,
            "use_spectral_norm": False,
            # Outliers (Section 2.2)
            "outliers": "generated",
            "sampling": "posterior",
            "noise_scale": 1.0,
            # Losses (Eqs. 1 to 9)
            "label_smoothing": 0.0,
            "mixup_alpha": 0.0,
            "class_weight": None,
            "confidence_weight": 0.1,
            "confidence_cost": "euclidean",
            "warmup": 0.0,
            "reconstruction_weight": 1.0,
            "feature_weight": 1.0,
            "reduction": "sum",
            "kl_weight": 1.0,
            # Training (Section 3.2)
            "augmenter": SpectrogramAugmenter(decibels_per_unit=40.0),
            "max_epochs": 150,
            "batch_size": 100,
            "lr": 2e-4,
            "lr_generator": 2e-4,
            "lr_detector": 2e-4,
            "lr_schedule": None,
            "weight_decay": 0.0,
            "validation_fraction": None,
            "n_iter_no_change": None,
            # Scores (Sections 3.2 and 3.5)
            "familiarity": "sinkhorn",
            "rejection_rate": None,
            "ensemble": False,
        }
        return cls(**{**paper, **parameters})

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Train the networks, and find the familiarity below which to reject.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            Clips of known classes, as rows of features or as spectrograms.
        y : array-like of shape (n_clips,)
            Their classes: numbers or text.
        groups : array-like of shape (n_clips,), optional
            Speakers or source recordings, which no fold parts.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if ``y`` holds one class
            alone, if a class has too few clips for ``cv``, if ``outlier_label`` is one
            of the classes, or if the training diverges.
        TypeError
            If ``outlier_label`` is text beside numeric classes or the other way round.
        """
        self._check_settings()
        X, y, _, resume = self._learn_classes(X, y)
        if not resume:
            self._forget()
        self.outlier_label_ = resolve_outlier_label(self.outlier_label, self.classes_)
        rate = None if self.outlier_label_ is None else self.rejection_rate
        splits: list[Split] = []
        if self.ensemble or rate:
            splits = calibration_splits(
                self.cv, len(X), y=y, groups=groups, default=_N_FOLDS
            )
        if not resume:
            self._noise: dict[str, float] = {}
        crossing = []
        if self.ensemble and rate and not self._noise:
            crossing = [crossing_split(splits, y, groups, draw_seed(self.random_state))]
        folds = self._fit_folds(X, y, [*splits, *crossing], resume=resume)
        folds, witnesses = folds[: len(splits)], folds[len(splits) :]
        if self.ensemble:
            self.estimators_ = [fold.member for fold in folds]
            self.history_ = mean_history([m.history_ for m in self.estimators_])
            self.n_iter_ = max(member.n_iter_ for member in self.estimators_)
        else:
            self._train_on_labels(X, y, resume=resume)
        self._calibration_scores: dict[str, NDArray] = {}
        self._offsets: dict[str, float] = {}
        for witness in witnesses:
            self._noise = noise_fractions(folds, witness)
        if rate:
            self._set_thresholds(folds, rate)
        return self

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the classes of the clips, or the outlier label.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        labels : ndarray of shape (n_clips,)
            ``outlier_label_`` where :meth:`score_samples` is below ``offset_``.
        """
        outputs = self._outputs(X)
        labels = self.classes_[self._mean_logits(outputs).argmax(axis=1)]
        if not self._offsets:  # nothing is rejected
            return labels
        is_outlier = self._familiarity(outputs) < self.offset_
        return label_outliers(labels, is_outlier, self.outlier_label_)

    @property
    def calibration_scores_(self) -> NDArray[np.float64]:
        """Return scores of the training clips out of fold, in ascending order."""
        check_is_fitted(self)
        return self._calibration_scores.get(self.familiarity, np.empty(0))

    @property
    def offset_(self) -> float:
        """Return the threshold of the score that ``familiarity`` names."""
        check_is_fitted(self)
        return self._offsets.get(self.familiarity, -np.inf)

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Return how familiar the clips are, as ``familiarity`` says.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips,), dtype float64
            Higher = more familiar.
        """
        return self._familiarity(self._outputs(X))

    def encode(self, X: ArrayLike) -> NDArray:
        """Return the means of the clips' latent posteriors.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        means : ndarray of shape (n_clips, latent_dim), dtype float32
            Of the first member, where there is an ensemble.

        Raises
        ------
        ValueError
            If "generated" was not among ``outliers``: there is no encoder.
        """
        member, X = self._first_player(), validate_clips(self, X, reset=False)
        encoder = member.modules_["encoder"]
        return member._infer(X, lambda x: encoder(member._to_game(x))[0])

    def reconstruct(self, X: ArrayLike) -> NDArray:
        """Return what the generator makes of the clips' latent means.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        clips : ndarray of the same shape, dtype float32
            By the first member, where there is an ensemble.

        Raises
        ------
        ValueError
            If "generated" was not among ``outliers``: there is no generator.
        """
        return self._first_player()._generate(self.encode(X))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray:
        """Return generated outliers, to be looked at.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState instance or None, default=None
            Seeds the latent vectors, which come from the prior, ``noise_scale`` wide.

        Returns
        -------
        clips : ndarray of shape (n_samples, ...), dtype float32
            In the shape and the unit of the training clips; by the first member, where
            there is an ensemble.

        Raises
        ------
        ValueError
            If "generated" was not among ``outliers``: there is no generator.
        """
        member = self._first_player()
        latents = member._sample_latents(n_samples, random_state)
        return member._generate(self.noise_scale * latents)

    # Training

    def _check_settings(self) -> None:
        wrong = [kind for kind in self._kinds if kind not in OUTLIER_KINDS]
        if wrong or len(set(self._kinds)) < len(self._kinds):
            raise ValueError(
                f"outliers={self.outliers!r} must be some of {OUTLIER_KINDS}, each at "
                "most once, or None."
            )
        if self.familiarity == "detector" and not self._generates:
            raise ValueError(
                f"familiarity='detector' needs the detector of a game, but with "
                f"outliers={self.outliers!r} there is none. Set outliers='generated'."
            )

    def _forget(self) -> None:
        """Drop what an earlier fit learned with another value of ``ensemble``."""
        for name in ("estimators_", "modules_", "_net"):
            self.__dict__.pop(name, None)

    def _fit_folds(
        self, X: NDArray, y: NDArray, splits: list[Split], *, resume: bool
    ) -> list[Fold]:
        """Train a network for each fold, and let it score the clips of the others."""
        state = check_random_state(self.random_state)
        single = {"ensemble": False, "rejection_rate": None, "outlier_label": None}
        members = [
            clone(self).set_params(random_state=draw_seed(state), **single)
            for _ in splits
        ]
        if resume and self.ensemble:
            settings = self.get_params(deep=False) | single
            del settings["random_state"]
            members[: len(self.estimators_)] = [
                member._twin().set_params(**settings) for member in self.estimators_
            ]
        return Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_fold)(member, X, y, split)
            for member, split in zip(members, splits, strict=True)
        )

    def _set_thresholds(self, folds: list[Fold], rate: float) -> None:
        """Find a threshold for every score that ``familiarity`` can be set to later."""
        for name in folds[0].scores:
            scores = np.concatenate([fold.scores[name] for fold in folds])
            if self.ensemble:
                scores = ensemble_scores(scores, self._noise[name], len(folds))
            self._calibration_scores[name] = np.sort(scores)
            self._offsets[name] = conformal_threshold(scores, rate)

    def _train_on_labels(self, X: NDArray, y: NDArray, **kwargs: Any) -> None:
        self._distances = None
        if self.confidence_cost == "semantic":
            if self.class_embeddings is None:
                raise ValueError(
                    "confidence_cost='semantic' needs class_embeddings: one vector a "
                    "class."
                )
            self._distances = class_distances(self.class_embeddings, self.classes_)
        # As in fit, whatever is set later: a threshold belongs to it.
        self._transport = self.confidence_cost, self.blur, self._distances
        super()._train_on_labels(X, y, **kwargs)
        indices = np.searchsorted(self.classes_, y)
        outputs = self._own_outputs(X)  # of clips as they are, not augmented
        self._embedding_statistics = measure_embeddings(
            outputs.embeddings, indices, len(self.classes_)
        )
        self._standards = {}
        for name in COMBINED:
            scores = self._own_familiarity(name, outputs)
            self._standards[name] = float(scores.mean()), max(float(scores.std()), 1e-6)

    # Inference

    @property
    def _members(self) -> list[Self]:
        return self.estimators_ if hasattr(self, "estimators_") else [self]

    @property
    def _score_names(self) -> list[str]:
        """What ``familiarity`` can be, now that the networks are trained."""
        has_detector = "detector" in self._members[0].modules_
        return [name for name in FAMILIARITIES if name != "detector" or has_detector]

    def _first_player(self) -> Self:
        check_is_fitted(self)
        if not self._generates:
            raise ValueError(
                f"With outliers={self.outliers!r} nothing is encoded or generated. Set "
                "outliers='generated', and fit again."
            )
        return self._members[0]

    def _outputs(self, X: ArrayLike) -> list[Outputs]:
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return [member._own_outputs(X) for member in self._members]

    def _logits(self, X: ArrayLike) -> NDArray:
        return self._mean_logits(self._outputs(X))

    def _mean_logits(self, outputs: list[Outputs]) -> NDArray:
        return np.mean([o.logits[:, : len(self.classes_)] for o in outputs], axis=0)

    def _familiarity(self, outputs: list[Outputs]) -> NDArray:
        if self.familiarity not in self._score_names:
            raise ValueError(
                f"familiarity={self.familiarity!r} is not one of {self._score_names}, "
                "which the fitted networks give. Set one of these, or fit again with "
                "outliers='generated' for 'detector'."
            )
        pairs = zip(self._members, outputs, strict=True)
        scores = [m._own_familiarity(self.familiarity, o) for m, o in pairs]
        return np.mean(scores, axis=0)

    def _own_outputs(self, X: NDArray) -> Outputs:
        module: Any = self.modules_["module"]

        def compute(x: torch.Tensor) -> torch.Tensor:
            embeddings = module.embed(x)  # (B, d)
            realness = torch.zeros(len(x), 1, device=x.device)
            if "detector" in self.modules_:
                realness = self.modules_["detector"](self._to_game(x))[:, None]
            return torch.cat([module.output(embeddings), embeddings, realness], dim=1)

        columns = self._infer(X, compute).astype(np.float64)
        n = module.output.out_features
        return Outputs(columns[:, :n], columns[:, n:-1], columns[:, -1])

    def _own_familiarity(self, name: str, outputs: Outputs) -> NDArray:
        n_classes = len(self.classes_)
        known = outputs.logits[:, :n_classes]
        if name == "combined":
            parts = [self._standardised(part, outputs) for part in COMBINED]
            return np.mean(parts, axis=0)
        if name == "max_softmax":
            return max_softmax(outputs.logits, n_classes)
        if name == "max_logit":
            return max_logit(known)
        if name == "energy":
            return energy(known)
        if name == "sinkhorn":
            return self._sinkhorn(known)
        if name == "detector":
            return outputs.realness
        return mahalanobis(outputs.embeddings, *self._embedding_statistics)

    def _standardised(self, name: str, outputs: Outputs) -> NDArray:
        mean, spread = self._standards[name]
        return (self._own_familiarity(name, outputs) - mean) / spread

    def _sinkhorn(self, logits: NDArray) -> NDArray:
        divergences = sinkhorn_divergence(
            torch.from_numpy(softmax(logits, axis=1)),
            *self._transport,
            scaling=SCORE_SCALING,
        )
        return divergences.numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_") or hasattr(self, "modules_")


def _fit_fold(
    member: OpenSetGANClassifier, X: NDArray, y: NDArray, split: Split
) -> Fold:
    train, test = split
    member.fit(X[train], y[train])
    outputs = member._own_outputs(X[test])
    names = member._score_names
    scores = {name: member._own_familiarity(name, outputs) for name in names}
    return Fold(member, test, scores)


def crossing_split(
    splits: list[Split], y: NDArray, groups: ArrayLike | None, seed: int
) -> Split:
    """Return a split that leaves out some clips of each fold.

    A network that is trained on it and that of a fold then have clips in common that
    neither has seen, and differ in their training clips as two folds do. Where there
    are too few groups to cross the folds, it is one of these.
    """
    groups = None if groups is None else np.asarray(groups)
    splitter = fold_splitter(len(splits), len(y), y, groups, random_state=seed)
    n_classes = len(np.unique(y))
    for train, test in splitter.split(y, y, groups):
        if len(np.unique(y[train])) == n_classes:
            return train, test
    return splits[0]


def noise_fractions(folds: list[Fold], witness: Fold) -> dict[str, float]:
    r"""Return the fraction of each score's variance that is a network's own.

    Two networks score a clip that neither has seen as :math:`b + w_1` and
    :math:`b + w_2`: :math:`\mathrm{var}(w) = \mathrm{var}(w_1 - w_2) / 2`.
    """
    fractions = {}
    n_clips = 1 + max(rows.max() for _, rows, _ in folds)
    for name, others in witness.scores.items():
        scores = np.full(n_clips, np.nan)
        for fold in folds:
            scores[fold.rows] = fold.scores[name]
        noise = np.nanvar(scores[witness.rows] - others) / 2
        # Few clips may differ by more than all of them vary.
        fractions[name] = float(min(1.0, noise / max(np.nanvar(scores), 1e-12)))
    return fractions


def ensemble_scores(scores: NDArray, noise: float, n_members: int) -> NDArray:
    r"""Return how a mean over members would score clips that none of them has seen.

    Scores of single networks vary more: by :math:`b + w` from clip to clip, where the
    mean over M members varies by :math:`b + w / M`. They are drawn towards their mean
    until they vary as little.

    Parameters
    ----------
    scores : ndarray of shape (n_clips,)
        Each by the one member that has not seen the clip.
    noise : float
        :math:`w / (b + w)`.
    n_members : int
        M.

    Returns
    -------
    scores : ndarray of shape (n_clips,)
        In the same order.
    """
    variance = max(0.0, 1 - (1 - 1 / n_members) * noise)
    return scores.mean() + np.sqrt(variance) * (scores - scores.mean())


def mean_history(histories: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Return the mean of every loss over the members that trained so long."""
    names = dict.fromkeys(name for history in histories for name in history)
    return {
        name: [
            float(np.mean([row for row in rows if row is not None]))
            for rows in zip_longest(*(history[name] for history in histories))
        ]
        for name in names
    }
