"""Equations and inequalities with other symbols left: their solution as a closed form in these.

Degrees 1 and 2 are solved by formula. Which side of the curve it is follows from signs that hold at every point of the
domain; what cannot be known without the other symbols is a condition of the solution.
"""

from __future__ import annotations

from dataclasses import dataclass

from symflops.algebra import free_symbols
from symflops.analysis.feasible import is_at_least_zero, is_positive, lowest
from symflops.analysis.runs import cleared
from symflops.errors import SymflopsError
from symflops.function import ceil, floor
from symflops.grouping import grouped
from symflops.numeric import BYTE_SYMBOLS
from symflops.polynomial import (
    Call,
    Polynomial,
    Value,
    add,
    atom,
    divide,
    factored,
    multiply,
    negate,
    power,
    square_root,
    symbol,
)
from symflops.summation import calls_of, coefficients
from symflops.tree import write

_FLIPPED = {"==": "==", "<=": ">=", ">=": "<=", "<": ">", ">": "<"}


@dataclass(frozen=True)
class Curve:
    """A solution: the symbol is equal to `closed`, or on that side of it, where all conditions hold."""

    closed: Value
    side: str
    conditions: tuple[str, ...] = ()


def reduced(value: Value, name: str) -> tuple[Value, tuple[str, ...]]:
    """A value of the same sign without what plays no part: divisors and common factors that are positive at every point
    of the domain. Those that may be 0 are taken out, too, and what is then left out is told: `past_len > 0`.

    Raises SymflopsError for a divisor whose sign depends on the symbol.
    """
    top, divisors = cleared(value, name)
    for divisor, exponent in divisors:
        if is_positive(divisor) or (exponent % 2 == 0 and is_positive(negate(divisor))):
            continue
        if is_positive(negate(divisor)):
            top = negate(top)
        else:
            raise SymflopsError(f"cannot decide the sign of the divisor {_text(divisor)}; give values for its symbols")
    if not isinstance(top, Polynomial):
        return top, ()
    content, common, rest = factored(top)
    found: list[str] = []
    for factor, exponent in common:
        base = _base(factor)
        if name in free_symbols(base):
            rest = rest if is_positive(base) else multiply(rest, power(base, exponent))
        elif is_at_least_zero(base):
            found += [] if is_positive(base) else [f"{_text(base)} > 0"]
        elif exponent % 2 == 0:
            found.append(f"{_text(base)} != 0")
        else:
            rest = multiply(rest, power(base, exponent))
    return (rest if content > 0 else negate(rest)), tuple(found)


def _base(factor: str) -> Value:
    if not isinstance(factor, Call):
        return symbol(factor)
    return factor.arguments[0] if factor.function == "+" else atom(factor)


def _text(value: Value) -> str:
    text = write(grouped(value))
    return text if len(text) <= 200 else f"{text[:200]}…"


def curves(value: Value, name: str, relation: str = "==") -> tuple[str, list[Curve]]:
    """Where a value with other symbols is related to 0: `solved` with the curves, `always` or `never`.

    >>> from symflops.algebra import from_text
    >>> curves(from_text("a*n**2 + b*n - c"), "n")
    ('solved', [Curve(closed=-b/(2*a) + sqrt(4*a*c + b**2)/(2*a), side='==', conditions=('that is at least 1',))])
    >>> curves(from_text("h*s - 3*h*n"), "n", "<=")
    ('solved', [Curve(closed=ceil(s/3), side='>=', conditions=())])

    Raises SymflopsError for a value that is not of degree 1 or 2 in the symbol, and for signs that it cannot tell.
    """
    rest, given = reduced(value, name)
    for positive, sides in ((rest, (">", ">=")), (negate(rest), ("<", "<="))):
        if is_positive(positive):
            status = "always" if relation in sides else "never"
            if given:
                raise SymflopsError(f"it holds {'always' if status == 'always' else 'nowhere'} where {given[0]}; "
                                    "give values for the other symbols")  # fmt: skip
            return status, []
    if name not in free_symbols(rest):
        others = ", ".join(sorted(free_symbols(value) - {name}))
        raise SymflopsError(f"the question does not depend on {name}, only on {others}")
    parts = coefficients(rest, name)
    if max(parts) > 2 or min(parts) < 0 or any(list(calls_of(c, name)) for c in parts.values()):
        others = ", ".join(sorted(free_symbols(rest) - {name}))
        raise SymflopsError(f"no closed form for {name} here; give values for {others}")
    a, b, c = (parts.get(e, 0) for e in (2, 1, 0))
    found = _linear(b, c, name, relation) if a == 0 else _quadratic(a, b, c, name, relation)
    return ("solved" if found else "never"), [Curve(f.closed, f.side, (*given, *f.conditions)) for f in found]


def _linear(b: Value, c: Value, name: str, relation: str) -> list[Curve]:
    """b*n + c related to 0."""
    edge = divide(negate(c), b)
    if relation == "==":
        is_sure = is_positive(b) or is_positive(negate(b))
        return _point(edge, name, () if is_sure else (f"{_text(b)} != 0",))
    found = []
    if not is_at_least_zero(negate(b)):
        found.append(_side(edge, name, relation, () if is_positive(b) else (f"{_text(b)} > 0",)))
    if not is_at_least_zero(b):
        certain = is_positive(negate(b))
        found.append(_side(edge, name, _FLIPPED[relation], () if certain else (f"{_text(b)} < 0",)))
    return found


def _point(edge: Value, name: str, conditions: tuple[str, ...]) -> list[Curve]:
    """A root, where it is one that the symbol can be."""
    if name in BYTE_SYMBOLS:
        is_below, is_within, least = is_at_least_zero(negate(edge)), is_positive(edge), "that is positive"
    else:
        low = lowest(name)
        is_below, is_within = is_positive(add(low, negate(edge))), is_at_least_zero(add(edge, -low))
        least = f"that is at least {low}"
    if is_below:
        return []
    return [Curve(edge, "==", conditions if is_within else (*conditions, least))]


def _side(edge: Value, name: str, relation: str, conditions: tuple[str, ...]) -> Curve:
    """One side of an edge: over whole numbers the last or first of them, over fractions the edge itself."""
    if name in BYTE_SYMBOLS:
        return Curve(edge, relation, conditions)
    if relation in ("<=", "<"):
        return Curve(floor(edge) if relation == "<=" else add(ceil(edge), -1), "<=", conditions)
    return Curve(ceil(edge) if relation == ">=" else add(floor(edge), 1), ">=", conditions)


def _quadratic(a: Value, b: Value, c: Value, name: str, relation: str) -> list[Curve]:
    """a*n**2 + b*n + c related to 0."""
    conditions: tuple[str, ...] = ()
    if not is_positive(a):
        if is_positive(negate(a)):
            a, b, c, relation = negate(a), negate(b), negate(c), _FLIPPED[relation]
        elif is_at_least_zero(a):
            conditions = (f"{_text(a)} > 0",)
        elif is_at_least_zero(negate(a)):
            a, b, c, relation = negate(a), negate(b), negate(c), _FLIPPED[relation]
            conditions = (f"{_text(a)} > 0",)
        elif relation == "==":
            return _both(a, b, c, name, (f"{_text(a)} != 0",))
        else:
            raise SymflopsError(f"cannot tell the sign of {_text(a)}; give values for the other symbols")
    _, high = _roots(a, b, c, name)
    if is_at_least_zero(b):  # it rises from c on
        conditions = conditions if is_at_least_zero(negate(c)) else (*conditions, f"{_text(c)} <= 0")
        return _point(high, name, conditions) if relation == "==" else [_side(high, name, relation, conditions)]
    if is_at_least_zero(negate(c)):  # one root above 0; where c is 0, the other one is 0
        if not lowest(name) and not is_positive(negate(c)):
            conditions = (*conditions, f"{_text(c)} < 0")
        return _point(high, name, conditions) if relation == "==" else [_side(high, name, relation, conditions)]
    if relation != "==":
        raise SymflopsError(
            "the two sides may cross twice: cannot tell on which side of the curve it holds; "
            "give values for the other symbols"
        )
    return _both(a, b, c, name, conditions)


def _both(a: Value, b: Value, c: Value, name: str, conditions: tuple[str, ...]) -> list[Curve]:
    """The two roots of a*n**2 + b*n + c, where there are any."""
    discriminant = add(multiply(b, b), multiply(-4, a, c))
    if is_positive(negate(discriminant)):
        return []
    real = () if is_at_least_zero(discriminant) else (f"{_text(discriminant)} >= 0",)
    low, high = _roots(a, b, c, name)
    return [*_point(high, name, (*conditions, *real)), *_point(low, name, (*conditions, *real))]


def _roots(a: Value, b: Value, c: Value, name: str) -> list[Value]:
    """Both roots, the smaller one first, each put in and checked."""
    surd = square_root(add(multiply(b, b), multiply(-4, a, c)))
    found = []
    for sign in (-1, 1):
        twice = add(negate(b), multiply(sign, surd))  # 2*a times the root; put in, scaled by 4*a:
        if add(multiply(twice, twice), multiply(2, b, twice), multiply(4, a, c)) != 0:
            raise SymflopsError(f"the closed form for {name} could not be checked; give values for other symbols")
        found.append(divide(twice, multiply(2, a)))
    return found
