"""Clips, what autoencoders make of them, and the difference."""

from __future__ import annotations

from collections.abc import Mapping
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
_OWN_TITLES = ("original", "difference")


class ReconstructionDisplay:
    """Show clips, what autoencoders make of them, and the difference.

    Made by :meth:`from_estimator` or :meth:`from_estimators`. Each row is a clip. Of
    one autoencoder it shows the original, its reconstruction, and the absolute
    difference of the two; of several, as figure 1 of [1]_, the original and what each
    of them made of it. Originals and reconstructions share one scale, the differences
    another one, which begins at zero. Spectrograms are drawn as pictures, rows of
    features as lines.

    Parameters
    ----------
    original : array-like of shape (n_clips, n_bands, n_frames) or (n_clips, n_features)
        The clips.
    reconstruction : array-like of the same shape, or dict of str to array-like
        What was made of them, by one autoencoder or, in a dict, by each of several.

    Attributes
    ----------
    artists_ : dict of str to list of matplotlib AxesImage or Line2D
        The pictures or lines of each column, one for each clip: "original",
        "reconstruction" and "difference", or "original" and the names of several
        autoencoders.
    axes_ : ndarray of shape (n_clips, n_columns), dtype object
        The axes of each picture.
    bounding_ax_ : matplotlib Axes
        The axes whose place the grid takes.
    colorbars_ : list of matplotlib Colorbar
        The colour scale of the clips and, where they are drawn, that of the
        differences; empty beside lines.
    figure_ : matplotlib Figure
        The figure of all axes.

    See Also
    --------
    GeneratedSamplesDisplay : What a generator makes up out of nothing.
    LatentSpaceDisplay : What is left of a clip between the two.

    References
    ----------
    .. [1] R. A. F. Jensen and T. Pethick, "Environmental sound classification with
       semi-supervised learning", Technical University of Denmark, 2018.

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

    More components draw better. Side by side:

    >>> reconstructions = {}
    >>> for n_components in [2, 8, 32]:
    ...     pca = PCA(n_components).fit(X)
    ...     decoded = pca.inverse_transform(pca.transform(X_test))
    ...     reconstructions[f"{n_components} components"] = decoded.reshape(4, 8, 8)
    >>> display = ReconstructionDisplay(
    ...     original=X_test.reshape(4, 8, 8), reconstruction=reconstructions
    ... ).plot(im_kw={"origin": "upper", "cmap": "gray"})
    >>> list(display.artists_)
    ['original', '2 components', '8 components', '32 components']
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
        original, reconstruction = _reconstruct(estimator, X, n_clips)
        return cls(original=original, reconstruction=reconstruction).plot(
            ax, im_kw=im_kw, line_kw=line_kw
        )

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        *,
        n_clips: int = 4,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let several fitted estimators reconstruct clips, and draw them side by side.

        Parameters
        ----------
        estimators : dict of str to estimator
            Title of a column, other than "original" and "difference", to an estimator
            as :meth:`from_estimator` takes it. If they stand in pipelines, the steps
            before them must make the same of `X`, or there would be several originals.
        X : array-like of shape (n_clips, ...)
            Clips, as they are given to ``fit``.
        n_clips : int, default=4
            Number of clips to draw, the first ones of `X`.
        ax : matplotlib Axes, default=None
            Subplot whose place the grid takes; None makes a new figure. On your own,
            ``layout="constrained"`` leaves room for the colour scale.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`.
        line_kw : dict, default=None
            Style of the lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ReconstructionDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator is not fitted.
        AttributeError
            If an estimator has no ``reconstruct``.
        ValueError
            If there is no estimator, or one of a reserved title, if the originals are
            not the same for all, if clips are neither pictures nor rows, are not
            finite, if originals and reconstructions differ in shape, or if `n_clips`
            is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimators")
        check_scalar(n_clips, "n_clips", Integral, min_val=1)
        _check_titles(estimators)
        pairs = {
            title: _reconstruct(estimator, X, n_clips)
            for title, estimator in estimators.items()
        }
        display = cls(
            original=_common_original(
                {title: pair[0] for title, pair in pairs.items()}
            ),
            reconstruction={title: pair[1] for title, pair in pairs.items()},
        )
        return display.plot(ax, im_kw=im_kw, line_kw=line_kw)

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
        columns = self._check_columns()
        self._make_axes(ax, columns)
        values = [columns[title] for title in columns if title != "difference"]
        style = clip_style(np.concatenate(values), im_kw, line_kw)
        styles = dict.fromkeys(columns, style)
        if "difference" in columns:
            difference = columns["difference"]
            styles["difference"] = _difference_style(difference, im_kw, line_kw)
        self.artists_ = {}
        for cells, (title, clips) in zip(self.axes_.T, columns.items(), strict=True):
            cells[0].set_title(title, loc="left")
            self.artists_[title] = [
                draw_clip(cell, clip, styles[title])
                for cell, clip in zip(cells, clips, strict=True)
            ]
        self._label_axes(is_picture=values[0].ndim == 3)
        return self

    def _check_columns(self) -> dict[str, NDArray[np.float64]]:
        """Return what to draw in each column, as arrays of one shape."""
        original = check_clips(self.original, "original").astype(np.float64)
        if isinstance(self.reconstruction, Mapping):
            _check_titles(self.reconstruction)
            given = dict(self.reconstruction)
        else:
            given = {"reconstruction": self.reconstruction}
        columns = {"original": original}
        for title, clips in given.items():
            columns[title] = check_clips(clips, title)
            if columns[title].shape != original.shape:
                raise ValueError(
                    f"The {title} clips, of shape {columns[title].shape}, must have "
                    f"the shape of the original clips, {original.shape}."
                )
        if not isinstance(self.reconstruction, Mapping):
            columns["difference"] = np.abs(original - columns["reconstruction"])
        return columns

    def _make_axes(
        self, ax: Axes | None, columns: dict[str, NDArray[np.float64]]
    ) -> None:
        shape = (len(columns["original"]), len(columns))
        size = (2.4 * shape[1] + 0.8, 1.4 * shape[0] + 0.8)
        self.bounding_ax_ = axes_for(self, ax, figsize=size, layout="constrained")
        self.figure_ = self.bounding_ax_.figure
        grid = replace_by_grid(self.bounding_ax_, *shape)
        self.axes_ = np.full(shape, None)
        # Values share one axis, differences another one.
        values = [0 if title != "difference" else i for i, title in enumerate(columns)]
        for row, column in np.ndindex(shape):
            cell = self.figure_.add_subplot(
                grid[row, column],
                sharex=self.axes_[0, 0],
                sharey=self.axes_[0, values[column]],
            )
            cell.tick_params(labelbottom=False, labelleft=False)
            self.axes_[row, column] = cell

    def _label_axes(self, *, is_picture: bool) -> None:
        corner = self.axes_[-1, 0]
        corner.tick_params(labelbottom=True, labelleft=True)
        is_difference = np.array([title == "difference" for title in self.artists_])
        self.colorbars_ = []
        if not is_picture:
            corner.set(xlabel="feature", ylabel="value")
            for cell in self.axes_[-1, is_difference]:
                cell.tick_params(labelleft=True)
            return
        corner.set(xlabel="frame", ylabel="band")
        self._draw_scale("original", self.axes_[:, ~is_difference])
        if is_difference.any():
            self._draw_scale("difference", self.axes_[:, is_difference])

    def _draw_scale(self, title: str, cells: NDArray[Any]) -> None:
        colorbar = self.figure_.colorbar(
            self.artists_[title][0],  # type: ignore[arg-type]
            ax=list(cells.flat),
            fraction=0.06 / cells.shape[1],  # equally wide
            pad=0.02,
            aspect=12 * len(cells),  # as high as all rows
        )
        self.colorbars_.append(colorbar)


def _reconstruct(estimator: Any, X: Any, n_clips: int) -> tuple[Any, Any]:
    """Return the first clips as an autoencoder is given them, and what it makes."""
    layer = require_layer(
        estimator,
        "reconstruct",
        "a method that decodes what it has encoded: it is no autoencoder.",
    )
    original = layer.prepare(_safe_indexing(X, slice(n_clips)))
    return original, layer.estimator.reconstruct(original)


def _check_titles(columns: Mapping[str, Any]) -> None:
    if not columns:
        raise ValueError("There is nothing to compare: name at least one autoencoder.")
    if own := [title for title in _OWN_TITLES if title in columns]:
        raise ValueError(
            f"No autoencoder can be called {own[0]!r}, which is the title of a column "
            "of the display's own. Choose another name."
        )


def _common_original(originals: dict[str, Any]) -> Any:
    """Return the clips that all autoencoders were given, or raise."""
    (first, common), *others = originals.items()
    for title, clips in others:
        if not np.array_equal(clips, common):
            raise ValueError(
                f"The steps before the autoencoders make different clips of X for "
                f"{first!r} and {title!r}, which cannot be drawn as one original. Give "
                "all of them the same front end."
            )
    return common


def _difference_style(
    difference: NDArray[np.float64],
    im_kw: dict[str, Any] | None,
    line_kw: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return how to draw the differences, on a scale that begins at zero."""
    own = {key: value for key, value in (im_kw or {}).items() if key not in _SCALE}
    return clip_style(difference, {"vmin": 0, **own}, line_kw)
