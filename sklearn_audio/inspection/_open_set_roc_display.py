"""What each threshold would accept: the ROC and the OSCR curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for, label_with_area, merge_style
from sklearn_audio.inspection._layers import name_of
from sklearn_audio.inspection._scored_clips import (
    check_both_sides,
    familiarity,
    mark_known,
    resolve_known_labels,
)
from sklearn_audio.metrics._checks import check_same_length, check_y_score
from sklearn_audio.metrics._open_set_ranking import open_set_auroc
from sklearn_audio.metrics._oscr import oscr_curve, oscr_score
from sklearn_audio.metrics._responses import Responses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

_METRICS = {"roc": "AUROC", "oscr": "OSCR"}
_YLABELS = {
    "roc": "known clips accepted",
    "oscr": "known clips accepted and named rightly",
}


class OpenSetRocDisplay:
    """Show what each threshold would accept, of known and of unknown clips.

    Made by :meth:`from_estimator` or :meth:`from_predictions`. To the right is the
    share of the unknown clips that a threshold accepts by mistake. Upwards is, for the
    ROC curve, the share of the known clips that it accepts; for the OSCR curve [1]_,
    the share that it accepts *and* that are named rightly.

    Parameters
    ----------
    fpr : ndarray of shape (n_thresholds,)
        Share of the unknown clips accepted, rising from 0 to 1.
    rate : ndarray of shape (n_thresholds,)
        For the ROC curve the true positive rate, rising to 1; for the OSCR curve the
        correct classification rate, rising to the closed-set accuracy.
    curve : {"roc", "oscr"}, default="roc"
        Which of the two it is.
    area : float or None, default=None
        Area under the curve, shown in the legend; None shows none.
    name : str or None, default=None
        What made the scores, shown in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curve is.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    line_ : matplotlib Line2D
        The curve.
    chance_level_ : matplotlib Line2D or None
        What scores without any information would reach, if it was asked for.

    See Also
    --------
    ScoreHistogramDisplay : The scores themselves.
    sklearn_audio.metrics.oscr_curve : The points of the OSCR curve.

    References
    ----------
    .. [1] A. R. Dhamija, M. Günther and T. E. Boult, "Reducing network
       agnostophobia", NeurIPS 2018. https://doi.org/10.48550/arXiv.1811.04110

    Examples
    --------
    Both curves on the same axes:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from sklearn_audio.inspection import OpenSetRocDisplay
    >>> from sklearn_audio.open_set import RejectingClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, y_train, X_test, y_test = X[:900], y[:900], X[900:], y[900:]
    >>> known = y_train < 6
    >>> classifier = RejectingClassifier(SVC(), familiarity="max_decision")
    >>> classifier = classifier.fit(X_train[known], y_train[known])
    >>> roc = OpenSetRocDisplay.from_estimator(classifier, X_test, y_test, name="SVC")
    >>> oscr = OpenSetRocDisplay.from_estimator(
    ...     classifier, X_test, y_test, curve="oscr", name="SVC", ax=roc.ax_
    ... )
    >>> [line.get_label() for line in roc.ax_.get_lines()]
    ['SVC (AUROC = 0.96)', 'SVC (OSCR = 0.95)']
    """

    ax_: Axes
    figure_: Figure | SubFigure
    line_: Line2D
    chance_level_: Line2D | None

    def __init__(
        self,
        *,
        fpr: NDArray[np.float64],
        rate: NDArray[np.float64],
        curve: str = "roc",
        area: float | None = None,
        name: str | None = None,
    ) -> None:
        self.fpr = fpr
        self.rate = rate
        self.curve = curve
        self.area = area
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        known_labels: Any = None,
        curve: str = "roc",
        name: str | None = None,
        ax: Axes | None = None,
        curve_kwargs: dict[str, Any] | None = None,
        plot_chance_level: bool = False,
        chance_level_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curve of a fitted estimator on test clips.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``score_samples``; a pipeline or a search will do. The OSCR
            curve names clips by the class of the largest ``predict_proba``, else of the
            largest ``decision_function``, else by ``predict``.
        X : array-like of shape (n_clips, ...)
            Test clips, of known and of unknown classes.
        y : array-like of shape (n_clips,)
            Their labels.
        known_labels : array-like of shape (n_known_labels,), default=None
            The labels that count as known; all others are unknown. None takes the
            estimator's ``classes_``. A detector without classes needs them.
        curve : {"roc", "oscr"}, default="roc"
            "roc" asks whether known clips are accepted; "oscr" whether they are
            accepted and named rightly.
        name : str, default=None
            What to call the estimator. None takes the name of its class, for a pipeline
            that of its last step.
        ax : matplotlib Axes, default=None
            Where to draw, such as the `ax_` of another curve; None makes a new figure.
        curve_kwargs : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        plot_chance_level : bool, default=False
            Whether to draw what scores without any information would reach.
        chance_level_kw : dict, default=None
            Style of that line.

        Returns
        -------
        display : OpenSetRocDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``score_samples``, or no ``classes_`` while
            `known_labels` is None.
        ValueError
            If there are no known or no unknown clips, the lengths differ, a score is
            NaN, or `curve` is not offered.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _check_curve(curve)
        scores = familiarity(estimator, X)
        y_pred = None
        if curve == "oscr":
            y_pred = Responses(estimator, X).closed_set_predictions()
        return cls.from_predictions(
            y,
            scores,
            known_labels=resolve_known_labels(estimator, known_labels),
            y_pred=y_pred,
            curve=curve,
            name=name_of(estimator) if name is None else name,
            ax=ax,
            curve_kwargs=curve_kwargs,
            plot_chance_level=plot_chance_level,
            chance_level_kw=chance_level_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        known_labels: Any,
        y_pred: Any = None,
        curve: str = "roc",
        name: str | None = None,
        ax: Axes | None = None,
        curve_kwargs: dict[str, Any] | None = None,
        plot_chance_level: bool = False,
        chance_level_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curve of answers that were computed before.

        Parameters
        ----------
        y_true : array-like of shape (n_clips,)
            True labels. A label that is not in `known_labels` is unknown, whatever it
            is.
        y_score : array-like of shape (n_clips,)
            Familiarity of each clip; higher is more familiar.
        known_labels : array-like of shape (n_known_labels,)
            The classes that the classifier was trained on (its ``classes_``). Where
            `y_true` only tells known from unknown clips, ``[True]``.
        y_pred : array-like of shape (n_clips,), default=None
            Closed-set predictions: the best known label of every clip, never the
            outlier label. The OSCR curve needs them; the ROC curve does not.
        curve : {"roc", "oscr"}, default="roc"
            "roc" asks whether known clips are accepted; "oscr" whether they are
            accepted and named rightly.
        name : str, default=None
            What made the scores.
        ax : matplotlib Axes, default=None
            Where to draw, such as the `ax_` of another curve; None makes a new figure.
        curve_kwargs : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        plot_chance_level : bool, default=False
            Whether to draw what scores without any information would reach.
        chance_level_kw : dict, default=None
            Style of that line.

        Returns
        -------
        display : OpenSetRocDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there are no known or no unknown clips, the lengths differ, a score is
            NaN, `curve` is not offered, or the OSCR curve is asked for without
            predictions.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        _check_curve(curve)
        is_known, scores = mark_known(y_true, known_labels), check_y_score(y_score)
        check_same_length(y_true=is_known, y_score=scores)
        check_both_sides(is_known)
        if curve == "roc":
            # Ranks make the curve exact for infinite scores, too.
            ranks = np.unique(scores, return_inverse=True)[1]
            fpr, rate, _ = roc_curve(is_known, ranks)
            area = open_set_auroc(is_known, scores)
        else:
            answers = y_true, _check_y_pred(y_pred), scores
            fpr, rate, _ = oscr_curve(*answers, known_labels=known_labels)
            area = oscr_score(*answers, known_labels=known_labels)
        return cls(fpr=fpr, rate=rate, curve=curve, area=area, name=name).plot(
            ax,
            curve_kwargs=curve_kwargs,
            plot_chance_level=plot_chance_level,
            chance_level_kw=chance_level_kw,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        curve_kwargs: dict[str, Any] | None = None,
        plot_chance_level: bool = False,
        chance_level_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, such as the `ax_` of another curve; None makes a new figure.
        name : str, default=None
            What made the scores; None takes the display's own `name`.
        curve_kwargs : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        plot_chance_level : bool, default=False
            Whether to draw what scores without any information would reach: the
            diagonal, whose end is the closed-set accuracy for the OSCR curve.
        chance_level_kw : dict, default=None
            Style of that line.

        Returns
        -------
        display : OpenSetRocDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        title = self.name if name is None else name
        label = label_with_area(title, _METRICS[self.curve], self.area)
        self.line_ = self._draw(self.fpr, self.rate, {"label": label}, curve_kwargs)
        self.chance_level_ = (
            self._draw_chance_level(chance_level_kw) if plot_chance_level else None
        )
        self.ax_.set(
            xlabel="unknown clips accepted",
            ylabel=self._ylabel(),
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
        )
        if self.ax_.get_legend_handles_labels()[1]:
            self.ax_.legend(loc="lower right")
        return self

    def _draw(
        self, x: Any, y: Any, defaults: dict[str, Any], given: dict[str, Any] | None
    ) -> Line2D:
        from matplotlib.lines import Line2D

        (line,) = self.ax_.plot(x, y, **merge_style(defaults, given, Line2D))
        return line

    def _draw_chance_level(self, given: dict[str, Any] | None) -> Line2D:
        end = self.rate[-1]  # all clips accepted: names alone decide
        defaults = {
            "label": f"chance level ({_METRICS[self.curve]} = {end / 2:.2f})",
            "color": "black",
            "linestyle": "--",
            "linewidth": 1,
        }
        return self._draw((0, 1), (0, end), defaults, given)

    def _ylabel(self) -> str:
        """Return what both curves have in common if the axes show both."""
        labels = {_YLABELS[self.curve], self.ax_.get_ylabel()}
        return min(labels & set(_YLABELS.values()), key=len)


def _check_curve(curve: str) -> None:
    if curve not in _METRICS:
        raise ValueError(f"curve must be 'roc' or 'oscr', got {curve!r}.")


def _check_y_pred(y_pred: Any) -> Any:
    if y_pred is None:
        raise ValueError(
            "curve='oscr' needs y_pred, the best known label of every clip, to see "
            "which clips are named rightly."
        )
    return y_pred
