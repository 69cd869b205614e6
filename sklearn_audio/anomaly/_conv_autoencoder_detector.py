"""The convolutional autoencoder, which finds anomalies by what it cannot copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from torch import nn

from sklearn_audio._torch._clip_networks import Encoder, Generator
from sklearn_audio._torch._detector import Scores
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio.anomaly._band_errors import band_errors, error_distances
from sklearn_audio.anomaly._reconstruction_detector import (
    ReconstructionDetector,
    mean_absolute_error,
)

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator
    from skorch.callbacks import Callback


class ConvAutoencoderDetector(ReconstructionDetector):
    r"""Find anomalous clips by how badly an autoencoder copies them.

    An encoder maps clips through a bottleneck, from which a decoder makes them anew.
    Trained on normal clips alone, both learn what these have in common, and fail to
    copy what is foreign [1]_:

    .. math:: \min_{E, G}\; E_x \lVert x - G(E(x)) \rVert_1

    It is what the papers of anomaly detection compare with, and go by the mean error
    (:meth:`from_paper`). That is large for whatever is loud and rich in detail, normal
    or not; how unusual the errors of the bands are, beside each other, tells more.

    Parameters
    ----------
    latent_dim : int, default=4
        Dimensions of the bottleneck. The fewer, the less of an anomaly passes.
    width : int, default=8
        Channels of the encoder's first layer and of the decoder's last hidden one;
        deeper layers have up to 8 times as many.
    familiarity : {"band_errors", "reconstruction"}, default="band_errors"
        What :meth:`score_samples` returns, with a minus sign: how unusual the root mean
        square errors of the bands are, a Mahalanobis distance whose covariance is
        estimated from the training clips and shrunk [2]_; or the mean absolute error of
        the copy. The distance is the mean over windows of half a clip, and errors are
        averaged over an eighth of a clip before they are squared. Features are the
        bands of rows.
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
        Clips a training step, at most; batches are of nearly equal size.
    lr : float, default=1e-3
        Learning rate of Adam.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the training clips that is set aside to measure the validation loss.
    n_iter_no_change : int or None, default=None
        Stop after so many epochs without a lower validation loss (training loss where
        nothing is set aside), and keep the best epoch. None trains for ``max_epochs``.
    warm_start : bool, default=False
        Whether ``fit`` continues from the last solution.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where to compute; "auto" takes an accelerator where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches and validation split. The same seed gives the same model,
        bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the loss.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    calibration_scores_ : ndarray of shape (n_clips,)
        Scores of the training clips from which ``offset_`` is found, in ascending
        order: out of fold, or with ``novelty=False`` their own, by the ``familiarity``
        that ``fit`` was given. Empty without a threshold.
    history_ : dict of str to list of float
        ``train_loss`` of every epoch, and ``valid_loss`` where clips are set aside.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The networks, "encoder" and "generator".
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    offset_ : float
        Clips of a lower score are called anomalous. Each ``familiarity`` has its own;
        minus infinity with ``contamination=None``.

    See Also
    --------
    GMGANDetector : Adds a discriminator and a density of the latent vectors.
    sklearn_audio.inspection.ReconstructionDisplay : Shows what is copied.

    Notes
    -----
    A :class:`~sklearn.exceptions.ConvergenceWarning` reports a collapsed encoder, which
    maps all clips to one vector, a collapsed decoder, which reconstructs all clips as
    one, and reconstructions that are worse than the mean of the training clips after
    100 training steps or more.

    References
    ----------
    .. [1] Oh, D. and Yun, I. (2018). "Residual error based anomaly detection using
       auto-encoder in SMD machine sound." Sensors 18(5).
       https://doi.org/10.3390/s18051308
    .. [2] Ledoit, O. and Wolf, M. (2004). "A well-conditioned estimator for
       large-dimensional covariance matrices." Journal of Multivariate Analysis 88(2).
       https://doi.org/10.1016/S0047-259X(03)00096-4
    .. [3] Chen, C., Chen, P., Song, H., Tao, Y., Xie, Y., Ding, S. and Ma, L. (2020).
       "Acoustic anomaly detection via latent regularized Gaussian mixture generative
       adversarial networks." ICASSP. https://doi.org/10.48550/arXiv.2002.01107
    .. [4] Akcay, S., Atapour-Abarghouei, A. and Breckon, T. P. (2018). "GANomaly:
       semi-supervised anomaly detection via adversarial training." ACCV.
       https://doi.org/10.48550/arXiv.1805.06725

    Examples
    --------
    >>> from sklearn_audio.anomaly import ConvAutoencoderDetector
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> front_end = LogMelSpectrogram(n_mels=32, hop_length=512)
    >>> engines, _ = make_sound_events(60, ["engine"], random_state=0)
    >>> detector = ConvAutoencoderDetector(random_state=0)
    >>> detector = detector.fit(front_end.fit_transform(engines))
    >>> X, y = make_sound_events(40, ["engine", "bell"], random_state=1)
    >>> scores = detector.score_samples(front_end.transform(X))
    >>> bool(scores[y == "engine"].mean() > scores[y == "bell"].mean())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ReconstructionDetector._parameter_constraints,
        "familiarity": [StrOptions({"band_errors", "reconstruction"})],
    }

    _module_classes: ClassVar[dict[str, type[nn.Module]]] = {
        "encoder": Encoder,
        "generator": Generator,
    }

    def __init__(
        self,
        *,
        latent_dim: int = 4,
        width: int = 8,
        familiarity: str = "band_errors",
        with_centering: bool = True,
        contamination: float | None = 0.05,
        novelty: bool = True,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
        max_epochs: int = 12,
        batch_size: int = 64,
        lr: float = 1e-3,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.width = width
        self.familiarity = familiarity
        self.with_centering = with_centering
        self.contamination = contamination
        self.novelty = novelty
        self.cv = cv
        self.n_jobs = n_jobs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @classmethod
    def from_paper(cls, **parameters: Any) -> Self:
        """Return the autoencoder that papers compare their methods with.

        Such as the CAE and the DCAE of Chen et al. (2020): clips as they are, and the
        mean error of the copy as the score.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        detector : ConvAutoencoderDetector
            Not fitted yet.

        Notes
        -----
        The paper prints nothing of it but references and figures. So that a comparison
        shows what the method itself is worth, networks and training are those of
        :meth:`GMGANDetector.from_paper`: GANomaly's encoder and decoder, its 100 latent
        dimensions and its learning rate, the absolute error of Eq. 3, which is all
        that is minimised, and 50 epochs. Whether that is summed or averaged is all the
        same to Adam.
        """
        paper = {
            # As in GANomaly
            "latent_dim": 100,
            "width": 64,
            "batch_size": 64,
            "lr": 2e-4,
            # The error of the copy of clips as they are
            "familiarity": "reconstruction",
            "with_centering": False,
            # Not printed
            "max_epochs": 50,
            "validation_fraction": None,
            "n_iter_no_change": None,
        }
        return cls(**{**paper, **parameters})

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {name: self._network_size() for name in self._module_classes}

    def _make_optimizers(self, net: AudioNet) -> dict[str, torch.optim.Optimizer]:
        parameters = [w for m in net.modules.values() for w in m.parameters()]
        return {"optimizer": torch.optim.Adam(parameters, lr=self.lr)}

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        x = self._scaled(batch[0])  # (B, F, T)
        copy = net.modules["generator"](net.modules["encoder"](x))  # (B, F, T)
        return {"loss": mean_absolute_error(x, copy).mean()}

    def _every_score(self, X: NDArray) -> Scores:
        def measure(X: torch.Tensor) -> torch.Tensor:
            x, copy = self._compared(X)  # (B, F, T) each
            distances = error_distances(band_errors(x, copy), self._usual_errors)
            means = mean_absolute_error(x, copy).cpu().double()
            return torch.stack([distances, means], dim=1)  # (B, 2)

        distances, means = self._infer(X, measure).T
        return {"band_errors": -distances, "reconstruction": -means}
