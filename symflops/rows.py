"""Rows: the layers of a model in their places, with what each costs, as a list that notebooks show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symflops import notebook
from symflops.calling import such_as
from symflops.cost import METRICS, Cost
from symflops.errors import one_line
from symflops.given import Numeric
from symflops.grouping import grouped, short_names
from symflops.polynomial import Value
from symflops.tree import write

if TYPE_CHECKING:
    import sympy


def number_or_formula(value: Value) -> int | sympy.Expr:
    """A value as somebody computes on with it: an int, or a SymPy expression."""
    if isinstance(value, int):
        return value
    from symflops import expr

    return expr.to_sympy(value)


@dataclass(frozen=True, repr=False)
class Row:
    """A layer in its place: where, what, how often, and what one execution and all of them cost."""

    path: str
    class_name: str
    repeat: Value
    cost: Cost
    total: Cost
    is_basic: bool
    depth: int
    formula: str = ""  # of the library; a layer with a cost of its own and a group have none

    def __repr__(self) -> str:
        return f"Row({one_line(self.path)}: {one_line(self.class_name)} × {write(grouped(self.repeat))}, {self.total})"


class Rows(list[Row]):
    """The rows of a model: a list that notebooks show as a table."""

    @such_as("to_pandas(batch_size=1, seq_len=2048)")
    def to_pandas(self, **values: Numeric) -> notebook.DataFrame:
        """One line per row as a pandas DataFrame, costs with all repeats. Needs the extra `symflops[pandas]`.

        With values for the symbols (as in `Cost.at`) the metrics are exact integers, without any they are
        SymPy expressions.

        >>> from symflops.model import load
        >>> frame = load("llama-2-7b-hf").rows().to_pandas(batch_size=1, seq_len=2048)
        >>> int(frame["matmul_flops"].sum())
        29261612187648
        """
        totals = [row.total.at(**values) if values else row.total for row in self]
        columns: dict[str, list[Any]] = {
            "path": [row.path for row in self],
            "class": [row.class_name for row in self],
            "formula": [row.formula for row in self],
            "repeat": [number_or_formula(row.repeat) for row in self],
        }
        columns |= {metric: [getattr(total, metric) for total in totals] for metric in METRICS}
        return notebook.frame(columns)

    def __repr__(self) -> str:
        shown: list[tuple[str, ...]] = []
        for i in notebook.ends(len(self)):
            if i is None:
                shown.append(("⋮",) * 5)
                continue
            row = self[i]
            counts = (one_line(row.total.text(metric), 40) for metric in ("flops", "parameters"))
            shown.append((row.path, row.class_name.rpartition(".")[2], write(grouped(row.repeat)), *counts))
        header = ("path", "class", "repeat", "flops", "parameters")
        return f"{notebook.text(header, shown, (False, False, True, False, False))}\n{len(self):,} layers"

    def _repr_html_(self) -> str:
        names = short_names(set().union(*(row.total.free_symbols for row in self)))
        rows = [
            (row.path, _shown(row.repeat, names), *(_shown(row.total.value(metric), names) for metric in METRICS))
            for row in self
        ]
        caption = "; ".join(filter(None, ("with all runs", notebook.legend(names))))
        return notebook.table(("layer", "runs", *METRICS), rows, (False, True, *(False for _ in METRICS)), caption)


def _shown(value: Value, names: Mapping[str, str]) -> notebook.Cell:
    return f"{value:,}" if isinstance(value, int) else notebook.formula(grouped(value), names)
