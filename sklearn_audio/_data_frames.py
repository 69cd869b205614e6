"""Transformers whose tables may be data frames and whose other arrays never are.

scikit-learn's own ``set_output`` puts everything that a transformer with column names
returns into a data frame. Spectrograms have three axes and do not fit into one, so a
pipeline with such a step would refuse ``set_output``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils._set_output import _get_container_adapter


class NamedArray(np.ndarray):
    """An array that remembers the names a data frame would have in its place.

    A table made from it later gets them back. Without the index, a
    ``ColumnTransformer`` would join rows of different clips wherever the index is not
    0, 1, 2 and so on, as after ``train_test_split``. Views and results of arithmetic
    have no names, because they may hold other rows.
    """

    index: Any = None  # of the clips, as pandas has it
    names: NDArray[np.object_] | None = None  # of the second axis

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the names in caches of ``Pipeline(memory=...)``."""
        rebuild, arguments, state = cast(tuple[Any, ...], super().__reduce__())
        return rebuild, arguments, (state, self.index, self.names)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        array_state, self.index, self.names = state
        super().__setstate__(array_state)


class DataFrameOutputMixin(TransformerMixin):
    """Deliver tables as ``set_output`` asks, and all other arrays as they are.

    For transformers whose ``get_feature_names_out`` names the second axis of what
    ``transform`` returns: the columns of tables, the bands of spectrograms.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)
        for name in ("transform", "fit_transform"):
            if name in vars(cls):
                setattr(cls, name, _deliver(vars(cls)[name]))

    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Set the container of tables.

        Arrays that are not tables, such as spectrograms, are returned as arrays
        whatever is set, so that a pipeline with such a step can be set as a whole.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Container of what `transform` and `fit_transform` return: an array, or a
            data frame of one of the two libraries. None changes nothing.

        Returns
        -------
        self : estimator
            The transformer itself.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self


def _deliver(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method that returns an array, given ``X`` first."""

    @wraps(method)
    def deliver(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        out = method(self, X, *args, **kwargs)
        adapter = _get_container_adapter("transform", self)
        if adapter is None:
            return out
        # Lists have an index too: a method.
        index = X.index if isinstance(X, NamedArray) or hasattr(X, "iloc") else None
        names = self.get_feature_names_out()
        if out.ndim != 2:
            out = out.view(NamedArray)
            out.index, out.names = index, names
            return out
        table = adapter.create_container(out, X, columns=names)
        if index is not None and adapter.container_lib == "pandas":
            table.index = index
        return table

    return deliver
