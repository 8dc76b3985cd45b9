"""Fractions of polynomials with whole coefficients, as they stand below a floor."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm, prod

from symflops import deadline
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    accumulate,
    add,
    divide,
    is_integer,
    is_nonnegative,
    multiply,
    negate,
    power,
    terms_of,
    value_of,
)


def quotient(value: Value) -> tuple[Value, Value]:
    """Whole top and bottom of a value as a fraction of polynomials, no divisor left in the top."""
    terms = terms_of(value)
    if not terms:
        return 0, 1
    least: dict[str, int] = {}
    for monomial in terms:
        for name, exponent in monomial:
            if exponent < 0:
                least[name] = min(exponent, least.get(name, 0))
    common = lcm(*(Fraction(c).denominator for c in terms.values()))
    total: dict[Monomial, Number] = {}
    for monomial, coefficient in terms.items():
        exponents = dict(monomial)
        shift = [_factor(n, exponents.pop(n, 0) - low) for n, low in least.items()]
        accumulate(total, multiply(coefficient * common, value_of({tuple(sorted(exponents.items())): 1}), *shift))
    return value_of(total), multiply(common, *(_factor(n, -low) for n, low in least.items()))


def _factor(name: str, exponent: int) -> Value:
    if isinstance(name, Call) and name.function == "+":
        return power(name.arguments[0], exponent)
    return value_of({((name, exponent),): 1}) if exponent else 1


def unfolded(top: Value, bottom: Value) -> tuple[Value, Value] | None:
    """Top and bottom of floor((floor(p/q) + k)/bottom) as one floor, (p + k*q)/(q*bottom); None where it is none."""
    found = [
        (m, c) for m, c in terms_of(top).items() if any(isinstance(n, Call) and n.function == "floor" for n, _ in m)
    ]
    if len(found) != 1 or len(found[0][0]) != 1 or found[0][0][0][1] != 1 or abs(found[0][1]) != 1:
        return None
    ((monomial, sign),) = found
    call = monomial[0][0]
    assert isinstance(call, Call)
    p, q = quotient(call.arguments[0])
    if not (is_integer(p) and is_integer(q) and is_nonnegative(q)):
        return None
    k = add(top, value_of({monomial: -sign}))
    if sign == 1:
        return add(p, multiply(k, q)), multiply(q, bottom)
    # floor((k - floor(p/q))/b) = floor((ceil(-p/q) + k)/b) = ceil((ceil(-p/q) + k - b + 1)/b), and so one ceil
    return add(negate(p), multiply(add(k, 1), q), -1), multiply(q, bottom)


def _order(names: list[str], monomial: Monomial) -> tuple[int, list[int]]:
    exponents = dict(monomial)
    return sum(exponents.values()), [exponents.get(n, 0) for n in names]


def leading(value: Value) -> Monomial:
    names = sorted({n for m in terms_of(value) for n, _ in m})
    return max(terms_of(value), key=lambda m: _order(names, m))


def divided(top: Value, bottom: Value) -> tuple[Value, Value]:
    """Whole part and rest of top/bottom: division by the leading term, residues in (-d/2, d/2]."""
    if not isinstance(bottom, Polynomial):
        d = int(bottom)
        whole: dict[Monomial, Number] = {}
        rest: dict[Monomial, Number] = {}
        for m, c in terms_of(top).items():
            residue = c % d if not m else (c + (d - 1) // 2) % d - (d - 1) // 2
            if c != residue:
                whole[m] = (c - residue) // d
            if residue:
                rest[m] = residue
        return value_of(whole), value_of(rest)
    names = sorted({n for v in (top, bottom) for m in terms_of(v) for n, _ in m})
    lead = max(bottom.terms, key=lambda m: _order(names, m))
    d = int(bottom.terms[lead])
    left, whole, rest = dict(terms_of(top)), {}, {}
    while left:
        deadline.check()
        m = max(left, key=lambda t: _order(names, t))
        exponents = dict(m)
        if all(exponents.get(n, 0) >= e for n, e in lead):
            c = int(left[m])
            times = (c - ((c + (d - 1) // 2) % d - (d - 1) // 2)) // d
            if times:
                ratio = dict(exponents)
                for n, e in lead:
                    ratio[n] -= e
                shift = tuple(sorted((n, e) for n, e in ratio.items() if e))
                whole[shift] = whole.get(shift, 0) + times
                accumulate(left, bottom, -times, shift)
        if m in left:
            rest[m] = left.pop(m)
    return value_of({m: c for m, c in whole.items() if c}), value_of(rest)


def lowest_terms(top: Value, bottom: Value) -> tuple[Value, Value]:
    """floor((g*p + k)/(g*q)) is floor((p + floor(k/g))/q); symbols that divide both are cancelled."""
    if top == 0:
        return 0, 1
    shared: dict[str, int] = {}
    monomials = [m for v in (top, bottom) for m in terms_of(v)]
    for name, exponent in monomials[0]:
        low = min([exponent, *(dict(m).get(name, 0) for m in monomials)])
        if low > 0:
            shared[name] = low
    if shared:
        inverse = value_of({tuple((n, -e) for n, e in sorted(shared.items())): 1})
        top, bottom = multiply(top, inverse), multiply(bottom, inverse)
    numerators = [int(c) for m, c in terms_of(top).items() if m]
    common = gcd(*numerators, *(int(c) for c in terms_of(bottom).values()))
    if common > 1 and numerators:
        terms: dict[Monomial, Number] = {m: c // common for m, c in terms_of(top).items() if m or c // common}
        return value_of(terms), divide(bottom, common)
    return top, bottom


def rounds(value: Value) -> int:
    """The least common multiple of the constant divisors below floors; 1 without any."""
    found = [
        int(q)
        for m in terms_of(value)
        for n, _ in m
        if isinstance(n, Call)
        and n.function == "floor"
        and not isinstance(q := quotient(n.arguments[0])[1], Polynomial)
    ]
    return lcm(1, *found) if prod(found) < 10**12 else 1
