"""Convolutional pyramids, from pictures of any size to vectors and back.

References
----------
.. [1] Radford, A., Metz, L. and Chintala, S. (2016). "Unsupervised representation
   learning with deep convolutional generative adversarial networks." ICLR.
   https://doi.org/10.48550/arXiv.1511.06434
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

SMALLEST_SIDE = 4
_LARGEST_WIDENING = 8


def layer_shapes(
    image_shape: tuple[int, int], n_layers: int | None = None
) -> list[tuple[int, int]]:
    """Return the picture's shape before the first layer and after every one.

    Parameters
    ----------
    image_shape : tuple of (int, int)
        Height and width.
    n_layers : int, optional
        Number of layers; by default as many as bring both sides to 4 to 7 pixels,
        three for 32 x 32. A side of less than 8 pixels is not halved.

    Returns
    -------
    shapes : list of tuple of (int, int)
        ``n_layers + 1`` shapes, at least two.
    """
    shapes = [image_shape]
    while n_layers is None or len(shapes) <= n_layers:
        height, width = shapes[-1]
        if n_layers is None and max(height, width) < 2 * SMALLEST_SIDE:
            break
        shapes.append((_halved(height), _halved(width)))
    return shapes if len(shapes) > 1 else [image_shape, image_shape]


def _halved(side: int) -> int:
    return side // 2 if side >= 2 * SMALLEST_SIDE else side


def layer_widths(width: int, n_layers: int) -> list[int]:
    """Return the layers' channels: doubled from layer to layer, eightfold at most."""
    return [width * min(2**i, _LARGEST_WIDENING) for i in range(n_layers)]


def _kernel(sides: tuple[int, int]) -> tuple[int, int]:
    """Return kernel size and stride of one axis; padding is one pixel in each case."""
    larger, smaller = sides
    return (4, 2) if larger != smaller else (3, 1)


def initialise(module: nn.Module) -> None:
    """Draw convolutions' weights from N(0, .02), as adversarial networks need it."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)


class Pyramid(nn.Module):
    """Strided convolutions that halve a picture and double its channels.

    Parameters
    ----------
    image_shape : tuple of (int, int)
        Height and width of the pictures.
    width : int
        Channels of the first layer.
    activation : callable
        Makes the activation that follows every layer.
    n_layers : int, optional
        Number of layers; see :func:`layer_shapes`.
    normalise : bool
        Whether batch normalisation follows all layers but the first.
    use_spectral_norm : bool
        Whether to keep every layer's largest singular value at one.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        width: int,
        activation: Callable[[], nn.Module],
        n_layers: int | None = None,
        normalise: bool = True,
        use_spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        shapes = layer_shapes(image_shape, n_layers)
        widths = [1, *layer_widths(width, len(shapes) - 1)]
        layers: list[nn.Module] = []
        for i in range(len(shapes) - 1):
            axes = [_kernel(sides) for sides in zip(*shapes[i : i + 2], strict=True)]
            sizes, strides = zip(*axes, strict=True)
            is_normalised = normalise and i > 0
            convolution = nn.Conv2d(
                widths[i],
                widths[i + 1],
                sizes,
                strides,
                padding=1,
                bias=not is_normalised,
            )
            initialise(convolution)
            layers.append(
                spectral_norm(convolution) if use_spectral_norm else convolution
            )
            if is_normalised:
                layers.append(nn.BatchNorm2d(widths[i + 1]))
            layers.append(activation())
        self.layers = nn.Sequential(*layers)
        self.output_shape = (widths[-1], *shapes[-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the top of the pyramid: (B, 1, F, T) -> (B, C, F', T')."""
        return self.layers(x)


class InversePyramid(nn.Module):
    """Transposed convolutions that mirror a :class:`Pyramid`, whatever its sides.

    Parameters
    ----------
    image_shape : tuple of (int, int)
        Height and width of the pictures.
    width : int
        Channels of the last hidden layer.
    n_layers : int, optional
        Number of layers; see :func:`layer_shapes`.
    """

    def __init__(
        self, image_shape: tuple[int, int], width: int, n_layers: int | None = None
    ) -> None:
        super().__init__()
        shapes = layer_shapes(image_shape, n_layers)
        n_layers = len(shapes) - 1
        widths = [1, *layer_widths(width, n_layers)]
        self.input_shape = (widths[-1], *shapes[-1])
        layers: list[nn.Module] = []
        for i in reversed(range(n_layers)):
            axes = [_kernel(sides) for sides in zip(*shapes[i : i + 2], strict=True)]
            sizes, strides = zip(*axes, strict=True)
            # Halving has dropped the last pixel of an odd side.
            dropped = [
                larger % 2 if stride == 2 else 0
                for larger, stride in zip(shapes[i], strides, strict=True)
            ]
            convolution = nn.ConvTranspose2d(
                widths[i + 1],
                widths[i],
                sizes,
                strides,
                padding=1,
                output_padding=(dropped[0], dropped[1]),
                bias=i == 0,
            )
            initialise(convolution)
            layers.append(convolution)
            if i > 0:
                layers += [nn.BatchNorm2d(widths[i]), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return pictures, with nothing behind the last layer: -> (B, 1, F, T)."""
        return self.layers(x)
