"""The front end of EfficientAT, and the filters of Kaldi, which others use too."""

from __future__ import annotations

import torch
from torch import nn

_PRE_EMPHASIS = 0.97


class KaldiLogMel(nn.Module):
    """Turn waveforms into the pictures that EfficientAT was trained on.

    Differences of neighbouring samples, centred frames under a symmetric Hann window,
    triangles that are straight on the mel scale, and ``(log(power + 1e-5) + 4.5) / 5``.
    The window and the filters are no part of a checkpoint.

    Parameters
    ----------
    sample_rate : int
        Of the waveforms, in Hz.
    n_fft, win_length, hop_length : int
        Length of the FFT, of the window in the middle of it, and of a step, in samples.
    n_mels : int
        Number of bands.
    fmax : float
        Highest frequency, in Hz; the lowest is 0.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int,
        win_length: int,
        hop_length: int,
        n_mels: int,
        fmax: float,
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        window = torch.hann_window(win_length, periodic=False)
        filters = kaldi_mel_filters(sample_rate, n_fft, n_mels, fmax)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    @property
    def min_samples(self) -> int:
        """Length of the shortest waveform."""
        return self.n_fft

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return the pictures: (B, n) -> (B, n_mels, 1 + (n - 1) // hop)."""
        x = waveforms[:, 1:] - _PRE_EMPHASIS * waveforms[:, :-1]  # (B, n - 1)
        spectra = torch.stft(
            x,
            self.n_fft,
            hop_length=self.hop_length,
            win_length=len(self.window),
            window=self.window,
            return_complex=True,
        )  # (B, n_fft / 2 + 1, T)
        power = (
            torch.view_as_real(spectra).square().sum(dim=-1)
        )  # (B, n_fft / 2 + 1, T)
        mel = self.filters @ power  # (B, n_mels, T)
        return (torch.log(mel + 1e-5) + 4.5) / 5


def kaldi_mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, fmax: float, *, fmin: float = 0.0
) -> torch.Tensor:
    """Return triangles of height 1 whose sides are straight over mel, not over Hz.

    Kaldi leaves the bin of half the sample rate out.

    Returns
    -------
    filters : torch.Tensor of shape (n_mels, n_fft // 2 + 1)
        The weights of the FFT's bins.
    """
    frequencies = torch.arange(n_fft // 2 + 1).double() * sample_rate / n_fft
    mel = _hz_to_mel(frequencies)
    lowest, highest = _hz_to_mel(torch.tensor([fmin, fmax]).double())
    shares = torch.arange(n_mels + 2).double() / (n_mels + 1)
    corners = lowest + shares * (highest - lowest)
    left, centre, right = (corners[i : i + n_mels, None] for i in range(3))
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0)
    filters[:, -1] = 0
    return filters.float()


def _hz_to_mel(frequencies: torch.Tensor) -> torch.Tensor:
    return 1127.0 * torch.log1p(frequencies / 700.0)
