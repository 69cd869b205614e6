"""WaveNet as a detector, which finds anomalies by what it cannot foresee."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._detector import Scores, TorchDetector
from sklearn_audio._torch._estimator import Batch
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio.base import validate_clips

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator
    from skorch.callbacks import Callback

# In standard deviations: how anomalous a clip is that reaches it is beyond doubt.
_LARGEST_VALUE = 1e6


class GatedLayer(nn.Module):
    """Filter the past by a dilated convolution, gated by another one.

    Parameters
    ----------
    width : int
        Channels in and out.
    kernel_size : int
        Frames that the convolutions see.
    dilation : int
        Distance of these frames.
    """

    def __init__(self, width: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.n_padded = dilation * (kernel_size - 1)
        self.dilated = nn.Conv1d(width, 2 * width, kernel_size, dilation=dilation)
        self.mixed = nn.Conv1d(width, 2 * width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return residual and skip outputs: (B, C, T) -> (B, C, T), (B, C, T)."""
        x_past = F.pad(x, (self.n_padded, 0))  # (B, C, P + T)
        content, gate = self.dilated(x_past).chunk(2, dim=1)  # (B, C, T) each
        gated = torch.tanh(content) * torch.sigmoid(gate)  # (B, C, T)
        residual, skip = self.mixed(gated).chunk(2, dim=1)  # (B, C, T) each
        return x + residual, skip


class WaveNet(nn.Module):
    """Predict each frame of a sequence from those before it.

    Parameters
    ----------
    n_bands : int
        Values of a frame.
    width : int
        Channels of the layers.
    n_layers : int
        Gated layers, of dilations 1, 2, 4, ...
    kernel_size : int
        Frames that a layer sees.
    """

    def __init__(
        self, n_bands: int, width: int, n_layers: int, kernel_size: int
    ) -> None:
        super().__init__()
        self.input = nn.Conv1d(n_bands, width, 1)
        self.layers = nn.ModuleList(
            GatedLayer(width, kernel_size, dilation=2**i) for i in range(n_layers)
        )
        self.output = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
            nn.ReLU(),
            nn.Conv1d(width, n_bands, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is to be expected of each frame: (B, F, T) -> (B, F, T)."""
        # Frame t meets the prediction of frame t in time, and so may not be seen.
        x = self.input(F.pad(x, (1, -1)))  # (B, C, T)
        skips = torch.zeros_like(x)  # (B, C, T)
        for layer in self.layers:
            x, skip = layer(x)  # (B, C, T) each
            skips = skips + skip
        return self.output(skips)  # (B, F, T)


class WaveNetDetector(TorchDetector):
    r"""Find anomalous clips by how badly a WaveNet foresees them.

    A stack of causal convolutions, whose dilation doubles from layer to layer, predicts
    each frame of a spectrogram, or each sample of a waveform, from those before it.
    Trained on normal clips alone, it knows how these go on, and is surprised by what is
    foreign [1]_:

    .. math:: \min_f\; E_{x,t} \lVert x_t - f(x_{t-R}, \dots, x_{t-1}) \rVert_2^2

    Each layer turns the output :math:`h` of the one below, convolved with two filters
    :math:`W_c` and :math:`W_g`, into :math:`\tanh(W_c * h) \odot \sigma(W_g * h)`. A
    linear map of it is added to :math:`h`, and another one to a sum over the layers,
    from which the prediction is made [2]_.

    It takes time into account, which an autoencoder need not: a sequence of ordinary
    frames in a wrong order is foreign to it. But what nobody can foresee, such as
    noise, has a large error, normal or not, and what is dull has a small one: in
    waveforms the silence of a machine that has stopped is more normal than its sound.

    Parameters
    ----------
    n_layers : int, default=5
        Layers, of dilations 1, 2, 4, ..., :math:`2^{n-1}`. They see the
        :math:`R = 1 + (k - 1) (2^n - 1)` last frames, k being the ``kernel_size``: by
        default 32, which is a second of a spectrogram whose frames are 32 ms apart. For
        waveforms take about 10, which at 16 kHz is 64 ms.
    kernel_size : int, default=2
        Frames that a layer sees at a time, at least 2.
    width : int, default=32
        Channels of the layers.
    familiarity : {"mean", "max"}, default="mean"
        What :meth:`score_samples` returns, with a minus sign: the mean of the clip's
        prediction errors over time, or the largest of them. The largest finds a short
        bang in a long and steady sound, which is lost in the mean. Where normal clips
        have onsets, these are their largest errors, and the mean is better.
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
    max_epochs : int, default=50
        Passes over the training clips.
    batch_size : int, default=64
        Clips a training step, at most; batches are of nearly equal size. Training keeps
        about ``5 * n_layers * width`` numbers for each frame of a batch, so that long
        waveforms take smaller ones.
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
    mean_ : ndarray of shape (n_bands,), dtype float64
        Mean of each band over the training clips; a waveform or a row is one band.
    modules_ : dict of str to torch.nn.Module
        The network, "module".
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.
    offset_ : float
        Clips of a lower score are called anomalous. Each ``familiarity`` has its own;
        minus infinity with ``contamination=None``.
    receptive_field_ : int
        Number R of past frames that a prediction is made from.
    scale_ : ndarray of shape (n_bands,), dtype float64
        Standard deviation of each band over the training clips; 1 for a constant band.

    See Also
    --------
    ConvAutoencoderDetector : Copies clips instead of predicting them.
    GMGANDetector : Copies clips, and looks at latent vectors.

    Notes
    -----
    Bands are standardised by ``mean_`` and ``scale_``, so that an error of 1 is that of
    predicting the mean at all times.

    This is not the detector of [1]_, whose WaveNet predicts the probabilities of 256
    levels of each sample of a waveform, and is trained by cross-entropy. Here the value
    itself is predicted, by its squared error, so that the same network takes waveforms
    and the bands of spectrograms, which are continuous. Figures of the two, such as
    those of the "WaveNet" in tables of papers, do not compare.

    Before a clip there are zeros, in all layers. Errors of all frames count, those of
    the first R as well, so that a clip may be shorter than R; the first frame is
    predicted from nothing but its being the first. The first convolution sees one
    frame, where that of [2]_ sees two.

    References
    ----------
    .. [1] Rushe, E. and Mac Namee, B. (2019). "Anomaly detection in raw audio using
       deep autoregressive networks." ICASSP. https://doi.org/10.1109/ICASSP.2019.8683414
    .. [2] van den Oord, A., Dieleman, S., Zen, H., Simonyan, K., Vinyals, O., Graves,
       A., Kalchbrenner, N., Senior, A. and Kavukcuoglu, K. (2016). "WaveNet: a
       generative model for raw audio." https://doi.org/10.48550/arXiv.1609.03499

    Examples
    --------
    >>> from sklearn_audio.anomaly import WaveNetDetector
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> front_end = LogMelSpectrogram(n_mels=32, hop_length=512)
    >>> engines, _ = make_sound_events(60, ["engine"], random_state=0)
    >>> X = front_end.fit_transform(engines)
    >>> detector = WaveNetDetector(random_state=0).fit(X)
    >>> detector.receptive_field_
    32
    >>> X_new, y_new = make_sound_events(40, ["engine", "bell"], random_state=1)
    >>> scores = detector.score_samples(front_end.transform(X_new))
    >>> bool(scores[y_new == "engine"].mean() > scores[y_new == "bell"].mean())
    True
    >>> detector.prediction_errors(X).shape
    (60, 32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchDetector._parameter_constraints,
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "kernel_size": [Interval(Integral, 2, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "familiarity": [StrOptions({"mean", "max"})],
    }

    _module_classes: ClassVar[dict[str, type[nn.Module]]] = {"module": WaveNet}

    def __init__(
        self,
        *,
        n_layers: int = 5,
        kernel_size: int = 2,
        width: int = 32,
        familiarity: str = "mean",
        contamination: float | None = 0.05,
        novelty: bool = True,
        cv: int | BaseCrossValidator | None = None,
        n_jobs: int | None = None,
        max_epochs: int = 50,
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
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.width = width
        self.familiarity = familiarity
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

    def prediction_errors(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how badly each frame is foreseen.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        errors : ndarray of shape (n_clips, n_frames), dtype float64
            Mean over the bands of the squared error of the standardised values; in
            rows, every sample is a frame. They are large where the anomaly is. That of
            a frame depends on nothing that comes after it.
        """
        check_is_fitted(self)
        return self._prediction_errors(validate_clips(self, X, reset=False))

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": {
                "n_bands": len(self.mean_),
                "width": self.width,
                "n_layers": self.n_layers,
                "kernel_size": self.kernel_size,
            }
        }

    def _train_on_clips(self, X: NDArray, *, resume: bool) -> None:
        if not resume:
            self.mean_, self.scale_ = _moments(X)
        super()._train_on_clips(X, resume=resume)
        self.receptive_field_ = 1 + (self.kernel_size - 1) * (2**self.n_layers - 1)

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        return {"loss": self._errors(net.modules["module"], batch[0]).mean()}

    def _errors(self, network: nn.Module, X: torch.Tensor) -> torch.Tensor:
        """Return squared errors of frames: (B, F, T) or (B, T) -> (B, T)."""
        mean, scale = (
            torch.as_tensor(moment, dtype=X.dtype, device=X.device)[:, None]  # (F, 1)
            for moment in (self.mean_, self.scale_)
        )
        bands = X if X.ndim == 3 else X[:, None]  # (B, F, T)
        # Squares of what is much larger are infinite in single precision.
        x = ((bands - mean) / scale).clamp(-_LARGEST_VALUE, _LARGEST_VALUE)  # (B, F, T)
        return (x - network(x)).square().mean(dim=1)

    def _prediction_errors(self, X: NDArray) -> NDArray[np.float64]:
        network = self.modules_["module"]
        return self._infer(X, lambda x: self._errors(network, x)).astype(np.float64)

    def _every_score(self, X: NDArray) -> Scores:
        errors = self._prediction_errors(X)  # (n, T)
        return {"mean": -errors.mean(axis=1), "max": -errors.max(axis=1)}


def _moments(X: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and standard deviations of bands: (n, F, T) -> (F,), (F,)."""
    bands = X if X.ndim == 3 else X[:, None]
    mean = bands.mean(axis=(0, 2), dtype=np.float64)
    scale = bands.std(axis=(0, 2), dtype=np.float64)
    # Besides constant bands, those whose spread is a denormal number, taken for zero.
    return mean, np.where(scale < np.finfo(np.float32).tiny, 1.0, scale)
