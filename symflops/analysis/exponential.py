"""Sums of p(n)*b**n with polynomials p and numbers b > 0, at whole n: their values, and where their signs change.

With g(n) = f(n + 1) - b*f(n), which is one term simpler for a well-chosen b, f(n)/b**n rises where g is positive and
falls where it is negative; so between two changes of sign of g one bisection finds that of f. Numbers are exact.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from symflops.analysis.summation import linear
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Number, Polynomial, Value, power, terms_of

MAX_BITS = 512  # of the numbers searched
MAX_TERMS = 24  # of a sum: each one more is one more round of bisections

Exponential = dict[Fraction, list[Number]]  # base b to the coefficients of p(n), lowest first


def exponential(value: Value, name: str, first: int = 1) -> Exponential:
    """A value as a sum of p(n)*b**n with b > 0. Raises SymflopsError for one that is not."""
    result: dict[Fraction, dict[int, Number]] = {}
    for monomial, coefficient in terms_of(value).items():
        base, degree = Fraction(1), 0
        for factor, exponent in monomial:
            if factor == name and exponent > 0:
                degree = exponent
                continue
            b, scale = _power_of(factor, exponent, name)
            base, coefficient = base * b, coefficient * scale
        if base < 0 or (base == 0 and first < 1):
            raise SymflopsError(f"cannot decide the sign of {str(value)[:100]}")
        if base:
            terms = result.setdefault(base, {})
            terms[degree] = terms.get(degree, 0) + coefficient
    listed = {b: [t.get(k, 0) for k in range(max(t) + 1)] for b, t in result.items()}
    found = {b: c for b, p in listed.items() if (c := _trimmed(p))}
    if sum(map(len, found.values())) > MAX_TERMS:
        raise SymflopsError(f"degree too high to solve: more than {MAX_TERMS} terms in {name}")
    return found


def _power_of(factor: str, exponent: int, name: str) -> tuple[Fraction, Number]:
    """(b, c) with factor**exponent = c * b**n."""
    if isinstance(factor, Call) and factor.function == "**" and not isinstance(factor.arguments[0], Polynomial):
        slope, offset = linear(factor.arguments[1], name)
        if isinstance(slope, int) and isinstance(offset, int):
            b, scale = (power(factor.arguments[0], e * exponent) for e in (slope, offset))
            if not isinstance(b, Polynomial) and not isinstance(scale, Polynomial):
                return Fraction(b), scale
    raise SymflopsError(f"cannot solve with {factor}: only sums, products, powers, min, max, floor and ceil")


def _trimmed(polynomial: list[Number]) -> list[Number]:
    while polynomial and polynomial[-1] == 0:
        polynomial = polynomial[:-1]
    return polynomial


def value_at(function: Exponential, n: int) -> Number:
    total: Number = 0
    for base, polynomial in function.items():
        p: Number = 0
        for c in reversed(polynomial):
            p = p * n + c
        scale = power(int(base) if base.denominator == 1 else base, n)
        assert not isinstance(scale, Polynomial)
        total += p * scale
    return total


def sign_at(function: Exponential, n: int) -> int:
    return sign(value_at(function, n))


def sign(number: Number) -> int:
    return (number > 0) - (number < 0)


def sign_at_infinity(function: Exponential) -> int:
    return sign(function[max(function)][-1]) if function else 0


def marks(function: Exponential, first: int, last: int | None) -> list[int]:
    """Whole numbers, the ends among them, between which (exclusively) the sign of a function does not change."""
    ends = [first] if last is None or last == first else [first, last]
    if sum(map(len, function.values())) <= 1:
        return ends
    base = min(function, key=lambda b: (b != 1, len(function[b])))
    inner = marks(_simpler(function, base), first, last)
    found = set(ends)
    for here, following in zip(inner, [*inner[1:], None], strict=True):
        # function(n)/base**n is monotonic on here + 1, …, following
        found.add(here)
        start = here + 1
        if following is not None:
            found.update((following, min(start, following)))
            _bisect(function, start, following, found)
        elif last is None:
            found.add(start)
            final, end = sign_at_infinity(function), start
            while sign_at(function, end) != final:
                end = here + 2 * (end - here)
                if end.bit_length() > MAX_BITS:
                    raise SymflopsError(f"the sign changes beyond {MAX_BITS} bits")
            _bisect(function, start, end, found)
    return sorted(found)


def _simpler(function: Exponential, base: Fraction) -> Exponential:
    """f(n + 1) - base*f(n)."""
    result: Exponential = {}
    for b, p in function.items():
        shifted = [sum((comb(j, k) * p[j] for j in range(k, len(p))), start=0) for k in range(len(p))]
        terms = _trimmed([b * s - base * c for s, c in zip(shifted, p, strict=True)])
        if terms:
            result[b] = terms
    return result


def _bisect(function: Exponential, start: int, end: int, found: set[int]) -> None:
    """Add the numbers around each change of sign on start, …, end, where the signs come in order."""
    final = sign_at(function, end)
    while (here := sign_at(function, start)) != final:
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if sign_at(function, middle) == here else (low, middle)
        found.update((low, high))
        start = high
    found.add(end)
