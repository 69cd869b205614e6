"""How training clips are scored by models that have not seen them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, check_cv


def calibration_splitter(
    cv: Any, y: NDArray, *, default: int = 5
) -> BaseCrossValidator:
    """Return the splitter of an out-of-fold calibration.

    Parameters
    ----------
    cv : int, splitter or None
        An integer is lowered to the number of clips of the smallest class.
    y : ndarray of shape (n_clips,)
        The classes.
    default : int
        Number of folds where ``cv`` is None.

    Returns
    -------
    splitter : BaseCrossValidator
        Stratified by class where ``cv`` is an integer or None.

    Raises
    ------
    ValueError
        If a class has one clip alone.
    """
    n_splits = default if cv is None else cv
    if isinstance(n_splits, int):
        smallest = np.unique(y, return_counts=True)[1].min()
        n_splits = min(n_splits, int(smallest))
        if n_splits < 2:
            raise ValueError(
                "A class has one sample alone, so that no threshold can be "
                "calibrated out of fold. Give every class at least 2 clips, or set "
                "rejection_rate=None to reject nothing."
            )
    return check_cv(n_splits, y, classifier=True)
