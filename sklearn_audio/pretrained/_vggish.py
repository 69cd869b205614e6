"""VGGish: a VGG network for patches of log-mel spectrogram, trained on YouTube.

The layers have the names that they have in the checkpoint of the port to PyTorch.

References
----------
.. [1] Hershey, S. et al. (2017). "CNN architectures for large-scale audio
   classification." ICASSP. https://doi.org/10.1109/ICASSP.2017.7952132
.. [2] Gemmeke, J. F. et al. (2017). "Audio Set: an ontology and human-labeled dataset
   for audio events." ICASSP. https://doi.org/10.1109/ICASSP.2017.7952261
"""

from __future__ import annotations

from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._random import seeded_initialisation
from sklearn_audio.pretrained._kaldi_mel import kaldi_mel_filters
from sklearn_audio.pretrained._state import Tensors, load_tensors

_SAMPLE_RATE = 16000
_FRAME, _STEP, _N_FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
_N_BANDS, _N_FRAMES = 64, 96  # of a patch
_N_CHANNELS, _N_HIDDEN, _N_DIMS = 64, 4096, 128  # at width 1
# Channels of the convolutions, in multiples of the first one's. A maximum over two by
# two ends each row.
_ROWS = ((1,), (2,), (4, 4), (8, 8))


class VGGishLogMel(nn.Module):
    """Turn waveforms into the patches that VGGish was trained on.

    Magnitudes under a periodic Hann window, triangles that are straight on the mel
    scale from 125 to 7500 Hz, and ``log(mel + 0.01)``. Patches of 96 frames touch each
    other; frames that fill none are left out.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = kaldi_mel_filters(_SAMPLE_RATE, _N_FFT, _N_BANDS, 7500.0, fmin=125.0)
        self.register_buffer("window", torch.hann_window(_FRAME), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the patches: (B, n) -> (B, P, 96, 64)."""
        frames = waveforms.unfold(1, _FRAME, _STEP)  # (B, T, 400)
        magnitudes = torch.fft.rfft(frames * self.window, _N_FFT).abs()  # (B, T, 257)
        log_mel = torch.log(magnitudes @ self.filters.T + 0.01)  # (B, T, 64)
        n_patches = log_mel.shape[1] // _N_FRAMES
        whole = log_mel[:, : n_patches * _N_FRAMES]  # (B, 96 P, 64)
        return whole.unflatten(1, (n_patches, _N_FRAMES))  # (B, P, 96, 64)


class _Postprocessor(nn.Module):
    """Whiten embeddings along principal components, and round them to 8 bits [2]_."""

    pca_eigen_vectors: torch.Tensor
    pca_means: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.eye(_N_DIMS))
        self.register_buffer("pca_means", torch.zeros(_N_DIMS, 1))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return whole numbers in [0, 255]: (B, D) -> (B, D)."""
        centred = embeddings - self.pca_means.T  # (B, D)
        white = centred @ self.pca_eigen_vectors.T  # (B, D)
        return torch.round((white.clamp(-2, 2) + 2) * (255 / 4))


class VGGishNetwork(nn.Module):
    """Embed waveforms with VGGish [1]_, which hears up to 7.5 kHz and has no tags.

    Weights come from a published checkpoint, see :func:`load_network`. Without one they
    are random, which is good for tests alone.

    Parameters
    ----------
    width : float, default=1.0
        Multiplier of all numbers of channels but the embedding's. The published network
        has 72 million weights, 288 MB; narrow ones are for tests.
    postprocess : bool, default=False
        What an embedding is. False: what the last layer says, "raw", zero or above.
        True: that, whitened along principal components, clipped to two standard
        deviations and rounded to one of 256 steps, as the embeddings that were
        published with AudioSet [2]_: whole numbers from 0 to 255 in floating point.

    Attributes
    ----------
    sample_rate : int
        16000, the rate of the waveforms, in Hz.
    window : float
        0.975, the length of a patch of 96 frames, in seconds: 25 ms, and 95 steps of
        10 ms.
    hop : float
        0.96, from a patch to the next, in seconds.
    min_samples : int
        15600, the length of a patch. `forward` appends silence to shorter waveforms.
    embedding_size : int
        128, the number of values of an embedding.

    See Also
    --------
    load_network : Builds the network with published weights.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Runs it on clips.

    Notes
    -----
    The last layer has a rectifier, as in the first release of VGGish and in the port to
    PyTorch whose weights are loaded. A later release of the original left it off.

    References
    ----------
    .. [1] Hershey, S. et al. (2017). "CNN architectures for large-scale audio
       classification." ICASSP. https://doi.org/10.1109/ICASSP.2017.7952132
    .. [2] Gemmeke, J. F. et al. (2017). "Audio Set: an ontology and human-labeled
       dataset for audio events." ICASSP. https://doi.org/10.1109/ICASSP.2017.7952261

    Examples
    --------
    >>> import torch
    >>> from sklearn_audio.pretrained import VGGishNetwork
    >>> network = VGGishNetwork(width=1 / 16).eval()
    >>> network(torch.zeros(2, 15600)).shape
    torch.Size([2, 128])
    """

    sample_rate = _SAMPLE_RATE
    window = 0.975
    hop = 0.96
    min_samples = _FRAME + (_N_FRAMES - 1) * _STEP
    embedding_size = _N_DIMS

    def __init__(self, width: float = 1.0, postprocess: bool = False) -> None:
        super().__init__()
        self.front_end = VGGishLogMel()
        n_channels = max(1, round(width * _N_CHANNELS))
        n_hidden = max(1, round(width * _N_HIDDEN))
        n_inputs = 1
        layers: list[nn.Module] = []
        for row in _ROWS:
            for factor in row:
                n_outputs = factor * n_channels
                layers += [nn.Conv2d(n_inputs, n_outputs, 3, padding=1), nn.ReLU()]
                n_inputs = n_outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(n_inputs * (_N_FRAMES // 16) * (_N_BANDS // 16), n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, _N_DIMS),
            nn.ReLU(),
        )
        self.pproc = _Postprocessor() if postprocess else nn.Identity()

    @classmethod
    def from_tensors(cls, tensors: Tensors, postprocess: bool = False) -> Self:
        """Build the network of a checkpoint, of whatever width that is.

        Parameters
        ----------
        tensors : dict of str to torch.Tensor
            The checkpoint's state dict. With `postprocess`, the two tensors of the
            principal components have to be among them, named ``pca_eigen_vectors`` and
            ``pca_means`` or, as in a whole network, ``pproc.pca_eigen_vectors`` and
            ``pproc.pca_means``. Without it, they are ignored.
        postprocess : bool, default=False
            Whether embeddings are whitened and rounded.

        Returns
        -------
        network : VGGishNetwork
            The network in evaluation mode.

        Raises
        ------
        ValueError
            If the tensors are not those of VGGish, or the components are missing.
        """
        if "features.0.bias" not in tensors:
            raise ValueError(
                "it is no checkpoint of VGGish: it has no tensor features.0.bias."
            )
        layers = {k: v for k, v in tensors.items() if "pca_" not in k}
        if postprocess:
            layers |= _principal_components(tensors)
        with seeded_initialisation(0):  # the weights are about to be replaced
            network = cls(len(tensors["features.0.bias"]) / _N_CHANNELS, postprocess)
        load_tensors(network, layers)
        return network.eval()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of waveforms.

        Parameters
        ----------
        waveforms : torch.Tensor of shape (n_clips, n_samples), dtype float32
            Mono, in [-1, 1], at `sample_rate`. Those shorter than `min_samples` are
            followed by silence.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, 128)
            The mean over the patches of a waveform, which begin every 0.96 s. What does
            not fill a patch at the end is left out.
        """
        missing = max(0, self.min_samples - waveforms.shape[1])
        patches = self.front_end(F.pad(waveforms, (0, missing)))  # (B, P, 96, 64)
        x = self.features(patches.flatten(0, 1)[:, None])  # (B P, C, 6, 4)
        x = x.permute(0, 2, 3, 1).flatten(1)  # (B P, 24 C), as the original counts
        x = self.pproc(self.embeddings(x))  # (B P, 128)
        return x.unflatten(0, patches.shape[:2]).mean(dim=1)  # (B, 128)


def _principal_components(tensors: Tensors) -> Tensors:
    """Return the tensors of the postprocessor under their names in the network."""
    components = {
        # Means are a vector in some files, and a column in others.
        f"pproc.{name.removeprefix('pproc.')}": tensor.float().view(len(tensor), -1)
        for name, tensor in tensors.items()
        if "pca_" in name
    }
    if not components:
        raise ValueError(
            "it has no principal components, pca_eigen_vectors and pca_means. Put "
            "those of vggish_pca_params.npz beside the weights, or take the network "
            "'vggish', whose embeddings are raw."
        )
    return components
