"""How well each class fits each candidate, as a zero-shot classifier sees it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from sklearn_audio.inspection._artists import axes_for, merge_style
from sklearn_audio.inspection._class_map import (
    draw_groups,
    draw_map,
    draw_scale,
    figure_size,
    group_classes,
)
from sklearn_audio.inspection._layers import name_of
from sklearn_audio.metrics._checks import (
    check_candidate_scores,
    check_known_labels,
    encode_labels,
)
from sklearn_audio.metrics._responses import (
    known_classes,
    scores_per_class,
    seen_classes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D


class CompatibilityDisplay:
    """Show how well the clips of each class fit each candidate, on average.

    Made by :meth:`from_estimator` or :meth:`from_scores`. Each row is a true class,
    each column a candidate that could be named, and a dot marks where they are the
    same. In a good map every row is brightest at its dot. Candidates that were trained
    on stand apart from those that were not.

    Parameters
    ----------
    compatibility : ndarray of shape (n_true_classes, n_candidates)
        Mean score of the clips of each class for each candidate, higher = fits better.
    true_classes : sequence of length n_true_classes
        The class of each row.
    candidates : sequence of length n_candidates
        The candidate of each column.
    seen_classes : sequence or None, default=None
        The candidates that were trained on, which are drawn first; None draws no
        borders.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the map is.
    borders_ : list of matplotlib LineCollection
        The lines between seen and unseen classes, across and down; empty if it is not
        known which were seen.
    colorbar_ : matplotlib Colorbar
        The colour scale.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    im_ : matplotlib AxesImage
        The map, rows and columns in the order in which they are drawn.
    truth_ : matplotlib Line2D
        The dots.

    See Also
    --------
    CategoryConfusionDisplay : What became of it: which class was named how often.

    Examples
    --------
    A column that is bright everywhere is a candidate that is named too often:

    >>> from sklearn_audio.inspection import CompatibilityDisplay
    >>> scores = [[0.9, 0.1, 0.5], [0.2, 0.6, 0.7], [0.1, 0.3, 0.8]]
    >>> display = CompatibilityDisplay.from_scores(
    ...     ["cat", "dog", "wolf"],
    ...     scores,
    ...     classes=["cat", "dog", "wolf"],
    ...     seen_classes=["cat", "wolf"],
    ... )
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['cat', 'wolf', 'dog']
    >>> display.im_.get_array().mean(axis=0).round(2).tolist()
    [0.4, 0.67, 0.33]
    """

    ax_: Axes
    borders_: list[LineCollection]
    colorbar_: Colorbar
    figure_: Figure | SubFigure
    im_: AxesImage
    truth_: Line2D

    def __init__(
        self,
        *,
        compatibility: NDArray[np.float64],
        true_classes: Sequence[Hashable],
        candidates: Sequence[Hashable],
        seen_classes: Sequence[Hashable] | None = None,
    ) -> None:
        self.compatibility = compatibility
        self.true_classes = true_classes
        self.candidates = candidates
        self.seen_classes = seen_classes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        truth_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted classifier compare clips with candidates, and draw the means.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``classes_``, the candidates, and ``decision_function``; a
            pipeline or a search will do. Its ``seen_classes_``, where it has them, are
            drawn apart.
        X : array-like of shape (n_clips, ...)
            Test clips.
        y : array-like of shape (n_clips,)
            Their labels, all of them candidates.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        im_kw : dict, default=None
            Style of the map, for :meth:`matplotlib.axes.Axes.imshow`.
        truth_kw : dict, default=None
            Style of the dots, for :meth:`matplotlib.axes.Axes.plot`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CompatibilityDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``decision_function``.
        ValueError
            If the scores are not one for each candidate, are not finite, or if a label
            is no candidate.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "decision_function"):
            raise AttributeError(
                f"{name_of(estimator)} has no decision_function that would tell how "
                "well clips fit classes. Scores from elsewhere go to from_scores."
            )
        return cls.from_scores(
            y,
            scores_per_class(estimator, X, ["decision_function"]),
            known_classes(estimator),
            seen_classes=seen_classes(estimator),
            ax=ax,
            im_kw=im_kw,
            truth_kw=truth_kw,
            border_kw=border_kw,
        )

    @classmethod
    def from_scores(
        cls,
        y_true: Any,
        scores: Any,
        classes: Any,
        *,
        seen_classes: Any = None,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        truth_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the means of scores that were computed before.

        Parameters
        ----------
        y_true : array-like of shape (n_clips,)
            True labels, all of them candidates.
        scores : array-like of shape (n_clips, n_candidates)
            How well each clip fits each candidate, finite; higher = fits better.
        classes : array-like of shape (n_candidates,)
            The candidate of each column.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            The classes that were trained on, which are drawn first; None draws no
            borders.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        im_kw : dict, default=None
            Style of the map, for :meth:`matplotlib.axes.Axes.imshow`.
        truth_kw : dict, default=None
            Style of the dots, for :meth:`matplotlib.axes.Axes.plot`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CompatibilityDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If shapes do not fit, a score is not finite, or a label is no candidate.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_scores")
        codes, values = check_candidate_scores(y_true, scores, classes)
        _check_finite(values)
        candidates = check_known_labels(classes, "classes")
        occurring = np.unique(codes)  # (n_true_classes,)
        means = [values[codes == code].mean(axis=0) for code in occurring]
        if seen_classes is not None:
            seen_classes = check_known_labels(seen_classes, "seen_classes")
            encode_labels(candidates, seen_classes, "classes", "seen_classes")
        return cls(
            compatibility=np.array(means),
            true_classes=[candidates[code] for code in occurring],
            candidates=candidates,
            seen_classes=seen_classes,
        ).plot(ax, im_kw=im_kw, truth_kw=truth_kw, border_kw=border_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        im_kw: dict[str, Any] | None = None,
        truth_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        im_kw : dict, default=None
            Style of the map, for :meth:`matplotlib.axes.Axes.imshow`.
        truth_kw : dict, default=None
            Style of the dots, for :meth:`matplotlib.axes.Axes.plot`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CompatibilityDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import LineCollection

        true_classes, candidates = list(self.true_classes), list(self.candidates)
        rows = group_classes(true_classes, self._sides(true_classes))
        columns = group_classes(candidates, self._sides(candidates))
        values = np.asarray(self.compatibility)[
            np.ix_(
                [true_classes.index(label) for label in rows.classes],
                [candidates.index(label) for label in columns.classes],
            )
        ]  # (n_true_classes, n_candidates)
        size = figure_size(rows, columns)
        self.ax_ = axes_for(self, ax, figsize=size, layout="compressed")
        self.figure_ = self.ax_.figure
        style = {"cmap": "viridis", **(im_kw or {})}
        self.im_ = draw_map(self.ax_, values, rows, columns, style)
        borders = {"color": "white", "linewidth": 1.5}
        style = merge_style(borders, border_kw, LineCollection)
        self.borders_ = draw_groups(self.ax_, rows, columns, style)
        self.truth_ = self._draw_truth(rows.classes, columns.classes, truth_kw)
        self.ax_.set(xlabel="candidate (dot: the true class)", ylabel="true class")
        self.colorbar_ = draw_scale(self.im_, "mean compatibility")
        return self

    def _sides(self, classes: list[Hashable]) -> dict[Hashable, Hashable] | None:
        """Return of each class whether it was seen, the seen ones first."""
        if self.seen_classes is None:
            return None
        seen = set(self.seen_classes)
        ordered = sorted(classes, key=lambda label: label not in seen)
        return {label: "seen" if label in seen else "unseen" for label in ordered}

    def _draw_truth(
        self,
        rows: list[Hashable],
        columns: list[Hashable],
        given: dict[str, Any] | None,
    ) -> Line2D:
        from matplotlib.lines import Line2D

        defaults = {
            "linestyle": "none",
            "marker": "o",
            "markersize": 4,
            "color": "white",
            "markeredgecolor": "black",
            "markeredgewidth": 0.8,
        }
        places = [columns.index(label) for label in rows]
        style = merge_style(defaults, given, Line2D)
        return self.ax_.plot(places, np.arange(len(rows)), **style)[0]


def _check_finite(scores: NDArray[np.float64]) -> None:
    infinite = np.flatnonzero(np.isinf(scores).any(axis=1))
    if len(infinite):
        raise ValueError(
            f"The scores of the clip at index {infinite[0]} are infinite, and no "
            "colour can show their mean. Leave out candidates that are ruled out."
        )
