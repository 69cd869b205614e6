"""The closed-set predecessor: a multi-class GAN with augmented clips and scattering."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sklearn_audio._torch._adversarial import feature_matching_loss
from sklearn_audio._torch._clip_networks import Generator
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio._torch._resnet import ResNet
from sklearn_audio.augmentation import SpectrogramAugmenter
from sklearn_audio.augmentation._training_augmentation import Augmenter
from sklearn_audio.open_set._gan_classifier import (
    GANClassifier,
    diversity,
)
from sklearn_audio.open_set._gan_losses import classification_loss

if TYPE_CHECKING:
    from skorch.callbacks import Callback


class AugGANClassifier(GANClassifier):
    r"""Multi-class GAN that is trained on augmented clips.

    The closed-set predecessor [1]_ of
    :class:`~sklearn_audio.open_set.OpenSetGANClassifier`. The classifier is also the
    discriminator: beside the K classes it has an output more, for generated clips [2]_.
    With :math:`p` its softmax, it minimises

    .. math::

        -E_{x, y}[\log p_y(x)] - \lambda E_z[\log p_{K+1}(G(z))]

    on augmented clips :math:`x`, while the generator makes clips on which the
    classifier's embeddings are on average what they are on real ones (feature
    matching). ``predict`` and its kin leave the output K + 1 out.

    Parameters
    ----------
    first_stage : {"scattering", "convolution"}, default="scattering"
        What stands in front of ResNet-18's third layer: wavelet scattering, the
        paper's, or a 3 x 3 convolution and the first two layers.
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
        dB or scaled, and nothing for rows of features.
    mixup_alpha : float, default=0
        Parameter of the Beta distribution that mixes clips and labels; 0 mixes none.
    label_smoothing : float in [0, 1), default=0
        Share of the target probability that is spread over all classes.
    gan_width : int, default=32
        Channels of the generator's last hidden layer.
    latent_dim : int, default=100
        Dimensions of the generator's noise.
    fake_weight : float, default=0.5
        :math:`\lambda`: what generated clips count in the classifier's loss.
    max_epochs : int, default=100
        Passes over the training clips.
    batch_size : int, default=32
        Clips a training step, at most; batches are of nearly equal size.
    lr : float, default=2e-3
        Learning rate of the classifier's AdamW.
    lr_generator : float, default=2e-4
        Learning rate of the generator's Adam.
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
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    history_ : dict of str to list of float
        Every loss of every epoch: ``train_loss``, its parts ``train_classification``
        and ``train_fake``, the generator's ``train_feature_matching``, how much
        generated clips vary as a share of what real ones do (``train_diversity``), and
        ``valid_loss`` where clips are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The networks: "module", the classifier, and "generator".
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.

    See Also
    --------
    RejectingClassifier : Gives it an outlier label; both together are the baseline
        "Posterior-AugGAN" of the open-set paper.
    OpenSetGANClassifier : The successor, which rejects by itself.

    Notes
    -----
    A collapsed generator, whose clips are all alike, is reported by a
    :class:`~sklearn.exceptions.ConvergenceWarning`; a loss that is no longer finite
    ends the fit with an error.

    References
    ----------
    .. [1] Teh, K. K. and Tran, H. D. (2021). "Open-set audio classification with
       limited training resources based on augmentation enhanced variational
       auto-encoder GAN with detection-classification joint training." Interspeech.
       https://doi.org/10.21437/Interspeech.2021-1142 (its reference 4, by the same
       authors, is the predecessor's own paper)
    .. [2] Salimans, T., Goodfellow, I., Zaremba, W., Cheung, V., Radford, A. and
       Chen, X. (2016). "Improved techniques for training GANs." NeurIPS.
       https://doi.org/10.48550/arXiv.1606.03498

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> from sklearn_audio.open_set import AugGANClassifier
    >>> X, y = make_sound_events(60, ["bell", "chirp"], random_state=0)
    >>> classifier = make_pipeline(
    ...     LogMelSpectrogram(n_mels=32, hop_length=512),
    ...     AugGANClassifier(width=4, gan_width=8, max_epochs=10, random_state=0),
    ... )
    >>> X_new, y_new = make_sound_events(40, ["bell", "chirp"], random_state=1)
    >>> bool(classifier.fit(X, y).score(X_new, y_new) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GANClassifier._parameter_constraints,
        "fake_weight": [Interval(Real, 0, None, closed="left")],
    }

    _module_classes: ClassVar = {"module": ResNet, "generator": Generator}

    def __init__(
        self,
        *,
        first_stage: str = "scattering",
        width: int = 16,
        n_scales: int = 2,
        n_angles: int = 8,
        augmenter: str | Augmenter | None = "auto",
        mixup_alpha: float = 0.0,
        label_smoothing: float = 0.0,
        gan_width: int = 32,
        latent_dim: int = 100,
        fake_weight: float = 0.5,
        max_epochs: int = 100,
        batch_size: int = 32,
        lr: float = 2e-3,
        lr_generator: float = 2e-4,
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
        self.first_stage = first_stage
        self.width = width
        self.n_scales = n_scales
        self.n_angles = n_angles
        self.augmenter = augmenter
        self.mixup_alpha = mixup_alpha
        self.label_smoothing = label_smoothing
        self.gan_width = gan_width
        self.latent_dim = latent_dim
        self.fake_weight = fake_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_generator = lr_generator
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
        """Return an estimator with the settings that its successor's paper prints.

        A scattering network of full width; 150 epochs in batches of 100, with Adam at
        2e-4 throughout; for log-mel spectrograms of 32 bands and 32 frames, 80 dB of
        which are scaled to [-1, 1].

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        estimator : AugGANClassifier
            Not fitted yet.

        Notes
        -----
        The paper calls it a multi-class GAN with physical augmentation, and prints no
        more of it. The rest is that of Salimans et al. (2016): generated clips count as
        much as real ones, and the generator matches features, from 100 normal numbers.
        Where only the generator minimises a loss, with Adam, it does not matter whether
        its squares are summed or averaged. Betas of Adam are 0.5 and 0.999 for the
        generator and torch's own for the classifier. Kinds and strengths of
        augmentation are the defaults of
        :class:`~sklearn_audio.augmentation.SpectrogramAugmenter`.
        """
        paper = {
            # Networks (Section 3.2)
            "first_stage": "scattering",
            "width": 64,
            "n_scales": 2,
            "n_angles": 8,
            "gan_width": 128,
            "latent_dim": 100,
            # Losses
            "fake_weight": 1.0,
            "label_smoothing": 0.0,
            "mixup_alpha": 0.0,
            "class_weight": None,
            # Training (Section 3.2)
            "augmenter": SpectrogramAugmenter(decibels_per_unit=40.0),
            "max_epochs": 150,
            "batch_size": 100,
            "lr": 2e-4,
            "lr_generator": 2e-4,
            "lr_schedule": None,
            "weight_decay": 0.0,
            "validation_fraction": None,
            "n_iter_no_change": None,
        }
        return cls(**{**paper, **parameters})

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray:
        """Return generated clips.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState instance or None, default=None
            Seeds the noise that they are made from.

        Returns
        -------
        clips : ndarray of shape (n_samples, ...), dtype float32
            In the shape and the unit of the training clips.
        """
        return self._generate(self._sample_latents(n_samples, random_state))

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_) + 1

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": self._classifier_arguments(),
            "generator": {
                "input_shape": self.input_shape_,
                "width": self.gan_width,
                "latent_dim": self.latent_dim,
            },
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        return {
            "optimizer": self._classifier_optimizer(net),
            "generator_optimizer": self._game_optimizer(
                net, self.lr_generator, "generator"
            ),
        }

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        module: Any = net.modules["module"]
        generator = net.modules["generator"]
        clips = self._augmented(net, X)  # (B, F, T)
        fake = self._from_game(generator(self._normal(net, len(X))))  # (B, F, T)

        matching = feature_matching_loss(
            module.embed(clips).detach().mean(dim=0, keepdim=True),  # (1, d)
            module.embed(fake).mean(dim=0, keepdim=True),  # (1, d)
        )
        net.minimise(matching, "generator_optimizer", batch)

        inputs, targets = self._mixed(net, clips, y)
        weights = self._output_weights(net)
        real_loss = classification_loss(
            module(inputs), targets, self.label_smoothing, weights
        )
        fake_class = torch.full_like(y, len(self.classes_))
        fake_loss = classification_loss(module(fake.detach()), fake_class)
        loss = real_loss + self.fake_weight * fake_loss
        net.minimise(loss, "optimizer", batch)
        return {
            "loss": loss,
            "classification": real_loss,
            "fake": fake_loss,
            "feature_matching": matching,
            "diversity": diversity(self._to_game(fake), self._to_game(clips)),
        }

    def _validate_batch(self, net: AudioNet, batch: Batch) -> Losses:
        X, y = batch
        logits = net.modules["module"](X)  # (B, K + 1)
        weights = self._output_weights(net)
        return {"loss": classification_loss(logits, y, weight=weights)}

    def _settling_inputs(self, net: AudioNet, batch: Batch) -> torch.Tensor:
        return self._augmented(net, batch[0])
