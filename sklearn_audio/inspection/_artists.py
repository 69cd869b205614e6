"""What every display asks of matplotlib, which is imported when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils._optional_dependencies import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


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
