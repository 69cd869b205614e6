"""EfficientAT: MobileNetV3 for spectrograms, trained by a transformer on AudioSet.

The layers have the names that they have in the published checkpoints.

References
----------
.. [1] Schmid, F., Koutini, K. and Widmer, G. (2023). "Efficient large-scale audio
   tagging via transformer-to-CNN knowledge distillation." ICASSP.
   https://doi.org/10.1109/ICASSP49357.2023.10096110
.. [2] Howard, A. et al. (2019). "Searching for MobileNetV3." ICCV, Table 1.
   https://doi.org/10.1109/ICCV.2019.00140
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import nn

from sklearn_audio._torch._random import seeded_initialisation
from sklearn_audio.pretrained._kaldi_mel import KaldiLogMel
from sklearn_audio.pretrained._state import Tensors, load_tensors

_SAMPLE_RATE = 32000
_N_BANDS = 128  # of a spectrogram
# Channels of the layer before the tags at width 1: whole multiples of 8 for every
# published width, so that a checkpoint's width follows from it.
_N_HIDDEN = 1280


class _Block(NamedTuple):
    """A row of Table 1 in [2]_: channels are those of width 1."""

    kernel_size: int
    n_expanded: int
    n_outputs: int
    excites: bool
    activation: type[nn.Module]
    stride: int


_BLOCKS = (
    _Block(3, 16, 16, False, nn.ReLU, 1),
    _Block(3, 64, 24, False, nn.ReLU, 2),
    _Block(3, 72, 24, False, nn.ReLU, 1),
    _Block(5, 72, 40, True, nn.ReLU, 2),
    _Block(5, 120, 40, True, nn.ReLU, 1),
    _Block(5, 120, 40, True, nn.ReLU, 1),
    _Block(3, 240, 80, False, nn.Hardswish, 2),
    _Block(3, 200, 80, False, nn.Hardswish, 1),
    _Block(3, 184, 80, False, nn.Hardswish, 1),
    _Block(3, 184, 80, False, nn.Hardswish, 1),
    _Block(3, 480, 112, True, nn.Hardswish, 1),
    _Block(3, 672, 112, True, nn.Hardswish, 1),
    _Block(5, 672, 160, True, nn.Hardswish, 2),
    _Block(5, 960, 160, True, nn.Hardswish, 1),
    _Block(5, 960, 160, True, nn.Hardswish, 1),
)


def _to_multiple_of_8(n_channels: float) -> int:
    """Round a number of channels, but never down by more than a tenth."""
    rounded = max(8, int(n_channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * n_channels else rounded + 8


def _convolution(
    n_inputs: int,
    n_outputs: int,
    kernel_size: int,
    activation: type[nn.Module] = nn.Identity,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Return a padded convolution, its normalisation and its activation."""
    return nn.Sequential(
        nn.Conv2d(
            n_inputs,
            n_outputs,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(n_outputs, eps=1e-3, momentum=0.01),
        activation(),
    )


class _Excitation(nn.Module):
    """Weigh channels by what their means over the picture say together."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        n_squeezed = _to_multiple_of_8(n_channels // 4)
        self.fc1 = nn.Linear(n_channels, n_squeezed)
        self.fc2 = nn.Linear(n_squeezed, n_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weighted channels: (B, C, F, T) -> (B, C, F, T)."""
        squeezed = torch.relu(self.fc1(x.mean(dim=(2, 3))))  # (B, C / 4)
        weights = torch.sigmoid(self.fc2(squeezed))  # (B, C)
        return x * weights[:, :, None, None]


class _ChannelExcitation(nn.Module):
    """The one excitation of the published networks, in the list it is kept in.

    The authors tried excitation along frequency and time too, side by side.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_Excitation(n_channels)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weighted channels: (B, C, F, T) -> (B, C, F, T)."""
        return self.conc_se_layers[0](x)


class _InvertedResidual(nn.Module):
    """Expand, filter each channel on its own, weigh the channels, and project back."""

    def __init__(self, n_inputs: int, block: _Block, width: float) -> None:
        super().__init__()
        n_expanded = _to_multiple_of_8(width * block.n_expanded)
        n_outputs = _to_multiple_of_8(width * block.n_outputs)
        layers: list[nn.Module] = []
        if n_expanded != n_inputs:
            layers.append(_convolution(n_inputs, n_expanded, 1, block.activation))
        layers.append(
            _convolution(
                n_expanded,
                n_expanded,
                block.kernel_size,
                block.activation,
                stride=block.stride,
                groups=n_expanded,
            )
        )
        if block.excites:
            layers.append(_ChannelExcitation(n_expanded))
        layers.append(_convolution(n_expanded, n_outputs, 1))
        self.block = nn.Sequential(*layers)
        self.has_shortcut = block.stride == 1 and n_inputs == n_outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output: (B, C, F, T) -> (B, C', F / s, T / s)."""
        y = self.block(x)  # (B, C', F/s, T/s)
        return x + y if self.has_shortcut else y


def make_front_end() -> KaldiLogMel:
    """Return what makes the spectrograms that the published networks take."""
    return KaldiLogMel(
        sample_rate=_SAMPLE_RATE,
        n_fft=1024,
        win_length=800,
        hop_length=320,
        n_mels=_N_BANDS,
        fmax=15000.0,
    )


class EfficientATNetwork(nn.Module):
    """Embed and tag waveforms with the EfficientAT network, "mn" for MobileNet [1]_.

    Weights come from a published checkpoint, see :func:`load_network`. Without one they
    are random, which is good for tests alone.

    Parameters
    ----------
    width : float, default=0.4
        Multiplier of all numbers of channels: 0.4 for mn04, 1.0 for mn10.
    n_tags : int, default=527
        Number of tags, 527 for AudioSet.

    Attributes
    ----------
    sample_rate : int
        32000, the rate of the waveforms, in Hz.
    window : float
        10.0, the length of the clips that the published networks were trained on, in
        seconds. They take any other length too.
    min_samples : int
        1024, the length of the shortest waveform.
    embedding_size : int
        Number of values of an embedding: 384 at width 0.4.

    See Also
    --------
    load_network : Builds the network with published weights.
    sklearn_audio.feature_extraction.PretrainedEmbedding : Runs it on clips.

    References
    ----------
    .. [1] Schmid, F., Koutini, K. and Widmer, G. (2023). "Efficient large-scale audio
       tagging via transformer-to-CNN knowledge distillation." ICASSP.
       https://doi.org/10.1109/ICASSP49357.2023.10096110

    Examples
    --------
    >>> import torch
    >>> from sklearn_audio.pretrained import EfficientATNetwork
    >>> network = EfficientATNetwork(width=0.1, n_tags=5).eval()
    >>> embeddings = network(torch.zeros(2, 32000))
    >>> embeddings.shape
    torch.Size([2, 96])
    >>> network.tag(embeddings).shape
    torch.Size([2, 5])
    """

    sample_rate = _SAMPLE_RATE
    window = 10.0
    min_samples = 1024

    def __init__(self, width: float = 0.4, n_tags: int = 527) -> None:
        super().__init__()
        self.front_end = make_front_end()
        n_channels = _to_multiple_of_8(16 * width)
        layers: list[nn.Module] = [
            _convolution(1, n_channels, 3, nn.Hardswish, stride=2)
        ]
        for block in _BLOCKS:
            layers.append(_InvertedResidual(n_channels, block, width))
            n_channels = _to_multiple_of_8(width * block.n_outputs)
        self.embedding_size = 6 * n_channels
        layers.append(_convolution(n_channels, self.embedding_size, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        n_hidden = _to_multiple_of_8(width * _N_HIDDEN)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.embedding_size, n_hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(n_hidden, n_tags),
        )

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Build the network of a checkpoint, of whatever width that is.

        Parameters
        ----------
        tensors : dict of str to torch.Tensor
            The checkpoint's state dict.

        Returns
        -------
        network : EfficientATNetwork
            The network in evaluation mode.

        Raises
        ------
        ValueError
            If the tensors are not those of an EfficientAT network.
        """
        hidden, tags = (tensors.get(f"classifier.{i}.bias") for i in (2, 5))
        if hidden is None or tags is None:
            raise ValueError(
                "it is no checkpoint of EfficientAT with the head 'mlp': it has no "
                "tensors classifier.2.bias and classifier.5.bias."
            )
        with seeded_initialisation(0):  # the weights are about to be replaced
            network = cls(width=len(hidden) / _N_HIDDEN, n_tags=len(tags))
        load_tensors(network, tensors)
        return network.eval()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of waveforms.

        Parameters
        ----------
        waveforms : torch.Tensor of shape (n_clips, n_samples), dtype float32
            Mono, in [-1, 1], at `sample_rate`, of `min_samples` at least.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            What the last convolutions find, averaged over frequency and time.
        """
        return self.embed(self.front_end(waveforms))  # (B, D)

    def embed(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of spectrograms.

        Parameters
        ----------
        spectrograms : torch.Tensor of shape (n_clips, 128, n_frames), dtype float32
            What :func:`make_spectrograms` makes of waveforms, or something in its
            place, through which gradients flow.

        Returns
        -------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            As of the waveforms.

        Raises
        ------
        ValueError
            If the spectrograms have another number of bands.
        """
        if spectrograms.shape[1:-1] != (_N_BANDS,):
            raise ValueError(
                f"EfficientAT takes spectrograms of shape (n_clips, {_N_BANDS}, "
                f"n_frames), but got {tuple(spectrograms.shape)}. Make them with "
                "sklearn_audio.pretrained.make_spectrograms."
            )
        x = self.features(spectrograms[:, None])  # (B, D, 4, T / 32)
        return self.classifier[:2](x)  # (B, D)

    def tag(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the tags, given the embeddings.

        Parameters
        ----------
        embeddings : torch.Tensor of shape (n_clips, embedding_size)
            What calling the network returns.

        Returns
        -------
        probabilities : torch.Tensor of shape (n_clips, n_tags)
            Each in [0, 1]; tags do not exclude each other.
        """
        return torch.sigmoid(self.classifier[2:](embeddings))  # (B, K)
