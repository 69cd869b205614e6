"""What every display asks of matplotlib, which is imported when something is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.gridspec import GridSpecFromSubplotSpec
    from matplotlib.lines import Line2D


def axes_for(display: Any, ax: Axes | None, **figure_kw: Any) -> Axes:
    """Return the axes to draw on: those given, or those of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    return plt.subplots(**figure_kw)[1] if ax is None else ax


def replace_by_grid(
    ax: Axes, n_rows: int, n_cols: int, **grid_kw: Any
) -> GridSpecFromSubplotSpec:
    """Hide axes and return a grid of cells that takes their place.

    Raises
    ------
    ValueError
        If the axes have no place in a grid of subplots.
    """
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must be a subplot, as plt.subplots makes it: a grid of several axes "
            "takes its place."
        )
    ax.set_axis_off()
    return place.subgridspec(n_rows, n_cols, **grid_kw)


def merge_style(
    defaults: dict[str, Any], given: dict[str, Any] | None, artist: type[Artist]
) -> dict[str, Any]:
    """Return the keyword arguments of an artist, those of the user first.

    A default "color" would clash with a "c" of the user, matplotlib's other name for
    it.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(given or {}, artist)}


def label_with_area(name: str | None, metric: str, area: float | None) -> str | None:
    """Return scikit-learn's form of a label, such as "SVC (AUROC = 0.97)"."""
    if area is None:
        return name
    figure = f"{metric} = {area:.2f}"
    return figure if name is None else f"{name} ({figure})"


def draw_threshold(
    draw_line: Callable[..., Line2D],
    threshold: float | None,
    given: dict[str, Any] | None,
) -> Line2D | None:
    """Draw a threshold by ``ax.axvline`` or ``ax.axhline``, if it rejects anything."""
    from matplotlib.lines import Line2D

    if threshold is None or not np.isfinite(threshold):
        return None
    defaults = {
        "label": f"threshold ({threshold:.3g})",
        "color": "black",
        "linestyle": "--",
    }
    return draw_line(threshold, **merge_style(defaults, given, Line2D))
