"""Networks between clips and vectors: encoders, a generator and a detector.

All of them are pyramids, sized from the clips. The generator makes, and the others
expect, values between -1 and 1.
"""

from __future__ import annotations

from functools import partial
from math import prod

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from sklearn_audio._torch._estimator import as_images, image_shape_of
from sklearn_audio._torch._pyramids import InversePyramid, Pyramid, layer_shapes

_LEAKY_RELU = partial(nn.LeakyReLU, 0.2)
# Variances of the posterior outside of e^±10 only overflow.
_LARGEST_LOG_VARIANCE = 10.0


class Encoder(nn.Module):
    """Map clips to latent vectors, as GANomaly's encoders do [1]_.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width : int
        Channels of the first layer.
    latent_dim : int
        Latent dimensions.

    References
    ----------
    .. [1] Akcay, S., Atapour-Abarghouei, A. and Breckon, T. P. (2018). "GANomaly:
       semi-supervised anomaly detection via adversarial training." ACCV.
       https://doi.org/10.48550/arXiv.1805.06725
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, latent_dim: int
    ) -> None:
        super().__init__()
        self.pyramid = Pyramid(image_shape_of(input_shape), width, _LEAKY_RELU)
        n_features = prod(self.pyramid.output_shape)
        self.output = nn.Linear(n_features, latent_dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return latent vectors: (B, F, T) or (B, D) -> (B, Z)."""
        return self.output(self.pyramid(as_images(x)).flatten(1))


class PosteriorEncoder(nn.Module):
    """Map clips to the mean and the log-variance of their latent posterior [1]_.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width : int
        Channels of the first layer.
    latent_dim : int
        Latent dimensions.

    References
    ----------
    .. [1] Teh, K. K. and Tran, H. D. (2021). "Open-set audio classification with
       limited training resources based on augmentation enhanced variational
       auto-encoder GAN with detection-classification joint training." Interspeech.
       https://doi.org/10.21437/Interspeech.2021-1142
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, latent_dim: int
    ) -> None:
        super().__init__()
        image_shape = image_shape_of(input_shape)
        # The paper's encoder has two layers where its detector has three.
        n_layers = max(2, len(layer_shapes(image_shape)) - 2)
        self.pyramid = Pyramid(
            image_shape, width, nn.ReLU, n_layers=n_layers, normalise=False
        )
        n_features = prod(self.pyramid.output_shape)
        self.mean = nn.Linear(n_features, latent_dim)
        self.log_variance = nn.Linear(n_features, latent_dim)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance: (B, F, T) or (B, D) -> (B, Z), (B, Z)."""
        x = self.pyramid(as_images(x)).flatten(1)  # (B, CF'T')
        log_variance = self.log_variance(x)  # (B, Z)
        limit = _LARGEST_LOG_VARIANCE
        return self.mean(x), log_variance.clamp(-limit, limit)


class Generator(nn.Module):
    """Map latent vectors to clips between -1 and 1.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of a clip: ``(n_features,)`` or ``(n_bands, n_frames)``.
    width : int
        Channels of the last hidden layer.
    latent_dim : int
        Latent dimensions.
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, latent_dim: int
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.pyramid = InversePyramid(image_shape_of(input_shape), width)
        top = self.pyramid.input_shape
        self.project = nn.Sequential(
            nn.Linear(latent_dim, prod(top), bias=False),
            nn.Unflatten(1, top),
            nn.BatchNorm2d(top[0]),
            nn.ReLU(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return clips: (B, Z) -> (B, F, T) or (B, D)."""
        x = self.project(z)  # (B, C, F', T')
        return torch.tanh(self.pyramid(x)).view(-1, *self.input_shape)


class Detector(nn.Module):
    """Tell real clips from generated ones, on the features of a pyramid.

    Parameters
    ----------
    input_shape : tuple of int
        ``(n_features,)`` or ``(n_bands, n_frames)``.
    width : int
        Channels of the first layer.
    use_spectral_norm : bool
        Whether to bound every layer's largest singular value, which keeps the detector
        from outrunning the generator [1]_. It takes the place of batch normalisation.

    References
    ----------
    .. [1] Miyato, T., Kataoka, T., Koyama, M. and Yoshida, Y. (2018). "Spectral
       normalization for generative adversarial networks." ICLR.
       https://doi.org/10.48550/arXiv.1802.05957
    """

    def __init__(
        self, input_shape: tuple[int, ...], width: int, use_spectral_norm: bool
    ) -> None:
        super().__init__()
        self.pyramid = Pyramid(
            image_shape_of(input_shape),
            width,
            _LEAKY_RELU,
            normalise=not use_spectral_norm,
            use_spectral_norm=use_spectral_norm,
        )
        output = nn.Linear(prod(self.pyramid.output_shape), 1)
        self.output = spectral_norm(output) if use_spectral_norm else output

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features that are matched: (B, F, T) or (B, D) -> (B, CF'T')."""
        return self.pyramid(as_images(x)).flatten(1)

    def judge(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits of being real: (B, CF'T') -> (B,)."""
        return self.output(features)[:, 0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of being real: (B, F, T) or (B, D) -> (B,)."""
        return self.judge(self.features(x))
