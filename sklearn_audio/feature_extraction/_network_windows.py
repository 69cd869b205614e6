"""Clips through a network: cut as it wants them, batch by batch, and pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_audio._torch._arithmetic import suitable_threads
from sklearn_audio.feature_extraction._clips import Waveforms
from sklearn_audio.feature_extraction._windows import Numbered, cut_clips, map_windows

# Windows in a batch where `batch_size` is None. A processor's caches hold one.
_CPU_BATCH, _ACCELERATOR_BATCH = 1, 32


@dataclass(frozen=True)
class NetworkWindows:
    """The windows that a network takes, at its rate and on its device.

    Parameters
    ----------
    network : torch.nn.Module
        Its attributes `sample_rate` (Hz), `window` (s), `hop` (s) and `min_samples`
        count where it has them.
    input_rate : float
        Sample rate of the clips, in Hz.
    window : float or None
        Length of a window, in seconds. None means that of the network, and its hop.
    hop : float or None
        From one window to the next, in seconds. None means `window`.
    batch_size : int or None
        Windows in a batch. None means what suits the device.
    """

    network: nn.Module
    input_rate: float
    window: float | None
    hop: float | None
    batch_size: int | None

    def cut(self, clips: Waveforms) -> Iterator[Numbered]:
        """Yield the windows of all clips with the numbers of the clips."""
        network = self.network
        own_hop = getattr(network, "hop", None) if self.window is None else None
        return cut_clips(
            clips,
            input_rate=self.input_rate,
            rate=getattr(network, "sample_rate", self.input_rate),
            window=self.window or getattr(network, "window", None),
            hop=self.hop or own_hop,
            shortest=getattr(network, "min_samples", 1),
        )

    def embed_first(self, clips: Waveforms) -> torch.Tensor:
        """Embed the first window of the first clip, to see that it works: (1, d).

        Raises
        ------
        ValueError
            If the network does not return one row per window.
        """
        network = self.network
        _, samples = next(self.cut(clips))
        waveforms = torch.from_numpy(samples[np.newaxis]).to(self._device)
        with torch.no_grad(), suitable_threads([network]):
            embedding = network(waveforms)
        shape = tuple(getattr(embedding, "shape", ()))
        if len(shape) != 2 or len(embedding) != 1:
            raise ValueError(
                f"model={type(network).__name__} returns a {type(embedding).__name__} "
                f"of shape {shape} for one window: expected a tensor of embeddings "
                "(n_windows, n_dims)."
            )
        return embedding

    def map(
        self,
        function: Callable[[torch.Tensor], torch.Tensor],
        clips: Waveforms,
        *,
        pool: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> list[NDArray[np.float32]]:
        """Return, for each clip, the function's values of its windows, pooled."""
        device = self._device
        default = _CPU_BATCH if device.type == "cpu" else _ACCELERATOR_BATCH
        with suitable_threads([self.network]):
            outputs = map_windows(
                function,
                self.cut(clips),
                batch_size=self.batch_size or default,
                device=device,
            )
            return [
                pool(np.stack([output for _, output in group]))
                for _, group in groupby(outputs, key=itemgetter(0))
            ]

    @property
    def _device(self) -> torch.device:
        parameter = next(self.network.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device


def pool_windows(
    embeddings: NDArray[np.float32], pooling: str | None
) -> NDArray[np.float32]:
    """Pool over windows: (n_windows, d) -> (d,), (2 d,) or (d, n_windows)."""
    if pooling is None:
        return embeddings.T
    mean = embeddings.mean(axis=0)
    if pooling == "mean":
        return mean
    return np.concatenate([mean, embeddings.std(axis=0)])
