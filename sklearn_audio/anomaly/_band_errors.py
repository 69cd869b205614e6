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

# Means and standard deviations of the errors of normal clips, (F,) each, and the lower
# Cholesky factor of their correlations, (F, F).
UsualErrors = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# Errors of a band spread by at least this share of the mean error, so that one that is
# always copied equally well, as where clips are constant, has a unit.
_SMALLEST_SPREAD = 1e-3
# Added to the variances of standardised errors, so that there is a factor.
_SMALLEST_VARIANCE = 1e-6


def band_errors(X: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
    """Return mean absolute errors: (B, F, T) -> (B, F), or (B, D) -> (B, D)."""
    errors = (X - copy).abs()
    return errors.mean(dim=2) if errors.ndim == 3 else errors


def usual_errors(errors: NDArray[np.float64]) -> UsualErrors:
    """Return what errors normal clips have: (n, F) -> (F,), (F,), (F, F).

    The correlations are shrunk [1]_, for there are often fewer clips than bands.
    """
    means = errors.mean(axis=0)
    floor = _SMALLEST_SPREAD * means.mean() or 1.0
    spreads = np.maximum(errors.std(axis=0), floor)
    correlations, _ = ledoit_wolf((errors - means) / spreads, assume_centered=True)
    correlations += _SMALLEST_VARIANCE * np.eye(len(means))
    return means, spreads, np.linalg.cholesky(correlations)


def error_distances(errors: torch.Tensor, usual: UsualErrors) -> torch.Tensor:
    """Return squared Mahalanobis distances, a band: (B, F) -> (B,), float64."""
    means, spreads, factor = map(torch.from_numpy, usual)
    standardised = (errors.cpu().double() - means) / spreads  # (B, F)
    whitened = torch.linalg.solve_triangular(factor, standardised.T, upper=False)
    return whitened.square().mean(dim=0)  # (F, B) -> (B,)
