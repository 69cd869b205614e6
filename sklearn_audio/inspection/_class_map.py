"""Maps with a cell for each pair of classes, and borders between groups of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.image import AxesImage

# All in inches. The smallest cell has room for a tick label of ten points, the largest
# for a number.
_SMALLEST_CELL, _LARGEST_CELL = 0.2, 0.5
_CHARACTER = 0.09
# Names of the axes, ticks, and the colour scale, which is at the right.
_MARGINS = 1.7, 0.8


class ClassAxis(NamedTuple):
    """The classes along one side of a map, those of a group side by side."""

    classes: list[Hashable]
    # The name of each group and how many classes it has; empty where none are told.
    groups: dict[Hashable, int]


def group_classes(
    classes: Sequence[Hashable], group_of: Mapping[Any, Hashable] | None
) -> ClassAxis:
    """Put the classes of each group side by side, in the mapping's order of groups."""
    if group_of is None:
        return ClassAxis(list(classes), {})
    members: dict[Hashable, list[Hashable]] = {g: [] for g in group_of.values()}
    for label in classes:
        members[group_of[label]].append(label)
    return ClassAxis(
        [label for labels in members.values() for label in labels],
        {group: len(labels) for group, labels in members.items() if labels},
    )


def figure_size(rows: ClassAxis, columns: ClassAxis) -> tuple[float, float]:
    """Return width and height in inches with which every label can be read."""
    cell = _side_of_cell(rows, columns)
    across, down = _MARGINS
    across += _longest(rows.classes) + _longest(rows.groups)
    down += _longest(columns.classes)
    return len(columns.classes) * cell + across, len(rows.classes) * cell + down


def _side_of_cell(rows: ClassAxis, columns: ClassAxis) -> float:
    """Return the inches that a cell has on a new figure."""
    most = max(len(rows.classes), len(columns.classes))
    return float(np.clip(5 / most, _SMALLEST_CELL, _LARGEST_CELL))


def _narrowest_cell(ax: Axes, rows: ClassAxis, columns: ClassAxis) -> float:
    """Return the inches that a cell has at least, before a layout is computed."""
    on_given_axes = ax.bbox.width / ax.figure.dpi / len(columns.classes)
    return min(on_given_axes, _side_of_cell(rows, columns))


def _longest(labels: Iterable[Hashable]) -> float:
    """Return the inches that the longest label takes."""
    return _CHARACTER * max(map(len, _names(labels)), default=0)


def draw_map(
    ax: Axes,
    values: NDArray[np.float64],
    rows: ClassAxis,
    columns: ClassAxis,
    style: dict[str, Any],
) -> AxesImage:
    """Draw values (n_rows, n_columns) and name the classes along both sides."""
    image = ax.imshow(values, **style)
    ax.set_facecolor("0.9")  # seen where there is no value
    names = _names(columns.classes)
    rotation = _rotation(names, [1] * len(names), _narrowest_cell(ax, rows, columns))
    ax.set_xticks(np.arange(len(names)), names, rotation=rotation)
    ax.set_yticks(np.arange(len(rows.classes)), _names(rows.classes))
    return image


def draw_groups(
    ax: Axes, rows: ClassAxis, columns: ClassAxis, style: dict[str, Any]
) -> list[LineCollection]:
    """Draw borders between groups, and name the groups at the right and on top."""
    width, height = len(columns.classes), len(rows.classes)
    borders = []
    if rows.groups:
        ends = np.cumsum(list(rows.groups.values())) - 0.5  # (n_groups,)
        borders.append(ax.hlines(ends[:-1], -0.5, width - 0.5, **style))
        side = ax.secondary_yaxis("right")
        side.set_yticks(_middles(rows), _names(rows.groups))
        side.tick_params(length=0)
    if columns.groups:
        ends = np.cumsum(list(columns.groups.values())) - 0.5
        borders.append(ax.vlines(ends[:-1], -0.5, height - 0.5, **style))
        names = _names(columns.groups)
        top = ax.secondary_xaxis("top")
        cell = _narrowest_cell(ax, rows, columns)
        rotation = _rotation(names, columns.groups.values(), cell)
        top.set_xticks(_middles(columns), names, rotation=rotation)
        top.tick_params(length=0)
    return borders


def _names(labels: Iterable[Hashable]) -> list[str]:
    return [str(label) for label in labels]


def _middles(axis: ClassAxis) -> NDArray[np.float64]:
    sizes = np.array(list(axis.groups.values()))  # (n_groups,)
    return np.cumsum(sizes) - sizes / 2 - 0.5


def _rotation(names: Sequence[str], sizes: Iterable[int], cell: float) -> int:
    """Return by how many degrees to turn names of columns, lest they overlap."""
    fits = [
        (len(name) + 1) * _CHARACTER <= size * cell
        for name, size in zip(names, sizes, strict=True)
    ]
    return 0 if all(fits) else 90


def draw_scale(image: AxesImage, label: str) -> Colorbar:
    """Draw the colour scale, as high as the map."""
    ax = image.axes
    return ax.figure.colorbar(image, ax=ax, label=label, aspect=25, pad=0.02)
