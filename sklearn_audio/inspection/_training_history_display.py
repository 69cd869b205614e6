"""Every loss of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for, merge_style
from sklearn_audio.inspection._layers import require_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

_LINESTYLES = {"train": "-", "valid": "--"}
_MANY_DECADES = 2


class TrainingHistoryDisplay:
    """Show every loss of a training, epoch by epoch.

    Made by :meth:`from_estimator` or :meth:`from_history`. A loss of the training clips
    ("train_loss") and the same loss of the validation clips ("valid_loss") share a
    colour: the former is a solid line, the latter a dashed one. The scale is
    logarithmic where all losses are positive and span more than two decades.

    Parameters
    ----------
    history : dict of str to sequence of float
        One value an epoch for each loss, such as the ``history_`` of an estimator. NaN
        stands for an epoch without a value.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the losses are.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    lines_ : dict of str to matplotlib Line2D
        The line of each loss; it runs through the epochs that have a value.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of clips.

    Examples
    --------
    >>> from sklearn_audio.inspection import TrainingHistoryDisplay
    >>> display = TrainingHistoryDisplay.from_history(
    ...     {"train_loss": [2.1, 1.4, 0.9, 0.7], "valid_loss": [2.2, 1.6, 1.4, 1.5]}
    ... )
    >>> {name: line.get_linestyle() for name, line in display.lines_.items()}
    {'train_loss': '-', 'valid_loss': '--'}
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def __init__(self, *, history: Mapping[str, ArrayLike]) -> None:
        self.history = history

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a ``history_``; it may stand in a pipeline, a search or a
            :class:`~sklearn_audio.open_set.RejectingClassifier`.
        names : sequence of str, default=None
            The losses to draw, in this order; None draws all.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        line_kw : dict, default=None
            Style of all lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``history_``.
        ValueError
            If there is no loss to draw, or no loss of a name in `names`.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        layer = require_layer(
            estimator,
            "history_",
            "the losses of each epoch. Networks of sklearn_audio have it; losses from "
            "elsewhere go to from_history.",
        )
        return cls.from_history(
            layer.estimator.history_, names=names, ax=ax, line_kw=line_kw
        )

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, ArrayLike],
        *,
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw losses that were recorded before.

        Parameters
        ----------
        history : dict of str to sequence of float
            One value an epoch for each loss; NaN for an epoch without a value.
        names : sequence of str, default=None
            The losses to draw, in this order; None draws all.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        line_kw : dict, default=None
            Style of all lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there is no loss to draw, or no loss of a name in `names`.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_history")
        return cls(history=history).plot(ax, names=names, line_kw=line_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        names: Sequence[str] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        names : sequence of str, default=None
            The losses to draw, in this order; None draws all.
        line_kw : dict, default=None
            Style of all lines, for :meth:`matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no loss to draw, or no loss of a name in `names`.
        ImportError
            If matplotlib is not installed.
        """
        losses = self._select(names)
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_ = {}
        colors: dict[str, Any] = {}
        for name, values in losses.items():
            _, what = _split(name)
            line = self._draw(name, values, colors.get(what), line_kw)
            colors.setdefault(what, line.get_color())
            self.lines_[name] = line
        self._label_axes(np.concatenate(list(losses.values())))
        return self

    def _select(self, names: Sequence[str] | None) -> dict[str, NDArray[np.float64]]:
        if names is None:
            names = list(self.history)
        if missing := [name for name in names if name not in self.history]:
            raise ValueError(
                f"There is no loss named {missing[0]!r} in the history, which holds "
                f"{', '.join(self.history) or 'nothing'}."
            )
        losses = {name: np.asarray(self.history[name], np.float64) for name in names}
        if not any(np.isfinite(values).any() for values in losses.values()):
            raise ValueError(
                f"There is no value to draw in the losses {list(names)}: fit for at "
                "least one epoch, and name at least one loss."
            )
        return losses

    def _draw(
        self,
        name: str,
        values: NDArray[np.float64],
        color: Any,
        given: dict[str, Any] | None,
    ) -> Line2D:
        from matplotlib.lines import Line2D

        part, _ = _split(name)
        epochs = np.flatnonzero(np.isfinite(values))  # a gap would hide lone values
        defaults = {
            "label": name,
            "color": color,
            "linestyle": _LINESTYLES.get(part, "-"),
            "marker": "o" if len(epochs) == 1 else None,
        }
        style = merge_style(defaults, given, Line2D)
        (line,) = self.ax_.plot(epochs + 1, values[epochs], **style)
        return line

    def _label_axes(self, values: NDArray[np.float64]) -> None:
        from matplotlib.ticker import MaxNLocator

        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        finite = values[np.isfinite(values)]
        if finite.min() > 0 and finite.max() / finite.min() > 10**_MANY_DECADES:
            self.ax_.set_yscale("log")
        self.ax_.legend()


def _split(name: str) -> tuple[str, str]:
    """Split the name of a loss into the clips it was measured on and the rest."""
    part, _, what = name.partition("_")
    return (part, what) if part in _LINESTYLES and what else ("", name)
