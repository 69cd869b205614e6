"""How many dB one unit of spectrograms is, to judge by how far their values spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Between these percentiles lie nine of ten values; the loudest and the quietest say
# little, where a few clips are silent or clipped.
_PERCENTILES = (5, 95)
# What is usually between them, in dB: 64 to 84 in ESC-10, UrbanSound8K, Arabic Speech
# Commands and Free Spoken Digits.
_USUAL_SPREAD = 64.0
# Spreads that are taken for dB as they are. Natural logarithms of power, the largest of
# the other common units, have a spread of about 15; steady noise in dB has one of 10,
# and is then changed too little, rather than too much.
_DECIBEL_SPREADS = (30.0, 140.0)
# Smaller ones are rounding, relative to the values and absolutely: nothing that could
# be told from it would be left of a change.
_ROUNDING = 1e-6
_SMALLEST_SPREAD = 1e-20
# Clips that are looked at, evenly spread over all.
_MOST_CLIPS = 1000


def find_decibels_per_unit(X: NDArray, rows: NDArray[np.intp] | None = None) -> float:
    """Return how many dB one unit of log spectrograms probably is.

    Parameters
    ----------
    X : ndarray of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
        Spectrograms in dB, or in any other unit that is proportional to dB, with any
        offset: scaled to [-1, 1], standardised, or natural logarithms.
    rows : ndarray of shape (n_rows,), optional
        The clips that count, some perhaps several times; each once by default.

    Returns
    -------
    decibels_per_unit : float
        Exactly 1 where the values spread as dB do, or not at all.
    """
    rows = np.arange(len(X)) if rows is None else rows
    clips = X[rows[:: -(-len(rows) // _MOST_CLIPS)]]
    low, high = np.percentile(clips, _PERCENTILES)
    spread = float(high) - float(low)
    rounding = max(_ROUNDING * max(abs(low), abs(high)), _SMALLEST_SPREAD)
    if spread <= rounding or _DECIBEL_SPREADS[0] <= spread <= _DECIBEL_SPREADS[1]:
        return 1.0
    return _USUAL_SPREAD / spread
