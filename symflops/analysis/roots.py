"""Where a value is zero: every real root of one symbol, in closed form where there is one, each checked exactly."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt, lcm, prod
from typing import Any

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.analysis import isolation
from symflops.analysis.ranges import Range
from symflops.analysis.runs import SignRun, cleared, divisors
from symflops.analysis.signs import SignPattern, pattern, pieces
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.polynomial import (
    Number,
    Polynomial,
    Value,
    add,
    divide,
    flat,
    multiply,
    negate,
    square_root,
    value_of,
)
from symflops.summation import calls_of, coefficients
from symflops.tree import exact, fold

_BITS = 80  # of an irrational root, before and after the point
_SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


@dataclass(frozen=True)
class Root:
    """A real root: between `low` and `high`, which are equal where it is rational; its closed form, if it has one.

    `proof` says how it was checked: `exact` (put in, the value is 0), or `sign` (the value changes its sign between
    two numbers that agree in more digits than a float has).
    """

    low: Fraction
    high: Fraction
    closed: Value | None
    proof: str

    @property
    def number(self) -> int | float:
        """An int where the root is whole, else the nearest float."""
        if self.low == self.high and self.low.denominator == 1:
            return int(self.low)
        return float((self.low + self.high) / 2)

    @property
    def floor(self) -> int:
        return self.low.__floor__()


def roots(value: Value, name: str, first: int = 1, signs: SignPattern | None = None) -> list[Root]:
    """The real roots from `first` on of a value of one symbol, in order; `signs` are its signs, if they are known.

    >>> from symflops.algebra import from_text
    >>> [str(root.closed) for root in roots(from_text("n**2 - 3*n + 1"), "n")]
    ['sqrt(5)/2 + 3/2']
    >>> [root.number for root in roots(from_text("min(n, 8)*n - 32"), "n")]
    [5.656854249492381]

    Where the value is 0 on a stretch its ends are roots. With floor or ceil in it only whole roots are found, and with
    powers c**n those and one in each gap of whole numbers across which the sign changes.
    """
    signs = pattern(value, name, first) if signs is None else signs
    still = stretches(value, name, signs, first)
    found = {Fraction(n) for a, b in signs.where((0,)).ranges for n in _whole_roots(a, b, still)}
    result = [Root(n, n, exact(n), "exact") for n in sorted(found)]
    if not _is_rounded(value, name):
        result += _between_whole(value, name, first, signs.runs)
    return sorted(_distinct(result), key=lambda root: root.low)


def stretches(value: Value, name: str, signs: SignPattern, first: int) -> list[Range]:
    """The ranges of whole numbers on which a value stays 0; roots beside each other are none."""
    if _is_rounded(value, name):
        return [(a, b) for a, b in signs.where((0,)).ranges if b is None or b - a > 1]
    zeros = [run for run in signs.runs if run.sign == 0]
    found: list[Range] = []
    for piece in pieces(value, name, first):
        if piece.value is not None and cleared(piece.value, name)[0] == 0:
            # Between it and a zero beside it, which is one of another piece, the value is 0, too.
            a = piece.first - any(piece.first - 1 in run for run in zeros)
            b = None if piece.last is None else piece.last + any(piece.last + 1 in run for run in zeros)
            while found and found[-1][1] is not None and found[-1][1] >= a - 1:
                a = min(a, found.pop()[0])
            found.append((a, b))
    return [(a, b) for a, b in found if a != b]


def _is_rounded(value: Value, name: str) -> bool:
    return any(call.function in ("floor", "ceil") for call in calls_of(value, name))


def _whole_roots(first: int, last: int | None, still: list[Range]) -> Iterator[int]:
    """The zeros in a range: one by one, of stretches the ends."""
    here: int | None = first
    while here is not None and (last is None or here <= last):
        yield here
        inside = next(((a, b) for a, b in still if a <= here and (b is None or here < b)), None)
        here = here + 1 if inside is None else inside[1]


def _distinct(found: list[Root]) -> list[Root]:
    kept: dict[tuple[Fraction, Fraction], Root] = {}
    for root in found:
        kept.setdefault((root.low, root.high), root)
    return list(kept.values())


def _between_whole(value: Value, name: str, first: int, signs: Sequence[SignRun]) -> Iterator[Root]:
    below = list(divisors(value, name))
    for piece in pieces(value, name, first):
        if piece.value is None:
            continue
        top, _ = cleared(piece.value, name)
        if top == 0:
            continue
        if any(calls_of(top, name)):
            gaps = [
                b.first
                for a, b in pairwise(signs)
                if a.sign and b.sign and a.sign != b.sign
                if piece.first <= b.first and (piece.last is None or b.first <= piece.last)
            ]
            # Across a gap the sign changes at a root, or where a divisor is 0.
            yield from (_bisected(value, name, n - 1, n) for n in gaps if not below)
            continue
        for root in polynomial_roots(top, name):
            # A piece is known at whole numbers; its neighbours begin somewhere in the gap, so the value itself decides.
            inside = root.high >= max(first, piece.first - 1) and (piece.last is None or root.low <= piece.last + 1)
            if inside and _is_root_of(value, piece.value, name, root, below):
                yield root


def _is_root_of(value: Value, piece: Value, name: str, root: Root, below: list[Value]) -> bool:
    """Whether a value is its piece at a root, and divides by nothing that is 0 there."""
    ends = [{name: exact(end)} for end in (root.low, root.high)]
    for divisor in below:
        low, high = (evaluate(divisor, end) for end in ends)
        if low * high <= 0:
            return False
    return all(evaluate(value, end) == evaluate(piece, end) for end in ends)


def polynomial_roots(value: Value, name: str) -> Iterator[Root]:
    """The real roots of a polynomial that is not 0, each once."""
    numbers = {e: evaluate(c, {}) for e, c in coefficients(value, name).items() if not free_symbols(c)}
    plain = value_of({((name, e),) if e else (): c for e, c in numbers.items() if c})
    if plain == value or len(numbers) < len(coefficients(value, name)):
        yield from _exact_roots(value, name)
        return
    if any(not c for e, c in numbers.items() if e):  # its number is 0, though it is not
        raise SymflopsError(f"cannot solve {str(value)[:100]}: a power of too many digits")
    if max(numbers) == 0:
        return  # a constant that is not 0
    # A coefficient with a power of very many digits: the roots are as good as its number is.
    for root in _exact_roots(plain, name):
        closed = negate(divide(coefficients(value, name).get(0, 0), coefficients(value, name)[1]))
        yield Root(root.low, root.high, closed if max(numbers) == 1 else None, root.proof)


def _exact_roots(value: Value, name: str) -> Iterator[Root]:
    own: dict[int, Number] = {}
    for exponent, c in coefficients(value, name).items():
        if isinstance(c, Polynomial) or exponent < 0:
            raise SymflopsError(f"cannot solve {str(value)[:100]}: not a polynomial in {name}")
        own[exponent] = c
    degree = max(own)
    numbers = {e: Fraction(c) for e, c in own.items()}
    if degree == 1:
        root = -numbers.get(0, Fraction(0)) / numbers[1]
        yield _checked(value, name, root, root, exact(root))
    elif degree == 2:
        yield from _quadratic(value, name, numbers)
    elif degree:
        scale = lcm(*(c.denominator for c in numbers.values()))
        yield from _isolated([int(numbers.get(e, 0) * scale) for e in range(degree + 1)], name)


def _isolated(dense: isolation.Dense, name: str) -> Iterator[Root]:
    """The real roots of a polynomial of higher degree: closed forms of those that are rational or quadratic."""
    dense = isolation.square_free(dense)
    terms = _polynomial(dense, name)
    lead = abs(dense[-1])
    # So many places that the roots' sums and products, times the first coefficient, are told from whole numbers.
    places = _BITS + lead.bit_length() + isolation.bound(dense)
    irrational: list[isolation.Interval] = []
    for low, high in isolation.intervals(dense, places):
        whole = round(lead * (low + high) / 2)
        root = Fraction(whole, lead)
        if low <= root <= high and evaluate(terms, {name: exact(root)}) == 0:
            yield _checked(terms, name, root, root, exact(root))
        else:
            irrational.append((low, high))
    quadratic: set[isolation.Interval] = set()
    for factor, *two in isolation.quadratic_factors(dense, irrational):
        quadratic.update(two)
        yield from _quadratic(_polynomial(factor, name), name, {e: Fraction(c) for e, c in enumerate(factor)})
    for low, high in irrational:
        if (low, high) not in quadratic:
            yield _checked(terms, name, low, high, None)


def _polynomial(dense: isolation.Dense, name: str) -> Value:
    return value_of({((name, e),) if e else (): c for e, c in enumerate(dense) if c})


def _quadratic(terms: Value, name: str, numbers: dict[int, Fraction]) -> Iterator[Root]:
    a, b, c = (numbers.get(e, Fraction(0)) for e in (2, 1, 0))
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return
    low, high = square_root_bounds(discriminant)
    surd = _simple_root(discriminant)
    for sign in (-1, 1) if discriminant else (1,):
        ends = sorted((-b + sign * r) / (2 * a) for r in (low, high))
        closed = divide(add(exact(-b), multiply(sign, surd)), exact(2 * a))
        yield _checked(terms, name, ends[0], ends[1], closed)


def square_root_bounds(x: Fraction) -> tuple[Fraction, Fraction]:
    """Rational numbers around the square root of x, equal where it is rational."""
    inside = x.numerator * x.denominator
    if (whole := isqrt(inside)) ** 2 == inside:
        return Fraction(whole, x.denominator), Fraction(whole, x.denominator)
    scaled = isqrt(inside << (2 * _BITS))
    return Fraction(scaled, x.denominator << _BITS), Fraction(scaled + 1, x.denominator << _BITS)


def _simple_root(x: Fraction) -> Value:
    """sqrt(x) with small square factors in front: sqrt(12) is 2*sqrt(3)."""
    inside, outside = x.numerator * x.denominator, Fraction(1, x.denominator)
    for p in _SMALL_PRIMES:
        while inside and inside % (p * p) == 0:
            inside, outside = inside // (p * p), outside * p
    return multiply(exact(outside), square_root(inside))


def _checked(terms: Value, name: str, low: Fraction, high: Fraction, closed: Value | None) -> Root:
    """The root, after it was put in: the result must be 0, or have different signs at both ends of its enclosure."""
    if closed is not None:
        put_in = evaluate(terms, {name: exact(low)}) if low == high else substitute(terms, {name: closed})
        if put_in != 0:
            raise SymflopsError(f"{closed} could not be checked to be a root of {str(terms)[:100]}")
        return Root(low, high, closed, "exact")
    ends = [evaluate(terms, {name: exact(end)}) for end in (low, high)]
    if ends[0] * ends[1] >= 0:
        raise SymflopsError(f"a root near {float(low)} of {str(terms)[:100]} could not be checked")
    return Root(low, high, None, "sign")


def _bisected(value: Value, name: str, low: int, high: int) -> Root:
    """A root of a continuous value between whole numbers at which its signs differ; not a closed form."""
    with deadline.untimed():
        from mpmath import mp, mpf

    with mp.workprec(4 * _BITS):
        at = {n: evaluate(value, {name: n}) for n in (low, high)}
        a, b, rising = mpf(low), mpf(high), at[high] > 0
        for _ in range(_BITS):
            middle = (a + b) / 2
            a, b = (a, middle) if (_real(value, name, middle) > 0) == rising else (middle, b)
        ends = [Fraction(int(x * 2**_BITS), 2**_BITS) for x in (a, b)]
    return Root(ends[0], ends[1] + Fraction(1, 2**_BITS), None, "sign")


def _real(value: Value, name: str, x: Any) -> Any:
    """A value at a real number, to mpmath's precision."""
    from mpmath import mpf

    def leaf(leaf: int | Fraction | str) -> Any:
        return x if isinstance(leaf, str) else mpf(leaf.numerator) / leaf.denominator

    operations: dict[str, Callable[..., Any]] = {
        "+": lambda *o: sum(o), "-": operator.neg, "*": lambda *o: prod(o), "/": operator.truediv, "**": operator.pow,
        "min": min, "max": max,
    }  # fmt: skip
    return fold(flat(value), operations, leaf)
