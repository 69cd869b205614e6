"""The spectrograms that networks take, for what stands in front of a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from sklearn_audio._torch._arithmetic import single_threaded
from sklearn_audio._torch._inference import map_in_chunks
from sklearn_audio.pretrained._registry import NETWORKS, look_up


def make_spectrograms(
    waveforms: ArrayLike, network: str = "efficientat_mn04"
) -> NDArray[np.float32]:
    """Compute the spectrograms that a network takes.

    They are on the scale that the network was trained on, its own normalisation
    included. No weights are needed.

    Parameters
    ----------
    waveforms : array-like of shape (n_clips, n_samples)
        Mono, in [-1, 1], at the network's ``sample_rate``: 32000 Hz for
        "efficientat_mn04", 16000 Hz for "ast".
        :class:`~sklearn_audio.feature_extraction.AudioLoader` makes them of files.
    network : {"efficientat_mn04", "ast"}, default="efficientat_mn04"
        A key of :data:`NETWORKS` whose network has a method ``embed``.

    Returns
    -------
    spectrograms : ndarray of shape (n_clips, 128, n_frames), dtype float32
        Logarithms of the power in 128 mel bands, shifted and scaled. There are 100
        frames a second; for "ast" always 1024, those behind the end of a clip being
        what the network knows as no sound.

    Raises
    ------
    ValueError
        If there is no such network, or it takes no spectrograms; if waveforms are not
        finite, too short, or too long.

    See Also
    --------
    sklearn_audio.transfer.ReprogrammedClassifier : Puts something in front of a
        network.

    Examples
    --------
    As a step of a pipeline it is a
    :class:`~sklearn.preprocessing.FunctionTransformer`:

    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from sklearn_audio.pretrained import make_spectrograms
    >>> front_end = FunctionTransformer(
    ...     make_spectrograms, kw_args={"network": "efficientat_mn04"}
    ... )
    >>> front_end.fit_transform(np.zeros((2, 32000))).shape
    (2, 128, 100)
    """
    published = look_up(network)
    if published.make_front_end is None:
        able = [name for name, other in NETWORKS.items() if other.make_front_end]
        raise ValueError(
            f"There are no spectrograms for {network}, only for: {', '.join(able)}."
        )
    front_end = published.make_front_end()
    X = check_array(waveforms, dtype=np.float32, input_name="waveforms")
    if X.shape[1] < front_end.min_samples:
        raise ValueError(
            f"{network} takes {front_end.min_samples} samples at least, but got "
            f"{X.shape[1]}. Pad clips with zeros, as AudioLoader(duration=...) does."
        )
    with single_threaded():
        return map_in_chunks(front_end, X, torch.device("cpu"))
