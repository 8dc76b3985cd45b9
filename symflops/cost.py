"""Cost: the metrics of a layer or a model as closed forms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from symflops import algebra, arrays, deadline, notation, notebook, numeric, polynomial
from symflops.calling import checked, such_as
from symflops.domain import NO_CONDITIONS, Domain
from symflops.errors import SymflopsError, expect, nearest
from symflops.given import Axis, Formulaic, Numeric
from symflops.grid import Sweep as Sweep
from symflops.grid import is_number, negative_error
from symflops.grouping import grouped, renamed, short_names
from symflops.polynomial import Number, Polynomial, Value
from symflops.tree import Tree, exact, write
from symflops.units import engineering, exact_number
from symflops.vocabulary import metrics
from symflops.vocabulary.metrics import METRICS as METRICS
from symflops.vocabulary.metrics import UNITS as UNITS
from symflops.vocabulary.metrics import of_each
from symflops.vocabulary.symbols import ELEMENT, ENCODER, RUN, RunSymbols

if TYPE_CHECKING:
    import sympy


def to_value(quantity: Formulaic) -> Value:
    """The canonical value of a text, a number, a SymPy expression or a value."""
    if isinstance(quantity, str):
        with deadline.call("the formula"):
            return algebra.from_text(quantity)
    if isinstance(quantity, int | Fraction | Polynomial) and not isinstance(quantity, bool):
        return exact(quantity) if isinstance(quantity, Fraction) else quantity
    from symflops import expr

    return expr.from_sympy(quantity)


@dataclass(frozen=True, repr=False)
class Cost:
    """What something costs: FLOPs, matmul FLOPs, bytes read, written and materialised in between, and parameters.

    Build one with `Cost.of`; every metric is then a SymPy expression, of a Cost made by `at` a Python int. `by_metric`
    has their canonical values. `domain` is where the closed forms hold: `at`, `sweep` and `bind` refuse numbers outside
    of it, and sums and products carry it on. `dtype_bytes` are the bytes per element where a call does not give them.

    >>> linear = Cost.of(flops="2*N*h*h", read_bytes="dtype_bytes*(N*h + h*h)")
    >>> (linear * "L").flops
    2*L*N*h**2
    >>> linear.at(N=3, h=4).read_bytes
    56
    """

    by_metric: Mapping[str, Value]
    evaluated: bool = False
    domain: Domain = NO_CONDITIONS
    dtype_bytes: Number | None = None  # nothing was said of it: 2
    run: RunSymbols = RUN  # of its model, whose defaults they have
    known: Mapping[str, tuple[Value, ...]] = field(default_factory=dict, compare=False)  # what was put in for symbols

    def __hash__(self) -> int:
        return hash((*self.by_metric.values(), self.evaluated, self.domain, self.dtype_bytes))

    @staticmethod
    @such_as('of(flops="2*N*h")')
    def of(**metrics: Formulaic) -> Cost:
        """A Cost from texts, numbers or SymPy expressions by metric; a metric that is not given is 0."""
        for name in metrics:
            if name not in METRICS:
                raise SymflopsError(f"unknown metric {name!r}{nearest(name, METRICS)}")
        return Cost(of_each(lambda name: to_value(metrics.get(name, 0))))

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        values = of_each(lambda metric: polynomial.add(self.by_metric[metric], other.by_metric[metric]))
        names = self.known.keys() | other.known.keys()
        both = {n: tuple(dict.fromkeys((*self.known.get(n, ()), *other.known.get(n, ())))) for n in names}
        dtype_bytes, run = self._common_dtype_bytes(other), self.run | other.run
        return Cost(values, domain=self.domain & other.domain, dtype_bytes=dtype_bytes, run=run, known=both)

    def _common_dtype_bytes(self, other: Cost) -> Number | None:
        mine, theirs = (cost.defaults[ELEMENT] if cost.has_bytes else None for cost in (self, other))
        if None not in (mine, theirs) and mine != theirs:
            shown = " and ".join(str(numeric.plain(n)) for n in (mine, theirs) if n is not None)
            raise SymflopsError(f"different defaults of dtype_bytes, {shown}: bind all bytes before adding")
        return self.dtype_bytes if mine is not None else other.dtype_bytes

    @cached_property
    def has_bytes(self) -> bool:
        """Whether bytes per element are still open."""
        return not self.free_symbols.isdisjoint(numeric.BYTE_SYMBOLS)

    def __mul__(self, repeat: Formulaic) -> Cost:
        """The cost of doing it `repeat` times; parameters are multiplied too (repeated layers own their weights)."""
        times = to_value(repeat)
        with deadline.call("the product"):
            return replace(self, by_metric=of_each(lambda metric: polynomial.multiply(self.by_metric[metric], times)))

    __rmul__ = __mul__

    def value(self, metric: str) -> Value:
        """The canonical value of one metric."""
        if metric not in METRICS:
            raise SymflopsError(f"unknown metric {metric!r}{nearest(metric, METRICS)}")
        return self.by_metric[metric]

    if TYPE_CHECKING:  # each metric is an attribute, made below

        def __getattr__(self, metric: str) -> int | sympy.Expr: ...

    def _expression(self, metric: str) -> int | sympy.Expr:
        value = self.value(metric)
        if self.evaluated:
            return value
        if metric not in self._expressions:
            with deadline.untimed():
                from symflops import expr
            with deadline.call(metric):
                self._expressions[metric] = expr.to_sympy(value)
        return self._expressions[metric]

    @cached_property
    def _expressions(self) -> dict[str, sympy.Expr]:
        return {}

    @checked
    def text(self, metric: str, *, short: bool = False) -> str:
        """The closed form of one metric as text, grouped for reading, with short names on request."""
        return write(renamed(self.tree(metric), self.legend) if short else self.tree(metric))

    def tree(self, metric: str) -> Tree:
        """The same as a tree, from which every printer starts."""
        with deadline.call(metric):
            return grouped(self.value(metric))

    @cached_property
    def legend(self) -> dict[str, str]:
        """The short name of each free symbol."""
        return short_names(self.free_symbols)

    @checked
    def legend_of(self, metrics: Iterable[str]) -> dict[str, str]:
        """The short names that stand in these metrics, of `legend`.

        >>> from symflops import load
        >>> load("vit-base-16").total(symbolic=True).legend_of(["intermediate_bytes", "parameters"])["hidden_size"]
        'h'
        """
        used = set[str]().union(*(algebra.free_symbols(self.value(metric)) for metric in metrics))
        return {name: short for name, short in self.legend.items() if name in used}

    @cached_property
    def free_symbols(self) -> set[str]:
        """The names of the symbols that the metrics depend on."""
        return set[str]().union(*(algebra.free_symbols(value) for value in self.by_metric.values()))

    @such_as("bind(batch_size=1)")
    def bind(self, **values: Numeric) -> Cost:
        """The same cost with numbers in place of some symbols, still a closed form in the others.

        Raises SymflopsError as `at` does, and for numbers with which a condition of the domain cannot hold any more.
        What is put in stays: another number for the same symbol is refused later on.
        """
        self._check_names(values)
        numbers = {name: numeric.check(name, value) for name, value in values.items()}
        dtype_bytes = numbers.get(ELEMENT, self.dtype_bytes)  # weights and cache follow what is put in
        return replace(self.substitute(numbers), dtype_bytes=dtype_bytes)

    @checked
    def substitute(self, values: Mapping[str, Value]) -> Cost:
        """The same cost with canonical values in place of some symbols, and so its domain."""
        known = {**self.known, **{name: (value,) for name, value in values.items()}}
        with deadline.call("putting in numbers"):
            substituted = of_each(lambda metric: algebra.substitute(self.by_metric[metric], values))
            return replace(self, by_metric=substituted, domain=self.domain.substitute(values), known=known)

    def _check_names(self, given: Mapping[str, Any]) -> None:
        """Refuse what is no symbol of the cost, and another number for one that was put in already."""
        open_ones = self.free_symbols | self.domain.free_symbols
        numeric.check_names(given, open_ones | self.known.keys(), self.run)
        for name in self.known.keys() & given.keys() - open_ones:
            if self.known[name] != (given[name],):
                there = " and ".join(write(grouped(value)) for value in self.known[name])
                raise SymflopsError(f"{name} = {str(given[name])[:60]}: {name} has a value already, {there}")

    @such_as("at(batch_size=1, seq_len=2048).flops")
    def at(self, **values: Numeric) -> Cost:
        """The exact Python ints at one point.

        past_len and causal default to 0, dtype_bytes to its own (or 2), weight_bytes and cache_bytes to it; every other
        symbol needs a value. A closed form that is not whole there (an expected number of experts) is rounded to the
        nearest integer. Raises SymflopsError for a missing, unknown, negative or fractional value, for values outside
        of the domain, and where a metric would be negative, which is outside of what its formula describes.
        """
        self._check_names(values)
        point = self.with_defaults(values)
        with deadline.call("the numbers at this point"):
            self.domain.check(point)
            values_there = self._asked(point)._evaluator(point)
            numbers = {m: numeric.whole(n) for m, n in zip(self.by_metric, values_there, strict=True)}
        for metric, number in numbers.items():
            if number < 0:
                raise negative_error(metric)
        return Cost(numbers, evaluated=True)

    def with_defaults(self, values: Mapping[str, Numeric]) -> dict[str, Number]:
        """Checked numbers for symbols, completed by the defaults of the run symbols."""
        return numeric.with_defaults(values, self._own_defaults, self.run)

    @property
    def defaults(self) -> dict[str, Number]:
        """The numbers of the run symbols that have one where nobody gives them."""
        return self.run.completed({}, self._own_defaults)

    @property
    def _own_defaults(self) -> dict[str, Number]:
        return {} if self.dtype_bytes is None else {ELEMENT: self.dtype_bytes}

    @cached_property
    def _evaluator(self) -> numeric.Evaluator:
        return numeric.compiled([*self.by_metric.values()])

    def is_complete(self, values: Mapping[str, Numeric]) -> bool:
        """Whether these values and the defaults of the run symbols are enough for `at`."""
        point = self.with_defaults(values)
        return self._asked(point).free_symbols <= point.keys()

    def _asked(self, point: Mapping[str, Number]) -> Cost:
        """What there is to compute at a point: without an encoder nothing of what it would be fed, such as an image."""
        is_off = point.get(ENCODER) == 0 and not self.free_symbols <= point.keys()
        return self.substitute({ENCODER: 0}) if is_off else self

    @checked
    def only(self, metrics: Collection[str]) -> Cost:
        """The same with 0 for all other metrics."""
        return replace(self, by_metric={m: value if m in metrics else 0 for m, value in self.by_metric.items()})

    def number(self, metric: str) -> int:
        """One metric of an evaluated Cost as an int."""
        value = self.value(metric)
        if not isinstance(value, int):
            raise SymflopsError(f"{metric} is a closed form here, not a number; evaluate it with at()")
        return value

    def share(self, part: Cost, metric: str) -> float:
        """What fraction of one metric a part makes up, both evaluated; 0 of nothing is 0."""
        expect(part, Cost, "a cost")
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
        with deadline.call("its LaTeX"):
            lines = [(notation.upright(metric), self.tree(metric)) for metric in METRICS]
            return f"$\\displaystyle {notation.display(lines, notation.symbols(self.free_symbols), width=60)}$"

    def to_pandas(self) -> notebook.DataFrame:
        """One line per metric as a pandas DataFrame: its value, an exact integer or a SymPy expression, and its unit.
        Needs the extra `symflops[pandas]`.

        >>> Cost.of(flops="2*seq_len").at(seq_len=3).to_pandas()["value"].tolist()
        [6, 0, 0, 0, 0, 0]
        """
        values = [self._expression(metric) for metric in METRICS]
        return notebook.frame({"metric": list(METRICS), "value": values, "unit": [UNITS[m] for m in METRICS]})

    def _repr_html_(self) -> str:
        if not self.evaluated:
            formulas = [(m, notebook.formula(self.tree(m), self.legend), UNITS[m]) for m in METRICS]
            table = notebook.table(("metric", "closed form", "unit"), formulas, (False, False, False))
            return table + notebook.paragraph(notebook.legend(self.legend))
        numbers = [(metric, self.number(metric)) for metric in METRICS]
        rows = [(m, exact_number(n), UNITS[m], engineering(n, m)) for m, n in numbers]
        return notebook.table(("metric", "exactly", "unit", ""), rows, (False, True, False, True))

    @such_as('sweep(batch_size=[1, 8], seq_len=[1024, 2048])["flops"]')
    def sweep(self, **axes: Axis) -> Sweep:
        """The cost over a grid: columns of NumPy arrays, computed when asked for.

        Each keyword is a number or a sequence of numbers; the grid is their product, the first keyword slowest. A
        column is int64 when a bound proves that it cannot overflow and float64 otherwise; `dtypes` tells. What `at`
        refuses at one of the points is refused.

        >>> sweep = Cost.of(flops="2*seq_len**2").sweep(seq_len=[1, 2, 3])
        >>> sweep["flops"].tolist(), sweep.dtypes["flops"]
        ([2, 8, 18], 'int64')
        """
        self._check_names(axes)
        single = {name: axis for name, axis in axes.items() if is_number(axis)}
        points = {name: axis for name, axis in axes.items() if name not in single}
        numbers = self.with_defaults(single)
        swept = {name: number for name, number in numbers.items() if name not in points}
        # What follows a swept symbol follows it here, as it does in `at`.
        follow = {n: to for n, row in self.run.items() if (to := row.follows) in points and n not in axes}
        bindings: dict[str, Value] = {**swept, **{n: polynomial.symbol(to) for n, to in follow.items() if to}}
        grid = arrays.grid(points)
        with deadline.call("the sweep"):
            values = of_each(lambda metric: algebra.substitute(self.by_metric[metric], bindings))
            domain = self.domain.substitute(bindings)
        return Sweep(values, domain, grid)


def _property(metric: metrics.Metric) -> property:
    """One metric as an attribute of a Cost: `cost.flops`."""
    about = f"{metric.meaning[0].upper()}{metric.meaning[1:]}; {metric.unit}."

    def given(cost: Cost) -> int | sympy.Expr:
        return cost._expression(metric.name)

    return property(given, doc=about)


for _metric in metrics.TABLE:
    setattr(Cost, _metric.name, _property(_metric))
