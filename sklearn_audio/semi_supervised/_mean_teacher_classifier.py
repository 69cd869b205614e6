"""A student that agrees with the average of its own past."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._estimator import Batch, TorchEstimator
from sklearn_audio._torch._masked_losses import (
    masked_binary_cross_entropy,
    masked_cross_entropy,
)
from sklearn_audio._torch._mixup import mixup
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._partial_labels import (
    log_priors,
    validate_label_weight,
)
from sklearn_audio.base import UNLABELED, refuse_huge_values, validate_clips
from sklearn_audio.semi_supervised._attention_network import AttentionNetwork
from sklearn_audio.semi_supervised._mean_teacher import MeanTeacher, ramp_up
from sklearn_audio.semi_supervised._partial_label_classifier import (
    PartialLabelClassifier,
)

if TYPE_CHECKING:
    from skorch.callbacks import Callback


class _Start(NamedTuple):
    """What the networks know of the training clips before the first step."""

    log_priors: NDArray[np.float32]  # (n_labels,)
    means: NDArray[np.float64]  # (n_features,)
    variances: NDArray[np.float64]  # (n_features,)


class MeanTeacherClassifier(PartialLabelClassifier, TorchEstimator):
    r"""A network that learns from partial labels, and from what it makes of the others.

    Who tags a clip hears a dog, and does not say whether there was a car. This network
    learns from the entries of ``y`` that are known, and leaves those that are missing
    out of its loss. Beside it goes a teacher, the average of what the network, the
    student, has been so far: steadier than any of these, and most often better. On
    every clip the student is to agree with it, on all labels, the missing ones among
    them [1]_, [2]_:

    .. math:: L = \mathrm{BCE}_\text{known} + w \, \frac{1}{n L}
        \sum_{i, l} \left(p^\text{student}_{il} - p^\text{teacher}_{il}\right)^2

    The teacher hears the clips as they are; the student hears them with noise, with
    features missing, and two at a time: of a mixture it is to say the mixture of what
    the teacher says of both [3]_. ``predict`` asks the teacher.

    Classes that exclude each other are learned too, where ``y`` has one a clip, and -1
    for clips without.

    Parameters
    ----------
    missing : {"mask", "negative"}, default="mask"
        What missing labels mean to the loss. "mask" leaves them out. "negative" takes
        them for absent, as do classifiers that know no missing labels; it is here to
        be compared with. Clips without one of exclusive classes are always left out.
    consistency : float, default=0.0
        Weight w of the disagreement with the teacher, relative to the loss of known
        labels. 0 trains on known labels alone: the teacher is then the average of a
        plain masked network over its last steps. On parts of the training clips that
        were set aside, 1 was up to .012 of average precision below the masked network
        on tables of birds and of emotions, and 0 differed from it by .003 at most. On
        embeddings by a pre-trained network, 10 gained up to .011 where few labels are
        known: search from 0 to 10.
    ramp_up : float in [0, 1], default=1.0
        Share of the training during which that weight grows, along
        :math:`e^{-5(1 - p)^2}`, from nearly 0. Early teachers know nothing, and what
        they think must not confirm itself.
    temperature : float in (0, 1], default=0.5
        The teacher's logits are divided by it: less than 1 makes it surer of itself.
    mixup : float, default=1.0
        Clips are mixed by shares from a Beta distribution of this parameter, in the
        disagreement alone. 0 mixes nothing.
    decay : float in [0, 1), default=0.9
        Largest share that the teacher keeps of itself from step to step. A small set of
        clips makes few steps; the 0.999 of the paper would remember random weights to
        the end. 0 makes it the student.
    noise : float, default=0.3
        Standard deviation of Gaussian noise on what the student hears, once features
        are scaled to a variance of 1.
    masked_share : float in [0, 1), default=0.3
        Share of a clip's features that the student does not hear.
    width : int, default=128
        Channels of the hidden layers.
    dropout : float in [0, 1), default=0.5
        Share of the hidden channels that is set to zero in every training step.
    threshold : float in (0, 1) or "tuned", default=0.5
        Probability from which a label is predicted. "tuned" finds one for each label,
        the best F1 score of known entries on clips that the model in question has not
        seen: ``cv`` more trainings.
    cv : int, cross-validation generator, iterable or None, default=None
        Folds for tuning: an int shuffles the clips into so many, None into 5. Where
        ``fit`` receives ``groups``, the folds keep each group together; a splitter
        that does not is refused. Unused elsewhere.
    max_epochs : int, default=30
        Passes over the clips.
    batch_size : int, default=64
        Clips a training step, at most; batches are of nearly equal size.
    lr : float, default=1e-3
        Learning rate of AdamW.
    lr_schedule : {"cosine"} or None, default="cosine"
        "cosine" lowers the rate along half a cosine, to nearly 0.
    weight_decay : float, default=1e-2
        Weight decay of AdamW.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the clips that is set aside to measure the teacher's loss on known
        labels. None by default: where labels are scarce, none is to spare.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the order of the batches, noise, masks, dropout, mixtures,
        and the folds. The same seed gives the same model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_labels,)
        The classes; where ``y`` has a column a label, the columns' numbers.
    history_ : dict of str to list of float
        ``train_loss`` of every epoch, its parts ``train_supervised`` and
        ``train_consistency`` (before it is weighted), and ``valid_loss`` where clips
        are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The teacher, "module", and the "student".
    multilabel_ : bool
        Whether ``y`` had several labels a clip.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    thresholds_ : ndarray of shape (n_labels,) or None
        Probability from which each label is predicted; None for exclusive classes.

    See Also
    --------
    LabelEnhancingClassifier : Guesses missing labels once, and learns from scratch.
    CAEPretrainedClassifier : Learns from clips without labels by copying them.
    sklearn_audio.model_selection.MultilabelStratifiedKFold : Folds for partial labels.
    sklearn_audio.metrics.masked_average_precision_score : Judges by known labels.

    Notes
    -----
    The network is the one of [2]_: each frame of an embedding over time passes through
    three layers of its own, and every label listens to frames by weights of its own.
    Rows of features are clips of one frame. The outputs begin at the log odds that a
    label has among the known ones, not at even odds.

    Three things differ from the code of [2]_: the teacher begins as a copy of the
    student, not as another random network; it averages the statistics of batch
    normalisation as well as weights; and the consistency ramps up.

    References
    ----------
    .. [1] Tarvainen, A. and Valpola, H. (2017). "Mean teachers are better role models:
       weight-averaged consistency targets improve semi-supervised deep learning
       results." NeurIPS. https://doi.org/10.48550/arXiv.1703.01780
    .. [2] Gururani, S. and Lerch, A. (2021). "Semi-supervised audio classification with
       partially labeled data." IEEE ISM. https://doi.org/10.1109/ISM52913.2021.00027
    .. [3] Verma, V. et al. (2022). "Interpolation consistency training for
       semi-supervised learning." Neural Networks 145.
       https://doi.org/10.1016/j.neunet.2021.10.008

    Examples
    --------
    Two labels a clip, nine of ten of which nobody knows:

    >>> import numpy as np
    >>> from sklearn_audio.metrics import masked_average_precision_score
    >>> from sklearn_audio.semi_supervised import MeanTeacherClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 8))
    >>> truth = (X[:, :2] + X[:, 2:4] > 0).astype(int)
    >>> y = np.where(rng.random(truth.shape) < 0.9, -1, truth)
    >>> classifier = MeanTeacherClassifier(width=32, random_state=0).fit(
    ...     X[:400], y[:400]
    ... )
    >>> classifier.predict(X[400:]).shape
    (200, 2)
    >>> probabilities = classifier.predict_proba(X[400:])
    >>> masked_average_precision_score(truth[400:], probabilities) > 0.85
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchEstimator._parameter_constraints,
        **PartialLabelClassifier._parameter_constraints,
        "missing": [StrOptions({"mask", "negative"})],
        "consistency": [Interval(Real, 0, None, closed="left")],
        "ramp_up": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, 1, closed="right")],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "decay": [Interval(Real, 0, 1, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "masked_share": [Interval(Real, 0, 1, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    _module_classes: ClassVar = {"student": AttentionNetwork}

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"label_weight": True}

    def __init__(
        self,
        *,
        missing: str = "mask",
        consistency: float = 0.0,
        ramp_up: float = 1.0,
        temperature: float = 0.5,
        mixup: float = 1.0,
        decay: float = 0.9,
        noise: float = 0.3,
        masked_share: float = 0.3,
        width: int = 128,
        dropout: float = 0.5,
        threshold: float | str = 0.5,
        cv: int | BaseCrossValidator | Iterable | None = None,
        max_epochs: int = 30,
        batch_size: int = 64,
        lr: float = 1e-3,
        lr_schedule: str | None = "cosine",
        weight_decay: float = 1e-2,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.missing = missing
        self.consistency = consistency
        self.ramp_up = ramp_up
        self.temperature = temperature
        self.mixup = mixup
        self.decay = decay
        self.noise = noise
        self.masked_share = masked_share
        self.width = width
        self.dropout = dropout
        self.threshold = threshold
        self.cv = cv
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_paper(cls, **parameters: Any) -> Self:
        """Return a classifier with the settings of Gururani and Lerch's code.

        The mean square of the disagreement is added to the loss on known labels as it
        is, from the first step on; student and teacher get the same clips, unchanged
        but for dropout; 100 epochs in batches of 64, with hardly any decay of weights.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        classifier : MeanTeacherClassifier
            Not fitted yet.

        Notes
        -----
        The weight of the disagreement is read as 1. The learning rate is constant,
        where the code halves it every 30 epochs: give skorch's ``LRScheduler`` as one
        of the ``callbacks`` to do so. The decay of weights is AdamW's. What the notes
        of the class say to differ from the code, differs here too.
        """
        paper = {
            # Labels that are missing are left out of the loss
            "missing": "mask",
            # Disagreement
            "consistency": 1.0,
            "ramp_up": 0.0,
            "temperature": 1.0,
            "mixup": 0.0,
            "noise": 0.0,
            "masked_share": 0.0,
            "decay": 0.999,
            # Network
            "width": 128,
            "dropout": 0.5,
            # Training
            "max_epochs": 100,
            "batch_size": 64,
            "lr": 1e-3,
            "lr_schedule": None,
            "weight_decay": 1e-5,
            "validation_fraction": None,
            "n_iter_no_change": None,
        }
        return cls(**{**paper, **parameters})

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        label_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the student, and let the teacher follow.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features, or as spectrograms or embeddings over time.
        y : array-like of shape (n_clips, n_labels) or (n_clips,)
            For each label, 1, 0 and, where it is unknown, -1, NaN or ``pandas.NA``, or
            a masked array that hides it. Or one class per clip, numbers or text; then
            -1 means none where at least two others exist.
        label_weight : array-like of the shape of y or None, default=None
            How much each label counts in the loss; where labels come from several
            hands, some are surer than others. None lets all count the same.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as its speaker or source recording, which
            ``threshold="tuned"`` keeps together: no model is asked about a clip of a
            group that it was trained on. Unused elsewhere.

        Returns
        -------
        self : MeanTeacherClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if ``y`` holds anything else,
            no label at all or one class alone, if ``label_weight`` has another shape
            than ``y`` or is negative, if the training diverges, or if thresholds are
            to be tuned on groups that are not one per clip, that ``cv`` parts, or of
            which there is only one.

        Warns
        -----
        UserWarning
            If nothing is known of a label.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        refuse_huge_values(self, X)
        targets = self._learn_labels(X, y, resume=resume)
        weights = validate_label_weight(label_weight, targets.shape)
        # What weighs nothing is not known: thresholds are not tuned on it, either.
        unknown = np.nan if self.multilabel_ else UNLABELED
        targets = np.where(weights == 0, unknown, targets)
        trained, stratify = targets, None
        if not self.multilabel_:
            stratify = targets
        elif self.missing == "negative":
            trained = np.nan_to_num(targets, nan=0.0)
        self._start = _Start(
            log_priors(trained, len(self.classes_), weights), *_statistics(X)
        )
        try:
            self._train(X, trained, weights, labels=stratify, resume=resume)
        finally:
            del self._start
        self._find_thresholds(X, targets, groups, label_weight=weights)
        return self

    def _logits(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return self._infer(X, self.modules_["module"]).astype(np.float64)

    def _unfitted(self) -> Self:
        return super()._unfitted().set_params(warm_start=False, verbose=0)

    # Training

    def _new_net(self, seed: int) -> AudioNet:
        net = super()._new_net(seed)
        student: Any = net.modules["student"]
        teacher: Any = net.modules["module"]
        log_priors, *statistics = map(torch.from_numpy, self._start)
        for network in (student, teacher.network):
            network.start_at(log_priors)
            network.scale_by(*statistics)
        return net

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "student": {
                "n_features": self.input_shape_[0],
                "n_outputs": len(self.classes_),
                "width": self.width,
                "dropout": self.dropout,
            }
        }

    def _build_modules(self) -> dict[str, nn.Module]:
        modules = super()._build_modules()
        return {"module": MeanTeacher(modules["student"]), **modules}

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        return {
            "optimizer": torch.optim.AdamW(
                net.modules["student"].parameters(),
                lr=self.lr,
                weight_decay=self.weight_decay,
            )
        }

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, *labels = batch
        supervised = self._supervised_loss(self._listen(net, X), *labels)
        losses = {"loss": supervised}
        if self.consistency > 0:
            inconsistency = self._inconsistency(net, X)
            total = supervised + self.consistency * self._ramp(net) * inconsistency
            losses = {"loss": total, "supervised": supervised}
            losses["consistency"] = inconsistency
        net.minimise(losses["loss"], "optimizer", batch)
        teacher: Any = net.modules["module"]
        teacher.follow(net.modules["student"], self.decay)
        return losses

    def _listen(self, net: AudioNet, X: torch.Tensor) -> torch.Tensor:
        """Return what the student makes of changed clips: (B, d[, T]) -> (B, L)."""
        student = net.modules["student"]
        return student(X, net.generator, self.noise, self.masked_share)

    def _validate_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, *labels = batch
        return {"loss": self._supervised_loss(net.modules["module"](X), *labels)}

    def _supervised_loss(
        self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        if self.multilabel_:
            return masked_binary_cross_entropy(logits, targets, weights)
        return masked_cross_entropy(logits, targets, weights)

    def _inconsistency(self, net: AudioNet, X: torch.Tensor) -> torch.Tensor:
        """Return by how much student and teacher differ: (B, d[, T]) -> ()."""
        teacher: Any = net.modules["module"].eval()  # an epoch begins in training mode
        with torch.no_grad():
            expected = self._probabilities(teacher(X) / self.temperature)  # (B, L)
        if self.mixup > 0:
            X, expected = mixup(X, expected, self.mixup, net.generator)
        return F.mse_loss(self._probabilities(self._listen(net, X)), expected)

    def _probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities: (B, L) -> (B, L)."""
        return logits.sigmoid() if self.multilabel_ else logits.softmax(dim=1)

    def _ramp(self, net: AudioNet) -> float:
        n_epochs = self.ramp_up * self.max_epochs
        return ramp_up(len(net.history) / n_epochs) if n_epochs else 1.0


def _statistics(X: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the variance of each feature: (n, d[, T]) -> (d,), (d,)."""
    axes = (0, 2)[: X.ndim - 1]
    return X.mean(axis=axes, dtype=np.float64), X.var(axis=axes, dtype=np.float64)
