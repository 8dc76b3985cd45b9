"""Regimes: how a cost grows with one symbol, and which part of the model dominates from where to where."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symflops.algebra import ALGEBRA, free_symbols, substitute
from symflops.analysis.parts import architecture, components, run_values
from symflops.analysis.question import check_symbol, lowest
from symflops.analysis.signs import Piece, pieces, signs
from symflops.analysis.summation import calls_of, coefficients
from symflops.cost import UNITS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import check, evaluate, plain
from symflops.polynomial import Value, add, is_nonnegative, multiply, negate, symbol, terms_of, value_of
from symflops.source import load


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

    def _expression(self, name: str) -> Any:
        from symflops.expr import to_sympy

        value = self.forms[name]
        return None if value is None else to_sympy(value)

    @property
    def cost(self) -> Any:
        """The metric itself."""
        return self._expression("cost")

    @property
    def leading(self) -> Any:
        """The terms that outgrow all others."""
        return self._expression("leading")

    @property
    def marginal(self) -> Any:
        """The cost of one more, f(n + 1) - f(n)."""
        return self._expression("marginal")

    @property
    def limit(self) -> Any:
        """What the cost divided by the symbol tends to; None when it grows without bound."""
        return self._expression("limit")

    def form(self, name: str) -> Value:
        """A canonical form that there is in any case: `cost`, `leading` or `marginal`."""
        value = self.forms[name]
        assert value is not None
        return value

    @property
    def unit(self) -> str:
        return UNITS[self.metric]

    @property
    def elasticity(self) -> Any:
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
        here = {self.symbol: check(self.symbol, number)}
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
        if len(names) == 1:
            return f"{names[0]} costs most at every {self.symbol}"
        parts = [f"{s.component} up to {s.last:,}" for s in self.dominant[:-1]]
        return ", then ".join([*parts, names[-1]])

    def __repr__(self) -> str:
        return f"Regimes({self.model}, {self.metric} by {self.symbol}: {self.sentence})"


def regimes(
    model: Any, by: str = "seq_len", metric: str = "flops", *, symbolic: bool = False, **values: Any
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
    check_symbol(named, by)
    used = _values(named, by, symbolic, values)
    cost = substitute(named.total(symbolic=True).value(metric), used)
    parts = {c.name: substitute(c.cost.value(metric), used) for c in components(named)}
    numeric = free_symbols(cost) <= {by}
    leading, degree = _leading(cost, by)
    forms = {
        "cost": cost,
        "leading": leading,
        "marginal": add(substitute(cost, {by: add(symbol(by), 1)}), negate(cost)),
        "limit": None if degree is None or degree > 1 else (coefficients(leading, by)[1] if degree else 0),
    }
    put_in = {n: v for n, v in used.items() if n not in named.definitions}
    return Regimes(named.name, metric, by, put_in, forms, degree, tuple(_dominant(parts, by)) if numeric else ())


def _values(model: Model, by: str, symbolic: bool, given: Mapping[str, Any]) -> dict[str, Value]:
    """What is put in for every symbol but one."""
    if by in given:
        raise SymflopsError(f"{by} has a value and is to vary")
    for name in given:
        check_symbol(model, name)
    own = {n: v for n, v in given.items() if n in model.definitions}
    run = {n: v for n, v in given.items() if n not in model.definitions}
    if symbolic:
        return {n: check(n, v) for n, v in given.items()}
    values = run_values(run, {by})
    for name in {"batch_size", "seq_len"} - {by}:
        values.setdefault(name, 1)
    return {**values, **architecture(model.with_symbols(own) if own else model, {by})}


def _leading(cost: Value, by: str) -> tuple[Value, int | None]:
    """The terms of highest degree once the symbol is large, and that degree; None where a power b**n outgrows all."""
    far = _far_out(cost, by)
    powers = set(calls_of(far, by))
    if powers:
        return value_of({m: c for m, c in terms_of(far).items() if any(n in powers for n, _ in m)}), None
    by_degree = coefficients(far, by)
    degree = max(by_degree, default=0)
    return multiply(by_degree.get(degree, 0), *[symbol(by)] * degree), degree


def _far_out(value: Value, by: str) -> Value:
    """What a value comes close to once the symbol is large: min and max decided, no rounding, no fading powers."""
    if free_symbols(value) <= {by}:
        value = pieces(value, by, 1)[-1].value
    for call in sorted(set(calls_of(value, by)), key=lambda c: (len(c), c)):
        moving = [a for a in call.arguments if by in free_symbols(a)]
        still = [a for a in call.arguments if by not in free_symbols(a)]
        replacement: Value | None = None
        if call.function in ("floor", "ceil"):
            replacement = call.arguments[0]
        elif call.function in ("min", "max") and still:  # what moves grows
            chosen = still if call.function == "min" else moving
            replacement = ALGEBRA[call.function](*chosen)
        elif call.function == "**" and by not in free_symbols(call.arguments[0]):
            base = call.arguments[0]
            if base != 1 and is_nonnegative(add(1, negate(base))):
                replacement = 0
        if replacement is not None:
            return _far_out(substitute(value, {call: replacement}), by)
    return value


def _dominant(parts: Mapping[str, Value], by: str) -> list[Stretch]:
    """The component of highest cost, by range; of equal ones the first."""
    first: int = lowest(by)
    found: list[Stretch] = []
    current = max(parts, key=lambda name: evaluate(parts[name], {by: first}))
    while True:
        overtakes: list[tuple[int, str]] = []
        for name, value in parts.items():
            lead = add(value, negate(parts[current]))
            if name == current or is_nonnegative(negate(lead)):
                continue
            later = [r.first for r in signs(lead, by, first) if r.sign > 0]
            if later:
                overtakes.append((later[0], name))
        if not overtakes:
            return [*found, Stretch(first, None, current)]
        change = min(n for n, _ in overtakes)
        found.append(Stretch(first, change - 1, current))
        first = change
        current = max((n for at, n in overtakes if at == change), key=lambda n: evaluate(parts[n], {by: change}))
