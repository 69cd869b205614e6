"""The convolutional autoencoder, which learns from clips without labels."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from sklearn_audio._data_frames import DataFrameOutputMixin
from sklearn_audio._torch._batches import RowStack
from sklearn_audio._torch._estimator import Batch, TorchEstimator
from sklearn_audio._torch._net import AudioNet, Losses
from sklearn_audio.base import validate_clips
from sklearn_audio.semi_supervised._cae_networks import AutoencoderNetwork

if TYPE_CHECKING:
    from skorch.callbacks import Callback

# Bands are standardised by the statistics of so many clips at most, evenly spread.
_MOST_CLIPS = 10_000
# Side of the patches that are masked, in bands and in frames.
_PATCH = 8


class ConvAutoencoder(
    ClassNamePrefixFeaturesOutMixin, DataFrameOutputMixin, TorchEstimator
):
    r"""Learn features of clips without labels, by learning to copy them.

    Three layers of convolution and max-pooling encode a clip, in the paper's notation
    [1]_ (f)5c-2p-(f)3c-2p-(f)3c-2p, and a mirrored decoder makes it anew:

    .. math:: \min_{E, D}\; E_x \lVert x - D(E(x)) \rVert^2

    Pooling keeps one value in four, which is what keeps the copy from being trivial.
    The encoder is where :class:`CAEPretrainedClassifier` starts from;
    :meth:`transform` hands its codes to any other estimator.

    Parameters
    ----------
    width : int, default=64
        Channels of each layer, f. The paper found more to be better.
    decoder : {"unpooling", "upsampling", "transposed"}, default="unpooling"
        How poolings are undone. "unpooling" remembers where the maxima were, and puts
        the values back there [2]_; "upsampling" repeats values; "transposed" learns to
        spread them. Remembered places are no part of the code, so that a low
        reconstruction error of "unpooling" says little about the code.
    objective : {"reconstruction", "denoising", "masked"}, default="reconstruction"
        What is learned: to copy clips, to copy them out of added noise [3]_, or to fill
        in patches of 8 bands and 8 frames that are blanked out.
    corruption : float, default=0.5
        For "denoising", the standard deviation of the noise, in standard deviations of
        each band; for "masked", the share of the patches that are blanked out, below 1.
    standardize : bool, default=True
        Whether every band of spectrograms, or every feature of rows, is centred and
        scaled to a standard deviation of 1 over the training clips. Set it to False
        for clips that are scaled already.
    batch_norm : bool, default=True
        Whether batch normalisation stands before each ReLU.
    max_epochs : int, default=30
        Passes over the training clips.
    batch_size : int, default=32
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
        Seeds weights, batches, noise, masks and validation split. The same seed gives
        the same model, bit for bit, on the CPU.
    verbose : int, default=0
        1 shows a progress bar with the loss.
    callbacks : list of skorch callbacks or None, default=None
        Called during training. They are copied first.

    Attributes
    ----------
    filters_ : ndarray of shape (width, n_bands, n_frames), dtype float32
        The kernels of the first layer, 5 x 5.
    history_ : dict of str to list of float
        ``train_loss`` of every epoch, and ``valid_loss`` where clips are set aside:
        mean squared errors of standardised clips.
    input_shape_ : tuple of int
        Shape of one clip.
    modules_ : dict of str to torch.nn.Module
        The network, under "module"; its ``encoder`` and ``decoder``.
    n_features_in_ : int
        Number of features of a row, or of bands of a spectrogram.
    n_iter_ : int
        Epochs trained.

    See Also
    --------
    CAEPretrainedClassifier : A classifier on top of the encoder.
    sklearn_audio.anomaly.ConvAutoencoderDetector : Finds what cannot be copied.
    sklearn_audio.inspection.ReconstructionDisplay : Shows clips and their copies.
    sklearn_audio.inspection.FilterDisplay : Shows what the first layer looks for.

    Notes
    -----
    Arrays are read batch by batch: one that is mapped into memory
    (``np.load(path, mmap_mode="r")``, float32) may be larger than it. Where clips are
    made on the fly, give them to :meth:`partial_fit` in chunks of a few hundred.

    References
    ----------
    .. [1] Jensen, R. A. F. and Pethick, T. (2018). "Environmental sound classification
       with semi-supervised learning." Technical University of Denmark. After: Masci,
       J., Meier, U., Ciresan, D. and Schmidhuber, J. (2011). "Stacked convolutional
       auto-encoders for hierarchical feature extraction." ICANN.
       https://doi.org/10.1007/978-3-642-21735-7_7
    .. [2] Zhao, J., Mathieu, M., Goroshin, R. and LeCun, Y. (2016). "Stacked what-where
       auto-encoders." ICLR workshop. https://doi.org/10.48550/arXiv.1506.02351
    .. [3] Vincent, P., Larochelle, H., Bengio, Y. and Manzagol, P.-A. (2008).
       "Extracting and composing robust features with denoising autoencoders." ICML.
       https://doi.org/10.1145/1390156.1390294

    Examples
    --------
    >>> from sklearn_audio.datasets import make_sound_events
    >>> from sklearn_audio.feature_extraction import LogMelSpectrogram
    >>> from sklearn_audio.semi_supervised import ConvAutoencoder
    >>> X, _ = make_sound_events(40, random_state=0)
    >>> spectrograms = LogMelSpectrogram(n_mels=32, hop_length=512).fit_transform(X)
    >>> spectrograms.shape
    (40, 32, 32)
    >>> autoencoder = ConvAutoencoder(width=8, max_epochs=5, random_state=0)
    >>> autoencoder.fit(spectrograms).transform(spectrograms).shape
    (40, 128)
    >>> autoencoder.reconstruct(spectrograms).shape
    (40, 32, 32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TorchEstimator._parameter_constraints,
        "width": [Interval(Integral, 1, None, closed="left")],
        "decoder": [StrOptions({"unpooling", "upsampling", "transposed"})],
        "objective": [StrOptions({"reconstruction", "denoising", "masked"})],
        "corruption": [Interval(Real, 0, None, closed="neither")],
        "standardize": ["boolean"],
        "batch_norm": ["boolean"],
    }

    _module_classes: ClassVar = {"module": AutoencoderNetwork}

    def __init__(
        self,
        *,
        width: int = 64,
        decoder: str = "unpooling",
        objective: str = "reconstruction",
        corruption: float = 0.5,
        standardize: bool = True,
        batch_norm: bool = True,
        max_epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        validation_fraction: float | None = None,
        n_iter_no_change: int | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.width = width
        self.decoder = decoder
        self.objective = objective
        self.corruption = corruption
        self.standardize = standardize
        self.batch_norm = batch_norm
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
        """Return an autoencoder with the settings of the paper and of its code.

        Layers of 64 channels and unpooling, without standardisation or batch
        normalisation; Adam at 1e-3 in batches of 32, for at most 50 epochs, and an end
        after five without a lower loss on a tenth of the clips. It is meant for
        spectrograms of 28 bands and 36 frames in dB below the maximum of the clip.

        Parameters
        ----------
        **parameters : dict
            Parameters that differ from the paper's.

        Returns
        -------
        autoencoder : ConvAutoencoder
            Not fitted yet.

        Notes
        -----
        The number of epochs and the clips that are set aside are those of the code. The
        paper prints half of the squared norm of the error as the loss; here, as in the
        code, it is the mean over the values, which Adam's steps do not tell from it.
        Weights are those of the best epoch, of which the paper does not speak.
        """
        paper = {
            # Architecture (Sections 2.3, 2.4 and 4.4, Fig. 3)
            "width": 64,
            "decoder": "unpooling",
            "objective": "reconstruction",
            "batch_norm": False,
            # Clips as they are (Section 3.1)
            "standardize": False,
            # Training (Sections 4.2 and 4.4)
            "max_epochs": 50,
            "batch_size": 32,
            "lr": 1e-3,
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
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train the network on clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips, at least two, as rows of features or as spectrograms.
        y : Ignored
            Not used.

        Returns
        -------
        self : ConvAutoencoder
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has the wrong shape, if ``corruption`` does not go
            with ``objective``, or if the training diverges.
        """
        self._check_settings()
        resume = self._can_resume()
        X = validate_clips(self, X, reset=not resume)
        return self._fit_clips(X, resume=resume)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train for one epoch on some of the clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            Some clips, at least two. Those of the first call set the scale, and should
            be a few hundred of all kinds.
        y : Ignored
            Not used.

        Returns
        -------
        self : ConvAutoencoder
            The fitted autoencoder.

        Raises
        ------
        ValueError
            As :meth:`fit`.
        """
        self._validate_params()  # scikit-learn does so before the first call alone
        self._check_settings()
        resume = self.__sklearn_is_fitted__()
        X = validate_clips(self, X, reset=not resume)
        return self._fit_clips(X, resume=resume, partial=True)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the codes of clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        codes : ndarray of shape (n_clips, n_codes), dtype float32
            What the last pooling hands on: for spectrograms, `width` times an eighth of
            the bands times an eighth of the frames.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        encoder = self._network.encoder
        return self._infer(X, lambda x: encoder(x).flatten(1))

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the copies of clips.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        copies : ndarray of the same shape, dtype float32
            In the unit of ``X``.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        network = self._network
        return self._infer(X, lambda x: network.encoder.scaler.inverse(network(x)))

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how well clips are copied.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.

        Returns
        -------
        scores : ndarray of shape (n_clips,), dtype float64
            Minus the mean squared error of the standardised clip: higher = more
            familiar.
        """
        check_is_fitted(self)
        X = validate_clips(self, X, reset=False)
        return -self._infer(X, self._squared_error).astype(np.float64)

    # Training

    def _check_settings(self) -> None:
        if self.objective == "masked" and self.corruption >= 1:
            raise ValueError(
                f"corruption={self.corruption} of the patches cannot be blanked out "
                "with objective='masked'. Give a share below 1."
            )

    def _fit_clips(
        self, clips: NDArray | RowStack, *, resume: bool, partial: bool = False
    ) -> Self:
        """Train on clips that are checked."""
        if not resume:
            self._statistics = band_statistics(clips) if self.standardize else None
        self._train(clips, resume=resume, partial=partial)
        return self

    def _module_arguments(self) -> dict[str, dict[str, Any]]:
        return {
            "module": {
                "input_shape": self.input_shape_,
                "width": self.width,
                "batch_norm": self.batch_norm,
                "decoder": self.decoder,
            }
        }

    def _new_net(self, seed: int) -> AudioNet:
        net = super()._new_net(seed)
        if self._statistics is not None:
            network: Any = net.modules["module"]
            network.encoder.scaler.learn(*self._statistics)
        return net

    def _losses(self, net: AudioNet, batch: Batch) -> Losses:
        network: Any = net.modules["module"]
        x = network.encoder.scaler(batch[0])  # (B, F, T)
        if self.objective == "masked":
            masks = draw_patches(x.shape, self.corruption, net.generator)
            masks = masks.to(x.device)  # (B, F, T)
            errors = (network.copy(x * (1 - masks)) - x).square()
            # With few small clips, nothing may be blanked out.
            return {"loss": (errors * masks).sum() / masks.sum().clamp_min(1)}
        noisy = x
        if self.objective == "denoising":
            noise = torch.randn(x.shape, generator=net.generator).to(x.device)
            noisy = x + self.corruption * noise
        return {"loss": F.mse_loss(network.copy(noisy), x)}

    # Inference

    def _squared_error(self, x: torch.Tensor) -> torch.Tensor:
        """Return how far copies are from standardised clips: (B, F, T) -> (B,)."""
        x = self._network.encoder.scaler(x)  # (B, F, T)
        return (self._network.copy(x) - x).square().flatten(1).mean(dim=1)

    @property
    def _network(self) -> Any:
        return self.modules_["module"]

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self._network.encoder.output_shape))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def band_statistics(
    clips: NDArray | RowStack,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return means and standard deviations of bands, or of the features of rows.

    Parameters
    ----------
    clips : ndarray or RowStack of shape (n_clips, F, T) or (n_clips, D)
        The clips.

    Returns
    -------
    mean, scale : ndarray of shape (F,) or (D,), dtype float32
        The scale of what is constant is 1.
    """
    rows = np.arange(0, len(clips), -(-len(clips) // _MOST_CLIPS))
    some = clips[rows]
    axes = (0, 2) if some.ndim == 3 else (0,)
    mean = some.mean(axis=axes, dtype=np.float64)
    scale = some.std(axis=axes, dtype=np.float64)
    is_constant = scale <= 1e-6 * np.abs(mean)
    scale[is_constant] = 1.0
    return mean.astype(np.float32), scale.astype(np.float32)


def draw_patches(
    shape: torch.Size, share: float, generator: torch.Generator
) -> torch.Tensor:
    """Draw which patches of clips are blanked out.

    Parameters
    ----------
    shape : torch.Size
        (B, F, T) or (B, D).
    share : float
        Probability of each patch.
    generator : torch.Generator
        Draws, on the CPU.

    Returns
    -------
    masks : Tensor of shape `shape`, dtype float32
        1 where blanked out, 0 elsewhere.
    """
    n_clips, height, width = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    cells = [-(-side // _PATCH) for side in (height, width)]
    draws = torch.rand(n_clips, 1, *cells, generator=generator)
    patches = F.interpolate((draws < share).float(), scale_factor=_PATCH)
    return patches[:, 0, :height, :width].reshape(shape)


def first_filters(network: Any) -> NDArray[np.float32]:
    """Return the kernels of an encoder's first layer: (width, 5, 5)."""
    return network.encoder.convolutions[0].weight.detach().cpu().numpy()[:, 0]
