"""The real roots of a polynomial with integer coefficients, each in an interval of its own.

Descartes' rule counts the changes of sign among the coefficients of a polynomial that has the roots of an interval at
the positive numbers: none means no root there, one means one, and else the interval is halved. Bisection then makes
the intervals as narrow as is wanted. A polynomial is the list of its coefficients, lowest first; all of it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise
from math import gcd

from symflops import deadline

Dense = list[int]
Interval = tuple[Fraction, Fraction]


def square_free(p: Dense) -> Dense:
    """The polynomial with the same roots, each once.

    >>> square_free([2, -3, 0, 1])  # (x - 1)**2*(x + 2)
    [2, -1, -1]
    """
    a, b = _primitive(p), _primitive(derivative(p))
    while any(b):
        a, b = b, _primitive(divided(a, b)[1])
    return _primitive(divided(p, a)[0])


def derivative(p: Dense) -> Dense:
    return [k * c for k, c in enumerate(p)][1:]


def divided(p: Dense, by: Dense) -> tuple[Dense, Dense]:
    """Quotient and remainder of p times a power of the other's first coefficient, so that both are whole.

    >>> divided([-1, 0, 1], [1, 1]), divided([1, 1], [0, 2])
    (([-1, 1], []), ([1], [2]))
    """
    rest, quotient = list(p), [0] * max(0, len(p) - len(by) + 1)
    while len(rest) >= len(by):
        deadline.check()
        shift, first = len(rest) - len(by), rest[-1]
        if first % by[-1]:
            quotient, rest, first = [c * by[-1] for c in quotient], [c * by[-1] for c in rest], first * by[-1]
        quotient[shift] = first // by[-1]
        for k, c in enumerate(by):
            rest[shift + k] -= quotient[shift] * c
        while rest and not rest[-1]:
            rest.pop()
    return quotient, rest


def _primitive(p: Dense) -> Dense:
    content = gcd(*p) or 1
    return [c // content for c in p]


def intervals(p: Dense, bits: int) -> list[Interval]:
    """An interval around each root of a polynomial without multiple ones, in order, no wider than 2**-bits; both ends
    are the root where it was met, and else neither is one.

    >>> [(float(low), float(high)) for low, high in intervals([0, -2, 0, 1], 2)]
    [(-1.5, -1.25), (0.0, 0.0), (1.25, 1.5)]
    """
    zero = [(Fraction(0), Fraction(0))] if not p[0] else []
    p = p[1:] if zero else p
    below = _positive([c if k % 2 == 0 else -c for k, c in enumerate(p)], bits)
    return [*((-high, -low) for low, high in reversed(below)), *zero, *_positive(p, bits)]


def bound(p: Dense) -> int:
    """An exponent of 2 above all roots (Cauchy)."""
    return 1 + max(0, max(abs(c) for c in p).bit_length() - abs(p[-1]).bit_length() + 1)


def _positive(p: Dense, bits: int) -> list[Interval]:
    scale = bound(p)
    found: list[Interval] = []
    # Each is q, c, k: the roots of q between 0 and 1 are those of p between c and c + 1, times 2**(scale - k).
    stack = [([c << (scale * k) for k, c in enumerate(p)], 0, 0)]
    while stack:
        deadline.check()
        q, c, k = stack.pop()
        unit = Fraction(2) ** (scale - k)
        if not q[0]:
            found.append((c * unit, c * unit))
            q = q[1:]
        changes = _changes(_shifted(q[::-1]))
        if changes == 1:
            found.append(_narrowed(p, q, c * unit, unit, Fraction(1, 1 << bits)))
        elif changes:
            left = [coefficient << (len(q) - 1 - i) for i, coefficient in enumerate(q)]
            stack += [(_shifted(left), 2 * c + 1, k + 1), (left, 2 * c, k + 1)]
    return found


def _narrowed(p: Dense, q: Dense, low: Fraction, width: Fraction, wanted: Fraction) -> Interval:
    """The interval of the one root of q between 0 and 1, which is one of p between low and low + width."""
    at, k = 0, 0  # it is between at and at + 1, times 2**-k
    ends = (low, low + width)
    while ends[1] - ends[0] > wanted or not all(_value(p, end.numerator, end.denominator) for end in ends):
        deadline.check()
        k += 1
        there = _value(q, 2 * at + 1, 1 << k)
        middle = low + width * Fraction(2 * at + 1, 1 << k)
        if not there:
            return middle, middle
        at = 2 * at + ((there > 0) == (q[0] > 0))
        ends = (low + width * Fraction(at, 1 << k), low + width * Fraction(at + 1, 1 << k))
    return ends


def _value(p: Dense, top: int, bottom: int) -> int:
    """A whole number with the sign that p has at top/bottom, for a positive bottom."""
    total, power = 0, 1
    for c in reversed(p):
        total, power = total * top + c * power, power * bottom
    return total


def _shifted(p: Dense) -> Dense:
    """p(x + 1)."""
    result, rest = [], list(reversed(p))
    while rest:
        deadline.check()
        *rest, last = accumulate(rest)
        result.append(last)
    return result


def _changes(p: Dense) -> int:
    signs = [c > 0 for c in p if c]
    return sum(a != b for a, b in pairwise(signs))


def quadratic_factors(p: Dense, roots: list[Interval]) -> Iterator[tuple[Dense, Interval, Interval]]:
    """The factors of degree 2 that have two of these irrational roots, known to many places: their sum and their
    product are whole numbers divided by the first coefficient of p."""
    lead = p[-1]
    for i, one in enumerate(roots):
        for other in roots[i + 1 :]:
            deadline.check()
            total, product = sum(one) + sum(other), sum(one) * sum(other)
            factor = _primitive([round(lead * product / 4), -round(lead * total / 2), lead])
            if not any(divided(p, factor)[1]):
                yield factor, one, other
