"""What the first layer of a convolutional network looks for."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_scalar
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for
from sklearn_audio.inspection._layers import require_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PatchCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

_FILTER_SIZE = 0.8  # inches, of a square one
_GAP = 0.1  # of a filter's mean side


class FilterDisplay:
    """Show the filters of a convolutional network's first layer as small pictures.

    Made by :meth:`from_estimator`. All filters share one scale, which is symmetric
    about zero: red weights ask for energy, blue ones for its absence, white ones for
    nothing. Frames run to the right, bands upwards, as in a spectrogram.

    Parameters
    ----------
    filters : array-like of shape (n_filters, n_bands, n_frames)
        The filters.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the filters are.
    borders_ : matplotlib PatchCollection
        The lines around the filters.
    colorbar_ : matplotlib Colorbar
        The colour scale.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    images_ : list of matplotlib AxesImage
        The picture of each filter, row by row from the top left.

    See Also
    --------
    ReconstructionDisplay : What an autoencoder can express with its filters.

    Examples
    --------
    An edge in time, an edge in frequency, and a blob:

    >>> import numpy as np
    >>> from sklearn_audio.inspection import FilterDisplay
    >>> slope = np.linspace(-1, 1, 5)
    >>> onset, pitch = np.tile(slope, (5, 1)), np.tile(slope[:, None], 5)
    >>> blob = np.exp(-4 * (onset**2 + pitch**2))
    >>> display = FilterDisplay(filters=[onset, pitch, blob]).plot()
    >>> len(display.images_), display.images_[2].get_clim()
    (3, (-1.0, 1.0))
    """

    ax_: Axes
    borders_: PatchCollection
    colorbar_: Colorbar
    figure_: Figure | SubFigure
    images_: list[AxesImage]

    def __init__(self, *, filters: Any) -> None:
        self.filters = filters

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | None = None,
        n_cols: int = 8,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the filters that a fitted estimator has learned.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``filters_``, an array of shape (n_filters, n_bands, n_frames).
            It may be the last step of a pipeline, or stand in a search or a
            :class:`~sklearn_audio.open_set.RejectingClassifier`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_cols : int, default=8
            Filters in one row at most.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : FilterDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``filters_``.
        ValueError
            If filters are no pictures or are not finite, or if `n_cols` is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        layer = require_layer(
            estimator,
            "filters_",
            "the kernels of its first layer: it is no convolutional network, or shows "
            "none of them. Kernels from elsewhere go to FilterDisplay(filters=...).",
        )
        return cls(filters=layer.estimator.filters_).plot(
            ax, n_cols=n_cols, im_kw=im_kw
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        n_cols: int = 8,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n_cols : int, default=8
            Filters in one row at most.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : FilterDisplay
            Itself.

        Raises
        ------
        ValueError
            If filters are no pictures or are not finite, or if `n_cols` is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_scalar(n_cols, "n_cols", Integral, min_val=1)
        filters = _check_filters(self.filters)
        places = _places(filters.shape, n_cols)
        right, top = places[:, 1].max(), places[:, 3].max()
        scale = _FILTER_SIZE / np.sqrt(filters[0].size)
        size = (scale * right + 1.2, scale * top + 0.5)
        self.ax_ = axes_for(self, ax, figsize=size, layout="compressed")
        self.figure_ = self.ax_.figure
        style = _symmetric_style(filters, im_kw)
        self.images_ = [
            self.ax_.imshow(picture, **{**style, "extent": tuple(place)})
            for picture, place in zip(filters, places, strict=True)
        ]
        self._draw_borders(places)
        self.ax_.set(xlim=(0, right), ylim=(0, top), xticks=[], yticks=[])
        self.ax_.spines[:].set_visible(False)
        self.ax_.set_xlabel("frame", loc="left")
        self.ax_.set_ylabel("band", loc="bottom")
        self.colorbar_ = self.figure_.colorbar(
            self.images_[0], ax=self.ax_, fraction=0.05, pad=0.02
        )
        return self

    def _draw_borders(self, places: NDArray[np.float64]) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        boxes = [
            Rectangle((left, bottom), right - left, top - bottom)
            for left, right, bottom, top in places
        ]
        self.borders_ = PatchCollection(
            boxes, facecolor="none", edgecolor="black", linewidth=0.8, clip_on=False
        )
        self.ax_.add_collection(self.borders_)


def _check_filters(filters: Any) -> NDArray:
    filters = check_array(filters, allow_nd=True, input_name="filters")
    if filters.ndim != 3:
        raise ValueError(
            "Filters must be pictures, in an array of shape (n_filters, n_bands, "
            f"n_frames), got {filters.shape}."
        )
    return filters


def _symmetric_style(filters: NDArray, im_kw: dict[str, Any] | None) -> dict[str, Any]:
    """Return how to draw all filters, zero in the middle of the scale."""
    strongest = np.abs(filters).max()
    limits = {"vmin": -strongest, "vmax": strongest}
    # matplotlib refuses limits beside a norm, which has its own.
    return {
        **{"origin": "lower", "cmap": "RdBu_r"},
        **({} if "norm" in (im_kw or {}) else limits),
        **(im_kw or {}),
    }


def _places(shape: tuple[int, ...], n_cols: int) -> NDArray[np.float64]:
    """Return left, right, bottom and top of each filter, in frames and bands."""
    n_filters, height, width = shape
    n_cols = min(n_cols, n_filters)
    row, column = np.divmod(np.arange(n_filters), n_cols)
    gap = _GAP * (height + width) / 2
    left = column * (width + gap)
    bottom = (row.max() - row) * (height + gap)  # the first row is on top
    return np.column_stack([left, left + width, bottom, bottom + height])
