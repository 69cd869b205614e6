r"""The network of partial labels: what to listen to, and when.

Every frame of a clip passes through three layers of its own; each label then has a
say in which frames count for it. With :math:`h_t` the hidden vector of a frame, label
l has the probability

.. math:: p_l = \sum_t a_{tl} \, \sigma(c_l^\top h_t + b_l), \quad
          a_{tl} = \frac{\exp(v_l^\top h_t)}{\sum_s \exp(v_l^\top h_s)}

References
----------
.. [1] Gururani, S., Sharma, M. and Lerch, A. (2019). "An attention mechanism for
   musical instrument recognition." ISMIR. https://doi.org/10.48550/arXiv.1907.04294
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

_N_LAYERS = 3
# Of the first logits, relative to torch's own initialisation: random answers that the
# few labels never touch are there to the end.
_FIRST_SPREAD = 0.3


class AttentionNetwork(nn.Module):
    """Map clips to one logit a label [1]_.

    The inputs are standardised by batch normalisation without weights, so that noise
    and dropout mean the same whatever the scale of an embedding.

    Parameters
    ----------
    n_features : int
        Features of a row, or bands of a spectrogram.
    n_outputs : int
        Labels.
    width : int
        Hidden channels.
    dropout : float in [0, 1)
        Share of the hidden channels that drop out of each layer in training.
    """

    def __init__(
        self, n_features: int, n_outputs: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.scaling = nn.BatchNorm1d(n_features, affine=False)
        sizes = [n_features, *[width] * _N_LAYERS]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(n_in, n_out, 1, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()
            )
            for n_in, n_out in itertools.pairwise(sizes)
        )
        self.shortcut = nn.Conv1d(n_features, width, 1, bias=False)
        self.classifier = nn.Conv1d(width, n_outputs, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(n_outputs, 1))  # log odds
        self.attention = nn.Conv1d(width, n_outputs, 1)
        with torch.no_grad():
            self.classifier.weight.mul_(_FIRST_SPREAD)

    def start_at(self, log_priors: torch.Tensor) -> None:
        """Answer with what is known before any clip is heard: (L,).

        A network that begins with even odds learns from its many negatives first that
        labels are rare, and takes whatever they have in common for a sign of it.
        """
        with torch.no_grad():
            self.bias.copy_(log_priors[:, None])

    def scale_by(self, means: torch.Tensor, variances: torch.Tensor) -> None:
        """Standardise by these statistics of the features from the first step on.

        Running statistics begin at a mean of 0 and a variance of 1, and take dozens of
        steps to reach what features with an offset have: (d,), (d,).
        """
        statistics = {"running_mean": means, "running_var": variances}
        self.scaling.load_state_dict(statistics, strict=False)

    def forward(
        self,
        X: torch.Tensor,
        generator: torch.Generator | None = None,
        noise: float = 0.0,
        masked_share: float = 0.0,
    ) -> torch.Tensor:
        """Return logits: (B, d) or (B, d, T) -> (B, L).

        Randomness comes from a generator of the CPU, because torch's own dropout would
        draw from the global random state. Without one, nothing is random.

        Parameters
        ----------
        X : Tensor of shape (n_clips, n_features) or (n_clips, n_bands, n_frames)
            The clips.
        generator : torch.Generator, optional
            Draws the noise, the masks and, in training, what drops out.
        noise : float
            Standard deviation of Gaussian noise on the standardised features.
        masked_share : float
            Share of the standardised features that are set to zero, for all frames of
            a clip.

        Returns
        -------
        logits : Tensor of shape (n_clips, n_outputs)
            Log odds of the labels.
        """
        frames = self.scaling(X if X.ndim == 3 else X[:, :, None])  # (B, d, T)
        if generator is not None:
            frames = add_noise(frames, noise, generator)
            frames = drop_channels(frames, masked_share, generator)
        hidden = frames  # (B, d, T)
        for layer in self.layers:
            hidden = layer(hidden)  # (B, W, T)
            if generator is not None and self.training:
                hidden = drop_channels(hidden, self.dropout, generator)
        hidden = hidden + self.shortcut(frames)  # (B, W, T)
        logits = self.classifier(hidden) + self.bias  # (B, L, T)
        return attend(logits, self.attention(hidden))


def attend(logits: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Average probabilities over time, by softmax weights: twice (B, L, T) -> (B, L).

    The average is taken of logarithms, of the probability and of its complement, so
    that it keeps its precision where a label is all but certain.
    """
    if logits.shape[2] == 1:
        return logits[:, :, 0]
    weights = attention.log_softmax(dim=2)  # (B, L, T)
    log_present = (weights + F.logsigmoid(logits)).logsumexp(dim=2)  # (B, L)
    log_absent = (weights + F.logsigmoid(-logits)).logsumexp(dim=2)  # (B, L)
    return log_present - log_absent


def add_noise(
    frames: torch.Tensor, noise: float, generator: torch.Generator
) -> torch.Tensor:
    """Add Gaussian noise of a standard deviation: (B, d, T) -> (B, d, T)."""
    if noise == 0:
        return frames
    return frames + noise * torch.randn(frames.shape, generator=generator).to(frames)


def drop_channels(
    frames: torch.Tensor, share: float, generator: torch.Generator
) -> torch.Tensor:
    """Set a share of each clip's channels to zero, and scale up what is left.

    A channel drops out of all frames at once: (B, d, T) -> (B, d, T).
    """
    if share == 0:
        return frames
    draws = torch.rand(*frames.shape[:2], 1, generator=generator)  # (B, d, 1)
    return frames * (draws >= share).to(frames) / (1 - share)
