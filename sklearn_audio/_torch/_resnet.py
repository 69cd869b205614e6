"""Residual blocks, and ResNet-18 with a choice of its first stage.

References
----------
.. [1] He, K., Zhang, X., Ren, S. and Sun, J. (2016). "Deep residual learning for image
   recognition." CVPR. https://doi.org/10.1109/CVPR.2016.90
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._estimator import as_images, image_shape_of
from sklearn_audio._torch._scattering import Scattering2D, n_scattering_channels


def conv3x3(n_inputs: int, n_outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a padded 3 x 3 convolution; the normalisation after it has the bias."""
    return nn.Conv2d(n_inputs, n_outputs, 3, stride=stride, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is passed.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    stride : int
        Subsampling of the first convolution.
    """

    def __init__(self, n_inputs: int, n_outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(n_inputs, n_outputs, stride)
        self.norm1 = nn.BatchNorm2d(n_outputs)
        self.conv2 = conv3x3(n_outputs, n_outputs)
        self.norm2 = nn.BatchNorm2d(n_outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_inputs != n_outputs:
            # Subsampled by itself: a strided convolution of one pixel, of less than 8
            # channels, corrupts memory on processors without AVX-512 (oneDNN 3.12).
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(1, stride),
                nn.Conv2d(n_inputs, n_outputs, 1, bias=False),
                nn.BatchNorm2d(n_outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output: (B, C, F, T) -> (B, C', F / s, T / s)."""
        y = F.relu(self.norm1(self.conv1(x)))  # (B, C', F/s, T/s)
        y = self.norm2(self.conv2(y))  # (B, C', F/s, T/s)
        return F.relu(y + self.shortcut(x))


def residual_layer(n_inputs: int, n_outputs: int, stride: int) -> nn.Sequential:
    """Return two residual blocks, the first one with the stride."""
    return nn.Sequential(
        ResidualBlock(n_inputs, n_outputs, stride), ResidualBlock(n_outputs, n_outputs)
    )


class ScatteringStage(nn.Module):
    """Scattering in place of ResNet-18's first convolution and first two layers.

    Parameters
    ----------
    image_shape : tuple of (int, int)
        Height and width of the images. Images too small to be scattered are magnified.
    n_outputs : int
        Channels of the output.
    n_scales, n_angles : int
        J and L of the scattering.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        n_outputs: int,
        n_scales: int,
        n_angles: int,
    ) -> None:
        super().__init__()
        subsampling = 2**n_scales
        self.magnification = 1 if min(image_shape) >= subsampling else subsampling
        height, width = (side * self.magnification for side in image_shape)
        self.scattering = Scattering2D((height, width), n_scales, n_angles)
        n_channels = n_scattering_channels(n_scales, n_angles)
        # Second-order coefficients of spectrograms in [-1, 1] are of the order of 1e-3:
        # the usual eps would outweigh their variance.
        self.norm = nn.BatchNorm2d(n_channels, eps=1e-8, affine=False)
        self.conv = conv3x3(n_channels, n_outputs)
        self.conv_norm = nn.BatchNorm2d(n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the stage's output: (B, 1, F, T) -> (B, C, F / 2^J, T / 2^J)."""
        if self.magnification > 1:
            x = F.interpolate(x, scale_factor=self.magnification, mode="nearest")
        x = self.norm(self.scattering(x[:, 0]))  # (B, 1 + JL + J(J-1)L²/2, F', T')
        return F.relu(self.conv_norm(self.conv(x)))  # (B, C, F', T')


class ConvolutionStage(nn.Sequential):
    """The plain first stage: a convolution and ResNet-18's first two layers.

    The convolution is 3 x 3 without stride or pooling, as is usual for small images.

    Parameters
    ----------
    n_outputs : int
        Channels of the output, twice those of the first layer.
    """

    def __init__(self, n_outputs: int) -> None:
        width = n_outputs // 2
        super().__init__(
            nn.BatchNorm2d(1, affine=False),  # spectrograms come in any unit
            conv3x3(1, width),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            residual_layer(width, width, stride=1),
            residual_layer(width, n_outputs, stride=2),
        )


class ResNet(nn.Module):
    """ResNet-18 from its third layer on, behind one of two first stages.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    n_outputs : int
        Logits.
    width : int
        Channels of ResNet-18's first layer; 64 in the original.
    first_stage : {"scattering", "convolution"}
        What stands in front.
    n_scales, n_angles : int
        J and L of the scattering.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        n_outputs: int,
        width: int,
        first_stage: str,
        n_scales: int,
        n_angles: int,
    ) -> None:
        super().__init__()
        stage: nn.Module
        if first_stage == "scattering":
            image_shape = image_shape_of(input_shape)
            stage = ScatteringStage(image_shape, 2 * width, n_scales, n_angles)
            stride = 1  # the scattering has subsampled by 2^J already
        else:
            stage = ConvolutionStage(2 * width)
            stride = 2
        self.first_stage = stage
        self.layer3 = residual_layer(2 * width, 4 * width, stride)
        self.layer4 = residual_layer(4 * width, 8 * width, stride=2)
        self.output = nn.Linear(8 * width, n_outputs)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the output layer sees: (B, F, T) or (B, D) -> (B, 8 width)."""
        x = self.first_stage(as_images(x))  # (B, 2w, F/4, T/4)
        x = self.layer3(x)  # (B, 4w, F/4, T/4)
        x = self.layer4(x)  # (B, 8w, F/8, T/8)
        return x.mean(dim=(2, 3))  # (B, 8w)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits: (B, F, T) or (B, D) -> (B, K)."""
        return self.output(self.embed(x))
