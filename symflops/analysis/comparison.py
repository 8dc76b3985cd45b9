"""Compare: two models, or a model and a rule of thumb, as difference and ratio in closed form and where they cross."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeGuard

from symflops import files, notebook
from symflops.algebra import free_symbols, substitute
from symflops.analysis import display
from symflops.analysis.feasible import Feasible, changes, feasible, lowest
from symflops.analysis.parts import bytes_by_default, components, run_values
from symflops.analysis.question import Quantity, meant, measured
from symflops.analysis.ratio import Ratio
from symflops.analysis.runs import SignRun
from symflops.analysis.signs import pattern
from symflops.calling import such_as
from symflops.cost import METRICS, UNITS
from symflops.errors import SymflopsError, nearest
from symflops.function import maximum
from symflops.given import Numeric
from symflops.model import Model, model_names
from symflops.numeric import BYTE_SYMBOLS, check, evaluate, plain
from symflops.polynomial import Number, Value, add, multiply, negate
from symflops.source import ModelLike, load
from symflops.storage import amount
from symflops.tree import exact
from symflops.units import number

if TYPE_CHECKING:
    import sympy

_PER_TOKEN = "per token"


@dataclass(frozen=True)
class Pair:
    """One component of both sides, or the total: closed forms in the run symbols; 0 where a side does not have it."""

    name: str
    a: Value
    b: Value

    @property
    def difference(self) -> Value:
        """a - b."""
        return add(self.a, negate(self.b))

    @property
    def ratio(self) -> Ratio | None:
        """a / b; None where b is 0."""
        return None if self.b == 0 else Ratio.of(self.a, self.b)

    @property
    def error(self) -> Ratio | None:
        """(b - a) / a; None where a is 0."""
        return None if self.a == 0 else Ratio.of(negate(self.difference), self.a)


@dataclass(frozen=True)
class Comparison:
    """Two sides in one metric. `total` and `components` are closed forms in the run symbols, `values` what was put in.

    Crossings and ranges are found along `by`, a run symbol, with batch size 1 where no other is given.
    """

    a: str
    b: str
    metric: str
    by: str
    total: Pair
    components: tuple[Pair, ...]
    values: Mapping[str, Value]
    is_rule: bool
    taken: Mapping[str, str] = field(default_factory=dict)  # what the short names of a rule were taken for
    models: tuple[Model, ...] = ()  # whose conditions hold

    @property
    def difference(self) -> sympy.Expr:
        """a - b, as a SymPy expression."""
        from symflops.expr import to_sympy

        return to_sympy(self.total.difference)

    @property
    def ratio(self) -> sympy.Expr | None:
        """a / b, as a SymPy expression; None where b is 0."""
        return None if self.total.ratio is None else self.total.ratio.expression

    @property
    def error(self) -> sympy.Expr | None:
        """By which part of a the other side is off, (b - a)/a, as a SymPy expression; None where a is 0."""
        return None if self.total.error is None else self.total.error.expression

    @cached_property
    def along(self) -> Pair:
        """The total with everything but `by` put in."""
        with self._call():
            pair = Pair(self.total.name, *(substitute(v, self._numbers) for v in (self.total.a, self.total.b)))
        if others := sorted(free_symbols(pair.difference) - {self.by}):
            raise SymflopsError(f"no value for {others[0]}; give {others[0]}=…")
        return pair

    @property
    def crossings(self) -> list[tuple[int, int]]:
        """Pairs of whole numbers next to each other (or around equal points) between which the larger side changes."""
        runs = self._runs
        return [(a.last, b.first) for a, b in pairwise(runs) if a.sign != b.sign and a.last is not None]

    @cached_property
    def _runs(self) -> list[SignRun]:
        """Where a or b is larger, among the numbers that both models can run."""
        with self._call():
            return changes(pattern(self.along.difference, self.by, lowest(self.by), self.feasible.last), self.feasible)

    def _call(self) -> AbstractContextManager[None]:
        """The limit of the time that a call about it may compute."""
        return self.models[0].call("the comparison")

    @cached_property
    def feasible(self) -> Feasible:
        """What the symbol may be in all models that are compared."""
        return feasible(self.by, *((model, {**model.symbols, **self._numbers}) for model in self.models))

    @property
    def _numbers(self) -> dict[str, Value]:
        """What is put in for every symbol but `by`."""
        return {n: v for n, v in {"batch_size": 1, "seq_len": 1, **self.values}.items() if n != self.by}

    def within(self, percent: Numeric | str) -> list[tuple[int, int | None]]:
        """The ranges of whole numbers (None: without end) in which b differs from a by at most so many per cent."""
        share = _percentage(percent)
        with self._call():
            a, b = self.along.a, self.along.b
            allowed = multiply(share, a)
            above = add(b, negate(a), negate(allowed))  # <= 0 where b is not too large
            below = add(a, negate(b), negate(allowed))
            signs = pattern(maximum(above, below), self.by, lowest(self.by), self.feasible.last)
            found = self.feasible.narrowed(signs.where((-1, 0)))
        if found.cycle:
            raise SymflopsError(f"it starts and stops holding again and again, with period {found.period:,}")
        return list(found.ranges)

    @such_as("at(seq_len=2048)")
    def at(self, **values: Numeric) -> dict[str, int | float]:
        """Both sides, their difference, ratio and error as plain numbers at one point."""
        numbers = self._point(values)
        a, b = (evaluate(v, numbers) for v in (self.total.a, self.total.b))
        result = {"a": plain(a), "b": plain(b), "difference": plain(a - b)}
        if b:
            result["ratio"] = float(Fraction(a) / b)
        if a:
            result["error"] = float(Fraction(b - a) / Fraction(a))
        return result

    def _point(self, values: Mapping[str, Numeric]) -> dict[str, Number]:
        """Numbers for all symbols, at which the models can run."""
        for name in values:
            there = free_symbols(self.total.difference) | {self.by, "batch_size", "seq_len"}
            if name not in there or name in self.values:
                raise SymflopsError(f"{name} has a value already or does not occur")
        numbers = {**self.values, **{n: check(n, v) for n, v in values.items()}}
        for model in self.models:
            model.check_assumptions(numbers)  # type: ignore[arg-type]  # every value that was put in is a number
        return numbers  # type: ignore[return-value]  # the same

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        return self._words() + self.feasible.within

    def _words(self) -> str:
        pair, runs = self.along, self._runs
        if not runs:
            return f"{self.a} and {self.b} have the same {self.metric} at every {self.by}"
        names = [(self.a, self.b) if r.sign == 1 else (self.b, self.a) for r in runs]
        here = runs[0].first
        small, large = sorted(evaluate(v, {self.by: here}) for v in (pair.a, pair.b))
        varies = self.by in free_symbols(pair.a) | free_symbols(pair.b)
        times = f": {float(Fraction(large) / small):.4g} times" if small > 0 else ""
        times += f" at {self.by} = {here}" if varies and times else ""
        if len(runs) == 1:
            return f"{names[0][0]} has more {self.metric} than {names[0][1]}{times}"
        parts = [f"{more} up to {r.last:,}" for (more, _), r in zip(names[:-1], runs[:-1], strict=True)]
        return f"more {self.metric} by {self.by}: {', then '.join([*parts, names[-1][0]])}{times.replace(':', ';', 1)}"

    @such_as("to_pandas()", "to_pandas(seq_len=2048)")
    def to_pandas(self, **values: Numeric) -> notebook.DataFrame:
        """The components as a pandas DataFrame, a line for each (of a rule of thumb, one for the total): both sides,
        their difference and ratio. They are SymPy expressions, and with values as for `at` numbers. Needs the extra
        `symflops[pandas]`."""
        return notebook.frame(display.comparison_columns(self, self._point(values) if values else {}))

    def _repr_html_(self) -> str:
        return display.comparison_html(self)

    def __repr__(self) -> str:
        return f"Comparison({self.a} : {self.b}, {self.sentence})"


@such_as('compare("llama-3.1-8b", "llama-2-7b-hf", "flops", by="seq_len")')
def compare(
    a: ModelLike,
    b: ModelLike,
    metric: str = "flops",
    *,
    by: str = "seq_len",
    rename: Mapping[str, str] | None = None,
    **values: Numeric,
) -> Comparison:
    """A model against another, or against a rule of thumb.

    A rule is a formula in the model's symbols and the run symbols, such as `6*N*D`, with N for its parameters (N_act:
    those that a token uses) and D for the tokens of all sequences; `2*N per token` is multiplied by D. `taken` says
    what its short names were taken for, and `rename` what they mean, as for `verify`.
    past_len, causal and the bytes per element
    have their usual defaults.

    >>> rule = compare("llama-2-7b-hf", "2*N*D")
    >>> rule.total.b
    13476831232*batch_size*seq_len
    >>> rule.within("5%")
    [(1, 1824)]
    >>> compare("llama-3.1-8b", "llama-2-7b-hf", "parameters").sentence
    'llama-3.1-8b has more parameters than llama-2-7b-hf: 1.192 times'

    Raises SymflopsError for an unknown model, symbol or metric, and for a rule in another unit than the metric's.
    """
    first = load(a)
    second = b if is_rule(b) else load(b)
    with first.call("the comparison"):
        return _compare(first, second, metric, by, rename, values)


def _compare(
    first: Model, b: str | Model, metric: str, by: str, rename: Mapping[str, str] | None, values: Mapping[str, Numeric]
) -> Comparison:
    if metric not in METRICS:
        raise SymflopsError(f"unknown metric {metric!r}{nearest(metric, METRICS)}")
    if by in METRICS:
        raise SymflopsError(f"by={by!r}: a metric, where a symbol is wanted; write metric={by!r}")
    if by not in first.run:
        raise SymflopsError(f"cannot compare along {str(by)[:60]!r}{meant(str(by), tuple(first.run))}")
    if by in BYTE_SYMBOLS:
        raise SymflopsError(f"cannot compare along {by}, which may be a fraction; give values for it instead")
    if by in values:
        raise SymflopsError(f"{by} is given a value and is also the symbol that varies")
    run = run_values(first, values, {by})
    first.check_assumptions(run)  # type: ignore[arg-type]  # numbers, as they were given
    if isinstance(b, str):
        rule = _rule(first, b, metric, rename)
        total = Pair("total", _cost(first, metric, run), substitute(rule.value, {**run, **first.symbols}))
        return Comparison(first.name, b.strip(), metric, by, total, (), run, True, rule.taken, (first,))
    second = b
    if rename:
        raise SymflopsError(f"rename: {second.name} is a model; only the names of a rule have meanings")
    second.check_assumptions(run)  # type: ignore[arg-type]  # the same
    sizes = [bytes_by_default(m) for m in (first, second)]
    if UNITS[metric] == "byte" and sizes[0] != sizes[1] and "dtype_bytes" not in values:
        shown = " and ".join(f"{m.name} {plain(n)}" for m, n in zip((first, second), sizes, strict=True))
        raise SymflopsError(f"their data types differ, dtype_bytes is {shown} by default; give dtype_bytes")
    names = [second.name, f"{second.name} (2)"][second.name == first.name]
    total = Pair("total", _cost(first, metric, run), _cost(second, metric, run))
    sides = [
        {c.name: substitute(c.cost.value(metric), {**run, **m.symbols}) for c in components(m)} for m in (first, second)
    ]
    parts = tuple(Pair(name, *(side.get(name, 0) for side in sides)) for name in {**sides[0], **sides[1]})
    return Comparison(first.name, names, metric, by, total, parts, run, False, models=(first, second))


def _cost(model: Model, metric: str, run: Mapping[str, Value]) -> Value:
    return substitute(model.total().value(metric), run)


def is_rule(b: object) -> TypeGuard[str]:
    """Whether a text is a formula rather than the name or the path of a model."""
    if not isinstance(b, str) or b in model_names() or b.endswith(".json") or files.exists(b):
        return False
    return b.strip().endswith(_PER_TOKEN) or any(c in b for c in "*+/() ")


def _rule(model: Model, text: str, metric: str, rename: Mapping[str, str] | None) -> Quantity:
    """The quantity of a rule of thumb, for all tokens, in the symbols of the model and of a run."""
    formula = text.strip()
    per_token = formula.endswith(_PER_TOKEN)
    found = measured(model, formula.removesuffix(_PER_TOKEN), per_token, rename)
    if found.unit not in ("", UNITS[metric]):
        raise SymflopsError(f"{text[:100]!r} is in {found.unit}, {metric} in {UNITS[metric]}")
    return replace(found, value=multiply(found.value, amount(model, "tokens"))) if per_token else found


def _percentage(percent: Numeric | str) -> Value:
    text = str(percent).strip()
    share = Fraction(number(text.removesuffix("%").rstrip(), "a percentage")) / 100
    if share < 0:
        raise SymflopsError(f"{text[:60]!r}: a percentage is not negative")
    return exact(share)
