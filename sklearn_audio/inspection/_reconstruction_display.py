"""Clips, what an autoencoder makes of them, and the difference."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_scalar
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for, replace_by_grid
from sklearn_audio.inspection._clip_pictures import check_clips, clip_style, draw_clip
from sklearn_audio.inspection._layers import require_layer

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure

_SCALE = {"vmin", "vmax", "norm"}


class ReconstructionDisplay:
    """Show clips, what an autoencoder makes of them, and the difference.

    Made by :meth:`from_estimator`. Each row is a clip: the original, its
    reconstruction, and the absolute difference of the two. Originals and
    reconstructions share one scale, the differences another one, which begins at zero.
    Spectrograms are drawn as pictures, rows of features as lines.

    Parameters
    ----------
    original : array-like of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
        The clips.
    reconstruction : array-like of the same shape
        What was made of them.

    Attributes
    ----------
    artists_ : dict of str to list of matplotlib AxesImage or Line2D
        The pictures or lines of "original", "reconstruction" and "difference", one of
        each for each clip.
    axes_ : ndarray of shape (n_clips, 3), dtype object
        The axes of each picture.
    bounding_ax_ : matplotlib Axes
        The axes whose place the grid takes.
    colorbars_ : list of matplotlib Colorbar
        The colour scale of the clips and that of the differences; empty beside lines.
    figure_ : matplotlib Figure
        The figure of all axes.

    See Also
    --------
    GeneratedSamplesDisplay : What a generator makes up out of nothing.
    LatentSpaceDisplay : What is left of a clip between the two.

    Examples
    --------
    Principal components are the simplest autoencoder. Those of noughts do not know how
    to draw a one:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_audio.inspection import ReconstructionDisplay
    >>> X, y = load_digits(n_class=2, return_X_y=True)
    >>> pca = PCA(n_components=8).fit(X[y == 0])
    >>> X_test = X[:4]
    >>> reconstruction = pca.inverse_transform(pca.transform(X_test))
    >>> display = ReconstructionDisplay(
    ...     original=X_test.reshape(4, 8, 8),
    ...     reconstruction=reconstruction.reshape(4, 8, 8),
    ... ).plot(im_kw={"origin": "upper", "cmap": "gray"})
    >>> differences = [image.get_array() for image in display.artists_["difference"]]
    >>> y[:4].tolist(), np.mean(differences, axis=(1, 2)).round(1).tolist()
    ([0, 1, 0, 1], [0.7, 3.0, 0.9, 3.3])
    """

    artists_: dict[str, list[Artist]]
    axes_: NDArray[Any]
    bounding_ax_: Axes
    colorbars_: list[Colorbar]
    figure_: Figure | SubFigure

    def __init__(self, *, original: Any, reconstruction: Any) -> None:
        self.original = original
        self.reconstruction = reconstruction

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_clips: int = 4,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted estimator reconstruct clips, and draw both.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a method ``reconstruct(X)`` that returns clips of the shape of
            `X`. It may stand in a pipeline or a search.
        X : array-like of shape (n_clips, ...)
            Clips, as they are given to ``fit``: the steps of a pipeline before the
            autoencoder transform those to be drawn.
        n_clips : int, default=4
            Number of clips to draw, the first ones of `X`. Sort `X` to see others: by
            ``np.argsort(detector.score_samples(X))`` the strangest come first.
        ax : matplotlib Axes, default=None
            Subplot whose place the grid takes; None makes a new figure. On your own,
            ``layout="constrained"`` leaves room for the colour scales.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`. The scale
            of the differences stays as it is.
        line_kw : dict, default=None
            Style of the lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ReconstructionDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``reconstruct``.
        ValueError
            If clips are neither pictures nor rows, are not finite, if originals and
            reconstructions differ in shape, or if `n_clips` is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_scalar(n_clips, "n_clips", Integral, min_val=1)
        layer = require_layer(
            estimator,
            "reconstruct",
            "a method that decodes what it has encoded: it is no autoencoder.",
        )
        original = layer.prepare(_safe_indexing(X, slice(n_clips)))
        reconstruction = layer.estimator.reconstruct(original)
        return cls(original=original, reconstruction=reconstruction).plot(
            ax, im_kw=im_kw, line_kw=line_kw
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the clips.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Subplot whose place the grid takes; None makes a new figure. On your own,
            ``layout="constrained"`` leaves room for the colour scales.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`. The scale
            of the differences stays as it is.
        line_kw : dict, default=None
            Style of the lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ReconstructionDisplay
            Itself.

        Raises
        ------
        ValueError
            If clips are neither pictures nor rows, are not finite, or if originals and
            reconstructions differ in shape.
        ImportError
            If matplotlib is not installed.
        """
        sides = self._check_sides()
        self._make_axes(ax, len(sides["original"]))
        both = np.concatenate([sides["original"], sides["reconstruction"]])
        style = clip_style(both, im_kw, line_kw)
        styles = {
            "original": style,
            "reconstruction": style,
            "difference": _difference_style(sides["difference"], im_kw, line_kw),
        }
        self.artists_ = {}
        for column, (title, clips) in zip(self.axes_.T, sides.items(), strict=True):
            column[0].set_title(title, loc="left")
            self.artists_[title] = [
                draw_clip(cell, clip, styles[title])
                for cell, clip in zip(column, clips, strict=True)
            ]
        self._label_axes(is_picture=both.ndim == 3)
        return self

    def _check_sides(self) -> dict[str, NDArray[np.float64]]:
        """Return what to draw in each column, as arrays of one shape."""
        original = check_clips(self.original, "original").astype(np.float64)
        reconstruction = check_clips(self.reconstruction, "reconstruction")
        if original.shape != reconstruction.shape:
            raise ValueError(
                f"The reconstruction, of shape {reconstruction.shape}, must have the "
                f"shape of the original clips, {original.shape}."
            )
        return {
            "original": original,
            "reconstruction": reconstruction,
            "difference": np.abs(original - reconstruction),
        }

    def _make_axes(self, ax: Axes | None, n_clips: int) -> None:
        size = (8, 1.4 * n_clips + 0.8)
        self.bounding_ax_ = axes_for(self, ax, figsize=size, layout="constrained")
        self.figure_ = self.bounding_ax_.figure
        grid = replace_by_grid(self.bounding_ax_, n_clips, 3)
        self.axes_ = np.full((n_clips, 3), None)
        for row, column in np.ndindex(n_clips, 3):
            # Values share one axis, differences another one.
            value_axis = self.axes_[0, 2 if column == 2 else 0]
            cell = self.figure_.add_subplot(
                grid[row, column], sharex=self.axes_[0, 0], sharey=value_axis
            )
            cell.tick_params(labelbottom=False, labelleft=False)
            self.axes_[row, column] = cell

    def _label_axes(self, *, is_picture: bool) -> None:
        self.colorbars_ = []
        values, differences = self.axes_[-1, 0], self.axes_[-1, 2]
        values.tick_params(labelbottom=True, labelleft=True)
        if not is_picture:
            values.set(xlabel="feature", ylabel="value")
            differences.tick_params(labelleft=True)
            return
        values.set(xlabel="frame", ylabel="band")
        for title, columns in [("original", slice(2)), ("difference", slice(2, 3))]:
            cells = self.axes_[:, columns]
            colorbar = self.figure_.colorbar(
                self.artists_[title][0],  # type: ignore[arg-type]
                ax=list(cells.flat),
                fraction=0.06 / cells.shape[1],  # equally wide
                pad=0.02,
                aspect=12 * len(cells),  # as high as all rows
            )
            self.colorbars_.append(colorbar)


def _difference_style(
    difference: NDArray[np.float64],
    im_kw: dict[str, Any] | None,
    line_kw: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return how to draw the differences, on a scale that begins at zero."""
    own = {key: value for key, value in (im_kw or {}).items() if key not in _SCALE}
    return clip_style(difference, {"vmin": 0, **own}, line_kw)
