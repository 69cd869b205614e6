"""Familiarity of known against unknown clips, as two histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import (
    axes_for,
    draw_threshold,
    label_with_area,
    merge_style,
)
from sklearn_audio.inspection._layers import name_of
from sklearn_audio.inspection._scored_clips import (
    check_both_sides,
    familiarity,
    mark_known,
    resolve_known_labels,
    threshold_of,
)
from sklearn_audio.metrics._checks import (
    check_same_length,
    check_y_known,
    check_y_score,
)
from sklearn_audio.metrics._open_set_ranking import open_set_auroc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch


class ScoreHistogramDisplay:
    """Show how familiar known and unknown clips are, as two histograms.

    Made by :meth:`from_estimator` or :meth:`from_predictions`. The less the histograms
    overlap, the better a threshold can tell the two sides apart. [1]_ compares two
    kinds of scores in this way.

    Parameters
    ----------
    known_scores : ndarray of shape (n_known_clips,)
        Familiarity of the clips of known classes, higher = more familiar.
    unknown_scores : ndarray of shape (n_unknown_clips,)
        Familiarity of the clips of unknown classes.
    threshold : float or None, default=None
        Familiarity below which a clip is rejected, drawn as a line; neither None nor
        minus infinity, which rejects nothing, is drawn.
    auroc : float or None, default=None
        Area under the ROC curve, shown above the legend; None shows none.
    name : str or None, default=None
        What made the scores, shown above the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the histograms are.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    known_patch_ : matplotlib StepPatch
        Histogram of the known clips.
    unknown_patch_ : matplotlib StepPatch
        Histogram of the unknown clips.
    threshold_line_ : matplotlib Line2D or None
        The threshold, where there is one.
    legend_ : matplotlib Legend
        Who is who; its title holds the name and the AUROC.

    See Also
    --------
    OpenSetRocDisplay : The same clips, at every threshold.
    sklearn_audio.metrics.open_set_auroc : The figure in the legend.

    References
    ----------
    .. [1] K. K. Teh and H. D. Tran, "Open-set audio classification with limited
       training resources based on augmentation enhanced variational auto-encoder GAN
       with detection-classification joint training", Interspeech 2021, figure 2.
       https://doi.org/10.21437/Interspeech.2021-1142

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from sklearn_audio.inspection import ScoreHistogramDisplay
    >>> from sklearn_audio.open_set import RejectingClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, y_train, X_test, y_test = X[:900], y[:900], X[900:], y[900:]
    >>> known = y_train < 6
    >>> classifier = RejectingClassifier(SVC(), familiarity="max_decision")
    >>> classifier = classifier.fit(X_train[known], y_train[known])
    >>> display = ScoreHistogramDisplay.from_estimator(classifier, X_test, y_test)
    >>> display.legend_.get_title().get_text()
    'RejectingClassifier (AUROC = 0.96)'
    """

    ax_: Axes
    figure_: Figure | SubFigure
    known_patch_: StepPatch
    unknown_patch_: StepPatch
    threshold_line_: Line2D | None
    legend_: Legend

    def __init__(
        self,
        *,
        known_scores: NDArray[np.float64],
        unknown_scores: NDArray[np.float64],
        threshold: float | None = None,
        auroc: float | None = None,
        name: str | None = None,
    ) -> None:
        self.known_scores = known_scores
        self.unknown_scores = unknown_scores
        self.threshold = threshold
        self.auroc = auroc
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        known_labels: Any = None,
        name: str | None = None,
        ax: Axes | None = None,
        bins: int | str | ArrayLike = 30,
        density: bool = True,
        known_kw: dict[str, Any] | None = None,
        unknown_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the familiarity that a fitted estimator finds in test clips.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``score_samples``; a pipeline or a search will do. Its
            ``offset_``, where it has one, is the threshold.
        X : array-like of shape (n_clips, ...)
            Test clips, of known and of unknown classes.
        y : array-like of shape (n_clips,)
            Their labels.
        known_labels : array-like of shape (n_known_labels,), default=None
            The labels that count as known; all others are unknown. None takes the
            estimator's ``classes_``. A detector without classes needs them.
        name : str, default=None
            What to call the estimator. None takes the name of its class, for a pipeline
            that of its last step.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int, str or array-like, default=30
            Number of bins, a rule, or edges, as in :func:`numpy.histogram_bin_edges`.
            Both histograms have the same.
        density : bool, default=True
            Whether to give both histograms an area of 1, so that the larger side does
            not dwarf the other; False counts clips.
        known_kw : dict, default=None
            Style of the known clips' histogram, for
            :meth:`matplotlib.axes.Axes.stairs`.
        unknown_kw : dict, default=None
            Style of the unknown clips' histogram.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axvline`.

        Returns
        -------
        display : ScoreHistogramDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``score_samples``, or no ``classes_`` while
            `known_labels` is None.
        ValueError
            If there are no known or no unknown clips, the lengths differ, or a score is
            not finite.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        scores = familiarity(estimator, X)
        return cls.from_predictions(
            mark_known(y, resolve_known_labels(estimator, known_labels)),
            scores,
            threshold=threshold_of(estimator),
            name=name_of(estimator) if name is None else name,
            ax=ax,
            bins=bins,
            density=density,
            known_kw=known_kw,
            unknown_kw=unknown_kw,
            threshold_kw=threshold_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_known: Any,
        y_score: Any,
        *,
        threshold: float | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        bins: int | str | ArrayLike = 30,
        density: bool = True,
        known_kw: dict[str, Any] | None = None,
        unknown_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw familiarities that were computed before.

        Parameters
        ----------
        y_known : array-like of shape (n_clips,), bool or 0 and 1
            True for a clip of a known class.
        y_score : array-like of shape (n_clips,)
            Familiarity of each clip, finite; higher is more familiar.
        threshold : float or None, default=None
            Familiarity below which a clip is rejected, such as an ``offset_``; neither
            None nor minus infinity, which rejects nothing, is drawn.
        name : str, default=None
            What made the scores.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int, str or array-like, default=30
            Number of bins, a rule, or edges, as in :func:`numpy.histogram_bin_edges`.
            Both histograms have the same.
        density : bool, default=True
            Whether to give both histograms an area of 1; False counts clips.
        known_kw : dict, default=None
            Style of the known clips' histogram, for
            :meth:`matplotlib.axes.Axes.stairs`.
        unknown_kw : dict, default=None
            Style of the unknown clips' histogram.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axvline`.

        Returns
        -------
        display : ScoreHistogramDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there are no known or no unknown clips, the lengths differ, or a score is
            not finite.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        is_known, scores = check_y_known(y_known), check_y_score(y_score)
        check_same_length(y_known=is_known, y_score=scores)
        check_both_sides(is_known)
        _check_finite(scores)
        display = cls(
            known_scores=scores[is_known],
            unknown_scores=scores[~is_known],
            threshold=threshold,
            auroc=open_set_auroc(is_known, scores),
            name=name,
        )
        return display.plot(
            ax,
            bins=bins,
            density=density,
            known_kw=known_kw,
            unknown_kw=unknown_kw,
            threshold_kw=threshold_kw,
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        bins: int | str | ArrayLike = 30,
        density: bool = True,
        known_kw: dict[str, Any] | None = None,
        unknown_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            What made the scores; None takes the display's own `name`.
        bins : int, str or array-like, default=30
            Number of bins, a rule, or edges, as in :func:`numpy.histogram_bin_edges`.
            Both histograms have the same.
        density : bool, default=True
            Whether to give both histograms an area of 1; False counts clips.
        known_kw : dict, default=None
            Style of the known clips' histogram, for
            :meth:`matplotlib.axes.Axes.stairs`.
        unknown_kw : dict, default=None
            Style of the unknown clips' histogram.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axvline`.

        Returns
        -------
        display : ScoreHistogramDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        both = np.concatenate([self.known_scores, self.unknown_scores])
        edges = np.histogram_bin_edges(both, bins)
        self.known_patch_ = self._draw_side(
            self.known_scores, edges, density, "known", "tab:blue", known_kw
        )
        self.unknown_patch_ = self._draw_side(
            self.unknown_scores, edges, density, "unknown", "tab:orange", unknown_kw
        )
        self.threshold_line_ = draw_threshold(
            self.ax_.axvline, self.threshold, threshold_kw
        )
        self.ax_.set(xlabel="familiarity", ylabel="density" if density else "clips")
        self.ax_.margins(x=0.02)
        title = self.name if name is None else name
        self.legend_ = self.ax_.legend(
            title=label_with_area(title, "AUROC", self.auroc), alignment="left"
        )
        return self

    def _draw_side(
        self,
        scores: NDArray[np.float64],
        edges: NDArray[np.float64],
        density: bool,
        label: str,
        color: str,
        given: dict[str, Any] | None,
    ) -> StepPatch:
        from matplotlib.patches import StepPatch

        heights, _ = np.histogram(scores, edges, density=density)
        defaults = {
            "label": f"{label} ({len(scores)} clips)",
            "color": color,
            "fill": True,
            "alpha": 0.6,
        }
        return self.ax_.stairs(
            heights, edges, **merge_style(defaults, given, StepPatch)
        )


def _check_finite(scores: NDArray[np.float64]) -> None:
    infinite = np.flatnonzero(np.isinf(scores))
    if len(infinite):
        raise ValueError(
            f"y_score is infinite for {len(infinite)} of {len(scores)} clips, the "
            f"first at index {infinite[0]}, and no bin can hold it. Bound the scores "
            "with np.clip and call from_predictions."
        )
