"""Clips as pictures: spectrograms as images, rows of features as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_audio.inspection._artists import merge_style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


def check_clips(clips: Any, title: str) -> NDArray:
    """Return clips as an array of pictures or of rows, all finite, or raise."""
    clips = check_array(clips, allow_nd=True, input_name=title)
    if clips.ndim > 3:
        raise ValueError(
            "Clips must be pictures (n_bands, n_frames) or rows (n_features,) to be "
            f"drawn, got {title} clips of shape {clips.shape[1:]}."
        )
    return clips


def clip_style(
    clips: NDArray, im_kw: dict[str, Any] | None, line_kw: dict[str, Any] | None
) -> dict[str, Any]:
    """Return how to draw each clip, so that all can be compared."""
    from matplotlib.lines import Line2D

    if clips.ndim == 2:
        return merge_style({"linewidth": 1}, line_kw, Line2D)
    shared = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
    limits = {"vmin": clips.min(), "vmax": clips.max()}
    # matplotlib refuses limits beside a norm, which has its own.
    return {**shared, **({} if "norm" in (im_kw or {}) else limits), **(im_kw or {})}


def draw_clip(ax: Axes, clip: NDArray, style: dict[str, Any]) -> Artist:
    """Draw a clip in the style that :func:`clip_style` found for all."""
    return ax.imshow(clip, **style) if clip.ndim == 2 else ax.plot(clip, **style)[0]
