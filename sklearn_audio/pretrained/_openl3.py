"""OpenL3: a network that learned by telling which sounds and pictures go together.

The layers have the names that they have in the checkpoints of the port to PyTorch.

References
----------
.. [1] Cramer, J., Wu, H.-H., Salamon, J. and Bello, J. P. (2019). "Look, listen, and
   learn more: design choices for deep audio embeddings." ICASSP.
   https://doi.org/10.1109/ICASSP.2019.8682475
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._random import seeded_initialisation
from sklearn_audio.pretrained._kaldi_mel import kaldi_mel_filters
from sklearn_audio.pretrained._state import Tensors, load_tensors

_SAMPLE_RATE = 48000
_N_SAMPLES = _SAMPLE_RATE  # of a window: a second
_N_FFT, _STEP = 2048, 242  # samples
_SHORTEST, _RANGE = 1e-10, 80.0  # the smallest magnitude; decibels below the loudest
# Channels of the convolutions, in multiples of the first one's; the last of them is
# called the embedding layer. A maximum over two by two follows every second one.
_MULTIPLES = (1, 1, 2, 2, 4, 4, 8, 8)
_N_CHANNELS = 64
_FILTERS, _FIRST_BIAS = "speclayer.mel_basis", "conv2d_1.bias"


class OpenL3LogMel(nn.Module):
    """Turn waveforms of a second into the pictures that OpenL3 was trained on.

    Magnitudes of mel bands in decibels below the loudest of a picture, 80 dB at most.
    The filters are part of a checkpoint. Without one they are triangles that are
    straight on the mel scale.
    """

    window: torch.Tensor
    mel_basis: torch.Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        filters = kaldi_mel_filters(_SAMPLE_RATE, _N_FFT, n_mels, _SAMPLE_RATE / 2)
        self.register_buffer("window", torch.hann_window(_N_FFT), persistent=False)
        self.register_buffer("mel_basis", filters)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the pictures: (B, 48000) -> (B, n_mels, 199)."""
        missing = _N_FFT - waveforms.shape[1] % _STEP
        sides = missing // 2, missing - missing // 2
        frames = F.pad(waveforms, sides).unfold(1, _N_FFT, _STEP)  # (B, 199, 2048)
        spectra = torch.fft.rfft(frames * self.window)  # (B, 199, 1025)
        power = torch.view_as_real(spectra).square().sum(dim=-1)  # (B, 199, 1025)
        magnitudes = (self.mel_basis @ power.mT).sqrt()  # (B, n_mels, 199)
        decibels = 10 * torch.log10(magnitudes.clamp(min=_SHORTEST))  # as above
        decibels = decibels - decibels.amax(dim=(1, 2), keepdim=True)  # as above
        return decibels.clamp(min=-_RANGE)


class OpenL3Network(nn.Module):
    """Embed waveforms of a second with OpenL3 [1]_, which has no tags.

    Weights come from a published checkpoint, see :func:`load_network`. Without one they
    are random, which is good for tests alone. There are checkpoints that were trained
    on videos of music and on videos of the environment, with 128 and with 256 bands.

    Parameters
    ----------
    n_mels : int, default=256
        Number of mel bands, 128 or 256. The default is the authors'.
    embedding_size : {512, 6144}, default=512
        Number of values of an embedding: the maxima of the last layer's 512 channels
        over all of a window, or over each of twelve parts of it.
    width : float, default=1.0
        Multiplier of all numbers of channels, those of the embedding included. The
        published networks have a width of 1; narrow ones are for tests.

    Attributes
    ----------
    sample_rate : int
        48000, the rate of the waveforms, in Hz.
    window : float
        1.0, the length of the waveforms, in seconds.
    min_samples : int
        48000, the length of the waveforms. `forward` appends silence to shorter ones.
    embedding_size : int
        Number of values of an embedding: 512 or 6144 at width 1.

    See Also
    --------
    load_network : Builds the network with published weights.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Runs it on clips.

    References
    ----------
    .. [1] Cramer, J., Wu, H.-H., Salamon, J. and Bello, J. P. (2019). "Look, listen,
       and learn more: design choices for deep audio embeddings." ICASSP.
       https://doi.org/10.1109/ICASSP.2019.8682475

    Examples
    --------
    >>> import torch
    >>> from sklearn_audio.pretrained import OpenL3Network
    >>> network = OpenL3Network(n_mels=128, width=1 / 16).eval()
    >>> network(torch.zeros(2, 48000)).shape
    torch.Size([2, 32])
    """

    sample_rate = _SAMPLE_RATE
    window = 1.0
    min_samples = _N_SAMPLES

    def __init__(
        self,
        n_mels: int = 256,
        embedding_size: Literal[512, 6144] = 512,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.speclayer = OpenL3LogMel(n_mels)
        n_channels = max(1, round(width * _N_CHANNELS))
        sizes = [1, *(n_channels * multiple for multiple in _MULTIPLES)]
        self.batch_normalization_1 = nn.BatchNorm2d(1, eps=1e-3)
        for number, (n_inputs, n_outputs) in enumerate(pairwise(sizes[:-1]), start=1):
            convolution = nn.Conv2d(n_inputs, n_outputs, 3, padding=1)
            self.add_module(f"conv2d_{number}", convolution)
            normalisation = nn.BatchNorm2d(n_outputs, eps=1e-3)
            self.add_module(f"batch_normalization_{number + 1}", normalisation)
        self.audio_embedding_layer = nn.Conv2d(sizes[-2], sizes[-1], 3, padding=1)
        n_rows, n_columns = (1, 1) if embedding_size == 512 else (4, 3)
        self.part = n_mels // 8 // n_rows, 24 // n_columns  # of a picture at the end
        self.embedding_size = sizes[-1] * n_rows * n_columns

    @classmethod
    def from_tensors(
        cls, tensors: Tensors, embedding_size: Literal[512, 6144] = 512
    ) -> Self:
        """Build the network of a checkpoint, of whatever number of bands that is.

        Parameters
        ----------
        tensors : dict of str to torch.Tensor
            The checkpoint's state dict. Those of both sizes of embedding are alike.
        embedding_size : {512, 6144}, default=512
            Number of values of an embedding.

        Returns
        -------
        network : OpenL3Network
            The network in evaluation mode.

        Raises
        ------
        ValueError
            If the tensors are not those of OpenL3 on mel bands.
        """
        filters, bias = tensors.get(_FILTERS), tensors.get(_FIRST_BIAS)
        if filters is None or bias is None:
            raise ValueError(
                f"it is no checkpoint of OpenL3 on mel bands: it has no tensors "
                f"{_FILTERS} and {_FIRST_BIAS}."
            )
        # The published ones hold the Fourier transform, too, as a matrix.
        layers = {k: v for k, v in tensors.items() if "speclayer.dft_" not in k}
        with seeded_initialisation(0):  # the weights are about to be replaced
            network = cls(len(filters), embedding_size, len(bias) / _N_CHANNELS)
        load_tensors(network, layers)
        return network.eval()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of waveforms.

        Parameters
        ----------
        waveforms : torch.Tensor of shape (n_clips, n_samples), dtype float32
            Mono, in [-1, 1], at `sample_rate`, of a second at most. Shorter ones are
            followed by silence.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            Maxima of the last layer's channels.

        Raises
        ------
        ValueError
            If the waveforms are too long.
        """
        missing = _N_SAMPLES - waveforms.shape[1]
        if missing < 0:
            raise ValueError(
                f"OpenL3 takes {_N_SAMPLES} samples, 1 s, but got "
                f"{waveforms.shape[1]}. Give it windows of {self.window} s."
            )
        x = self.speclayer(F.pad(waveforms, (0, missing)))[:, None]  # (B, 1, M, 199)
        x = self.batch_normalization_1(x)  # (B, 1, M, 199)
        for number in range(1, len(_MULTIPLES)):
            x = self.get_submodule(f"conv2d_{number}")(x)  # (B, C, F, T)
            x = self.get_submodule(f"batch_normalization_{number + 1}")(x)  # as above
            x = torch.relu(x)  # as above
            if number % 2 == 0:
                x = F.max_pool2d(x, 2)  # (B, C, F / 2, T / 2)
        x = self.audio_embedding_layer(x)  # (B, 8 C, M / 8, 24)
        maxima = F.max_pool2d(x, self.part)  # (B, 8 C, 1 or 4, 1 or 3)
        return maxima.permute(0, 2, 3, 1).flatten(1)  # (B, D), as the original counts
