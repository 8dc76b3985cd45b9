"""Columns of numbers over a grid of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from symflops import arrays, deadline, notebook, polynomial
from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.given import Axis, Numeric
from symflops.polynomial import Value
from symflops.vocabulary.metrics import METRICS

if TYPE_CHECKING:
    import numpy as np

    Column: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64 | np.float64]]

_PER_POINT = 1e-5  # seconds more for a column, for each of its points


def negative_error(metric: str) -> SymflopsError:
    return SymflopsError(f"{metric} is negative at this point: the formula or a repeat does not hold here")


def is_number(axis: Axis) -> TypeGuard[Numeric]:
    return not isinstance(axis, Sequence | range) and getattr(axis, "ndim", 0) == 0 and not hasattr(axis, "__iter__")


class Sweep(Mapping[str, "Column"]):
    """Columns over a grid of points: the swept symbols first, then the metrics. A mapping from name to array."""

    def __init__(
        self,
        values: Mapping[str, Value],
        domain: Domain,
        axes: dict[str, Column],
    ) -> None:
        self._values = values
        self._axes = axes
        self._columns: dict[str, Column] = {}
        domain.check_grid(axes)
        for metric in METRICS:  # where one is negative its formula does not hold, and so no other does
            if not polynomial.is_nonnegative(self._values[metric]) and (self[metric] < 0).any():
                raise negative_error(metric)

    def __getitem__(self, name: str) -> Column:
        import numpy as np

        if not isinstance(name, str):
            raise KeyError(name)
        if name not in self._columns:
            if name in self._axes:
                array = self._axes[name]
            elif name in METRICS:
                points = prod(axis.size for axis in self._axes.values())
                with deadline.call(f"the column {name}", deadline.CALL + _PER_POINT * points):
                    array = arrays.column(self._values[name], self._axes)
            else:
                raise KeyError(name)
            shape = np.broadcast_shapes(*(axis.shape for axis in self._axes.values()))
            self._columns[name] = np.broadcast_to(array, shape).reshape(-1)
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._axes, *METRICS))

    def __len__(self) -> int:
        return len(self._axes) + len(METRICS)

    @property
    def dtypes(self) -> dict[str, str]:
        """The NumPy dtype of every column."""
        return {name: str(self[name].dtype) for name in self}

    def to_pandas(self) -> notebook.DataFrame:
        """The columns as a pandas DataFrame. Needs the extra `symflops[pandas]`.

        >>> from symflops import Cost
        >>> Cost.of(flops="2*seq_len**2").sweep(seq_len=[1, 2, 3]).to_pandas()[["seq_len", "flops"]].sum().tolist()
        [6, 28]
        """
        return notebook.frame(self)

    def _shown(self) -> tuple[int, list[tuple[str, ...]]]:
        """How many points there are, and the first and the last ones."""
        columns = [self[name] for name in self]
        length = columns[0].size
        rows = [tuple("⋮" if i is None else f"{c[i].item():,}" for c in columns) for i in notebook.ends(length)]
        return length, rows

    def __repr__(self) -> str:
        length, rows = self._shown()
        return f"{notebook.text(tuple(self), rows, (True,) * len(self))}\n{length:,} points"

    def _repr_html_(self) -> str:
        length, rows = self._shown()
        return f"{notebook.table(tuple(self), rows, (True,) * len(self))}<p>{length:,} points</p>"
