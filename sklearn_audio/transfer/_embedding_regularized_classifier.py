"""A network of its own, whose embeddings are drawn towards a teacher's in training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._multilabel_classifier import MultilabelClassifier
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._resnet import ResNet
from sklearn_audio._torch._sample_weights import (
    check_weights,
    drop_weightless,
)
from sklearn_audio.augmentation._training_augmentation import (
    AugmentedTrainingClassifier,
    Augmenter,
)
from sklearn_audio.base import (
    SemiSupervisedClassifierMixin,
    refuse_huge_values,
    validate_clips,
)
from sklearn_audio.transfer._embedding_penalties import PENALTIES
from sklearn_audio.transfer._teacher_embeddings import combine_embeddings

if TYPE_CHECKING:
    from skorch.callbacks import Callback

# What is taken where a penalty is left open and there is a teacher.
AUTO_PENALTY = "con"


class EmbeddingRegularizedClassifier(
    MultilabelClassifier, SemiSupervisedClassifierMixin, AugmentedTrainingClassifier
):
    r"""A network whose embeddings are drawn towards a teacher's, in training alone.

    A few clips have few labels, but a pre-trained network says hundreds of numbers of
    each. A small network, a residual one on spectrograms, learns to name the clips, and
    its embeddings, from which the last layer does so, learn to lie to each other as
    those of the teacher do [1]_:

    .. math:: (1 - \lambda) \, L_\text{cross-entropy} + \lambda \, L_\text{penalty}

    (binary cross-entropy for several labels per clip), with one of three penalties,
    where :math:`x_i` is the embedding of clip i,
    :math:`y_i` the teacher's, and a hat says that a vector is scaled to length 1:

    - "con", Con-Reg: :math:`1 - \hat x_i^\top \hat y_i`, once a linear layer, trained
      along, has brought :math:`x_i` to the teacher's dimensions;
    - "dis", Dis-Reg: :math:`|\hat x_i^\top \hat x_j - \hat y_i^\top \hat y_j|`, the
      mean over all pairs of a batch;
    - "distance_correlation": one minus the distance correlation of a batch's
      embeddings with the teacher's [2]_, [3]_.

    The teacher gives ``fit(X, y, embeddings=E)`` its embeddings of the training clips,
    and is not needed any more: ``predict`` takes spectrograms alone, at the cost of the
    small network.

    Parameters
    ----------
    penalty : {"auto", "con", "dis", "distance_correlation"} or None, default="auto"
        How the embeddings are drawn. "auto" is "con" where ``fit`` gets embeddings, and
        None where it gets none, so that the classifier can stand wherever no metadata
        arrive; ``penalty_`` says which it was. A penalty that is named insists on
        embeddings, and their lack is an error. None trains the plain network, and takes
        embeddings without using them, so that a search can compare all four.
    weight : float in [0, 1), default=0.2
        :math:`\lambda`: the share of the penalty in the loss. With five clips a
        class of what was set aside for this choice, 0.2 was worth two points on
        keywords with every penalty; on other sounds, no weight changed anything beyond
        twice the error. The published 0.8 was worse than no teacher for "con" and
        "dis".
    teachers : str, int, list of these, or None, default=None
        Which teachers to use, where ``embeddings`` are those of several: their names,
        or their places in a list. None uses all of them. A search over it finds out
        which teacher is of use, or whether two of them are.
    width : int, default=8
        Channels of the network's first layer; later layers have 2, 4 and 8 times as
        many, and the embeddings 8 times as many values.
    augmenter : "auto", callable or None, default="auto"
        Changes clips at random in every batch: called with a tensor of clips and a
        torch.Generator, it returns a tensor of the same shape. "auto" is
        :class:`~sklearn_audio.augmentation.SpectrogramAugmenter` for spectrograms, in
        dB or scaled, and nothing for rows of features. The teacher's
        embeddings remain those of the clip as it was.
    max_epochs : int, default=80
        Passes over the training clips.
    batch_size : int, default=16
        Clips a training step, at most; batches are of nearly equal size.
    lr : float, default=2e-3
        Learning rate of AdamW.
    lr_schedule : {"cosine"} or None, default="cosine"
        Lowers the learning rate to nearly zero along half a cosine.
    weight_decay : float, default=1e-2
        Weight decay of AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the cross-entropy. "balanced" makes every class count
        the same. With several labels per clip, "balanced" makes the clips with a label
        count as much as those without it, and a dict is refused.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside, stratified by class, to measure
        the validation losses, with their embeddings. None by default: where clips are
        scarce, none is to spare.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds the initial weights, the validation split, the order of the batches and
        the augmentation. The same seed gives the same model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; the numbers of the columns where ``y`` is a table of labels.
    history_ : dict of str to list of float
        Every loss of every epoch: ``train_loss``; with a teacher its parts
        ``train_classification`` and ``train_penalty``, before they are weighted; and
        ``valid_loss`` and its parts where clips are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The network, "module"; for "con", the linear layer "projection" too, which is
        kept to go on with a warm start.
    multilabel_ : bool
        Whether ``y`` is a table of several labels per clip.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    penalty_ : str or None
        The penalty that was trained with.

    See Also
    --------
    ReprogrammedClassifier : Keeps the pre-trained network, and trains what is around.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Makes the embeddings.

    Notes
    -----
    A clip without a label, -1 beside at least two other classes, is drawn towards the
    teacher and is not named: where labels are scarcer than clips, the teacher says
    what the others are like. Without a teacher such clips are left out. In a table of
    several labels per clip, entries of -1 or NaN are unknown and left out of the loss,
    and a clip without a label is a row of them.

    The embeddings of each teacher are centred and scaled to a mean square length of 1,
    and then stand side by side, so that several teachers count the same, whatever the
    sizes and scales of their embeddings. Do not give them as one array made by
    ``np.hstack``: the teacher with the larger numbers would count alone. For "dis" the
    network's embeddings are centred too, batch by batch: they are not negative, and no
    two of them would be farther apart than a right angle.

    Metadata of one row a clip are cut into folds as the clips are: a search is given
    ``search.fit(X, y, embeddings=E)``, and a pipeline the same once metadata routing is
    enabled. That holds for an array of one teacher and, for several, for a structured
    array with one field per teacher and a DataFrame whose columns have the teachers'
    names as their upper level. Lists and dicts are not cut.

    The published losses have weights of their own [1]_, or the form above with a
    :math:`\lambda` of .8 [2]_.

    References
    ----------
    .. [1] Hung, Y.-N. and Lerch, A. (2022). "Feature-informed embedding space
       regularization for audio classification." EUSIPCO.
       https://doi.org/10.48550/arXiv.2206.04850
    .. [2] Ding, Y. and Lerch, A. (2023). "Audio embeddings as teachers for music
       classification." ISMIR. https://doi.org/10.48550/arXiv.2306.17424
    .. [3] Székely, G. J., Rizzo, M. L. and Bakirov, N. K. (2007). "Measuring and
       testing dependence by correlation of distances." Annals of Statistics 35(6).
       https://doi.org/10.1214/009053607000000505

    Examples
    --------
    Statistics of the spectrograms stand in for the embeddings of a pre-trained network:

    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import (
    ...     LogMelSpectrogram,
    ...     SpectrogramStatistics,
    ... )
    >>> from sklearn_audio.transfer import EmbeddingRegularizedClassifier
    >>> clips, y = make_sound_events(60, ["bell", "chirp"], random_state=0)
    >>> X = LogMelSpectrogram(n_mels=16, hop_length=1024).fit_transform(clips)
    >>> E = SpectrogramStatistics().fit_transform(X)
    >>> classifier = EmbeddingRegularizedClassifier(
    ...     width=4, max_epochs=20, lr=1e-2, random_state=0
    ... ).fit(X[:40], y[:40], embeddings=E[:40])
    >>> classifier.penalty_
    'con'
    >>> classifier.score(X[40:], y[40:]) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultilabelClassifier._parameter_constraints,
        **AugmentedTrainingClassifier._parameter_constraints,
        "penalty": [StrOptions({"auto", *PENALTIES}), None],
        "weight": [Interval(Real, 0, 1, closed="left")],
        "teachers": [str, Integral, list, tuple, None],
        "width": [Interval(Integral, 1, None, closed="left")],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"embeddings": True}

    def __init__(
        self,
        *,
        penalty: str | None = "auto",
        weight: float = 0.2,
        teachers: str | int | Sequence[str | int] | None = None,
        width: int = 8,
        augmenter: str | Augmenter | None = "auto",
        max_epochs: int = 80,
        batch_size: int = 16,
        lr: float = 2e-3,
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
        self.penalty = penalty
        self.weight = weight
        self.teachers = teachers
        self.width = width
        self.augmenter = augmenter
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        embeddings: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Their classes: numbers or text. Beside at least two other classes, -1 says
            that a clip has no label. Or one column per label: 1 where it applies, 0
            where it does not, -1 or NaN where that is not known.
        embeddings : array-like of shape (n_clips, n_dims), structured array, \
DataFrame, list, dict or None, default=None
            What a pre-trained network makes of the same clips, for example
            :class:`~sklearn_audio.feature_extraction.PretrainedEmbedding` of their
            waveforms. Of several networks, one such array each: in a list or a dict, in
            the fields of a structured array, or in a DataFrame whose columns have the
            networks' names as their upper level, as ``pandas.concat({name: frame},
            axis=1)`` makes it. Unused where ``penalty=None``.
        sample_weight : array-like of shape (n_clips,) or None, default=None
            What each clip counts: 2 is the same as having it twice, 0 as not having it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` or ``embeddings`` is not finite or has the wrong shape, if a
            penalty is named and there are no embeddings, if ``embeddings`` has no
            teacher of a name in ``teachers``, if ``y`` holds one class alone or no
            known label, if weights are negative, not finite or all 0, or if the
            training diverges.

        Warns
        -----
        UserWarning
            If nothing is known of a label.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        refuse_huge_values(self, X)
        y = self._validate_labels(X, y)
        weights = check_weights(sample_weight, len(X))
        self.penalty_ = self._choose_penalty(embeddings)
        teacher = None
        if self.penalty_ is not None:
            n_clips = len(X)
            teacher = combine_embeddings(embeddings, n_clips, self.teachers, weights)
        clips, labels, teacher, weights = drop_weightless(weights, X, y, teacher)
        has_label = self._has_label(labels)
        self._set_classes(labels[has_label], resume=resume)
        if teacher is None:
            own = None if weights is None else weights[has_label]
            self._train_on_labels(
                clips[has_label],
                labels[has_label],
                weights=own,
                by_content=True,
                resume=resume,
            )
        else:
            self._n_teacher_dims = teacher.shape[1]
            self._train_on_labels(
                clips, labels, teacher, weights=weights, by_content=True, resume=resume
            )
        return self

    def embed(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the embeddings of clips, which the last layer makes classes of.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        embeddings : ndarray of shape (n_clips, 8 * width), dtype float32
            Not negative.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        module: Any = self.modules_["module"]
        return self._infer(X, module.embed)

    def _choose_penalty(self, embeddings: Any) -> str | None:
        if self.penalty == "auto" and embeddings is not None:
            return AUTO_PENALTY
        if self.penalty == "auto" and self.teachers is None:
            return None
        if self.penalty is not None and embeddings is None:
            name = "penalty" if self.teachers is None else "teachers"
            raise ValueError(
                f"{name}={getattr(self, name)!r} draws the network towards a teacher, "
                "but there are no embeddings. Give fit(X, y, embeddings=...), or set "
                "penalty=None."
            )
        return self.penalty

    # The networks

    @property
    def _module_classes(self) -> dict[str, type[nn.Module]]:  # type: ignore[override]
        networks: dict[str, type[nn.Module]] = {"module": ResNet}
        if self.penalty_ == "con":
            networks["projection"] = nn.Linear
        return networks

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        arguments: dict[str, dict[str, Any]] = {
            "module": {
                "input_shape": self.input_shape_,
                "n_outputs": len(self.classes_),
                "width": self.width,
                "first_stage": "convolution",
                "n_scales": 2,  # of scattering, which there is none of
                "n_angles": 8,
            }
        }
        if self.penalty_ == "con":
            arguments["projection"] = {
                "in_features": 8 * self.width,
                "out_features": self._n_teacher_dims,
            }
        return arguments

    # Training

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, *targets = batch
        return super()._train_batch(net, (self._augmented(net, X), *targets))

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        if self.penalty_ is None:
            return super()._losses(net, batch)
        X, y, teacher = batch
        module: Any = net.modules["module"]
        embeddings = module.embed(X)  # (B, d)
        classification = self._label_loss(module.output(embeddings), y)
        if self.penalty_ == "con":
            embeddings = net.modules["projection"](embeddings)  # (B, D)
        elif self.penalty_ == "dis":
            embeddings = embeddings - embeddings.mean(dim=0)  # as the teacher's are
        penalty = PENALTIES[self.penalty_](embeddings, teacher)
        return {
            "classification": classification,
            "penalty": penalty,
            "loss": (1 - self.weight) * classification + self.weight * penalty,
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        parameters = (module.parameters() for module in net.modules.values())
        return {
            "optimizer": torch.optim.AdamW(
                itertools.chain(*parameters),
                lr=self.lr,
                weight_decay=self.weight_decay,
            )
        }
