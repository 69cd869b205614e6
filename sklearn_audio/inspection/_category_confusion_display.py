"""Which classes are mistaken for which, those of a category side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix as count_confusions
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
from sklearn_audio.metrics._checks import (
    check_known_labels,
    check_labels,
    check_same_length,
    encode_labels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

# Of more classes the cells are too small for a number.
_MOST_NUMBERED = 15


class CategoryConfusionDisplay:
    """Show which classes are mistaken for which, category by category.

    Made by :meth:`from_estimator` or :meth:`from_predictions`. Each row is a true
    class, each column a predicted one, and the classes of a category stand side by
    side. Blocks along the diagonal are mistakes within a category, such as rain taken
    for sea waves, which zero-shot classifiers make most [1]_.

    Parameters
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes), dtype int
        Number of clips of the class of each row that were taken for the class of each
        column.
    classes : sequence of length n_classes
        The class of each row and column.
    categories : mapping of label to category or None, default=None
        The category of each class; None draws no borders.
    n_clips : ndarray of shape (n_classes,) or None, default=None
        Number of clips of each true class, those included that were taken for a class
        that is not shown. None takes the sums of the rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the matrix is.
    borders_ : list of matplotlib LineCollection
        The lines between categories, across and down; empty without categories.
    colorbar_ : matplotlib Colorbar
        The colour scale.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    im_ : matplotlib AxesImage
        The matrix, rows and columns in the order in which they are drawn.
    text_ : dict of (int, int) to matplotlib Text
        The numbers of the cells that are not zero, by row and column as drawn; empty
        where none are shown.

    See Also
    --------
    CompatibilityDisplay : By how much, on average, a class was preferred.
    sklearn.metrics.ConfusionMatrixDisplay : Without categories.

    References
    ----------
    .. [1] H. Xie and T. Virtanen, "Zero-shot audio classification based on class label
       embeddings", WASPAA 2019, figure 2. https://doi.org/10.1109/WASPAA.2019.8937283

    Examples
    --------
    Digits by how they are drawn, and what a classifier makes of some of them:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_audio.inspection import CategoryConfusionDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> shapes = {"angular": [1, 4, 7], "round": [0, 3, 6, 8, 9], "both": [2, 5]}
    >>> display = CategoryConfusionDisplay.from_estimator(
    ...     GaussianNB().fit(X[:900], y[:900]),
    ...     X[900:],
    ...     y[900:],
    ...     categories={k: shape for shape, members in shapes.items() for k in members},
    ... )
    >>> [int(label.get_text()) for label in display.ax_.get_yticklabels()]
    [1, 4, 7, 0, 3, 6, 8, 9, 2, 5]
    """

    ax_: Axes
    borders_: list[LineCollection]
    colorbar_: Colorbar
    figure_: Figure | SubFigure
    im_: AxesImage
    text_: dict[tuple[int, int], Text]

    def __init__(
        self,
        *,
        confusion_matrix: NDArray[np.intp],
        classes: Sequence[Hashable],
        categories: Mapping[Any, Hashable] | None = None,
        n_clips: NDArray[np.intp] | None = None,
    ) -> None:
        self.confusion_matrix = confusion_matrix
        self.classes = classes
        self.categories = categories
        self.n_clips = n_clips

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        categories: Mapping[Any, Hashable] | None = None,
        labels: Any = None,
        normalize: bool = True,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted classifier name test clips, and draw what it takes them for.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier; a pipeline or a search will do.
        X : array-like of shape (n_clips, ...)
            Test clips.
        y : array-like of shape (n_clips,)
            Their labels.
        categories : mapping of label to category, default=None
            The category of each class that is shown. Categories are drawn in the order
            in which they appear here. None draws no borders.
        labels : array-like of shape (n_classes,), default=None
            The classes to show, in this order within each category. None shows all that
            are true or predicted, sorted.
        normalize : bool, default=True
            Whether to show shares of the clips of each true class, in percent; False
            counts clips.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        im_kw : dict, default=None
            Style of the matrix, for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Style of the numbers, for :meth:`matplotlib.axes.Axes.text`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CategoryConfusionDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If lengths differ, a label is missing, no clip is of a class to be shown, or
            a class has no category.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            categories=categories,
            labels=labels,
            normalize=normalize,
            ax=ax,
            im_kw=im_kw,
            text_kw=text_kw,
            border_kw=border_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        categories: Mapping[Any, Hashable] | None = None,
        labels: Any = None,
        normalize: bool = True,
        ax: Axes | None = None,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw what clips were taken for before.

        Parameters
        ----------
        y_true : array-like of shape (n_clips,)
            True labels.
        y_pred : array-like of shape (n_clips,)
            Predicted labels. Clips that were taken for a class that is not shown still
            count among the clips of their true class.
        categories : mapping of label to category, default=None
            The category of each class that is shown. Categories are drawn in the order
            in which they appear here. None draws no borders.
        labels : array-like of shape (n_classes,), default=None
            The classes to show, in this order within each category. None shows all that
            are true or predicted, sorted.
        normalize : bool, default=True
            Whether to show shares of the clips of each true class, in percent; False
            counts clips.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        im_kw : dict, default=None
            Style of the matrix, for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Style of the numbers, for :meth:`matplotlib.axes.Axes.text`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CategoryConfusionDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If lengths differ, a label is missing, no clip is of a class to be shown, or
            a class has no category.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        true, predicted = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
        check_same_length(y_true=true, y_pred=predicted)
        encode_labels(predicted, true, "y_pred", "y_true")  # text against numbers
        # Text and numbers, which cannot be compared, may stand side by side.
        occurring: list[Any] = sorted(
            {*true, *predicted}, key=lambda label: (isinstance(label, str), label)
        )
        shown = occurring
        if labels is not None:
            shown = check_known_labels(labels, "labels")
            _check_any_shown(true, shown)
        # All other classes share the last row and column.
        counts = count_confusions(
            encode_labels(true, shown, "y_true", "labels"),
            encode_labels(predicted, shown, "y_pred", "labels"),
            labels=np.arange(len(shown) + 1),
        )  # (n_classes + 1, n_classes + 1)
        return cls(
            confusion_matrix=counts[:-1, :-1],
            classes=shown,
            categories=categories,
            n_clips=counts[:-1].sum(axis=1),
        ).plot(
            ax, normalize=normalize, im_kw=im_kw, text_kw=text_kw, border_kw=border_kw
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        normalize: bool = True,
        im_kw: dict[str, Any] | None = None,
        text_kw: dict[str, Any] | None = None,
        border_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, large enough for all labels. On your
            own, ``layout="compressed"`` makes room for them.
        normalize : bool, default=True
            Whether to show shares of the clips of each true class, in percent; False
            counts clips. A row without clips is grey.
        im_kw : dict, default=None
            Style of the matrix, for :meth:`matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Style of the numbers, which are shown of up to 15 classes, for
            :meth:`matplotlib.axes.Axes.text`.
        border_kw : dict, default=None
            Style of the borders, for :meth:`matplotlib.axes.Axes.hlines`.

        Returns
        -------
        display : CategoryConfusionDisplay
            Itself.

        Raises
        ------
        ValueError
            If a class has no category.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.collections import LineCollection

        classes = list(self.classes)
        axis = group_classes(classes, _check_categories(classes, self.categories))
        order = [classes.index(label) for label in axis.classes]
        values = self._values(normalize)[np.ix_(order, order)]
        size = figure_size(axis, axis)
        self.ax_ = axes_for(self, ax, figsize=size, layout="compressed")
        self.figure_ = self.ax_.figure
        # matplotlib refuses a limit beside a norm, which has its own.
        lowest = {} if "norm" in (im_kw or {}) else {"vmin": 0}
        style = {"cmap": "Blues", **lowest, **(im_kw or {})}
        self.im_ = draw_map(self.ax_, values, axis, axis, style)
        borders = {"color": "black", "linewidth": 1}
        style = merge_style(borders, border_kw, LineCollection)
        self.borders_ = draw_groups(self.ax_, axis, axis, style)
        self.text_ = self._number_cells(values, text_kw)
        self.ax_.set(xlabel="predicted class", ylabel="true class")
        label = "clips of the true class (%)" if normalize else "clips"
        self.colorbar_ = draw_scale(self.im_, label)
        return self

    def _values(self, normalize: bool) -> NDArray[np.float64]:
        """Return counts or percentages, NaN in rows without clips."""
        counts = np.asarray(self.confusion_matrix, dtype=np.float64)
        if not normalize:
            return counts
        given = self.n_clips
        n_clips = counts.sum(axis=1) if given is None else np.asarray(given)
        totals = np.where(n_clips > 0, n_clips, np.nan)[:, None]  # (n_classes, 1)
        return 100 * counts / totals

    def _number_cells(
        self, values: NDArray[np.float64], given: dict[str, Any] | None
    ) -> dict[tuple[int, int], Text]:
        from matplotlib.text import Text

        if len(values) > _MOST_NUMBERED:
            return {}
        texts = {}
        for row, column in np.argwhere(values > 0).tolist():
            value = values[row, column]
            defaults = {
                "color": _readable_on(self.im_.to_rgba(value)),
                "ha": "center",
                "va": "center",
            }
            style = merge_style(defaults, given, Text)
            texts[row, column] = self.ax_.text(column, row, f"{value:.0f}", **style)
        return texts


def _readable_on(rgba: Any) -> str:
    """Return black or white, whichever can be read on a colour."""
    brightness = np.dot(rgba[:3], [0.299, 0.587, 0.114])
    return "black" if brightness > 0.5 else "white"


def _check_any_shown(true: list[Hashable], shown: list[Hashable]) -> None:
    if not set(true) & set(shown):
        raise ValueError(
            f"labels={shown!r} has no class of y_true, which holds "
            f"{list(dict.fromkeys(true))[:5]}: there is no clip to show."
        )


def _check_categories(
    classes: list[Hashable], categories: Mapping[Any, Hashable] | None
) -> Mapping[Any, Hashable] | None:
    missing = [label for label in classes if label not in (categories or {})]
    if categories is not None and missing:
        raise ValueError(
            f"{len(missing)} of {len(classes)} classes to be shown have no category, "
            f"the first is {missing[0]!r}. Add them to categories, or name the classes "
            "to show in labels."
        )
    return categories
