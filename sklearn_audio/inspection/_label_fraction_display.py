"""A score against the number of labels, for several systems."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for, merge_style
from sklearn_audio.inspection._label_curve import (
    check_label_counts,
    is_share,
    score_by_labels,
)
from sklearn_audio.metrics._scorers import get_scorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

_WIDE_RANGE = 10


class LabelFractionDisplay:
    """Show how a score grows with the number of labels, for several systems.

    Made by :meth:`from_estimators`, or from scores that were measured before. Each
    system has a curve, its mean score over the repeats, in a band of one standard
    deviation to both sides. The axis of the labels is logarithmic where the largest
    number is at least ten times the smallest.

    Parameters
    ----------
    label_counts : array-like of shape (n_counts,)
        Numbers of labels, whole numbers of at least 1, or shares of the labels, floats
        in (0, 1].
    scores : dict of str to array-like of shape (n_counts, n_repeats)
        Scores of each system, one row for each count and one column for each repeat,
        such as a fold or a seed. NaN leaves a gap.
    score_name : str, default="accuracy"
        What was measured.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curves are.
    bands_ : dict of str to matplotlib PolyCollection
        The band of each system.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    legend_ : matplotlib Legend
        Which curve is whose.
    lines_ : dict of str to matplotlib Line2D
        The curve of each system.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Takes clips away with their labels.
    sklearn_audio.model_selection.SemiSupervisedSplit : Trains on all unlabelled clips.

    Examples
    --------
    Label spreading looks at all pictures of digits, a support vector machine at those
    with a label:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> from sklearn.svm import SVC
    >>> from sklearn_audio.inspection import LabelFractionDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = LabelFractionDisplay.from_estimators(
    ...     {"spreading": LabelSpreading(gamma=0.01), "SVM": SVC()},
    ...     X[:600],
    ...     y[:600],
    ...     label_counts=[20, 50, 100, 400],
    ...     supervised=["SVM"],
    ...     cv=3,
    ...     random_state=0,
    ... )
    >>> for name, scores in display.scores.items():
    ...     print(name, scores.mean(axis=1).round(1).tolist())
    spreading [0.8, 0.9, 0.9, 0.9]
    SVM [0.7, 0.8, 0.8, 0.9]
    """

    ax_: Axes
    bands_: dict[str, PolyCollection]
    figure_: Figure | SubFigure
    legend_: Legend
    lines_: dict[str, Line2D]

    def __init__(
        self,
        *,
        label_counts: ArrayLike,
        scores: Mapping[str, ArrayLike],
        score_name: str = "accuracy",
    ) -> None:
        self.label_counts = label_counts
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        y: Any,
        *,
        label_counts: ArrayLike = (0.1, 0.25, 0.5, 1.0),
        supervised: Collection[str] = (),
        cv: Any = None,
        scoring: str | Callable[[Any, Any, Any], float] = "accuracy",
        groups: Any = None,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = None,
        ax: Axes | None = None,
        line_kw: Mapping[str, dict[str, Any]] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Fit estimators with ever more labels, score them, and draw the scores.

        In the training part of each fold, all labels are hidden but as many as a count
        allows. They are drawn at random, each class in proportion and at least once,
        and a clip that has its label at one count keeps it at every larger one. A clone
        of each estimator is fitted on *all* clips of the training part, where -1 stands
        for a hidden label, and scored on the test part. All estimators see the same
        labels.

        Parameters
        ----------
        estimators : dict of str to estimator
            Name of each system to a classifier, fitted or not. It must take -1 for a
            clip without a label, as scikit-learn's semi-supervised ones do, unless its
            name is in `supervised`. A front end in a pipeline is fitted anew each time:
            what it makes of `X` had better be computed before.
        X : array-like of shape (n_clips, ...)
            Clips.
        y : array-like of shape (n_clips,) or (n_clips, n_labels)
            Class of each clip. The estimators are given whole numbers instead, from 0
            on, in the order of the sorted classes. A -1 beside two other classes or
            more stands for a clip that has no label: it is trained on where `cv` puts
            it into a training part, and never scored. With
            :class:`~sklearn_audio.model_selection.SemiSupervisedSplit` it is in all.
            Or a table of several labels per clip, with one column per label: 1 where it
            applies, 0 where it does not, -1 or NaN where that is not known, which the
            estimators are given as -1. A row in which nothing is known is a clip that
            has no label.
        label_counts : array-like of shape (n_counts,), default=(0.1, 0.25, 0.5, 1.0)
            How many labels of a training part are shown: whole numbers, or floats in
            (0, 1], shares of those that it has. At least one label of each class is
            needed. With a table, it is labelled clips that are counted and hidden, each
            with all of its labels, and every label needs a clip that has it.
        supervised : collection of str, default=()
            Names of the estimators that do not know -1, such as most of scikit-learn's
            classifiers. They are fitted on the labelled clips alone; of a table, all
            labels of these have to be known.
        cv : int, splitter or iterable, default=None
            Folds, as in :func:`sklearn.model_selection.cross_validate`; None means five
            stratified ones, in the order of the clips. Those of a table are dealt by
            :class:`~sklearn_audio.model_selection.MultilabelStratifiedKFold`, and those
            of classes with `groups` by
            :class:`~sklearn.model_selection.StratifiedGroupKFold`. Each fold is a
            repeat: for more of them, take
            :class:`~sklearn.model_selection.RepeatedStratifiedKFold`.
        scoring : str or callable, default="accuracy"
            What to measure, as in :func:`sklearn_audio.metrics.get_scorer`. A table
            with unknown labels needs one of the scorers for
            :ref:`missing labels <missing_labels>`.
        groups : array-like of shape (n_clips,), default=None
            Group of each clip, such as its speaker or source recording. No group is on
            both sides of a fold; a splitter that parts one is refused.
        random_state : int, RandomState instance or None, default=None
            Decides which labels are shown. Pass an int to hide the same ones again;
            estimators have random states of their own.
        n_jobs : int, default=None
            Fits at the same time, as in joblib. None means 1.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        line_kw : dict of str to dict, default=None
            Styles of single curves, by the names of their systems, for
            :meth:`matplotlib.axes.Axes.plot`.
        band_kw : dict, default=None
            Style of all bands, for :meth:`matplotlib.axes.Axes.fill_between`.

        Returns
        -------
        display : LabelFractionDisplay
            What was drawn. Its `scores` have a column for each fold.

        Raises
        ------
        ValueError
            If there is no estimator; if a name in `supervised` or `line_kw` is that of
            none; if a count is out of range, leaves a class without a label, or exceeds
            the labels of a training part; if a test part has no label; if an estimator
            learns -1 as a class; if there is no scorer of that name; if `cv` parts a
            group; or if `X`, `y` and `groups` differ in length.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimators")
        supervised = [supervised] if isinstance(supervised, str) else supervised
        _check_names(estimators, supervised=supervised, line_kw=line_kw or ())
        counts = check_label_counts(label_counts)
        scores = score_by_labels(
            estimators,
            X,
            y,
            label_counts=counts,
            cv=cv,
            groups=groups,
            scorer=get_scorer(scoring),
            supervised=supervised,
            rng=check_random_state(random_state),
            n_jobs=n_jobs,
        )
        name = scoring.replace("_", " ") if isinstance(scoring, str) else "score"
        return cls(label_counts=counts, scores=scores, score_name=name).plot(
            ax, line_kw=line_kw, band_kw=band_kw
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kw: Mapping[str, dict[str, Any]] | None = None,
        band_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        line_kw : dict of str to dict, default=None
            Styles of single curves, by the names of their systems, for
            :meth:`matplotlib.axes.Axes.plot`.
        band_kw : dict, default=None
            Style of all bands, for :meth:`matplotlib.axes.Axes.fill_between`.

        Returns
        -------
        display : LabelFractionDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are no scores, if they have not one row for each count, if a count
            is out of range, or if a name in `line_kw` is that of no system.
        ImportError
            If matplotlib is not installed.
        """
        _check_names(self.scores, line_kw=line_kw or ())
        counts = check_label_counts(self.label_counts)
        curves = {
            name: _check_scores(scores, name, len(counts))
            for name, scores in self.scores.items()
        }
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = {}, {}
        order = np.argsort(counts)
        for name, scores in curves.items():
            own = (line_kw or {}).get(name)
            self._draw_curve(name, counts[order], scores[order], own, band_kw)
        self._label_axes(counts[order])
        return self

    def _draw_curve(
        self,
        name: str,
        counts: NDArray,
        scores: NDArray[np.float64],
        line_kw: dict[str, Any] | None,
        band_kw: dict[str, Any] | None,
    ) -> None:
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D

        mean, deviation = scores.mean(axis=1), scores.std(axis=1)
        style = merge_style({"label": name, "marker": "o"}, line_kw, Line2D)
        (line,) = self.ax_.plot(counts, mean, **style)
        defaults = {"facecolor": line.get_color(), "alpha": 0.2, "linewidth": 0}
        style = merge_style(defaults, band_kw, PolyCollection)
        self.lines_[name] = line
        self.bands_[name] = self.ax_.fill_between(
            counts, mean - deviation, mean + deviation, **style
        )

    def _label_axes(self, counts: NDArray) -> None:
        if counts[-1] >= _WIDE_RANGE * counts[0]:
            self.ax_.set_xscale("log")
        shares = is_share(counts)
        ticks = [f"{100 * count:g} %" if shares else str(count) for count in counts]
        self.ax_.set_xticks(counts, ticks)
        self.ax_.set_xticks([], minor=True)
        self.ax_.set(
            xlabel="share of the labels" if shares else "labelled clips",
            ylabel=self.score_name,
        )
        self.legend_ = self.ax_.legend()


def _check_names(systems: Mapping[str, Any], **given: Collection[str]) -> None:
    if not systems:
        raise ValueError("There is nothing to compare: name at least one system.")
    for parameter, names in given.items():
        if strangers := [name for name in names if name not in systems]:
            raise ValueError(
                f"{parameter} names {strangers[0]!r}, which is none of the systems: "
                f"{', '.join(systems)}."
            )


def _check_scores(scores: Any, name: str, n_counts: int) -> NDArray[np.float64]:
    """Return scores of shape (n_counts, n_repeats), or raise."""
    scores = check_array(
        scores,
        ensure_2d=False,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        input_name=name,
    )
    if scores.ndim != 2 or len(scores) != n_counts:
        raise ValueError(
            f"The scores of {name!r} must have a row for each of the {n_counts} counts "
            f"and a column for each repeat, got an array of shape {scores.shape}."
        )
    return scores
