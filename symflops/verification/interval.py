"""Between which numbers a value lies, when its symbols lie between 0 and given upper bounds."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import inf, isqrt

from symflops import deadline
from symflops.polynomial import Call, Number, Polynomial, Value

Bound = int | Fraction | float  # a float only where it is infinite
Interval = tuple[Bound, Bound]
UNKNOWN: Interval = (-inf, inf)


def interval(value: Value, upper: Mapping[str, Number]) -> Interval:
    """Bounds of a value, not always tight: each term is bounded on its own.

    >>> from symflops.algebra import from_text
    >>> interval(from_text("3*s - r"), {"r": 7})
    (-7, inf)
    """
    if not isinstance(value, Polynomial):
        return value, value
    low: Bound = 0
    high: Bound = 0
    for monomial, coefficient in value.terms.items():
        term: Interval = (coefficient, coefficient)
        for name, exponent in monomial:
            factor = _atom(name, upper) if isinstance(name, Call) else (0, upper.get(name, inf))
            term = _product(term, _power(factor, exponent))
        low, high = _plus(low, term[0]), _plus(high, term[1])
    return low, high


def _atom(call: Call, upper: Mapping[str, Number]) -> Interval:
    deadline.check()
    arguments = [interval(a, upper) for a in call.arguments]
    low, high = arguments[0]
    match call.function:
        case "+":
            return low, high
        case "min":
            return min(a for a, _ in arguments), min(b for _, b in arguments)
        case "max":
            return max(a for a, _ in arguments), max(b for _, b in arguments)
        case "floor":
            return floor_of(low), floor_of(high)
        case "ceil":
            return _times(-1, floor_of(_times(-1, low))), _times(-1, floor_of(_times(-1, high)))
        case "sqrt":
            return (isqrt(int(floor_of(low))) if 0 <= low < inf else 0), inf
        case "log2" if 1 <= low < inf:
            return int(floor_of(low)).bit_length() - 1, inf
        case "**":
            if low >= 1 and arguments[1][0] >= 0:
                return 1, inf
            if low >= 0:
                return 0, (1 if high <= 1 and arguments[1][0] >= 0 else inf)
    return UNKNOWN


def floor_of(a: Bound) -> Bound:
    return a if isinstance(a, float) else a.__floor__()


def _plus(a: Bound, b: Bound) -> Bound:
    return a if isinstance(a, float) else b if isinstance(b, float) else a + b  # never inf - inf: see `interval`


def _times(a: Bound, b: Bound) -> Bound:
    if a == 0 or b == 0:
        return 0  # 0 times unbounded is 0: the bound is not reached
    if isinstance(a, float) or isinstance(b, float):
        return inf if (a > 0) == (b > 0) else -inf
    return a * b


def _product(a: Interval, b: Interval) -> Interval:
    corners = [_times(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _power(a: Interval, exponent: int) -> Interval:
    low, high = a
    if exponent < 0:
        if low < 0:
            return UNKNOWN
        if high == 0:
            return UNKNOWN  # defined nowhere
        least: Bound = 0 if high == inf else 1 / Fraction(high)
        most: Bound = 1 / Fraction(low) if 0 < low < inf else inf
        return _power((least, most), -exponent)
    result: Interval = (1, 1)
    for _ in range(exponent):
        result = _product(result, a)
    if exponent % 2 == 0 and result[0] < 0:
        return 0, result[1]
    return result
