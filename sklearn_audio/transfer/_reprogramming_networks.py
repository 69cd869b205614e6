"""What stands in front of a pre-trained network, and behind it.

References
----------
.. [1] Chen, H.-H. and Lerch, A. (2023). "Music instrument classification
   reprogrammed." MMM. https://doi.org/10.48550/arXiv.2211.08379
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_audio._torch._estimator import as_images

# What a new transform adds to its input is this small, beside what layers are like as
# torch initialises them: the backbone first meets clips nearly as it knows them.
_SMALL = 0.1
# A picture of 128 bands becomes 768 means, as many as AST's embedding has values.
_N_SEGMENTS = 6
_BODY = "body."


def _layer(n_inputs: int, n_outputs: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution that keeps the size, and its normalisation."""
    convolution = nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(n_outputs)


class ConvolutionTransform(nn.Module):
    """Two convolutions, of 20 parameters, which begin near the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 3, padding=1)
        self.second = nn.Conv2d(1, 1, 3, padding=1)
        with torch.no_grad():
            for convolution in (self.first, self.second):
                for weights in convolution.parameters():
                    weights.mul_(_SMALL)
                convolution.weight[0, 0, 1, 1] += 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the changed pictures: (B, 1, F, T) -> (B, 1, F, T)."""
        return self.second(self.first(x))


class UNetTransform(nn.Module):
    """The U-Net of [1]_, of 1285 parameters.

    Three layers down, of 4, 8 and 8 channels, and two up again, of 4 and 1, to which
    those of the same size are added; and a last one on the sum of picture and detail.
    It begins near the identity, for standardised pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Sequential(*_layer(1, 4), nn.ReLU())
        self.down2 = nn.Sequential(*_layer(4, 8), nn.ReLU())
        self.down3 = nn.Sequential(*_layer(8, 8), nn.ReLU())
        self.up1 = nn.Sequential(*_layer(8, 4), nn.ReLU())
        self.up2, self.detail = _layer(4, 1)
        self.last, self.level = _layer(1, 1)
        nn.init.dirac_(self.last.weight)
        nn.init.constant_(self.detail.weight, _SMALL)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the changed pictures: (B, 1, F, T) -> (B, 1, F, T)."""
        x1 = _halved(self.down1(x))  # (B, 4, F/2, T/2)
        x2 = _halved(self.down2(x1))  # (B, 8, F/4, T/4)
        x3 = _halved(self.down3(x2))  # (B, 8, F/8, T/8)
        x4 = self.up1(_enlarged(x3, x2) + x2)  # (B, 4, F/4, T/4)
        x5 = self.detail(self.up2(_enlarged(x4, x1) + x1))  # (B, 1, F/2, T/2)
        changed = _enlarged(torch.relu(x5), x) + x  # (B, 1, F, T)
        return self.level(self.last(changed))  # (B, 1, F, T)


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Keep the largest of 2 x 2 values; what is left over at an edge counts too."""
    return F.max_pool2d(x, 2, ceil_mode=True)


def _enlarged(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Interpolate to the size of another tensor."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


class SegmentMeans(nn.Module):
    """Stand in for a backbone: the mean of each band over each sixth of a clip."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means: (B, F, T) -> (B, 6 F)."""
        return F.adaptive_avg_pool1d(x, _N_SEGMENTS).flatten(1)


_TRANSFORMS = {
    None: nn.Identity,
    "cnn": ConvolutionTransform,
    "unet": UNetTransform,
}


class ReprogrammedNetwork(nn.Module):
    """A transform, a body that is never trained, and an output map.

    The body is no part of the state dict, and stays in evaluation mode. Pictures are
    standardised for the transform, by numbers that are no parameters, and put back on
    their scale, which is the body's, behind it.

    Parameters
    ----------
    input_transform : {"unet", "cnn"} or None
        What changes a clip before the body.
    output_map : {"linear", "layernorm_linear"}
        What makes logits of the body's embeddings.
    embedding_size : int
        Values of an embedding.
    n_outputs : int
        Logits.
    """

    body: nn.Module
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        input_transform: str | None,
        output_map: str,
        embedding_size: int,
        n_outputs: int,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))
        self.input_transform = _TRANSFORMS[input_transform]()
        self.output_map = nn.Sequential()
        if output_map == "layernorm_linear":
            self.output_map.append(nn.LayerNorm(embedding_size))
        self.output_map.append(nn.Linear(embedding_size, n_outputs))

    def standardise(self, X: torch.Tensor) -> torch.Tensor:
        """Return what the transform sees: (B, F, T) or rows (B, T) -> (B, 1, F, T)."""
        return (as_images(X) - self.mean) / self.deviation

    def show(self, X: torch.Tensor) -> torch.Tensor:
        """Return what the body is shown: (B, F, T) or rows (B, T) -> (B, F, T)."""
        if isinstance(self.input_transform, nn.Identity):
            return as_images(X)[:, 0]
        changed = self.input_transform(self.standardise(X))  # (B, 1, F, T)
        return (changed * self.deviation + self.mean)[:, 0]

    def embed(self, X: torch.Tensor) -> torch.Tensor:
        """Return embeddings: (B, F, T) or rows (B, T) -> (B, D)."""
        return self.body(self.show(X))  # (B, D)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return logits: (B, F, T) or rows (B, T) -> (B, K)."""
        return self.output_map(self.embed(X))  # (B, K)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the body, whose statistics are not to change."""
        super().train(mode)
        self.body.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return what is trained."""
        state = super().state_dict(*args, **kwargs)
        return {k: v for k, v in state.items() if not k.startswith(_BODY)}

    def load_state_dict(self, state_dict: Mapping[str, Any], **kwargs: Any) -> Any:  # type: ignore[override]
        """Put back what is trained; the body keeps its own."""
        state = super().state_dict()
        body = {k: v for k, v in state.items() if k.startswith(_BODY)}
        return super().load_state_dict({**body, **state_dict}, **kwargs)
