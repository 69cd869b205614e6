"""Waveforms to what a pre-trained network makes of them."""

from __future__ import annotations

import os
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from operator import methodcaller
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted
from torch import nn

from sklearn_audio._data_frames import DataFrameOutputMixin
from sklearn_audio._torch._device import (
    DEVICES,
    resolve_device,
    resolve_device_or_cpu,
)
from sklearn_audio._torch._weights import to_numpy
from sklearn_audio.base import VersionedEstimator
from sklearn_audio.feature_extraction._clips import (
    Waveforms,
    check_finite,
    check_waveforms,
    collect_clips,
)
from sklearn_audio.feature_extraction._network_windows import (
    NetworkWindows,
    pool_windows,
)
from sklearn_audio.feature_extraction._windows import check_equally_long
from sklearn_audio.pretrained._registry import NETWORKS, load_network


def _has_tags(embedding: PretrainedEmbedding) -> bool:
    model = embedding.model
    if not isinstance(model, str):
        return hasattr(model, "tag")
    # An unknown name is refused by the method itself, in clearer words.
    return model not in NETWORKS or NETWORKS[model].tag_file is not None


class PretrainedEmbedding(DataFrameOutputMixin, VersionedEstimator):
    """Embed waveforms with a network that was trained on millions of clips.

    A linear classifier on such embeddings is what to try first when labelled clips are
    few. Some networks can also say which of AudioSet's 527 sounds they hear, see `tag`.

    Parameters
    ----------
    model : str or torch.nn.Module, default="efficientat_mn04"
        The network, by its name or one of your own. "efficientat_mn04" is a MobileNetV3
        of a million weights with embeddings of 384 values [1]_; it hears up to 15 kHz,
        and takes 15 to 20 ms for 5 s of sound on one core. "vggish" is a VGG network of
        72 million weights with embeddings of 128 values, raw or, as "vggish_pca",
        whitened and rounded [2]_. "ast" is a transformer of 87 million weights with
        embeddings of 768 values [3]_; it needs the library transformers. "openl3" has
        5 million weights and embeddings of 512 values or, as "openl3_6144", of more
        [4]_; its `weights` have to be named. Only the first and "ast" have tags.

        A module of your own maps waveforms (n_windows, n_samples) to embeddings
        (n_windows, n_dims) and is copied, into evaluation mode. Its attributes
        `sample_rate` (Hz), `window` (s), `hop` (s), `min_samples`, and its method
        ``tag``, which maps embeddings to probabilities, count where it has them;
        without the first two, it gets whole clips as they are.
    weights : str, path-like or None, default=None
        A file of weights for a network known by name, see
        :func:`~sklearn_audio.pretrained.load_network`. None means the published
        weights, which are fetched once, and the names of their tags with them.
    pooling : {"mean", "mean_std"} or None, default="mean"
        What becomes of the windows of a clip: the mean of their embeddings, the mean
        and the standard deviation, or nothing. None needs clips of one length.
    sample_rate : float, default=16000
        Sample rate of the waveforms, in Hz, which are resampled to that of the network.
        It should be that of the :class:`AudioLoader` before. The default is that of
        all front ends; 32000 keeps all that "efficientat_mn04" can hear.
    window : float or None, default=None
        Length of a window, in seconds. None means the length of the clips that the
        network was trained on: 10 s for "efficientat_mn04", 0.975 s for "vggish", 10.24
        s for "ast" and 1 s for "openl3". The last two take no longer ones.
    hop : float or None, default=None
        From the start of a window to that of the next, in seconds. None means `window`:
        windows touch each other; those of "vggish" by default begin every 0.96 s, where
        its frames touch. The last one ends with the clip, and may overlap.
    batch_size : int or None, default=None
        Windows that go through the network together. None means 1 on the CPU, where
        more are slower, and 32 on accelerators. A batch that is not full is filled up
        with silence.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where the network runs. "auto" prefers an accelerator.

    Attributes
    ----------
    network_ : torch.nn.Module
        The network, in evaluation mode.
    embedding_size_ : int
        Number of values that the network gives for a window.
    tag_names_ : ndarray of shape (n_tags,), dtype str
        Names of the columns of `tag`. Only set where the network has tags. Those of the
        published weights (``weights=None``) are the published names, "Dog" for
        instance, from the list in the data folder, which is fetched to there if need
        be. Weights of a file, and modules of your own, may know other sounds: their
        tags are called ``tag0`` and so on, and no list is needed.
    n_features_in_ : int
        Number of samples per clip seen in `fit`. Only set for dense input.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Only set for data frames whose column names
        are all strings.

    See Also
    --------
    AudioLoader : Makes the waveforms.
    sklearn_audio.pretrained.NETWORKS : Sources and licences of the networks.

    Notes
    -----
    The transformer learns nothing from the clips, so `transform` works without `fit`,
    but then reads the weights at every call.

    A clip's embedding does not depend on the other clips. A clip shorter than a window
    is embedded as it is, without padding, unless it is shorter than `min_samples` of
    the network: "vggish" and "openl3" need a whole window, and silence fills it. Apart
    from the output, memory is needed for one resampled clip and one batch of windows.

    A fitted transformer is saved with the weights in it, 4 MB for "efficientat_mn04",
    289 MB for "vggish", 346 MB for "ast" and 20 MB for "openl3": it loads without a
    network connection or a cache, and embeds the same if the file of weights has
    changed or gone since. Clones, and keys of ``Pipeline(memory=...)``, hold the
    parameters alone: change the name of a file of weights with its content.
    Modules of your own are never found in such a cache, because joblib does not see
    when two of them are equal.

    References
    ----------
    .. [1] Schmid, F., Koutini, K. and Widmer, G. (2023). "Efficient large-scale audio
       tagging via transformer-to-CNN knowledge distillation." ICASSP.
       https://doi.org/10.1109/ICASSP49357.2023.10096110
    .. [2] Hershey, S. et al. (2017). "CNN architectures for large-scale audio
       classification." ICASSP. https://doi.org/10.1109/ICASSP.2017.7952132
    .. [3] Gong, Y., Chung, Y.-A. and Glass, J. (2021). "AST: audio spectrogram
       transformer." Interspeech. https://doi.org/10.21437/Interspeech.2021-698
    .. [4] Cramer, J., Wu, H.-H., Salamon, J. and Bello, J. P. (2019). "Look, listen,
       and learn more: design choices for deep audio embeddings." ICASSP.
       https://doi.org/10.1109/ICASSP.2019.8682475

    Examples
    --------
    A small random network stands in for the published one, so that nothing has to be
    fetched:

    >>> import numpy as np
    >>> import torch
    >>> from sklearn_audio.feature_extraction import PretrainedEmbedding
    >>> from sklearn_audio.pretrained import EfficientATNetwork
    >>> _ = torch.manual_seed(0)
    >>> network = EfficientATNetwork(width=0.1)
    >>> noise = np.random.default_rng(0).uniform(-1, 1, size=32000)
    >>> embedding = PretrainedEmbedding(network, sample_rate=16000)
    >>> embedding.fit_transform([noise, noise[:9000]]).shape
    (2, 96)
    >>> embedding.tag([noise]).shape
    (1, 527)

    Mean and spread over windows of half a second:

    >>> embedding.set_params(pooling="mean_std", window=0.5, hop=0.25)
    PretrainedEmbedding(...)
    >>> embedding.fit_transform([noise, noise[:9000]]).shape
    (2, 192)
    """

    _parameter_constraints: dict[str, Any] = {
        "model": [StrOptions(set(NETWORKS)), nn.Module],
        "weights": [str, os.PathLike, None],
        "pooling": [StrOptions({"mean", "mean_std"}), None],
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "window": [Interval(Real, 0, None, closed="neither"), None],
        "hop": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "device": [StrOptions(set(DEVICES))],
    }

    def __init__(
        self,
        model: str | nn.Module = "efficientat_mn04",
        *,
        weights: str | os.PathLike[str] | None = None,
        pooling: Literal["mean", "mean_std"] | None = "mean",
        sample_rate: float = 16000,
        window: float | None = None,
        hop: float | None = None,
        batch_size: int | None = None,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    ) -> None:
        self.model = model
        self.weights = weights
        self.pooling = pooling
        self.sample_rate = sample_rate
        self.window = window
        self.hop = hop
        self.batch_size = batch_size
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the network, and try it on the first window of the first clip.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms, see `transform`.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : PretrainedEmbedding
            The transformer itself.

        Raises
        ------
        ConnectionError, FileNotFoundError, ImportError
            If there are no weights, see
            :func:`~sklearn_audio.pretrained.load_network`, or no list of the tags of
            the published ones.
        ValueError
            If a parameter, the weights, the list of tags or `X` are not as documented,
            or a module does not return one row per window.
        """
        clips = check_waveforms(collect_clips(self, X, reset=True))
        check_finite(clips)
        network = self._load_network()
        embedding = self._windows(network).embed_first(clips)
        self.network_ = network
        self.embedding_size_ = embedding.shape[1]
        if _has_tags(self):
            self.tag_names_ = self._name_tags(network, embedding)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute embeddings.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms of any real dtype at `sample_rate`; integers are divided by the
            full scale of their dtype. Lists and 1-D object arrays may be ragged.

        Returns
        -------
        embeddings : ndarray of shape (n_clips, n_dims), dtype float32
            With ``pooling="mean_std"``, all means come before all standard deviations.
            With ``pooling=None``, of shape (n_clips, n_dims, n_windows).

        Raises
        ------
        TypeError
            If a clip is not a waveform.
        ValueError
            If `X` is empty or of another form, or a clip has NaN or infinity in it or
            is too loud. With ``pooling=None``, if clips differ in their number of
            windows. The error names the clip.
        """
        network, clips = self._start(X)
        pool = partial(pool_windows, pooling=self.pooling)
        rows = self._windows(network).map(network, clips, pool=pool)
        if self.pooling is None:
            check_equally_long(rows)
        out = np.stack(rows)
        is_finite = np.isfinite(out.reshape(len(out), -1)).all(axis=1)
        if not is_finite.all():
            raise ValueError(
                f"clip {int(is_finite.argmin())}: its embedding overflows. Waveforms "
                "are expected in [-1, 1]."
            )
        return out

    @available_if(_has_tags)
    def tag(self, X: Any) -> NDArray[np.float32]:
        """Return how probable each of the network's tags is.

        Parameters
        ----------
        X : array-like of shape (n_clips, n_samples), or list of 1-D arrays
            Waveforms, see `transform`.

        Returns
        -------
        probabilities : ndarray of shape (n_clips, n_tags), dtype float32
            The mean over the windows of a clip, each value in [0, 1]. Tags do not
            exclude each other: rows do not sum to 1. Columns are `tag_names_`.
        """
        network, clips = self._start(X)
        tag: Any = network.tag

        def embed_and_tag(waveforms: torch.Tensor) -> torch.Tensor:
            """Map waveforms to probabilities: (B, n) -> (B, K)."""
            return tag(network(waveforms))

        pool = methodcaller("mean", axis=0)
        return np.stack(self._windows(network).map(embed_and_tag, clips, pool=pool))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each column: ``embedding0_mean`` and so on.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Checked against the columns seen in `fit`, otherwise not used.

        Returns
        -------
        names : ndarray of shape (n_dims,), dtype object
            The names; standard deviations are called ``embedding0_std`` and so on.
            With ``pooling=None``, the names of the second axis, ``embedding0`` and so
            on.
        """
        check_is_fitted(self, "embedding_size_")
        _check_feature_names_in(self, input_features, generate_names=False)
        names = [f"embedding{i}" for i in range(self.embedding_size_)]
        if self.pooling is not None:
            statistics = self.pooling.split("_")
            names = [f"{name}_{each}" for each in statistics for name in names]
        return np.array(names, dtype=object)

    def _start(self, X: Any) -> tuple[nn.Module, Waveforms]:
        """Return the network and the checked clips."""
        self._validate_params()
        clips = check_waveforms(collect_clips(self, X, reset=False))
        check_finite(clips)
        network = self.network_ if hasattr(self, "network_") else self._load_network()
        return network, clips

    def _load_network(self) -> nn.Module:
        """Return the network that the parameters ask for, on its device."""
        device = resolve_device(self.device)
        if isinstance(self.model, str):
            return load_network(self.model, self.weights).to(device)
        if self.weights is not None:
            raise ValueError(
                f"weights={os.fspath(self.weights)!r} is for networks known by name; "
                "give your own module its weights before you pass it as model."
            )
        return deepcopy(self.model).to(device).eval()

    def _name_tags(
        self, network: nn.Module, embedding: torch.Tensor
    ) -> NDArray[np.str_]:
        if isinstance(self.model, str) and self.weights is None:
            return NETWORKS[self.model].read_tag_names()
        tag: Any = network.tag
        with torch.no_grad():
            n_tags = tag(embedding).shape[1]
        return np.array([f"tag{index}" for index in range(n_tags)])

    def _windows(self, network: nn.Module) -> NetworkWindows:
        return NetworkWindows(
            network, self.sample_rate, self.window, self.hop, self.batch_size
        )

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        network = state.pop("network_", None)
        if network is not None:
            # A module of the user's own is a parameter, and saved as one.
            is_known = isinstance(self.model, str)
            state["_weights"] = to_numpy({"network": network}) if is_known else {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is None:
            return
        if isinstance(self.model, str):
            arrays = weights["network"].items()
            network = NETWORKS[self.model].build(
                {key: torch.tensor(array) for key, array in arrays}
            )
        else:
            network = deepcopy(self.model).eval()
        self.network_ = network.to(resolve_device_or_cpu(self.device))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
