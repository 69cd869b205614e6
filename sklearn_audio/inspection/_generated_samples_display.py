"""What a generator makes up, beside real clips."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_random_state, check_scalar
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import _num_samples

from sklearn_audio.inspection._artists import axes_for, replace_by_grid
from sklearn_audio.inspection._clip_pictures import check_clips, clip_style, draw_clip
from sklearn_audio.inspection._layers import require_layer

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.gridspec import GridSpecFromSubplotSpec


class GeneratedSamplesDisplay:
    """Show clips that a generator made up, beside real ones.

    Made by :meth:`from_estimator`. Spectrograms are drawn as pictures with one colour
    scale, rows of features as lines between the same limits: what differs is in the
    clips.

    Parameters
    ----------
    generated : array-like of shape (n_samples, n_bands, n_frames) or \
            (n_samples, n_features)
        Clips that the generator made up.
    real : array-like of shape (n_clips, ...) or None, default=None
        Clips of the same shape to compare them with.

    Attributes
    ----------
    artists_ : dict of str to list of matplotlib AxesImage or Line2D
        The pictures or lines of "real" (if there are any) and of "generated" clips, in
        their order.
    axes_ : ndarray of shape (n_rows, n_cols), dtype object
        The axes of each clip; None where a row has no further clip.
    bounding_ax_ : matplotlib Axes
        The axes whose place the grid takes.
    colorbar_ : matplotlib Colorbar or None
        The colour scale; None beside lines.
    figure_ : matplotlib Figure
        The figure of all axes.

    See Also
    --------
    TrainingHistoryDisplay : The losses of the generator and its opponents.

    Examples
    --------
    Any fitted estimator with a method ``sample`` will do, such as a density:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KernelDensity
    >>> from sklearn_audio.inspection import GeneratedSamplesDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> density = KernelDensity().fit(X)
    >>> display = GeneratedSamplesDisplay.from_estimator(
    ...     density, X, n_samples=4, random_state=0
    ... )
    >>> display.axes_.shape, list(display.artists_)
    ((2, 4), ['real', 'generated'])

    Digits are pictures, too:

    >>> display = GeneratedSamplesDisplay(
    ...     generated=display.generated.reshape(4, 8, 8),
    ...     real=display.real.reshape(4, 8, 8),
    ... ).plot(im_kw={"origin": "upper", "cmap": "gray"})
    """

    artists_: dict[str, list[Artist]]
    axes_: NDArray[Any]
    bounding_ax_: Axes
    colorbar_: Colorbar | None
    figure_: Figure | SubFigure

    def __init__(self, *, generated: Any, real: Any = None) -> None:
        self.generated = generated
        self.real = real

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        n_samples: int = 8,
        random_state: int | RandomState | None = None,
        ax: Axes | None = None,
        n_cols: int = 8,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted estimator make up clips, and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a method ``sample(n_samples, random_state=None)`` that returns
            clips. It may stand in a pipeline, a search or a
            :class:`~sklearn_audio.open_set.RejectingClassifier`.
        X : array-like of shape (n_clips, ...), default=None
            Real clips, as they are given to ``fit``: the steps of a pipeline before the
            generator transform them. None draws generated clips alone.
        n_samples : int, default=8
            Number of clips to make up, and of real clips to draw at random; if `X`
            has no more, all of it is drawn.
        random_state : int, RandomState instance or None, default=None
            Seed of the generated clips and of the choice of real ones.
        ax : matplotlib Axes, default=None
            Subplot whose place the grid takes; None makes a new figure.
        n_cols : int, default=8
            Clips in one row at most.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`.
        line_kw : dict, default=None
            Style of the lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : GeneratedSamplesDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``sample``.
        ValueError
            If clips are neither pictures nor rows, are not finite, if generated and
            real clips differ in shape, or if a number is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        layer = require_layer(
            estimator, "sample", "a method that makes up clips: it is no generator."
        )
        generated = layer.estimator.sample(n_samples, random_state=random_state)
        real = X
        if X is not None:
            real = layer.prepare(_choose(X, n_samples, random_state))
        return cls(generated=generated, real=real).plot(
            ax, n_cols=n_cols, im_kw=im_kw, line_kw=line_kw
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        n_cols: int = 8,
        im_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the clips.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Subplot whose place the grid takes; None makes a new figure.
        n_cols : int, default=8
            Clips in one row at most.
        im_kw : dict, default=None
            Style of the pictures, for :meth:`matplotlib.axes.Axes.imshow`.
        line_kw : dict, default=None
            Style of the lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : GeneratedSamplesDisplay
            Itself.

        Raises
        ------
        ValueError
            If clips are neither pictures nor rows, are not finite, if generated and
            real clips differ in shape, or if a number is below 1.
        ImportError
            If matplotlib is not installed.
        """
        check_scalar(n_cols, "n_cols", Integral, min_val=1)
        sides = self._check_sides()
        n_cols = min(n_cols, max(len(clips) for clips in sides.values()))
        n_rows = [-(-len(clips) // n_cols) for clips in sides.values()]
        first_cells = np.cumsum([0, *n_rows[:-1]]) * n_cols
        grid = self._make_grid(ax, sum(n_rows), n_cols)
        style = clip_style(np.concatenate(list(sides.values())), im_kw, line_kw)
        self.artists_ = {}
        for (title, clips), first_cell in zip(sides.items(), first_cells, strict=True):
            self.artists_[title] = [
                self._draw_clip(grid, cell, clip, style)
                for cell, clip in enumerate(clips, first_cell)
            ]
            self.axes_.flat[first_cell].set_title(title, loc="left")
        self._label_axes()
        return self

    def _check_sides(self) -> dict[str, NDArray]:
        """Return the clips to draw, real ones first, as arrays of one shape."""
        given = {"real": self.real, "generated": self.generated}
        sides = {
            title: check_clips(clips, title)
            for title, clips in given.items()
            if clips is not None
        }
        shapes = {title: clips.shape[1:] for title, clips in sides.items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(
                f"Real clips of shape {shapes['real']} cannot be compared with "
                f"generated clips of shape {shapes['generated']}. Give X as it is "
                "given to fit, so that it passes the same front end."
            )
        return sides

    def _make_grid(
        self, ax: Axes | None, n_rows: int, n_cols: int
    ) -> GridSpecFromSubplotSpec:
        size = (1.3 * n_cols + 1, 1.4 * n_rows + 0.4)
        self.bounding_ax_ = axes_for(self, ax, figsize=size, layout="constrained")
        self.figure_ = self.bounding_ax_.figure
        self.axes_ = np.full((n_rows, n_cols), None)
        return replace_by_grid(self.bounding_ax_, n_rows, n_cols)

    def _draw_clip(
        self,
        grid: GridSpecFromSubplotSpec,
        cell: int,
        clip: NDArray,
        style: dict[str, Any],
    ) -> Artist:
        first = self.axes_.flat[0]
        ax = self.figure_.add_subplot(grid[cell], sharex=first, sharey=first)
        ax.tick_params(labelbottom=False, labelleft=False)
        self.axes_.flat[cell] = ax
        return draw_clip(ax, clip, style)

    def _label_axes(self) -> None:
        from matplotlib.image import AxesImage

        corner, artist = self.axes_[-1, 0], self.artists_["generated"][0]
        corner.tick_params(labelbottom=True, labelleft=True)
        self.colorbar_ = None
        if isinstance(artist, AxesImage):
            corner.set(xlabel="frame", ylabel="band")
            drawn = [ax for ax in self.axes_.flat if ax is not None]
            self.colorbar_ = self.figure_.colorbar(
                artist, ax=drawn, fraction=0.03, pad=0.02, aspect=25
            )
        else:
            corner.set(xlabel="feature", ylabel="value")


def _choose(X: Any, n_samples: int, random_state: int | RandomState | None) -> Any:
    """Return some clips, in their order, before anything is computed from the rest."""
    n_clips = _num_samples(X)
    if n_clips <= n_samples:
        return X
    rng = check_random_state(random_state)
    chosen = np.sort(rng.choice(n_clips, n_samples, replace=False))
    return _safe_indexing(X, chosen)
