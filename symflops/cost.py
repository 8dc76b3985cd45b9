"""Cost: the six metrics of a layer or a model as closed forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from symflops import algebra, notation, notebook, numeric, polynomial
from symflops.domain import NO_CONDITIONS, Domain
from symflops.errors import SymflopsError
from symflops.grouping import grouped, renamed, short_names
from symflops.polynomial import Number, Polynomial, Value
from symflops.tree import exact, write
from symflops.units import METRICS as METRICS
from symflops.units import UNITS as UNITS
from symflops.units import engineering, exact_number

if TYPE_CHECKING:
    import numpy as np
    import sympy

_SHOWN = 5  # points at each end of a long sweep in a notebook


def to_value(quantity: Any) -> Value:
    """The canonical value of a text, a number, a SymPy expression or a value."""
    if isinstance(quantity, str):
        return algebra.from_text(quantity)
    if isinstance(quantity, int | Fraction | Polynomial) and not isinstance(quantity, bool):
        return exact(quantity) if isinstance(quantity, Fraction) else quantity
    from symflops import expr

    return expr.from_sympy(quantity)


@dataclass(frozen=True, repr=False)
class Cost:
    """What something costs: FLOPs, matmul FLOPs, bytes read, written and materialised in between, and parameters.

    Build one with `Cost.of`; every metric is then a SymPy expression, of a Cost made by `at` a Python int. `domain` is
    where the closed forms hold: `at`, `sweep` and `bind` refuse numbers outside of it, and sums and products carry it
    on. `dtype_bytes` are the bytes per element where a call does not give them.

    >>> linear = Cost.of(flops="2*N*h*h", read_bytes="dtype_bytes*(N*h + h*h)")
    >>> (linear * "L").flops
    2*L*N*h**2
    >>> linear.at(N=3, h=4).read_bytes
    56
    """

    values: tuple[Value, ...]
    evaluated: bool = False
    domain: Domain = NO_CONDITIONS
    dtype_bytes: Number | None = None  # nothing was said of it: 2

    @staticmethod
    def of(**metrics: Any) -> Cost:
        """A Cost from texts, numbers or SymPy expressions by metric; a metric that is not given is 0."""
        for name in metrics:
            if name not in METRICS:
                raise SymflopsError(f"unknown metric {name!r}; valid: {', '.join(METRICS)}")
        return Cost(tuple(to_value(metrics.get(name, 0)) for name in METRICS))

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        values = tuple(polynomial.add(a, b) for a, b in zip(self.values, other.values, strict=True))
        return Cost(values, domain=self.domain & other.domain, dtype_bytes=self._common_dtype_bytes(other))

    def _common_dtype_bytes(self, other: Cost) -> Number | None:
        mine, theirs = (cost.dtype_bytes or 2 if cost.has_bytes else None for cost in (self, other))
        if None not in (mine, theirs) and mine != theirs:
            shown = " and ".join(str(numeric.plain(n)) for n in (mine, theirs) if n is not None)
            raise SymflopsError(f"two costs with other dtype_bytes by default, {shown}: bind all bytes before adding")
        return self.dtype_bytes if mine is not None else other.dtype_bytes

    @cached_property
    def has_bytes(self) -> bool:
        """Whether bytes per element are still open."""
        return not self.free_symbols.isdisjoint(numeric.BYTE_SYMBOLS)

    def __mul__(self, repeat: Any) -> Cost:
        """The cost of doing it `repeat` times; parameters are multiplied too (repeated layers own their weights)."""
        times = to_value(repeat)
        return replace(self, values=tuple(polynomial.multiply(value, times) for value in self.values))

    __rmul__ = __mul__

    def value(self, metric: str) -> Value:
        """The canonical value of one metric."""
        if metric not in METRICS:
            raise SymflopsError(f"unknown metric {metric!r}; valid: {', '.join(METRICS)}")
        return self.values[METRICS.index(metric)]

    def _expression(self, metric: str) -> Any:
        value = self.value(metric)
        if self.evaluated:
            return value
        if metric not in self._expressions:
            from symflops import expr

            self._expressions[metric] = expr.to_sympy(value)
        return self._expressions[metric]

    @cached_property
    def _expressions(self) -> dict[str, sympy.Expr]:
        return {}

    @property
    def flops(self) -> Any:
        """All floating-point operations, in FLOP; a multiply-add is 2."""
        return self._expression("flops")

    @property
    def matmul_flops(self) -> Any:
        """The part of `flops` done by matrix multiplies and convolutions, in FLOP."""
        return self._expression("matmul_flops")

    @property
    def read_bytes(self) -> Any:
        """Inputs and weights that are read, each once per layer, in bytes."""
        return self._expression("read_bytes")

    @property
    def write_bytes(self) -> Any:
        """Outputs that are written, each once per layer, in bytes."""
        return self._expression("write_bytes")

    @property
    def intermediate_bytes(self) -> Any:
        """Temporaries inside layers that are materialised, counted when written, in bytes."""
        return self._expression("intermediate_bytes")

    @property
    def parameters(self) -> Any:
        """Weights owned, a count; a tied weight counts once."""
        return self._expression("parameters")

    def text(self, metric: str, *, short: bool = False) -> str:
        """The closed form of one metric as text, grouped for reading, with short names on request."""
        tree = grouped(self.value(metric))
        return write(renamed(tree, self.legend) if short else tree)

    @cached_property
    def legend(self) -> dict[str, str]:
        """The short name of each free symbol."""
        return short_names(self.free_symbols)

    @cached_property
    def free_symbols(self) -> set[str]:
        """The names of the symbols that the metrics depend on."""
        found: set[str] = set()
        return found.union(*(algebra.free_symbols(value) for value in self.values))

    def bind(self, **values: Any) -> Cost:
        """The same cost with numbers in place of some symbols, still a closed form in the others.

        Raises SymflopsError as `at` does, and for numbers with which a condition of the domain cannot hold any more.
        """
        numeric.check_names(values, self.free_symbols | self.domain.free_symbols)
        numbers = {name: numeric.check(name, value) for name, value in values.items()}
        dtype_bytes = numbers.get("dtype_bytes", self.dtype_bytes)  # weights and cache follow what is put in
        return replace(self.substitute(numbers), dtype_bytes=dtype_bytes)

    def substitute(self, values: Mapping[str, Value]) -> Cost:
        """The same cost with canonical values in place of some symbols, and so its domain."""
        substituted = tuple(algebra.substitute(value, values) for value in self.values)
        return replace(self, values=substituted, domain=self.domain.substitute(values))

    def at(self, **values: Any) -> Cost:
        """The exact Python ints at one point.

        past_len and causal default to 0, dtype_bytes to its own (or 2), weight_bytes and cache_bytes to it; every other
        symbol needs a value. A closed form that is not whole there (an expected number of experts) is rounded to the
        nearest integer. Raises SymflopsError for a missing, unknown, negative or fractional value, for values outside
        of the domain, and where a metric would be negative, which is outside of what its formula describes.
        """
        numeric.check_names(values, self.free_symbols | self.domain.free_symbols)
        point = self.with_defaults(values)
        self.domain.check(point)
        numbers = [numeric.whole(n) for n in self._evaluator(point)]
        for metric, number in zip(METRICS, numbers, strict=True):
            if number < 0:
                raise _negative(metric)
        return Cost(tuple(numbers), evaluated=True)

    def with_defaults(self, values: Mapping[str, Any]) -> dict[str, Number]:
        """Checked numbers for symbols, completed by the defaults of the run symbols."""
        return numeric.with_defaults(values, 2 if self.dtype_bytes is None else self.dtype_bytes)

    @cached_property
    def _evaluator(self) -> numeric.Evaluator:
        return numeric.compiled(self.values)

    def is_complete(self, values: Mapping[str, Any]) -> bool:
        """Whether these values and the defaults of the run symbols are enough for `at`."""
        return self.free_symbols <= self.with_defaults(values).keys()

    def number(self, metric: str) -> int:
        """One metric of an evaluated Cost as an int."""
        value = self.value(metric)
        if not isinstance(value, int):
            raise SymflopsError(f"{metric} is a closed form here, not a number; evaluate it with at()")
        return value

    def share(self, part: Cost, metric: str) -> float:
        """What fraction of one metric a part makes up, both evaluated; 0 of nothing is 0."""
        whole = self.number(metric)
        return part.number(metric) / whole if whole else 0.0

    def __repr__(self) -> str:
        if self.evaluated:
            shown = ", ".join(f"{metric}={self.number(metric):_}" for metric in METRICS)
        else:
            shown = ", ".join(f"{metric}={self.text(metric)!r}" for metric in METRICS)
        return f"Cost({shown})"

    def _repr_latex_(self) -> str | None:
        if self.evaluated:
            return None
        names = notation.symbols(self.free_symbols)
        lines = [(metric, grouped(self.value(metric))) for metric in METRICS]
        return f"$\\displaystyle {notation.display(lines, names, width=60)}$"

    def _repr_html_(self) -> str | None:
        if not self.evaluated:
            return None
        numbers = [(metric, self.number(metric)) for metric in METRICS]
        rows = [(m, exact_number(n), UNITS[m], engineering(n, m)) for m, n in numbers]
        return notebook.table(("metric", "exactly", "unit", ""), rows, (False, True, False, True))

    def sweep(self, **axes: Any) -> Sweep:
        """The cost over a grid: columns of NumPy arrays, computed when asked for.

        Each keyword is a number or a sequence of numbers; the grid is their product, the first keyword slowest. A
        column is int64 when a bound proves that it cannot overflow and float64 otherwise; `dtypes` tells. What `at`
        refuses at one of the points is refused.

        >>> sweep = Cost.of(flops="2*seq_len**2").sweep(seq_len=[1, 2, 3])
        >>> sweep["flops"].tolist(), sweep.dtypes["flops"]
        ([2, 8, 18], 'int64')
        """
        numeric.check_names(axes, self.free_symbols | self.domain.free_symbols)
        points = {name: axis for name, axis in axes.items() if not _is_number(axis)}
        numbers = self.with_defaults({name: axis for name, axis in axes.items() if name not in points})
        swept = {name: number for name, number in numbers.items() if name not in points}
        if "dtype_bytes" in points:  # then the others follow it, as they do in `at`
            follow = {n: polynomial.symbol("dtype_bytes") for n in ("weight_bytes", "cache_bytes") if n not in axes}
            bindings: dict[str, Value] = {**swept, **follow}
        else:
            bindings = {**swept}
        return Sweep(self, numeric.grid(points), bindings)


def _negative(metric: str) -> SymflopsError:
    return SymflopsError(f"{metric} is negative at this point: the formula or a repeat does not hold here")


def _is_number(axis: Any) -> bool:
    return not isinstance(axis, Sequence | range) and getattr(axis, "ndim", 0) == 0 and not hasattr(axis, "__iter__")


class Sweep(Mapping[str, "np.ndarray[Any, Any]"]):
    """Columns over a grid of points: the swept symbols first, then the six metrics. A mapping from name to array."""

    def __init__(self, cost: Cost, axes: dict[str, np.ndarray[Any, Any]], bindings: Mapping[str, Value]) -> None:
        self._cost = cost
        self._axes = axes
        self._bindings = bindings
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        cost.domain.check_grid(axes, bindings)
        for metric in METRICS:  # where one is negative its formula does not hold, and so no other does
            if not polynomial.is_nonnegative(self._value(metric)) and (self[metric] < 0).any():
                raise _negative(metric)

    def _value(self, metric: str) -> Value:
        return algebra.substitute(self._cost.value(metric), self._bindings)

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        import numpy as np

        if name not in self._columns:
            if name in self._axes:
                array = self._axes[name]
            elif name in METRICS:
                array = numeric.column(self._value(name), self._axes)
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

        >>> Cost.of(flops="2*seq_len**2").sweep(seq_len=[1, 2, 3]).to_pandas()[["seq_len", "flops"]].sum().tolist()
        [6, 28]
        """
        return notebook.frame(self)

    def _repr_html_(self) -> str:
        length = self[next(iter(self))].size
        shown = [*range(length)] if length <= 2 * _SHOWN else [*range(_SHOWN), *range(length - _SHOWN, length)]
        columns = {name: self[name] for name in self}
        rows = [tuple(f"{columns[name][i].item():,}" for name in columns) for i in shown]
        if len(shown) < length:
            rows.insert(_SHOWN, tuple("⋮" for _ in columns))
        return notebook.table(tuple(columns), rows, (True,) * len(columns)) + f"<p>{length:,} points</p>"
