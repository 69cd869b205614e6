"""How unusual the errors of a copy are, band by band.

References
----------
.. [1] Ledoit, O. and Wolf, M. (2004). "A well-conditioned estimator for
   large-dimensional covariance matrices." Journal of Multivariate Analysis 88(2).
   https://doi.org/10.1016/S0047-259X(03)00096-4
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from torch.nn import functional as F

# Means and standard deviations of the errors of normal clips, (F,) each, and the lower
# Cholesky factor of their correlations, (F, F).
UsualErrors = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# Errors of a band spread by at least this share of the mean error, so that one that is
# always copied equally well, as where clips are constant, has a unit.
_SMALLEST_SPREAD = 1e-3
# Added to the variances of standardised errors, so that there is a factor.
_SMALLEST_VARIANCE = 1e-6


def band_errors(X: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
    """Return root mean square errors of bands, in windows of half a clip.

    An event that is shorter than its clip stands out more from a part of it; windows
    begin at every sixteenth of a clip. Errors are first averaged over an eighth of a
    clip: frame by frame, noise that nobody can foresee errs as much as an event, but
    only the event errs in the same direction for a while.

    Parameters
    ----------
    X : Tensor of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
        The clips.
    copy : Tensor of the same shape
        Their copies.

    Returns
    -------
    errors : Tensor of shape (n_clips, n_windows, n_bands)
        Of rows, which have one window, the absolute errors of features.
    """
    errors = X - copy
    if errors.ndim == 2:
        return errors[:, None].abs()
    n_frames = errors.shape[2]
    n_smoothed = max(1, n_frames // 8)
    length = max(1, n_frames // 2 - n_smoothed + 1)
    step = max(1, n_frames // 16)
    smooth = F.avg_pool1d(errors, n_smoothed, stride=1)  # (B, F, T')
    squares = F.avg_pool1d(smooth.square(), length, stride=step)  # (B, F, W)
    return squares.sqrt().mT


def usual_errors(errors: NDArray[np.float64]) -> UsualErrors:
    """Return what errors normal clips have: (n, W, F) -> (F,), (F,), (F, F).

    The correlations are shrunk [1]_, for there are often fewer clips than bands.
    """
    errors = errors.reshape(-1, errors.shape[-1])
    means = errors.mean(axis=0)
    floor = _SMALLEST_SPREAD * means.mean() or 1.0
    spreads = np.maximum(errors.std(axis=0), floor)
    correlations, _ = ledoit_wolf((errors - means) / spreads, assume_centered=True)
    correlations += _SMALLEST_VARIANCE * np.eye(len(means))
    return means, spreads, np.linalg.cholesky(correlations)


def error_distances(errors: torch.Tensor, usual: UsualErrors) -> torch.Tensor:
    """Return mean Mahalanobis distances of windows: (B, W, F) -> (B,), float64.

    Distances are divided by the root of the number of bands.
    """
    means, spreads, factor = map(torch.from_numpy, usual)
    standardised = (errors.cpu().double() - means) / spreads  # (B, W, F)
    whitened = torch.linalg.solve_triangular(factor, standardised.mT, upper=False)
    return whitened.square().mean(dim=1).sqrt().mean(dim=1)  # (B, F, W) -> (B,)
