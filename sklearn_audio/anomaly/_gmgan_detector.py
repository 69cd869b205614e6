"""GMGAN: an adversarial autoencoder whose latent vectors keep to a Gaussian mixture."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from sklearn_audio._torch._adversarial import (
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)
from sklearn_audio._torch._batch_norm import reestimate_batch_norm
from sklearn_audio._torch._clip_networks import Detector, Encoder, Generator
from sklearn_audio._torch._detector import Scores
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio.anomaly._band_errors import band_errors, error_distances
from sklearn_audio.anomaly._estimation_network import EstimationNetwork
from sklearn_audio.anomaly._gaussian_mixture import (
    Mixture,
    energy,
    estimate_mixture,
    estimation_loss,
)
from sklearn_audio.anomaly._reconstruction_detector import (
    ReconstructionDetector,
    mean_absolute_error,
)

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator
    from skorch.callbacks import Callback

# What a score is, and the sum of all; each column is higher for stranger clips.
SCORES = ("latent", "energy", "reconstruction", "band_errors")
_BETAS = (0.5, 0.999)


class GMGANDetector(ReconstructionDetector):
    r"""Find anomalous clips with an adversarial autoencoder and a Gaussian mixture.

    An encoder :math:`G_e` maps clips to latent vectors :math:`z`, from which a decoder
    makes copies :math:`x' = G(x)`; an auxiliary encoder :math:`G_{e'}` maps these to
    latent vectors :math:`z'` again. A discriminator D tells copies from clips, and an
    estimation network says to which component of a Gaussian mixture each :math:`z`
    belongs. Trained on normal clips alone [1]_, all but D minimise

    .. math::

        w_i E \lVert x - x' \rVert_1 + w_a L_{adv} + w_z E \lVert z - z' \rVert_2
        + w_e L_{es}

    with the adversarial loss :math:`L_{adv}`, and the estimation loss :math:`L_{es}`:
    the mean energy of latent vectors, which is minus the logarithm of the mixture's
    density, and a penalty on small variances. An anomalous clip is copied badly, so
    that :math:`z'` is far from :math:`z`, or has a latent vector that is rare.

    The defaults were chosen on real scenes and differ from the paper's: clips are
    centred, latent vectors have few dimensions, errors are averaged in the training,
    and the score is how unusual they are, band by band. :meth:`from_paper` gives the
    published method.

    Parameters
    ----------
    latent_dim : int, default=4
        Dimensions of the latent vectors. The fewer, the less of a foreign clip can be
        copied. A full covariance matrix needs many more clips per batch than latent
        dimensions.
    n_components : int, default=4
        Components of the mixture.
    covariance_type : {"full", "diag"}, default="full"
        Whether the latent dimensions may be correlated within a component.
    width : int, default=8
        Channels of the first layer of encoders and discriminator, and of the decoder's
        last hidden one; deeper layers have up to 8 times as many. GANomaly's, on which
        the paper builds, is 64 [2]_.
    adversarial : {"feature", "minimax"}, default="feature"
        :math:`L_{adv}`: the squared difference of the discriminator's features of clips
        and copies, as GANomaly has it, or the loss of a GAN, as the paper prints it.
        In place of the paper's :math:`\log(1 - D(x'))`, whose gradient vanishes when
        the discriminator is right, it is :math:`-\log D(x')`.
    familiarity : str, default="band_errors"
        What :meth:`score_samples` returns, with a minus sign. It is not named
        ``score``, which scikit-learn takes for a method.

        - "band_errors": how unusual the root mean square errors of the copy's bands
          are, a Mahalanobis distance whose covariance is estimated from the training
          clips and shrunk [4]_. It is the mean over windows of half a clip, and errors
          are averaged over an eighth of a clip before they are squared. Features are
          the bands of rows;
        - "reconstruction": the mean absolute error of the copy;
        - "latent": the paper's distance of :math:`z` and :math:`z'`;
        - "energy": the energy of :math:`z`;
        - "sum": the sum of all four, each standardised on the training clips.
    reconstruction : {"mean", "norm"}, default="mean"
        How the absolute errors of a clip are combined in the reconstruction loss: their
        mean, so that ``reconstruction_weight`` suits clips of any size, or their sum,
        which is the L1 norm :math:`\lVert x - x' \rVert_1` of the paper.
    reconstruction_weight : float, default=50
        :math:`w_i`. The paper's is 1, for the norm; 50 is GANomaly's, for the mean.
    adversarial_weight : float, default=5
        :math:`w_a`.
    latent_weight : float, default=1
        :math:`w_z`.
    energy_weight : float, default=0.05
        :math:`w_e`.
    density_weight : float, default=0.1
        What the mean energy counts in :math:`L_{es}`. The paper leaves it out; this is
        DAGMM's [3]_.
    covariance_penalty : float, default=0.005
        What the inverse variances count in :math:`L_{es}`; DAGMM's, too.
    with_centering : bool, default=True
        Whether each band of a spectrogram loses its median over time first. What is
        anomalous then is what happens in a clip, and not how loud its background is,
        which differs between recordings more than between a normal clip and one with
        an event in it. Rows of features and spectrograms of a single frame are left as
        they are. Set it to False for pictures, and where an anomaly may last as long as
        the clip.
    contamination : float in (0, 0.5] or None, default=0.05
        Fraction of fresh normal clips that are called anomalous, which sets
        ``offset_``. None sets no threshold, and saves the training of the folds: for
        rankings, ``score_samples`` is enough.
    novelty : bool, default=True
        True: the threshold is for clips that are not among the training clips, and is
        found by ``cv``. False: it is for the training clips themselves, of which at
        most the fraction ``contamination`` is called anomalous, and ``fit_predict``
        says which.
    cv : int, splitter or None, default=None
        Folds by which the training clips are scored, each by networks that were not
        trained on it; None is 5. With ``groups`` in ``fit``, no group is on both sides
        of a fold. Training takes one plus this number of times as long.
    n_jobs : int or None, default=None
        Folds that are trained at once.
    max_epochs : int, default=12
        Passes over the training clips. With the default score, and a few hundred clips,
        more of them change little and take their time.
    batch_size : int, default=64
        Clips a training step, at most; batches are of nearly equal size. A mixture is
        estimated from each batch, so that smaller ones make it less certain.
    lr : float, default=1e-3
        Learning rate of Adam for all networks but the discriminator. GANomaly's is
        2e-4, for many more clips.
    lr_discriminator : float, default=2e-4
        Learning rate of Adam for the discriminator.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside to measure the validation loss:
        that of copies and of their latent vectors, without the game.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches, dropout and validation split. The same seed gives the
        same model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the losses.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_clips,)
        Scores of the training clips from which ``offset_`` is found, in ascending
        order: out of fold, or with ``novelty=False`` their own, by the ``familiarity``
        that ``fit`` was given. Empty without a threshold.
    covariances_ : ndarray of shape (n_components, latent_dim, latent_dim)
        Covariances of the mixture. Like means and weights it is estimated from all
        training clips when the networks are done.
    history_ : dict of str to list of float
        Every loss of every epoch: ``train_loss``, its parts ``train_reconstruction``,
        ``train_latent``, ``train_energy`` and ``train_adversarial``, and
        ``train_discriminator``; ``valid_loss`` and its parts where clips are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    means_ : ndarray of shape (n_components, latent_dim)
        Means of the mixture.
    modules_ : dict of str to torch.nn.Module
        The networks: "encoder", "generator", "auxiliary_encoder", "estimation" and
        "discriminator".
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    offset_ : float
        Clips of a lower score are called anomalous. Each ``familiarity`` has its own;
        minus infinity with ``contamination=None``.
    weights_ : ndarray of shape (n_components,)
        Weights of the mixture; they sum to one.

    See Also
    --------
    ConvAutoencoderDetector : Copies alone.
    sklearn_audio.inspection.LatentSpaceDisplay : Shows the latent vectors.
    sklearn_audio.inspection.ReconstructionDisplay : Shows what is copied.

    Notes
    -----
    Clips are centred and scaled to [-1, 1], by all but the outermost thousandths of the
    training values, and may have any size: a side that is not a multiple of 16 is
    halved with the last row dropped, and doubled with one added.

    The mixture is computed in double precision. To a covariance matrix that has no
    Cholesky factor, as where there are fewer clips than dimensions, as much is added on
    the diagonal as it takes.

    A :class:`~sklearn.exceptions.ConvergenceWarning` reports a collapsed encoder, which
    maps all clips to one vector, a collapsed decoder, which reconstructs all clips as
    one, and reconstructions that are worse than the mean of the training clips after
    100 training steps or more. A loss that is no longer finite ends the fit with an
    error.

    References
    ----------
    .. [1] Chen, C., Chen, P., Song, H., Tao, Y., Xie, Y., Ding, S. and Ma, L. (2020).
       "Acoustic anomaly detection via latent regularized Gaussian mixture generative
       adversarial networks." ICASSP. https://doi.org/10.48550/arXiv.2002.01107
    .. [2] Akcay, S., Atapour-Abarghouei, A. and Breckon, T. P. (2018). "GANomaly:
       semi-supervised anomaly detection via adversarial training." ACCV.
       https://doi.org/10.48550/arXiv.1805.06725
    .. [3] Zong, B., Song, Q., Min, M. R., Cheng, W., Lumezanu, C., Cho, D. and Chen, H.
       (2018). "Deep autoencoding Gaussian mixture model for unsupervised anomaly
       detection." ICLR. https://openreview.net/forum?id=BJJLHbb0-
    .. [4] Ledoit, O. and Wolf, M. (2004). "A well-conditioned estimator for
       large-dimensional covariance matrices." Journal of Multivariate Analysis 88(2).
       https://doi.org/10.1016/S0047-259X(03)00096-4

    Examples
    --------
    >>> from sklearn_audio.anomaly import GMGANDetector
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> front_end = LogMelSpectrogram(n_mels=32, hop_length=512)
    >>> engines, _ = make_sound_events(60, ["engine"], random_state=0)
    >>> detector = GMGANDetector(random_state=0)
    >>> detector = detector.fit(front_end.fit_transform(engines))
    >>> X, y = make_sound_events(40, ["engine", "bell"], random_state=1)
    >>> scores = detector.score_samples(front_end.transform(X))
    >>> bool(scores[y == "engine"].mean() > scores[y == "bell"].mean())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ReconstructionDetector._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "diag"})],
        "adversarial": [StrOptions({"feature", "minimax"})],
        "familiarity": [StrOptions({*SCORES, "sum"})],
        "reconstruction": [StrOptions({"mean", "norm"})],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "latent_weight": [Interval(Real, 0, None, closed="left")],
        "energy_weight": [Interval(Real, 0, None, closed="left")],
        "density_weight": [Interval(Real, 0, None, closed="left")],
        "covariance_penalty": [Interval(Real, 0, None, closed="left")],
        "lr_discriminator": [Interval(Real, 0, None, closed="neither")],
    }

    _remedy: ClassVar[str] = (
        "Lower lr or energy_weight, raise reconstruction_weight, or try another "
        "random_state."
    )

    _module_classes: ClassVar[dict[str, type[nn.Module]]] = {
        "encoder": Encoder,
        "generator": Generator,
        "auxiliary_encoder": Encoder,
        "estimation": EstimationNetwork,
        "discriminator": Detector,
    }

    def __init__(
        self,
        *,
        latent_dim: int = 4,
        n_components: int = 4,
        covariance_type: str = "full",
        width: int = 8,
        adversarial: str = "feature",
        familiarity: str = "band_errors",
        reconstruction: str = "mean",
        reconstruction_weight: float = 50.0,
        adversarial_weight: float = 5.0,
        latent_weight: float = 1.0,
        energy_weight: float = 0.05,
        density_weight: float = 0.1,
        covariance_penalty: float = 0.005,
        with_centering: bool = True,
        contamination: float | None = 0.05,
        novelty: bool = True,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
        max_epochs: int = 12,
        batch_size: int = 64,
        lr: float = 1e-3,
        lr_discriminator: float = 2e-4,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.width = width
        self.adversarial = adversarial
        self.familiarity = familiarity
        self.reconstruction = reconstruction
        self.reconstruction_weight = reconstruction_weight
        self.adversarial_weight = adversarial_weight
        self.latent_weight = latent_weight
        self.energy_weight = energy_weight
        self.density_weight = density_weight
        self.covariance_penalty = covariance_penalty
        self.with_centering = with_centering
        self.contamination = contamination
        self.novelty = novelty
        self.cv = cv
        self.n_jobs = n_jobs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_discriminator = lr_discriminator
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_paper(cls, **parameters: Any) -> Self:
        """Return a detector with the settings of the paper.

        The paper gives the loss weights, for a reconstruction loss that is a norm, the
        adversarial loss, and the distance of latent vectors as the score. What it does
        not give is taken from the works that it builds on: width, latent dimensions,
        learning rates and batch size of GANomaly, the mixture and the weights of its
        loss of DAGMM. Like DAGMM's, the energy is the mean over a batch, where Eq. 7
        of the paper prints a sum, which would depend on the batch size.

        Two settings are ours. The covariances are diagonal, because full ones of 100
        dimensions cannot be estimated from a batch of 64 clips. Training takes 50
        epochs: none of the works says how many a few hundred clips need. Where a
        :class:`~sklearn.exceptions.ConvergenceWarning` reports that reconstructions
        are worse than the mean, raise ``max_epochs``.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        detector : GMGANDetector
            Not fitted yet.
        """
        paper = {
            "latent_dim": 100,
            "n_components": 4,
            "covariance_type": "diag",
            "width": 64,
            "adversarial": "minimax",
            "familiarity": "latent",
            "reconstruction": "norm",
            "reconstruction_weight": 1.0,
            "adversarial_weight": 5.0,
            "latent_weight": 1.0,
            "energy_weight": 0.05,
            "density_weight": 0.1,
            "covariance_penalty": 0.005,
            "with_centering": False,
            "max_epochs": 50,
            "batch_size": 64,
            "lr": 2e-4,
            "lr_discriminator": 2e-4,
        }
        return cls(**{**paper, **parameters})

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        size = self._network_size()
        return {
            "encoder": size,
            "generator": size,
            "auxiliary_encoder": size,
            "estimation": {
                "latent_dim": self.latent_dim,
                "n_components": self.n_components,
            },
            "discriminator": {
                "input_shape": self.input_shape_,
                "width": self.width,
                "use_spectral_norm": False,
            },
        }

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        makers = [
            weight
            for name, module in net.modules.items()
            if name != "discriminator"
            for weight in module.parameters()
        ]
        judges = net.modules["discriminator"].parameters()
        return {
            "optimizer": torch.optim.Adam(makers, lr=self.lr, betas=_BETAS),
            "discriminator_optimizer": torch.optim.Adam(
                judges, lr=self.lr_discriminator, betas=_BETAS
            ),
        }

    # A training step: discriminator, then all others

    def _train_batch(self, net: AudioNet, batch: Batch) -> Losses:
        x = self._scaled(batch[0])  # (B, F, T)
        z = net.modules["encoder"](x)  # (B, Z)
        copy = net.modules["generator"](z)  # (B, F, T)
        discriminator = net.modules["discriminator"]
        judged = discriminator_loss(discriminator(x), discriminator(copy.detach()))
        net.minimise(judged, "discriminator_optimizer", batch)

        losses = self._maker_losses(net, x, z, copy)
        memberships = net.modules["estimation"](z, net.generator)  # (B, K)
        # A mixture is small, and not every device can compute in double precision.
        losses["energy"] = estimation_loss(
            z.cpu(),
            memberships.cpu(),
            self.covariance_type,
            self.density_weight,
            self.covariance_penalty,
        ).float()
        losses["adversarial"] = self._adversarial_loss(net, x, copy)
        loss = self._weighted(losses)
        net.minimise(loss, "optimizer", batch)
        return {**losses, "loss": loss, "discriminator": judged}

    def _validate_batch(self, net: AudioNet, batch: Batch) -> Losses:
        x = self._scaled(batch[0])  # (B, F, T)
        z = net.modules["encoder"](x)  # (B, Z)
        losses = self._maker_losses(net, x, z, net.modules["generator"](z))
        return {**losses, "loss": self._weighted(losses)}

    def _maker_losses(
        self, net: AudioNet, x: torch.Tensor, z: torch.Tensor, copy: torch.Tensor
    ) -> Losses:
        again = net.modules["auxiliary_encoder"](copy)  # (B, Z)
        n_values = x[0].numel() if self.reconstruction == "norm" else 1
        return {
            "reconstruction": n_values * mean_absolute_error(x, copy).mean(),  # Eq. 3
            "latent": (z - again).norm(dim=1).mean(),  # Eq. 4
        }

    def _adversarial_loss(
        self, net: AudioNet, x: torch.Tensor, copy: torch.Tensor
    ) -> torch.Tensor:
        discriminator: Any = net.modules["discriminator"]
        if self.adversarial == "minimax":
            return generator_loss(discriminator(copy))  # Eq. 2
        with torch.no_grad():
            real_features = discriminator.features(x)  # (B, CF'T')
        return feature_matching_loss(real_features, discriminator.features(copy))

    def _weighted(self, losses: Losses) -> torch.Tensor:
        """Return the sum of losses by their weights (Eq. 1)."""
        return sum(
            getattr(self, f"{name}_weight") * loss for name, loss in losses.items()
        )

    # After the training

    def _settle_networks(
        self, net: AudioNet, clips: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        copies = super()._settle_networks(net, clips)
        reestimate_batch_norm(net.modules["auxiliary_encoder"], copies)
        return copies

    def _learn_scores(self, X: NDArray) -> None:
        super()._learn_scores(X)
        estimation = self.modules_["estimation"]

        def place(X: torch.Tensor) -> torch.Tensor:
            z = self._encoded(X)
            return torch.cat([z, estimation(z)], dim=1)  # (B, Z + K)

        placed = torch.from_numpy(self._infer(X, place))
        z, memberships = placed.split([self.latent_dim, self.n_components], dim=1)
        mixture = estimate_mixture(z, memberships, self.covariance_type)
        self.weights_ = mixture.weights.numpy()
        self.means_ = mixture.means.numpy()
        self.covariances_ = mixture.covariances.numpy()
        parts = self._score_parts(X)
        self._standards = parts.mean(axis=0), np.maximum(parts.std(axis=0), 1e-12)

    # Inference

    def _every_score(self, X: NDArray) -> Scores:
        parts = self._score_parts(X)  # (n, 4)
        means, spreads = self._standards
        total = ((parts - means) / spreads).sum(axis=1)
        return {"sum": -total, **dict(zip(SCORES, -parts.T, strict=True))}

    def _score_parts(self, X: NDArray) -> NDArray[np.float64]:
        """Return every score, higher = stranger: (n, ...) -> (n, 4)."""
        arrays = self.weights_, self.means_, self.covariances_
        weights, means, covariances = map(torch.from_numpy, arrays)
        factors = torch.linalg.cholesky(covariances)
        mixture = Mixture(weights, means, covariances, factors)
        generator = self.modules_["generator"]
        auxiliary_encoder = self.modules_["auxiliary_encoder"]

        def measure(X: torch.Tensor) -> torch.Tensor:
            z = self._encoded(X)  # (B, Z)
            copy = generator(z)  # (B, F, T)
            x = self._scaled(X)  # (B, F, T)
            columns = [
                (z - auxiliary_encoder(copy)).norm(dim=1),
                energy(z.cpu(), mixture),
                mean_absolute_error(x, copy),
                error_distances(band_errors(x, copy), self._usual_errors),
            ]
            return torch.stack([c.cpu().double() for c in columns], dim=1)  # (B, 4)

        return self._infer(X, measure)
