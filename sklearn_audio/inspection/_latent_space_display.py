"""Where an encoder puts normal and anomalous clips, as a scatter."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.utils import check_array
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import axes_for, merge_style
from sklearn_audio.inspection._layers import require_layer
from sklearn_audio.inspection._scored_clips import mark_known
from sklearn_audio.metrics._checks import check_labels, check_same_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend

_DETECTION: dict[Hashable, str] = {1: "normal", -1: "anomalous"}


class LatentSpaceDisplay:
    """Show where an encoder puts normal and anomalous clips.

    Made by :meth:`from_estimator` or :meth:`from_latents`. Each clip is a point, in the
    plane in which the latent vectors of the normal clips spread most. A detector that
    tells clips apart in its latent space keeps the normal ones together and the
    anomalous ones away from them; [1]_ compares two trainings in this way.

    Parameters
    ----------
    points : ndarray of shape (n_clips, 2)
        Where each clip is.
    y : sequence of length n_clips or None, default=None
        Label of each clip. Each label has a colour of its own.
    known_labels : sequence or None, default=None
        The labels of the normal clips, which are drawn below the others.
    explained_variance_ratio : ndarray of shape (2,) or None, default=None
        The share of the variance that lies along either axis, of the normal clips if
        `known_labels` tells which they are; None if the latent space is this plane.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the points are. On a new figure, both axes have the same scale.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    scatters_ : dict of label to matplotlib PathCollection
        The points of each label, in the order in which they were drawn; without labels,
        all points under None.
    legend_ : matplotlib Legend or None
        Which colour is which label; None without labels.

    See Also
    --------
    ScoreHistogramDisplay : What a detector makes of these places.
    ReconstructionDisplay : What a decoder makes of the latent vectors.

    References
    ----------
    .. [1] C. Chen, P. Chen, H. Song, Y. Tao, Y. Xie, S. Ding and L. Ma, "Acoustic
       anomaly detection via latent regularized Gaussian mixture generative adversarial
       networks", 2020, figure 4. https://doi.org/10.48550/arXiv.2002.01107

    Examples
    --------
    Any latent vectors will do. Here fives are the anomalies among the digits 0 and 1:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_audio.inspection import LatentSpaceDisplay
    >>> X, digit = load_digits(n_class=6, return_X_y=True)
    >>> X, digit = X[np.isin(digit, [0, 1, 5])], digit[np.isin(digit, [0, 1, 5])]
    >>> display = LatentSpaceDisplay.from_latents(X, np.where(digit == 5, -1, 1))
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['normal (360 clips)', 'anomalous (182 clips)']
    >>> display.ax_.get_xlabel()
    "component 1 (43 % of normal clips' variance)"
    """

    ax_: Axes
    figure_: Figure | SubFigure
    scatters_: dict[Hashable, PathCollection]
    legend_: Legend | None

    def __init__(
        self,
        *,
        points: NDArray[np.float64],
        y: Any = None,
        known_labels: Any = None,
        explained_variance_ratio: NDArray[np.float64] | None = None,
    ) -> None:
        self.points = points
        self.y = y
        self.known_labels = known_labels
        self.explained_variance_ratio = explained_variance_ratio

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        known_labels: Any = None,
        ax: Axes | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted estimator encode clips, and draw where it puts them.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a method ``encode(X)`` that returns one latent vector per clip.
            It may stand in a pipeline or a search.
        X : array-like of shape (n_clips, ...)
            Clips, as they are given to ``fit``: the steps of a pipeline before the
            encoder transform them.
        y : array-like of shape (n_clips,), default=None
            Their labels, such as 1 for normal and -1 for anomalous clips, or the kinds
            of sounds; None draws all clips in one colour.
        known_labels : array-like of shape (n_known_labels,), default=None
            The labels of the normal clips, whose latent vectors decide about the
            directions to be seen. None takes the estimator's ``classes_``; without
            them, 1 where `y` holds 1 and otherwise only -1, and else all labels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kw : dict, default=None
            Style of all points, for :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``encode``.
        ValueError
            If the latent vectors have fewer than two values, are not finite, or if the
            normal ones do not differ, or if lengths differ.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        layer = require_layer(
            estimator,
            "encode",
            "a method that returns latent vectors. Vectors from elsewhere go to "
            "from_latents.",
        )
        if known_labels is None and y is not None:
            known_labels = getattr(estimator, "classes_", None)
        return cls.from_latents(
            layer.estimator.encode(layer.prepare(X)),
            y,
            known_labels=known_labels,
            ax=ax,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_latents(
        cls,
        latents: Any,
        y: Any = None,
        *,
        known_labels: Any = None,
        ax: Axes | None = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw latent vectors that were computed before.

        Two values of a vector are drawn as they are. Of more, the first two principal
        components of the normal clips are drawn.

        Parameters
        ----------
        latents : array-like of shape (n_clips, latent_dim)
            One vector per clip, of at least two values, finite.
        y : array-like of shape (n_clips,), default=None
            Label of each clip, such as 1 for normal and -1 for anomalous clips, or the
            kinds of sounds; None draws all clips in one colour.
        known_labels : array-like of shape (n_known_labels,), default=None
            The labels of the normal clips, whose latent vectors decide about the
            directions to be seen. None takes 1 where `y` holds 1 and otherwise only -1,
            and else all labels.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kw : dict, default=None
            Style of all points, for :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If the latent vectors have fewer than two values, are not finite, or if the
            normal ones do not differ, or if lengths differ.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_latents")
        latents = _check_latents(latents)
        is_normal = np.full(len(latents), True)
        if y is not None:
            y = check_labels(y, "y")
            check_same_length(latents=latents, y=y)
            known_labels = _find_known_labels(y, known_labels)
        if known_labels is not None:
            is_normal = _mark_normal(y, known_labels)
        points, ratio = _project(latents, is_normal)
        return cls(
            points=points,
            y=y,
            known_labels=known_labels,
            explained_variance_ratio=ratio,
        ).plot(ax, scatter_kw=scatter_kw)

    def plot(
        self, ax: Axes | None = None, *, scatter_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        scatter_kw : dict, default=None
            Style of all points, for :meth:`matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        same_scale = {"aspect": "equal", "adjustable": "datalim"}
        self.ax_ = axes_for(self, ax, subplot_kw=same_scale)
        self.figure_ = self.ax_.figure
        clips = self._clips_of_labels()
        is_detection = self._known == [1] and clips.keys() <= _DETECTION.keys()
        names = _DETECTION if is_detection else {}
        self.scatters_ = {
            label: self._draw(rows, names.get(label, label), scatter_kw)
            for label, rows in clips.items()
        }
        xlabel, ylabel = self._axis_labels()
        self.ax_.set(xlabel=xlabel, ylabel=ylabel)
        self.legend_ = None if self.y is None else self.ax_.legend()
        return self

    @property
    def _known(self) -> list[Hashable]:
        return [] if self.known_labels is None else list(self.known_labels)

    def _clips_of_labels(self) -> dict[Hashable, list[int]]:
        """Return the clips of each label, in the order in which to draw them."""
        if self.y is None:
            return {None: list(range(len(self.points)))}
        labels = check_labels(self.y, "y")
        # Few anomalous clips must not hide below many normal ones. Text and numbers,
        # which cannot be compared, may stand side by side.
        order: list[Any] = sorted(
            set(labels), key=lambda x: (x not in self._known, isinstance(x, str), x)
        )
        clips: dict[Hashable, list[int]] = {label: [] for label in order}
        for clip, label in enumerate(labels):
            clips[label].append(clip)
        return clips

    def _draw(
        self, clips: list[int], name: Hashable, given: dict[str, Any] | None
    ) -> PathCollection:
        from matplotlib.collections import PathCollection

        defaults: dict[str, Any] = {"s": 12, "alpha": 0.7, "linewidth": 0}
        if self.y is not None:
            defaults["label"] = f"{name} ({len(clips)} clips)"
        style = merge_style(defaults, given, PathCollection)
        return self.ax_.scatter(*np.asarray(self.points)[clips].T, **style)

    def _axis_labels(self) -> list[str]:
        if self.explained_variance_ratio is None:
            return ["latent value 1", "latent value 2"]
        of = "variance" if self.known_labels is None else "normal clips' variance"
        return [
            f"component {number} ({share:.0%} of {of})".replace("%", " %")
            for number, share in enumerate(self.explained_variance_ratio, 1)
        ]


def _check_latents(latents: Any) -> NDArray[np.float64]:
    latents = check_array(latents, dtype=np.float64, input_name="latents")
    if latents.shape[1] < 2:
        raise ValueError(
            "latents must hold at least two values per clip to be drawn in a plane, "
            f"got an array of shape {latents.shape}. A single value is better seen in "
            "a ScoreHistogramDisplay."
        )
    return latents


def _find_known_labels(y: list[Hashable], known_labels: Any) -> Any:
    """Return the labels given, else that of normal clips in anomaly detection."""
    if known_labels is None and {1} <= set(y) <= _DETECTION.keys():
        return [1]
    return known_labels


def _mark_normal(y: Any, known_labels: Any) -> NDArray[np.bool_]:
    if y is None:
        raise ValueError(
            f"known_labels={known_labels!r} says which labels are those of normal "
            "clips, but there are no labels. Give y."
        )
    return mark_known(y, known_labels)


def _project(
    latents: NDArray[np.float64], is_normal: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return all clips in the plane of the normal ones, and its share of variance."""
    if latents.shape[1] == 2:
        return latents, None
    normal = latents[is_normal]
    if len(normal) == 0 or not np.ptp(normal, axis=0).any():
        raise ValueError(
            "At least two normal clips with different latent vectors are needed to "
            f"find the plane in which to draw, got {len(normal)} normal among "
            f"{len(latents)} clips, all alike. Check known_labels and y."
        )
    pca = PCA(n_components=2, random_state=0).fit(normal)
    return pca.transform(latents), pca.explained_variance_ratio_
