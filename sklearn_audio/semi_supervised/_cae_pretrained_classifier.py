"""Pre-train an encoder on all clips, and fine-tune it on those with a label."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._batches import RowStack
from sklearn_audio._torch._estimator import N_SETTLING_BATCHES, Batch
from sklearn_audio._torch._mixup import mixup
from sklearn_audio._torch._multilabel_classifier import MultilabelClassifier
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._random import draw_seed
from sklearn_audio.augmentation._training_augmentation import (
    AugmentedTrainingClassifier,
    Augmenter,
)
from sklearn_audio.base import (
    UNLABELED,
    SemiSupervisedClassifierMixin,
    validate_clips,
)
from sklearn_audio.semi_supervised._cae_networks import PretrainedNetwork
from sklearn_audio.semi_supervised._conv_autoencoder import (
    ConvAutoencoder,
    band_statistics,
    first_filters,
)

if TYPE_CHECKING:
    from skorch.callbacks import Callback


# Augmented clips differ from pass to pass; this many steady the batch normalisation.
_N_SETTLING_PASSES = 3


class CAEPretrainedClassifier(
    MultilabelClassifier, SemiSupervisedClassifierMixin, AugmentedTrainingClassifier
):
    r"""Classify clips by a network that first learned to copy them.

    A :class:`ConvAutoencoder` is trained on all clips, with labels and without. Its
    encoder, with a hidden layer and an output for each class on top, is then trained
    on the clips with a label [1]_.

    Clips have one class each, or several labels of which some may be unknown. Clips
    without a label come in either of two ways: as rows of ``X`` whose ``y`` is -1, as
    scikit-learn's semi-supervised estimators have it, or as ``X_unlabeled``.

    Parameters
    ----------
    autoencoder : ConvAutoencoder, FrozenEstimator or None, default=None
        What is pre-trained. One that is fitted already is used as it is; one that is
        not is copied and fitted; None is ``ConvAutoencoder()``. Scikit-learn's searches
        copy their estimators without what these have learned: there, wrap a fitted one
        into :class:`sklearn.frozen.FrozenEstimator`, and it is pre-trained once.
    pretrain : bool, default=True
        False starts from random weights, the supervised network of the paper. Clips
        without a label are of no use then.
    freeze_encoder : bool, default=False
        Whether the encoder stays as it was pre-trained, and the layers on top alone are
        trained.
    pooling : {"flatten", "statistics"}, default="flatten"
        What the layers on top see of a code: all of it, as in the paper, or the mean
        and the maximum over time of each channel and band, which do not depend on when
        something sounds.
    n_hidden : int, default=128
        Units of the hidden layer.
    dropout : float in [0, 1), default=0.5
        Share of the code that is set to zero in every training step.
    augmenter : "auto", callable or None, default="auto"
        Changes the clips of every batch: ``augmenter(X, generator)`` maps a Tensor and
        a torch.Generator to a Tensor of the same shape. "auto" is
        :class:`~sklearn_audio.augmentation.SpectrogramAugmenter` for spectrograms, in
        dB or scaled, and nothing for rows of features.
    mixup_alpha : float, default=0.0
        Mixes pairs of clips, and their labels, by shares from a Beta distribution of
        this parameter. 0 mixes nothing. Of several labels per clip, a mixture knows
        those that both clips know.
    label_smoothing : float in [0, 1), default=0.0
        Share of a label that is spread over all classes; with several labels per clip,
        share of each that is spread over its presence and its absence.
    max_epochs : int, default=60
        Passes over the clips with a label.
    batch_size : int, default=32
        Clips a training step, at most; batches are of nearly equal size.
    lr : float, default=1e-3
        Learning rate of AdamW.
    lr_encoder : float or None, default=None
        Learning rate of the encoder, where it is to change more slowly than the layers
        on top; None is ``lr``.
    lr_schedule : {"cosine"} or None, default="cosine"
        "cosine" lowers the rates along half a cosine, to nearly 0.
    weight_decay : float, default=1e-2
        Weight decay of AdamW.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss. "balanced" makes every class count the same.
        With several labels per clip, "balanced" makes the clips with a label count as
        much as those without it, and a dict is refused.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the clips with a label that is set aside, stratified by class, to
        measure the validation loss. None by default: where labels are scarce, none is
        to spare.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution, without pre-training anew.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches, augmentation, dropout and validation split, and the
        autoencoder unless that has a seed of its own. The same seed gives the same
        model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the loss.
    callbacks : list of skorch callbacks or None, default=None
        Called during the training with labels. They are copied first.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, without -1 for clips without a label; the numbers of the columns
        where ``y`` is a table of labels.
    filters_ : ndarray of shape (width, n_bands, n_frames), dtype float32
        The kernels of the first layer, 5 x 5.
    history_ : dict of str to list of float
        ``train_loss`` of every epoch with labels, and ``valid_loss`` where clips are
        set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The network, under "module"; its ``encoder`` and ``head``.
    multilabel_ : bool
        Whether ``y`` is a table of several labels per clip.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained with labels.
    pretraining_history_ : dict of str to list of float
        ``history_`` of the autoencoder; empty with ``pretrain=False``.

    See Also
    --------
    ConvAutoencoder : What is pre-trained.
    sklearn_audio.model_selection.SemiSupervisedSplit : Keeps clips without labels out
        of the test folds.
    sklearn_audio.inspection.LabelFractionDisplay : Accuracy against number of labels.

    Notes
    -----
    ``y == -1`` means "no label" where at least two other classes exist. Beside fewer,
    as in labels of -1 and 1, it is a class like any other; so it is never a label that
    is missing in texts, whose clips without labels go into ``X_unlabeled``.

    With metadata routing, ``X_unlabeled`` reaches ``fit`` through pipelines and
    searches as it is. An array with exactly as many clips as ``X`` is the one
    exception: scikit-learn cuts whatever has one entry a clip into folds. Give it as a
    list of one array, which is never cut.

    References
    ----------
    .. [1] Jensen, R. A. F. and Pethick, T. (2018). "Environmental sound classification
       with semi-supervised learning." Technical University of Denmark. After: Masci,
       J., Meier, U., Ciresan, D. and Schmidhuber, J. (2011). "Stacked convolutional
       auto-encoders for hierarchical feature extraction." ICANN.
       https://doi.org/10.1007/978-3-642-21735-7_7

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> from sklearn_audio.semi_supervised import (
    ...     CAEPretrainedClassifier,
    ...     ConvAutoencoder,
    ... )
    >>> X, y = make_sound_events(80, ["bell", "chirp", "engine"], random_state=0)
    >>> spectrograms = LogMelSpectrogram(n_mels=32, hop_length=512).fit_transform(X)
    >>> _, labels = np.unique(y, return_inverse=True)
    >>> labels_of_few = np.where(np.arange(80) < 20, labels, -1)
    >>> classifier = CAEPretrainedClassifier(
    ...     ConvAutoencoder(width=8, max_epochs=5), batch_size=8, random_state=0
    ... ).fit(spectrograms, labels_of_few)
    >>> classifier.classes_
    array([0, 1, 2])
    >>> classifier.score(spectrograms[20:], labels[20:]) > 0.7
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MultilabelClassifier._parameter_constraints,
        **AugmentedTrainingClassifier._parameter_constraints,
        "autoencoder": [ConvAutoencoder, FrozenEstimator, None],
        "pretrain": ["boolean"],
        "freeze_encoder": ["boolean"],
        "pooling": [StrOptions({"flatten", "statistics"})],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "mixup_alpha": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "lr_encoder": [Interval(Real, 0, None, closed="neither"), None],
        "lr_schedule": [StrOptions({"cosine"}), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    _module_classes: ClassVar = {"module": PretrainedNetwork}

    # Unlabelled clips reach fit through pipelines and searches without being asked for.
    __metadata_request__fit: ClassVar = {"X_unlabeled": True}

    def __init__(
        self,
        autoencoder: ConvAutoencoder | FrozenEstimator | None = None,
        *,
        pretrain: bool = True,
        freeze_encoder: bool = False,
        pooling: str = "flatten",
        n_hidden: int = 128,
        dropout: float = 0.5,
        augmenter: str | Augmenter | None = "auto",
        mixup_alpha: float = 0.0,
        label_smoothing: float = 0.0,
        max_epochs: int = 60,
        batch_size: int = 32,
        lr: float = 1e-3,
        lr_encoder: float | None = None,
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
        self.autoencoder = autoencoder
        self.pretrain = pretrain
        self.freeze_encoder = freeze_encoder
        self.pooling = pooling
        self.n_hidden = n_hidden
        self.dropout = dropout
        self.augmenter = augmenter
        self.mixup_alpha = mixup_alpha
        self.label_smoothing = label_smoothing
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_encoder = lr_encoder
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
        """Return a classifier with the settings of the paper and of its code.

        :meth:`ConvAutoencoder.from_paper`, whose code a hidden layer of 128 units sees
        as a whole; then Adam at 1e-3 for all weights, in batches of 32, without
        augmentation, dropout or decay; at most 150 epochs, and an end after five
        without a lower loss on a tenth of the clips, of which the best is kept.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        classifier : CAEPretrainedClassifier
            Not fitted yet.

        Notes
        -----
        The number of epochs and the clips that are set aside are those of the code. The
        hidden layer has a ReLU, as the paper's text says of all layers, and its code
        has not. Training ends by the validation loss, as the text has it, where the
        code looks at the accuracy.
        """
        paper = {
            "autoencoder": ConvAutoencoder.from_paper(),
            # All weights are adjusted (Section 2.2)
            "pretrain": True,
            "freeze_encoder": False,
            # Architecture (Fig. 2, Table 2)
            "pooling": "flatten",
            "n_hidden": 128,
            "dropout": 0.0,
            "augmenter": None,
            "mixup_alpha": 0.0,
            "label_smoothing": 0.0,
            "class_weight": None,
            # Training (Sections 4.2 and 4.4)
            "max_epochs": 150,
            "batch_size": 32,
            "lr": 1e-3,
            "lr_encoder": None,
            "lr_schedule": None,
            "weight_decay": 0.0,
            "validation_fraction": 0.1,
            "n_iter_no_change": 5,
        }
        return cls(**{**paper, **parameters})

    @property
    def filters_(self) -> NDArray[np.float32]:
        """First layer's kernels."""
        check_is_fitted(self)
        return first_filters(self.modules_["module"])

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_unlabeled: ArrayLike | list[ArrayLike] | None = None,
    ) -> Self:
        """Pre-train on all clips, and fine-tune on those with a label.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, as rows of features or as spectrograms.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Their classes: numbers or text. Beside at least two other classes, -1 says
            that a clip has no label. Or one column per label: 1 where it applies, 0
            where it does not, -1 or NaN where that is not known; a clip of which
            nothing is known has no label.
        X_unlabeled : array-like of shape (n, ...), list of such, or None, default=None
            Clips without labels, of the shape of those of ``X``: one set or several.
            Sets that are mapped into memory are read batch by batch.

        Returns
        -------
        self : CAEPretrainedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If clips are not finite or have the wrong shape, if ``y`` holds no labels or
            one class alone, if a fitted ``autoencoder`` knows clips of another shape,
            or if the training diverges.

        Warns
        -----
        UserWarning
            If nothing is known of a label.
        """
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        y = self._validate_labels(X, y)
        self._refuse_unlabeled(y)
        has_label = self._has_label(y)
        self._set_classes(y[has_label], resume=resume)
        unlabeled = self._check_unlabeled(X_unlabeled)
        if not resume:
            self._initialise_encoder([X, *unlabeled])
        self._train_on_labels(X[has_label], y[has_label], resume=resume)
        return self

    # Checks

    def _refuse_unlabeled(self, y: NDArray) -> None:
        if y.ndim == 1 and y.dtype.kind in "if" and (y == UNLABELED).all():
            raise ValueError(
                "y holds no class: every label is -1. Label clips of at least 2 "
                "classes, or take ConvAutoencoder, which needs no labels."
            )

    def _check_unlabeled(self, X_unlabeled: Any) -> list[NDArray]:
        """Return sets of unlabelled clips, checked."""
        if X_unlabeled is None:
            return []
        return [self._check_set(clips) for clips in self._as_sets(X_unlabeled)]

    def _as_sets(self, X_unlabeled: Any) -> list[Any]:
        n_dims = 1 + len(self.input_shape_)
        if isinstance(X_unlabeled, list | tuple) and all(
            np.ndim(clips) == n_dims for clips in X_unlabeled
        ):
            return list(X_unlabeled)
        return [X_unlabeled]

    def _check_set(self, clips: Any) -> NDArray:
        clips = check_array(
            clips,
            dtype=np.float32,
            allow_nd=True,
            ensure_min_features=0,
            input_name="X_unlabeled",
        )
        if clips.shape[1:] != self.input_shape_:
            raise ValueError(
                f"X_unlabeled holds clips of shape {clips.shape[1:]}, but X holds "
                f"clips of shape {self.input_shape_}. Use the same front end for both."
            )
        return clips

    # Pre-training

    def _initialise_encoder(self, sets: list[NDArray]) -> None:
        """Learn, or take over, what the encoder starts from."""
        clips = RowStack(sets) if len(sets) > 1 else sets[0]
        autoencoder = self._template()
        self._encoder_size = autoencoder.width, autoencoder.batch_norm
        self.pretraining_history_: dict[str, list[float]] = {}
        self._statistics = band_statistics(clips) if autoencoder.standardize else None
        self._initial_encoder: dict[str, torch.Tensor] | None = None
        if not self.pretrain:
            return
        if not autoencoder.__sklearn_is_fitted__():
            autoencoder = self._seeded_copy(autoencoder)
            validate_clips(autoencoder, sets[0], reset=True)
            autoencoder._fit_clips(clips, resume=False)
        elif autoencoder.input_shape_ != self.input_shape_:
            raise ValueError(
                f"autoencoder was fitted on clips of shape {autoencoder.input_shape_}, "
                f"but X holds clips of shape {self.input_shape_}. Use the same front "
                "end for both."
            )
        self.pretraining_history_ = autoencoder.history_
        self._initial_encoder = autoencoder._network.encoder.state_dict()

    def _template(self) -> ConvAutoencoder:
        if self.autoencoder is None:
            return ConvAutoencoder(device=self.device, verbose=self.verbose)
        if not isinstance(self.autoencoder, FrozenEstimator):
            return self.autoencoder
        frozen = self.autoencoder.estimator
        if not isinstance(frozen, ConvAutoencoder):
            raise TypeError(
                f"autoencoder={self.autoencoder!r} must freeze a ConvAutoencoder."
            )
        check_is_fitted(frozen)
        return frozen

    def _seeded_copy(self, autoencoder: ConvAutoencoder) -> ConvAutoencoder:
        copied = clone(autoencoder)
        if copied.random_state is None and self.random_state is not None:
            copied.set_params(random_state=draw_seed(self.random_state))
        copied._validate_params()
        return copied

    # Fine-tuning

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        width, batch_norm = self._encoder_size
        return {
            "module": {
                "input_shape": self.input_shape_,
                "width": width,
                "batch_norm": batch_norm,
                "pooling": self.pooling,
                "n_hidden": self.n_hidden,
                "n_outputs": len(self.classes_),
                "freeze_encoder": self.freeze_encoder,
            }
        }

    def _new_net(self, seed: int) -> AudioNet:
        net = super()._new_net(seed)
        network: Any = net.modules["module"]
        if self._initial_encoder is not None:
            network.encoder.load_state_dict(self._initial_encoder)
            self._initial_encoder = None
        elif self._statistics is not None:
            network.encoder.scaler.learn(*self._statistics)
        return net

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        network: Any = net.modules["module"]
        groups = [{"params": network.head.parameters(), "lr": self.lr}]
        if not self.freeze_encoder:
            lr_encoder = self.lr if self.lr_encoder is None else self.lr_encoder
            groups.append({"params": network.encoder.parameters(), "lr": lr_encoder})
        decay = self.weight_decay
        return {"optimizer": torch.optim.AdamW(groups, lr=self.lr, weight_decay=decay)}

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, targets = batch
        network: Any = net.modules["module"]
        X, targets = self._mixed(net, self._augmented(net, X), targets)
        logits = network.head(self._dropped(net, network.embed(X)))  # (B, K)
        loss = self._label_loss(logits, targets, self.label_smoothing)
        net.minimise(loss, "optimizer", batch)
        return {"loss": loss}

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        X, targets = batch
        logits = net.modules["module"](X)  # (B, K)
        return {"loss": self._label_loss(logits, targets, self.label_smoothing)}

    def _mixed(
        self, net: AudioNet, X: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.mixup_alpha:
            return X, targets
        if not self.multilabel_:
            targets = F.one_hot(targets, len(self.classes_)).to(X.dtype)  # (B, K)
        # What is NaN in either of two clips is NaN in their mixture.
        return mixup(X, targets, self.mixup_alpha, net.generator)

    def _dropped(self, net: AudioNet, features: torch.Tensor) -> torch.Tensor:
        """Set features to zero at random; torch's own dropout has a global state."""
        if not self.dropout:
            return features
        draws = torch.rand(features.shape, generator=net.generator)  # (B, E)
        kept = (draws >= self.dropout).to(features.device)
        return features * kept / (1 - self.dropout)

    def _settle(self, net: AudioNet, batches: Iterable[Batch]) -> None:
        if self.freeze_encoder:
            return
        kept = list(itertools.islice(batches, N_SETTLING_BATCHES))
        passes = kept * _N_SETTLING_PASSES
        inputs = (self._augmented(net, batch[0].to(net.device)) for batch in passes)
        reestimate_batch_norm(net.modules["module"], inputs)
