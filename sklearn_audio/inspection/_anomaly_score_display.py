"""Familiarity of a long recording, moment by moment, below its spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklearn_audio.inspection._artists import (
    axes_for,
    draw_threshold,
    merge_style,
    replace_by_grid,
)
from sklearn_audio.inspection._clip_pictures import clip_style
from sklearn_audio.inspection._scored_clips import familiarity, threshold_of
from sklearn_audio.inspection._scored_recording import (
    check_curve,
    check_events,
    check_spectrogram,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

# Filled and hatched areas can be told apart where they overlap, without colours, too.
_EVENT_STYLES: dict[str, dict[str, Any]] = {
    "true": {"color": "tab:green", "alpha": 0.3, "linewidth": 0},
    "detected": {"color": "tab:orange", "fill": False, "hatch": "///"},
}


class AnomalyScoreDisplay:
    """Show how familiar each moment of a long recording is.

    Made by :meth:`from_estimator` or :meth:`from_predictions`. The curve falls where a
    detector hears something that it does not know, and what is below the threshold is
    rejected. Events are shaded, and a spectrogram may stand above, on the same axis of
    time.

    Parameters
    ----------
    times : array-like of shape (n_frames,)
        Start of each frame in seconds, rising.
    scores : array-like of shape (n_frames,)
        Familiarity of each frame, higher = more normal.
    threshold : float or None, default=None
        Familiarity below which a frame is rejected, drawn as a line; neither None nor
        minus infinity, which rejects nothing, is drawn.
    frame_duration : float, default=0.0
        Length of a frame in seconds. Scores are drawn at the middle of their frames,
        by default at `times`.
    true_events : array-like of shape (n_events, 2) or None, default=None
        Start and end of each anomaly in seconds, from a person who has listened.
    detected_events : array-like of shape (n_events, 2) or None, default=None
        Start and end of each anomaly in seconds, from a detector.
    spectrogram : array-like of shape (n_bands, n_columns) or None, default=None
        Spectrogram of the whole recording in dB, lowest band first.
    duration : float or None, default=None
        Length of the recording in seconds, to which the axis of time and the
        spectrogram reach. The latter needs it; without it, the axis ends with the
        curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curve is.
    spectrogram_ax_ : matplotlib Axes or None
        Where the spectrogram is, if there is one.
    bounding_ax_ : matplotlib Axes
        The axes whose place both take; without a spectrogram, `ax_`.
    figure_ : matplotlib Figure
        The figure of all axes.
    line_ : matplotlib Line2D
        The curve.
    threshold_line_ : matplotlib Line2D or None
        The threshold, where there is one.
    event_patches_ : dict of str to list of matplotlib Rectangle
        The areas of "true" and of "detected" events.
    image_ : matplotlib AxesImage or None
        The spectrogram.
    legend_ : matplotlib Legend or None
        What is what; None where the curve is alone.

    See Also
    --------
    ScoreHistogramDisplay : The scores of many clips, without time.

    Examples
    --------
    A detector that knows only noise, and a recording with a louder second in the
    middle, scored twice a second:

    >>> import numpy as np
    >>> from sklearn.covariance import EllipticEnvelope
    >>> from sklearn_audio.inspection import AnomalyScoreDisplay
    >>> rng = np.random.default_rng(0)
    >>> detector = EllipticEnvelope(random_state=0).fit(rng.normal(size=(200, 3)))
    >>> times = np.arange(0, 10, 0.5)
    >>> X = rng.normal(size=(20, 3))
    >>> X[10:12] += 6
    >>> display = AnomalyScoreDisplay.from_estimator(
    ...     detector, X, times, frame_duration=0.5, true_events=[[5.0, 6.0]]
    ... )
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['threshold (-6.24)', 'true events (1)']
    """

    ax_: Axes
    spectrogram_ax_: Axes | None
    bounding_ax_: Axes
    figure_: Figure | SubFigure
    line_: Line2D
    threshold_line_: Line2D | None
    event_patches_: dict[str, list[Rectangle]]
    image_: AxesImage | None
    legend_: Legend | None

    def __init__(
        self,
        *,
        times: ArrayLike,
        scores: ArrayLike,
        threshold: float | None = None,
        frame_duration: float = 0.0,
        true_events: ArrayLike | None = None,
        detected_events: ArrayLike | None = None,
        spectrogram: ArrayLike | None = None,
        duration: float | None = None,
    ) -> None:
        self.times = times
        self.scores = scores
        self.threshold = threshold
        self.frame_duration = frame_duration
        self.true_events = true_events
        self.detected_events = detected_events
        self.spectrogram = spectrogram
        self.duration = duration

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        times: ArrayLike,
        *,
        frame_duration: float = 0.0,
        true_events: ArrayLike | None = None,
        detected_events: ArrayLike | None = None,
        spectrogram: ArrayLike | None = None,
        duration: float | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the familiarity that a fitted detector finds in a recording's frames.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``score_samples``; a pipeline or a search will do. Its
            ``offset_``, where it has one, is the threshold.
        X : array-like of shape (n_frames, ...)
            The frames, each as a clip is given to ``fit``.
        times : array-like of shape (n_frames,)
            Start of each frame in seconds, rising.
        frame_duration : float, default=0.0
            Length of a frame in seconds. Scores are drawn at the middle of their
            frames, by default at `times`.
        true_events : array-like of shape (n_events, 2), default=None
            Start and end of each anomaly in seconds, from a person who has listened.
        detected_events : array-like of shape (n_events, 2), default=None
            Start and end of each anomaly in seconds, from a detector.
        spectrogram : array-like of shape (n_bands, n_columns), default=None
            Spectrogram of the whole recording in dB, lowest band first.
        duration : float, default=None
            Length of the recording in seconds. The spectrogram needs it.
        ax : matplotlib Axes, default=None
            Where to draw, a subplot if there is a spectrogram; None makes a new figure.
        line_kw : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axhline`.
        im_kw : dict, default=None
            Style of the spectrogram, for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : AnomalyScoreDisplay
            What was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the estimator has no ``score_samples``.
        ValueError
            If times, scores, events or the spectrogram have the wrong shape, are not
            finite or not in order, or if a spectrogram comes without `duration`.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        return cls.from_predictions(
            times,
            familiarity(estimator, X),
            threshold=threshold_of(estimator),
            frame_duration=frame_duration,
            true_events=true_events,
            detected_events=detected_events,
            spectrogram=spectrogram,
            duration=duration,
            ax=ax,
            line_kw=line_kw,
            threshold_kw=threshold_kw,
            im_kw=im_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        times: ArrayLike,
        scores: ArrayLike,
        *,
        threshold: float | None = None,
        frame_duration: float = 0.0,
        true_events: ArrayLike | None = None,
        detected_events: ArrayLike | None = None,
        spectrogram: ArrayLike | None = None,
        duration: float | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw familiarities that were computed before.

        Parameters
        ----------
        times : array-like of shape (n_frames,)
            Start of each frame in seconds, rising.
        scores : array-like of shape (n_frames,)
            Familiarity of each frame, finite; higher is more normal.
        threshold : float or None, default=None
            Familiarity below which a frame is rejected, such as an ``offset_``; neither
            None nor minus infinity, which rejects nothing, is drawn.
        frame_duration : float, default=0.0
            Length of a frame in seconds. Scores are drawn at the middle of their
            frames, by default at `times`.
        true_events : array-like of shape (n_events, 2), default=None
            Start and end of each anomaly in seconds, from a person who has listened.
        detected_events : array-like of shape (n_events, 2), default=None
            Start and end of each anomaly in seconds, from a detector.
        spectrogram : array-like of shape (n_bands, n_columns), default=None
            Spectrogram of the whole recording in dB, lowest band first.
        duration : float, default=None
            Length of the recording in seconds. The spectrogram needs it.
        ax : matplotlib Axes, default=None
            Where to draw, a subplot if there is a spectrogram; None makes a new figure.
        line_kw : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axhline`.
        im_kw : dict, default=None
            Style of the spectrogram, for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : AnomalyScoreDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If times, scores, events or the spectrogram have the wrong shape, are not
            finite or not in order, or if a spectrogram comes without `duration`.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        return cls(
            times=times,
            scores=scores,
            threshold=threshold,
            frame_duration=frame_duration,
            true_events=true_events,
            detected_events=detected_events,
            spectrogram=spectrogram,
            duration=duration,
        ).plot(ax, line_kw=line_kw, threshold_kw=threshold_kw, im_kw=im_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kw: dict[str, Any] | None = None,
        threshold_kw: dict[str, Any] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the curve, and the spectrogram if there is one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, a subplot if there is a spectrogram; None makes a new figure.
        line_kw : dict, default=None
            Style of the curve, for :meth:`matplotlib.axes.Axes.plot`.
        threshold_kw : dict, default=None
            Style of the threshold, for :meth:`matplotlib.axes.Axes.axhline`.
        im_kw : dict, default=None
            Style of the spectrogram, for :meth:`matplotlib.axes.Axes.imshow`.

        Returns
        -------
        display : AnomalyScoreDisplay
            Itself.

        Raises
        ------
        ValueError
            If times, scores, events or the spectrogram have the wrong shape, are not
            finite or not in order, or if a spectrogram comes without `duration`.
        ImportError
            If matplotlib is not installed.
        """
        times, scores = check_curve(self.times, self.scores)
        events = {
            "true": check_events(self.true_events, "true_events"),
            "detected": check_events(self.detected_events, "detected_events"),
        }
        spectrogram = check_spectrogram(self.spectrogram, self.duration)
        size = (8, 2.5) if spectrogram is None else (8, 4.5)
        self.bounding_ax_ = axes_for(self, ax, figsize=size, layout="constrained")
        self.figure_ = self.bounding_ax_.figure
        self.ax_, self.spectrogram_ax_, self.image_ = self.bounding_ax_, None, None
        if spectrogram is not None:
            self._draw_spectrogram(spectrogram, im_kw)
        self.line_ = self._draw_curve(times, scores, line_kw)
        self.threshold_line_ = draw_threshold(
            self.ax_.axhline, self.threshold, threshold_kw
        )
        self.event_patches_ = {
            kind: self._draw_events(kind, spans) for kind, spans in events.items()
        }
        self._label_axes()
        return self

    def _draw_spectrogram(
        self, spectrogram: NDArray, given: dict[str, Any] | None
    ) -> None:
        """Make room above the curve, and draw there."""
        grid = replace_by_grid(self.bounding_ax_, 2, 1)
        self.ax_ = self.figure_.add_subplot(grid[1])
        upper = self.figure_.add_subplot(grid[0], sharex=self.ax_)
        upper.set_ylabel("band")
        upper.tick_params(labelbottom=False)
        extent = (0, self.duration, -0.5, len(spectrogram) - 0.5)
        style = clip_style(spectrogram[None], {"extent": extent, **(given or {})}, None)
        self.image_ = upper.imshow(spectrogram, **style)
        self.spectrogram_ax_ = upper

    def _draw_curve(
        self,
        times: NDArray[np.float64],
        scores: NDArray[np.float64],
        given: dict[str, Any] | None,
    ) -> Line2D:
        from matplotlib.lines import Line2D

        middles = times + self.frame_duration / 2
        style = merge_style({"linewidth": 1.2}, given, Line2D)
        (line,) = self.ax_.plot(middles, scores, **style)
        return line

    def _draw_events(self, kind: str, spans: NDArray[np.float64]) -> list[Rectangle]:
        style = _EVENT_STYLES[kind]
        patches = [self.ax_.axvspan(start, end, **style) for start, end in spans]
        for patch in patches[:1]:  # one line in the legend stands for all
            patch.set_label(f"{kind} events ({len(patches)})")
        return patches

    def _label_axes(self) -> None:
        self.ax_.set(xlabel="time (s)", ylabel="familiarity")
        self.ax_.margins(x=0)
        if self.duration is not None:
            self.ax_.set_xlim(0, self.duration)
        self.legend_ = self._draw_legend()

    def _draw_legend(self) -> Legend | None:
        labels = self.ax_.get_legend_handles_labels()[1]
        if not labels:
            return None
        # Above the axes, for the curve may be anywhere in them.
        return self.ax_.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0.1,
            frameon=False,
            ncols=len(labels),
        )
