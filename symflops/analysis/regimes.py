"""Regimes: how a cost grows with one symbol, and which part of the model dominates from where to where."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from symflops import notebook
from symflops.algebra import calls_of, free_symbols, substitute
from symflops.analysis import display
from symflops.analysis.feasible import Feasible, feasible, is_at_least_zero
from symflops.analysis.growth import leading
from symflops.analysis.parts import architecture, components, run_values
from symflops.analysis.question import check_symbol
from symflops.analysis.ranges import Ranges
from symflops.analysis.runs import Piece
from symflops.analysis.signs import pieces, signs
from symflops.calling import such_as
from symflops.cost import METRICS, UNITS
from symflops.errors import SymflopsError, expect
from symflops.given import Numeric
from symflops.model import Model
from symflops.numeric import BYTE_SYMBOLS, check, evaluate, plain
from symflops.polynomial import Value, add, negate, symbol
from symflops.source import ModelLike, load
from symflops.summation import coefficients

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Stretch:
    """Whole numbers from `first` to `last` (None: without end) at which one component costs most."""

    first: int
    last: int | None
    component: str


@dataclass(frozen=True)
class Regimes:
    """How one metric of a model depends on one symbol. Formulas are SymPy expressions, made of the canonical `forms`.

    `degree` is the exponent of the leading terms (None where they are no power), `dominant` the component that costs
    most, by range, `values` what was put in for other symbols.
    """

    model: str
    metric: str
    symbol: str
    values: Mapping[str, Value]
    forms: Mapping[str, Value | None]
    degree: int | None
    dominant: tuple[Stretch, ...]
    feasible: Feasible | None = None  # what the symbol may be, once all others have numbers

    def _expression(self, name: str) -> Any:
        from symflops.expr import to_sympy

        value = self.forms[name]
        return None if value is None else to_sympy(value)

    @property
    def cost(self) -> sympy.Expr:
        """The metric itself."""
        return self._expression("cost")

    @property
    def leading(self) -> sympy.Expr:
        """The terms that outgrow all others."""
        return self._expression("leading")

    @property
    def marginal(self) -> sympy.Expr:
        """The cost of one more, f(n + 1) - f(n)."""
        return self._expression("marginal")

    @property
    def limit(self) -> sympy.Expr | None:
        """What the cost divided by the symbol tends to; None when it grows without bound."""
        return self._expression("limit")

    def form(self, name: str) -> Value:
        """A canonical form that there is in any case: `cost`, `leading` or `marginal`."""
        expect(name, str, "the name of a form")
        value = self.forms.get(name)
        if value is None:
            raise SymflopsError(
                f"no form {name[:60]!r}; valid: {', '.join(n for n, v in self.forms.items() if v is not None)}"
            )
        return value

    @property
    def unit(self) -> str:
        return UNITS[self.metric]

    @property
    def elasticity(self) -> sympy.Expr:
        """By how many per cent the cost grows when the symbol grows by one, d ln cost / d ln symbol, as a SymPy
        expression. Raises SymflopsError for a cost with steps (floor, ceil)."""
        import sympy

        from symflops.expr import symbol as sympy_symbol
        from symflops.expr import to_sympy

        if any(call.function in ("floor", "ceil") for call in calls_of(self.form("cost"), self.symbol)):
            raise SymflopsError(f"{self.metric} rises in steps: it has no derivative in {self.symbol}")
        # A kink of min or max has no derivative; in between, each stretch has its own formula.
        x = sympy_symbol(self.symbol)
        branches = []
        for piece in self._pieces():
            if piece.value is None:
                continue
            f = to_sympy(piece.value)
            share = sympy.factor(x * sympy.diff(f, x) / f) if f != 0 else sympy.Integer(0)
            branches.append((share, x <= piece.last if piece.last is not None else True))
        return sympy.Piecewise(*branches)

    def _pieces(self) -> list[Piece]:
        cost = self.form("cost")
        return pieces(cost, self.symbol, 1) if self.is_numeric else [Piece(1, None, cost)]

    @property
    def is_numeric(self) -> bool:
        """Whether the symbol is the only one left."""
        return free_symbols(self.form("cost")) <= {self.symbol}

    def at(self, number: int) -> dict[str, int | float]:
        """Cost, marginal cost, cost per unit and elasticity at one point: ints where they are whole, else floats."""
        number = int(check(self.symbol, number))  # True is 1, as everywhere
        here = {self.symbol: number}
        if self.feasible is not None and number not in self.feasible.numbers:
            raise SymflopsError(f"{self.symbol} = {number} is not{self.feasible.within[1:] or ' what a call can have'}")
        cost = evaluate(self.form("cost"), here)
        result = {"cost": plain(cost), "marginal": plain(evaluate(self.form("marginal"), here))}
        if number:
            result["per_unit"] = plain(Fraction(cost) / number)
        with suppress(SymflopsError):  # where it has none
            slope = self.elasticity
            result["elasticity"] = float(slope.subs(dict.fromkeys(slope.free_symbols, number)))
        return result

    @property
    def sentence(self) -> str:
        """The dominant components in words: `mlp up to 8,225, then self_attn`."""
        names = [s.component for s in self.dominant]
        if not names:
            return f"which component costs most depends on {', '.join(sorted(free_symbols(self.form('cost'))))}"
        within = "" if self.feasible is None else self.feasible.within
        if len(names) == 1:
            return f"{names[0]} costs most at every {self.symbol}{within}"
        parts = [f"{s.component} up to {s.last:,}" for s in self.dominant[:-1]]
        return ", then ".join([*parts, names[-1]]) + within

    def to_pandas(self) -> notebook.DataFrame:
        """The stretches as a pandas DataFrame, a line for each, with the component that costs most there; the last one
        may have no end. Needs the extra `symflops[pandas]`.

        >>> regimes("llama-2-7b-hf").to_pandas()[["first", "component"]].values.tolist()
        [[1, 'mlp'], [8226, 'self_attn']]
        """
        return notebook.frame(display.regimes_columns(self))

    def _repr_html_(self) -> str:
        return display.regimes_html(self)

    def __repr__(self) -> str:
        return f"Regimes({self.model}, {self.metric} by {self.symbol}: {self.sentence})"


@such_as('regimes("llama-2-7b-hf", "seq_len", metric="flops")')
def regimes(
    model: ModelLike, by: str = "seq_len", metric: str = "flops", *, symbolic: bool = False, **values: Numeric
) -> Regimes:
    """How a metric of a model grows with one symbol, and which component dominates from where to where.

    Other run symbols have the given values, else their defaults and batch size 1; with `symbolic`, symbols that
    are not given stay symbols (then `dominant` is empty).

    >>> found = regimes("llama-2-7b-hf")
    >>> found.sentence, found.degree, found.leading
    ('mlp up to 8,225, then self_attn', 2, 530432*seq_len**2)
    >>> found.at(2048)["marginal"]
    15391340994

    Raises SymflopsError for an unknown metric or symbol.
    """
    named = load(model)
    if by in METRICS:
        raise SymflopsError(f"by={by!r}: a metric, where a symbol is wanted; write metric={by!r}")
    with named.call("the question"):
        return _regimes(named, by, metric, symbolic, values)


def _regimes(named: Model, by: str, metric: str, symbolic: bool, values: Mapping[str, Numeric]) -> Regimes:
    check_symbol(named, by)
    if by in BYTE_SYMBOLS:
        raise SymflopsError(f"{by} may be a fraction: there is no cost of one more")
    used = _values(named, by, symbolic, values)
    cost = substitute(named.total(symbolic=True).value(metric), used)
    parts = {c.name: substitute(c.cost.value(metric), used) for c in components(named)}
    numeric = free_symbols(cost) <= {by}
    first_terms, degree = leading(cost, by)
    forms = {
        "cost": cost,
        "leading": first_terms,
        "marginal": add(substitute(cost, {by: add(symbol(by), 1)}), negate(cost)),
        "limit": None if degree is None or degree > 1 else (coefficients(first_terms, by)[1] if degree == 1 else 0),
    }
    put_in = {n: v for n, v in used.items() if n not in named.definitions}
    if not numeric:
        return Regimes(named.name, metric, by, put_in, forms, degree, ())
    asked = feasible(by, (named, used))
    return Regimes(named.name, metric, by, put_in, forms, degree, tuple(_dominant(parts, asked)), asked)


def _values(model: Model, by: str, symbolic: bool, given: Mapping[str, Numeric]) -> dict[str, Value]:
    """What is put in for every symbol but one."""
    if by in given:
        raise SymflopsError(f"{by} is given a value and is also the symbol that varies")
    for name in given:
        check_symbol(model, name)
    own = {n: v for n, v in given.items() if n in model.definitions}
    run = {n: v for n, v in given.items() if n not in model.definitions}
    if symbolic:
        return {n: check(n, v) for n, v in given.items()}
    values = run_values(model, run, {by})
    for name in {"batch_size", "seq_len"} - {by}:
        values.setdefault(name, 1)
    return {**values, **architecture(model.with_symbols(own) if own else model, {by})}


def _dominant(parts: Mapping[str, Value], asked: Feasible) -> list[Stretch]:
    """The component of highest cost, by range; of equal ones the first."""
    by = asked.name
    first = asked.first
    found: list[tuple[int, int | None, str]] = []
    current = max(parts, key=lambda name: evaluate(parts[name], {by: first}))
    while True:
        overtakes: list[tuple[int, str]] = []
        for name, value in parts.items():
            lead = add(value, negate(parts[current]))
            if name == current or is_at_least_zero(negate(lead)):
                continue
            later = [r.first for r in signs(lead, by, first, asked.last) if r.sign == 1]
            if later:
                overtakes.append((later[0], name))
        if not overtakes:
            found.append((first, None, current))
            break
        change = min(n for n, _ in overtakes)
        found.append((first, change - 1, current))
        first = change
        current = max((n for at, n in overtakes if at == change), key=lambda n: evaluate(parts[n], {by: change}))
    return [
        Stretch(a, b, name) for start, end, name in found for a, b in asked.narrowed(Ranges(((start, end),))).ranges
    ]
