"""The number of a formula at a point, exact or enclosed: what a counterexample is checked with.

Rational numbers are computed exactly. Where a root or a logarithm is irrational, rational bounds on both sides are, so
that a difference is shown or nothing is said. What has no value (a division by zero, the logarithm of 0) or too many
digits to compute raises `UndefinedError`, the latter its subclass `UncomputedError`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from symflops import deadline
from symflops.number import rational_logarithm2, rational_root
from symflops.polynomial import Number
from symflops.tree import Tree, exact, fold

_MAX_BITS = 100_000  # of a number that is computed
_PRECISION = 256  # bits behind the point of a bound on an irrational number


class UndefinedError(Exception):
    """The formula has no number at this point."""


class UncomputedError(UndefinedError):
    """It may have one, but of more digits than are computed."""


class IrrationalError(Exception):
    """The number at this point is not rational; it can be enclosed."""


@dataclass(frozen=True)
class Enclosure:
    """An irrational number between two rational ones."""

    low: Number
    high: Number

    @property
    def middle(self) -> float | Number:
        """The number as far as a float holds it."""
        middle = (self.low + self.high) / Fraction(2)
        return float(middle) if abs(middle) < 2**1000 else middle


def number_at(tree: Tree, point: Mapping[str, Number]) -> Number | Enclosure:
    """The exact number of a formula at a point, an enclosure of it where it is irrational.

    >>> from symflops.tree import read
    >>> number_at(read("ceil(s/3) + 1/2"), {"s": 4})
    Fraction(5, 2)
    """
    try:
        return rational(tree, point)
    except IrrationalError:
        low, high = fold(tree, _ENCLOSED, lambda leaf: _pair(_leaf(leaf, point)))
        return exact(Fraction(low)) if low == high else Enclosure(low, high)


def rational(tree: Tree, point: Mapping[str, Number]) -> Number:
    """The exact number of a tree; raises UndefinedError or IrrationalError."""
    deadline.check()
    number: Number = fold(tree, _EXACT, lambda leaf: point[leaf] if isinstance(leaf, str) else leaf)
    return exact(number) if type(number) is Fraction else number


def differ(a: Number | Enclosure, b: Number | Enclosure) -> bool:
    """Whether two numbers are shown to be different."""
    (low, high), (least, most) = ((x.low, x.high) if isinstance(x, Enclosure) else (x, x) for x in (a, b))
    return high < least or most < low


def _leaf(leaf: Number | str, point: Mapping[str, Number]) -> Number:
    return point[leaf] if isinstance(leaf, str) else leaf


# ------------------------------------------------------------------------------------------------------------- rational


def _product(*factors: Number) -> Number:
    result: Number = 1
    for factor in factors:
        result *= factor
    return result


def _quotient(a: Number, b: Number) -> Number:
    if not b:
        raise UndefinedError
    return exact(Fraction(a) / b)


def _power(base: Number, exponent: Number) -> Number:
    if exponent.denominator != 1:
        if exponent.denominator == 2 and base >= 0:
            return _power(_root(base), exponent.numerator)
        raise UncomputedError
    n = exponent.numerator
    if not base and n < 0:
        raise UndefinedError
    if max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(n) > _MAX_BITS and base not in (-1, 0, 1):
        raise UncomputedError
    return exact(Fraction(base) ** n)


def _root(a: Number) -> Number:
    if a < 0:
        raise UndefinedError
    root = rational_root(a)
    if root is None:
        raise IrrationalError
    return root


def _logarithm(a: Number) -> Number:
    if a <= 0:
        raise UndefinedError
    found = rational_logarithm2(a)
    if found is None:
        raise IrrationalError
    return found


_EXACT: dict[str, Callable[..., Number]] = {
    "+": lambda *terms: sum(terms), "-": operator.neg, "*": _product, "/": _quotient, "**": _power, "min": min,
    "max": max, "//": lambda a, b: _quotient(a, b).__floor__(), "%": lambda a, b: a - b * _quotient(a, b).__floor__(),
    "floor": lambda a: a.__floor__(), "ceil": lambda a: a.__ceil__(), "sqrt": _root, "log2": _logarithm,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- enclosed

Pair = tuple[Number, Number]


def _pair(a: Number) -> Pair:
    return a, a


def _all_corners(operation: Callable[[Number, Number], Number], a: Pair, b: Pair) -> Pair:
    corners = [operation(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _enclosed_product(*factors: Pair) -> Pair:
    result: Pair = (1, 1)
    for factor in factors:
        result = _all_corners(operator.mul, result, factor)
    return result


def _enclosed_quotient(a: Pair, b: Pair) -> Pair:
    if b[0] <= 0 <= b[1]:
        raise UndefinedError if b[0] == b[1] else UncomputedError
    return _all_corners(_quotient, a, b)


def _enclosed_power(base: Pair, exponent: Pair) -> Pair:
    if exponent[0] != exponent[1]:
        raise UncomputedError
    n = exponent[0]
    if n.denominator == 2:
        return _enclosed_power(_enclosed_root(base), _pair(n.numerator))
    if base[0] != base[1] and base[0] <= 0:
        raise UncomputedError
    ends = [_power(x, n) for x in base]
    return min(ends), max(ends)


def _enclosed_root(a: Pair) -> Pair:
    if a[0] < 0:
        raise UndefinedError if a[1] < 0 else UncomputedError
    scale = 1 << _PRECISION
    low = isqrt((a[0] * scale * scale).__floor__())
    high = isqrt((a[1] * scale * scale).__floor__()) + 1
    return Fraction(low, scale), Fraction(high, scale)


def _enclosed_logarithm(a: Pair) -> Pair:
    if a[0] <= 0:
        raise UndefinedError if a[1] <= 0 else UncomputedError
    from mpmath import iv

    iv.prec = _PRECISION
    low = (iv.log(iv.mpf(a[0].numerator) / a[0].denominator) / iv.log(2)).a
    high = (iv.log(iv.mpf(a[1].numerator) / a[1].denominator) / iv.log(2)).b
    return _fraction(low), _fraction(high)


def _fraction(end: object) -> Fraction:
    sign, mantissa, shift, _ = end._mpi_[0]  # type: ignore[attr-defined]  # an interval's end is a point interval
    return Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** int(shift)


def _rounded(up: bool) -> Callable[[Pair], Pair]:
    def whole(a: Pair) -> Pair:
        low, high = (x.__ceil__() if up else x.__floor__() for x in a)
        if low != high:
            raise UncomputedError  # not decided by this precision
        return low, high

    return whole


def _enclosed_extreme(choose: Callable[..., Number]) -> Callable[..., Pair]:
    return lambda *pairs: (choose(a for a, _ in pairs), choose(b for _, b in pairs))


def _enclosed_floor(a: Pair, b: Pair) -> Pair:
    return _rounded(False)(_enclosed_quotient(a, b))


def _enclosed_modulo(a: Pair, b: Pair) -> Pair:
    below = _enclosed_product(b, _enclosed_floor(a, b))
    return a[0] - below[1], a[1] - below[0]


_ENCLOSED: dict[str, Callable[..., Pair]] = {
    "+": lambda *terms: (sum(a for a, _ in terms), sum(b for _, b in terms)), "-": lambda a: (-a[1], -a[0]),
    "*": _enclosed_product, "/": _enclosed_quotient, "**": _enclosed_power, "min": _enclosed_extreme(min),
    "max": _enclosed_extreme(max), "floor": _rounded(False), "ceil": _rounded(True), "sqrt": _enclosed_root,
    "log2": _enclosed_logarithm, "//": _enclosed_floor, "%": _enclosed_modulo,
}  # fmt: skip
