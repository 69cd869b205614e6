"""Checks that several augmenters share."""

from __future__ import annotations

import math
from collections.abc import Sequence


def check_range(name: str, value: Sequence[float]) -> tuple[float, float]:
    """Return the two ends of a range, or say what is wrong with parameter ``name``.

    Raises
    ------
    ValueError
        If ``value`` is not a pair of finite numbers in ascending order.
    """
    try:
        low, high = map(float, value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}={value!r} must be two numbers, (lowest, highest)."
        ) from error
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"{name}={value!r} must be (lowest, highest), both finite. Swap them or "
            "set both to the same number."
        )
    return low, high
