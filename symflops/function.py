"""The functions of the language on canonical values: rounding, extremes, roots and logarithms.

Each function returns one canonical form for the arguments that it can decide about and an opaque `Call` otherwise.
The rules hold because every symbol is a nonnegative number; a rounding is dropped only where its argument is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

from symflops import budget, deadline
from symflops.errors import NoValueError
from symflops.number import rational_logarithm2
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    add,
    atom,
    divide,
    flat,
    is_integral,
    is_nonnegative,
    multiply,
    negate,
    size,
    value_of,
)
from symflops.tree import exact, write


def floor(a: Value) -> Value:
    """The largest integer not above a; whole parts are taken out, so floor(x + 3*y/2) is x + y + floor(y/2)."""
    return _round(a, "floor")


def ceil(a: Value) -> Value:
    """The smallest integer not below a."""
    return _round(a, "ceil")


def _round(a: Value, function: str) -> Value:
    if not isinstance(a, Polynomial):
        return a.__floor__() if function == "floor" else a.__ceil__()
    if all(is_integral(m) for m in a.terms):
        d = lcm(*(Fraction(c).denominator for c in a.terms.values()))
        numerators = {m: int(c * d) for m, c in a.terms.items()}
        if function == "ceil":  # ceil(p/d) = floor((p + d - 1)/d) for whole p
            numerators[()] = numerators.get((), 0) + d - 1
        return _floor_quotient(numerators, d)
    if all(c < 0 for c in a.terms.values()):
        return negate(_round(negate(a), "ceil" if function == "floor" else "floor"))
    whole = {m: w for m, c in a.terms.items() if is_integral(m) and (w := c.__floor__())}
    inside = add(a, negate(value_of(dict(whole))))
    if not isinstance(inside, Polynomial) or (whole and all(c < 0 for c in inside.terms.values())):
        return add(value_of(dict(whole)), _round(inside, function))
    return add(value_of(dict(whole)), atom(Call.of(function, inside)))


def _floor_quotient(numerators: dict[Monomial, int], d: int) -> Value:
    """floor(sum/d) of whole terms in the one canonical form: residues in (-d/2, d/2], the leading one positive, the
    constant in [0, d), lowest terms, and written as a ceil where that needs no constant."""
    constant, k = divmod(numerators.get((), 0), d)
    whole: dict[Monomial, Number] = {(): constant} if constant else {}
    rest: dict[Monomial, int] = {}
    for m, c in numerators.items():
        residue = (c + (d - 1) // 2) % d - (d - 1) // 2
        if m and c != residue:
            whole[m] = (c - residue) // d
        if m and residue:
            rest[m] = residue
    if not rest:
        return value_of(whole)
    if rest[min(rest)] < 0:  # floor(-p/d) = -floor((p + d - 1)/d)
        flipped = {m: -c for m, c in rest.items()} | {(): d - 1 - k}
        return add(value_of(whole), negate(_floor_quotient(flipped, d)))
    common = gcd(d, *rest.values())
    d, k = d // common, k // common  # floor((g*p + k)/(g*d)) = floor((p + floor(k/g))/d)
    inside: dict[Monomial, Number] = {m: exact(Fraction(c, d * common)) for m, c in rest.items()}
    if d == 1:
        return add(value_of(whole), value_of(inside))
    if k == d - 1:
        return add(value_of(whole), atom(Call.of("ceil", value_of(inside))))
    if k:
        inside[()] = Fraction(k, d)
    return add(value_of(whole), atom(Call.of("floor", value_of(inside))))


def divide_floor(a: Value, b: Value) -> Value:
    return floor(divide(a, b))


def modulo(a: Value, b: Value) -> Value:
    """`a % b` as a - b*floor(a/b)."""
    return add(a, negate(multiply(b, divide_floor(a, b))))


def minimum(*values: Value) -> Value:
    return _extreme("min", values)


def maximum(*values: Value) -> Value:
    return _extreme("max", values)


def _extreme(function: str, values: tuple[Value, ...]) -> Value:
    candidates: dict[Value, None] = {}
    for value in values:
        nested = _only_call(value)
        parts = nested.arguments if nested is not None and nested.function == function else (value,)
        candidates.update(dict.fromkeys(parts))
    kept = [value for value, stays in zip(candidates, undominated(function, [*candidates]), strict=True) if stays]
    if len(kept) == 1:
        return kept[0]
    return atom(Call.of(function, *sorted(kept, key=lambda v: write(flat(v)))))


def undominated(function: str, values: Sequence[Value]) -> list[bool]:
    """Which of these can be the smallest, for `min`, or the largest: one cannot where another is always on the right
    side of it."""
    sign = 1 if function == "min" else -1
    budget.charge(len(values) * sum(10 + size(value)[0] // 8 for value in values) if len(values) > 1 else 0)
    stays = [True] * len(values)
    for i, value in enumerate(values):
        deadline.check()
        gaps = (add(value, negate(other)) for j, other in enumerate(values) if stays[j] and j != i)
        stays[i] = not any(is_nonnegative(multiply(sign, gap)) for gap in gaps)
    return stays


def _only_call(value: Value) -> Call | None:
    if isinstance(value, Polynomial) and len(value.terms) == 1:
        ((monomial, coefficient),) = value.terms.items()
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Call):
            return monomial[0][0]
    return None


def logarithm2(a: Value) -> Value:
    if not isinstance(a, Polynomial):
        if a <= 0:
            raise NoValueError("log2 of a number that is not positive")
        found = rational_logarithm2(a)
        if found is not None:
            return found
    return atom(Call.of("log2", a))
