"""Convolutional encoders with max-pooling, and three ways back.

References
----------
.. [1] Jensen, R. A. F. and Pethick, T. (2018). "Environmental sound classification with
   semi-supervised learning." Technical University of Denmark.
.. [2] Zhao, J., Mathieu, M., Goroshin, R. and LeCun, Y. (2016). "Stacked what-where
   auto-encoders." ICLR workshop. https://doi.org/10.48550/arXiv.1506.02351
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._estimator import as_images, image_shape_of

# (f)5c-2p-(f)3c-2p-(f)3c-2p
KERNEL_SIZES = (5, 3, 3)


class Switches(NamedTuple):
    """Where the maxima of a pooling layer were, and in pictures of which size."""

    indices: torch.Tensor  # (B, C, F', T')
    size: tuple[int, int]


def pooled_shapes(image_shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the picture's shape before the first layer and after every one.

    Sides are halved and rounded down, as long as there are two pixels to choose from.
    """
    shapes = [image_shape]
    for _ in KERNEL_SIZES:
        height, width = shapes[-1]
        shapes.append((max(1, height // 2), max(1, width // 2)))
    return shapes


def pooling_window(size: tuple[int, int]) -> tuple[int, int]:
    """Return how many pixels of each side one is chosen from."""
    return min(2, size[0]), min(2, size[1])


class ClipScaler(nn.Module):
    """Centre and scale every band of spectrograms, or every feature of rows.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``. Until it has learned, it changes
        nothing.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        shape = (input_shape[0], 1) if len(input_shape) == 2 else input_shape
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def learn(self, mean: NDArray, scale: NDArray) -> None:
        """Take over means and standard deviations, of shape (F,) or (D,)."""
        self.mean.copy_(torch.as_tensor(mean).view_as(self.mean))
        self.scale.copy_(torch.as_tensor(scale).view_as(self.scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return standardised clips: (B, F, T) or (B, D), as they came."""
        return (x - self.mean) / self.scale

    def inverse(self, x: torch.Tensor) -> torch.Tensor:
        """Return clips in their own unit: (B, F, T) or (B, D), as they came."""
        return x * self.scale + self.mean


class PoolingEncoder(nn.Module):
    """Three layers of convolution, ReLU and max-pooling [1]_.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width : int
        Channels of each layer, f.
    batch_norm : bool
        Whether batch normalisation stands before each ReLU.
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, batch_norm: bool
    ) -> None:
        super().__init__()
        shapes = pooled_shapes(image_shape_of(input_shape))
        self.scaler = ClipScaler(input_shape)
        self.sizes = shapes[:-1]
        self.output_shape = (width, *shapes[-1])
        inputs = [1, width, width]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n, width, k, padding=k // 2, bias=not batch_norm)
            for n, k in zip(inputs, KERNEL_SIZES, strict=True)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if batch_norm else nn.Identity() for _ in KERNEL_SIZES
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the codes of clips: (B, F, T) or (B, D) -> (B, C, F', T')."""
        code = as_images(self.scaler(x))  # (B, 1, F, T)
        for i, size in enumerate(self.sizes):
            code = F.max_pool2d(self._convolve(i, code), pooling_window(size))
        return code

    def with_switches(self, x: torch.Tensor) -> tuple[torch.Tensor, list[Switches]]:
        """Return codes and switches of standardised clips: -> (B, C, F', T'), [3]."""
        code, switches = as_images(x), []  # (B, 1, F, T)
        for i, size in enumerate(self.sizes):
            code, indices = F.max_pool2d(
                self._convolve(i, code), pooling_window(size), return_indices=True
            )
            switches.append(Switches(indices, size))
        return code, switches

    def _convolve(self, i: int, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norms[i](self.convolutions[i](x)))  # (B, C, F, T)


class UnpoolingDecoder(nn.Module):
    """The way back of a :class:`PoolingEncoder`, whatever its sides.

    Parameters
    ----------
    sizes : list of tuple of (int, int)
        The pictures' shapes before each pooling of the encoder.
    width : int
        Channels of each layer but the last.
    batch_norm : bool
        Whether batch normalisation stands before each ReLU.
    method : {"unpooling", "upsampling", "transposed"}
        "unpooling" puts values back where the maxima were, and zeros around them [2]_;
        "upsampling" repeats them; "transposed" learns to spread them, by transposed
        convolutions with a stride.
    """

    def __init__(
        self, sizes: list[tuple[int, int]], width: int, batch_norm: bool, method: str
    ) -> None:
        super().__init__()
        self.method = method
        self.sizes = sizes[::-1]
        outputs = [width, width, 1]
        layers: list[nn.Module] = []
        norms: list[nn.Module] = []
        for size, kernel, n_outputs in zip(
            self.sizes, KERNEL_SIZES[::-1], outputs, strict=True
        ):
            normalised = batch_norm and n_outputs > 1
            window = pooling_window(size) if method == "transposed" else (1, 1)
            layers.append(
                transposed_convolution(
                    width, n_outputs, kernel, window, size, bias=not normalised
                )
            )
            norms.append(nn.BatchNorm2d(width) if normalised else nn.Identity())
        self.convolutions = nn.ModuleList(layers)
        self.norms = nn.ModuleList(norms)

    def forward(self, code: torch.Tensor, switches: list[Switches]) -> torch.Tensor:
        """Return pictures, in the encoder's unit: (B, C, F', T') -> (B, 1, F, T)."""
        x = code
        for i, (indices, size) in enumerate(reversed(switches)):
            if self.method == "unpooling":
                window = pooling_window(size)
                x = F.max_unpool2d(x, indices, window, output_size=size)  # (B, C, F, T)
            elif self.method == "upsampling":
                x = F.interpolate(x, size, mode="nearest")  # (B, C, F, T)
            x = self.norms[i](self.convolutions[i](x))  # (B, C, F, T)
            if i < len(switches) - 1:
                x = F.relu(x)
        return x


def transposed_convolution(
    n_inputs: int,
    n_outputs: int,
    kernel_size: int,
    stride: tuple[int, int],
    size: tuple[int, int],
    *,
    bias: bool,
) -> nn.ConvTranspose2d:
    """Return a transposed convolution that hands on pictures of a given size.

    Even strides take a kernel that is larger by one, so that all pixels are reached by
    the same number of its weights.
    """
    kernel = tuple(kernel_size + (step == 2) for step in stride)
    dropped = tuple(
        side % 2 if step == 2 else 0 for side, step in zip(size, stride, strict=True)
    )
    return nn.ConvTranspose2d(
        n_inputs,
        n_outputs,
        (kernel[0], kernel[1]),
        stride,
        padding=kernel_size // 2,
        output_padding=(dropped[0], dropped[1]),
        bias=bias,
    )


class AutoencoderNetwork(nn.Module):
    """An encoder with its decoder.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width, batch_norm : int, bool
        Of both.
    decoder : {"unpooling", "upsampling", "transposed"}
        The decoder's method.
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, batch_norm: bool, decoder: str
    ) -> None:
        super().__init__()
        self.encoder = PoolingEncoder(input_shape, width, batch_norm)
        self.decoder = UnpoolingDecoder(
            self.encoder.sizes, width, batch_norm, method=decoder
        )

    def copy(self, x: torch.Tensor) -> torch.Tensor:
        """Return copies of standardised clips: (B, F, T) or (B, D), as they came."""
        return self.decoder(*self.encoder.with_switches(x)).view_as(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return standardised copies of clips: (B, F, T) or (B, D), as they came."""
        return self.copy(self.encoder.scaler(x))


class PretrainedNetwork(nn.Module):
    """The classifier on top of an encoder.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width, batch_norm : int, bool
        Of the encoder.
    pooling : {"flatten", "statistics"}
        What the head sees of a code: all of it, or mean and maximum over time.
    n_hidden : int
        Units of the hidden layer.
    n_outputs : int
        Logits.
    freeze_encoder : bool
        Whether the encoder stays as it is.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        width: int,
        batch_norm: bool,
        pooling: str,
        n_hidden: int,
        n_outputs: int,
        freeze_encoder: bool,
    ) -> None:
        super().__init__()
        self.encoder = PoolingEncoder(input_shape, width, batch_norm)
        self.encoder.requires_grad_(not freeze_encoder)
        self.freeze_encoder = freeze_encoder
        self.pooling = pooling
        n_codes = prod(self.encoder.output_shape[: 2 if pooling != "flatten" else 3])
        n_features = n_codes if pooling == "flatten" else 2 * n_codes
        self.head = nn.Sequential(
            nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs)
        )

    def train(self, mode: bool = True) -> PretrainedNetwork:
        """Leave a frozen encoder's batch statistics alone."""
        super().train(mode)
        if self.freeze_encoder:
            self.encoder.eval()
        return self

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the head sees: (B, F, T) or (B, D) -> (B, E)."""
        code = self.encoder(x)  # (B, C, F', T')
        if self.pooling == "statistics":
            code = torch.stack([code.mean(dim=3), code.amax(dim=3)], dim=-1)
        return code.flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits: (B, F, T) or (B, D) -> (B, K)."""
        return self.head(self.embed(x))
