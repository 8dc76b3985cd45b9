"""Where a value of one symbol is negative, zero or positive, exactly, at all whole numbers from some start on.

The value may contain polynomials, powers c**n, `min`, `max`, and floor and ceil of quotients. `min` and `max` split
the line into pieces, floor and ceil into residue classes. On a piece the value is a sum of p(n)*b**n, and one idea
finds all changes of sign: with g(n) = f(n + 1) - b*f(n), which is one term simpler for a well-chosen b, f(n)/b**n rises
where g is positive and falls where it is negative; so between two changes of sign of g one bisection finds that of f.
Numbers are exact integers and fractions throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import comb, lcm

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.function import is_nonnegative, maximum, minimum
from symflops.numeric import compiled
from symflops.polynomial import (
    Call,
    Number,
    Polynomial,
    Value,
    add,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
)
from symflops.summation import calls_of, coefficients, linear

MAX_PERIOD = 4096  # residue classes of floor and ceil that are looked at one by one
MAX_ALTERNATING = 100_000  # whole numbers looked at one by one where residue classes disagree
MAX_BITS = 512  # of the numbers searched

Exponential = dict[Fraction, list[Number]]  # base b to the coefficients of p(n), lowest first: the sum of p(n)*b**n


@dataclass(frozen=True)
class Run:
    """Consecutive whole numbers, without end where `last` is None, at which a value has the same sign."""

    first: int
    last: int | None
    sign: int

    def __contains__(self, n: int) -> bool:
        return self.first <= n and (self.last is None or n <= self.last)


@dataclass(frozen=True)
class Piece:
    """Consecutive whole numbers at which a value equals one without `min` and `max`."""

    first: int
    last: int | None
    value: Value


def signs(value: Value, name: str, first: int = 1, last: int | None = None) -> list[Run]:
    """The runs of equal sign of a value of one symbol, in order, from `first` on.

    >>> from symflops.algebra import from_text
    >>> signs(from_text("n**2 - 10"), "n")
    [Run(first=1, last=3, sign=-1), Run(first=4, last=None, sign=1)]

    Raises SymflopsError for other symbols and for functions that it cannot decide.
    """
    others = free_symbols(value) - {name}
    if others:
        raise SymflopsError(f"no value for {min(others)}; give {min(others)}=…")
    found = [run for piece in pieces(cleared(value, name), name, first, last) for run in _runs(piece, name)]
    return _merged(found)


def _merged(runs: Iterable[Run]) -> list[Run]:
    joined: list[Run] = []
    for run in runs:
        if joined and joined[-1].sign == run.sign:
            run = Run(joined.pop().first, run.last, run.sign)
        joined.append(run)
    return joined


def cleared(value: Value, name: str) -> Value:
    """A value of the same sign without divisors: multiplied by them where they are seen to be positive.

    Raises SymflopsError for a divisor that may be 0 or negative.
    """
    while (found := _divisor(value, name)) is not None:
        factor, divisor, exponent = found
        if isinstance(factor, Call) and not is_nonnegative(divisor) and exponent % 2:
            raise SymflopsError(f"cannot decide the sign of the divisor {str(divisor)[:100]}")
        parts = coefficients(value, factor).items()
        value = add(0, *(multiply(rest, power(divisor, e + exponent)) for e, rest in parts))
    return value


def _divisor(value: Value, name: str) -> tuple[str, Value, int] | None:
    """A factor with a negative exponent that contains the symbol: its name, its value, and the exponent's size."""
    lowest: dict[str, int] = {}
    for monomial in terms_of(value):
        for factor, exponent in monomial:
            lowest[factor] = min(exponent, lowest.get(factor, 0))
    for factor, exponent in lowest.items():
        if exponent < 0:
            if factor == name:
                return factor, symbol(name), -exponent
            if isinstance(factor, Call) and factor.function == "+":
                return factor, factor.arguments[0], -exponent
    return None


# ------------------------------------------------------------------------------------------------------------ pieces


def pieces(value: Value, name: str, first: int, last: int | None = None) -> list[Piece]:
    """The value without `min` and `max`, on the stretches of whole numbers where one of their arguments is taken."""
    calls = sorted(set(calls_of(value, name)), key=lambda c: (len(c), c))
    extreme = next((c for c in calls if c.function in ("min", "max")), None)
    if extreme is None:
        return [Piece(first, last, value)]
    choose = minimum if extreme.function == "min" else maximum
    a, b, *rest = extreme.arguments
    found: list[Piece] = []
    for run in signs(add(a, negate(b)), name, first, last):
        smaller = a if run.sign <= 0 else b
        larger = b if run.sign <= 0 else a
        taken = choose(smaller if extreme.function == "min" else larger, *rest)
        found.extend(pieces(substitute(value, {extreme: taken}), name, run.first, run.last))
    return found


def _runs(piece: Piece, name: str) -> Iterator[Run]:
    period = _period(piece.value, name)
    if period == 1:
        function = exponential(piece.value, name)
        yield from _between_marks(_marks(function, piece.first, piece.last), piece.last, lambda n: sign_at(function, n))
        return
    if period > MAX_PERIOD:
        raise SymflopsError(f"rounding to multiples of {period:,} is too coarse to solve; at most {MAX_PERIOD:,}")
    classes: dict[int, Exponential] = {}
    marks: set[int] = {piece.first} | ({piece.last} if piece.last is not None else set())
    for residue in range(period):
        start = piece.first + (residue - piece.first) % period  # the first number of the class
        if piece.last is not None and start > piece.last:
            continue
        inside = substitute(piece.value, {name: add(multiply(period, symbol(name)), start)})
        classes[residue] = exponential(inside, name, start)
        end = None if piece.last is None else (piece.last - start) // period
        marks.update(start + period * m for m in _marks(classes[residue], 0, end))

    evaluate = compiled([piece.value])

    def sign_of(n: int) -> int:
        return _sign(evaluate({name: n})[0])

    ordered = sorted(marks)
    if piece.last is None:
        beyond = [classes[n % period] for n in range(ordered[-1] + 1, ordered[-1] + 1 + period)]
        if len({_sign_at_infinity(f) for f in beyond}) > 1:
            raise SymflopsError(f"the two sides change places without end, at multiples of {period:,}")
    for here, following in zip(ordered, [*ordered[1:], None], strict=True):
        yield Run(here, here, sign_of(here))
        count = period if following is None else following - here - 1
        signs_between = [sign_of(here + 1 + i) for i in range(min(count, period))]
        if following is None:
            if piece.last is None:
                yield Run(here + 1, None, signs_between[0])
        elif signs_between and len(set(signs_between)) == 1:
            yield Run(here + 1, following - 1, signs_between[0])
        elif count > MAX_ALTERNATING:
            raise SymflopsError(f"the two sides change places more than {MAX_ALTERNATING:,} times")
        else:
            yield from (Run(n, n, sign_of(n)) for n in range(here + 1, following))


def _period(value: Value, name: str) -> int:
    """After how many whole numbers every floor and ceil has moved on by a whole number."""
    period = 1
    for call in calls_of(value, name):
        if call.function in ("floor", "ceil"):
            for monomial, c in terms_of(call.arguments[0]).items():
                if any(n == name for n, _ in monomial):
                    period = lcm(period, Fraction(c).denominator)
    return period


def _between_marks(marks: list[int], last: int | None, sign_of: Callable[[int], int]) -> Iterator[Run]:
    """Runs from numbers between which the sign does not change."""
    for here, following in zip(marks, [*marks[1:], None], strict=True):
        yield Run(here, here, sign_of(here))
        if following is None and last is None:
            yield Run(here + 1, None, sign_of(here + 1))
        elif following is not None and following > here + 1:
            yield Run(here + 1, following - 1, sign_of(here + 1))


# ------------------------------------------------------------------------------------------------ sums of p(n) * b**n


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
    return {b: c for b, p in listed.items() if (c := _trimmed(p))}


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
    return _sign(value_at(function, n))


def _sign(number: Number) -> int:
    return (number > 0) - (number < 0)


def _sign_at_infinity(function: Exponential) -> int:
    return _sign(function[max(function)][-1]) if function else 0


def _marks(function: Exponential, first: int, last: int | None) -> list[int]:
    """Whole numbers, the ends among them, between which (exclusively) the sign of a function does not change."""
    ends = [first] if last is None or last == first else [first, last]
    if sum(map(len, function.values())) <= 1:
        return ends
    base = min(function, key=lambda b: (b != 1, len(function[b])))
    inner = _marks(_simpler(function, base), first, last)
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
            final, end = _sign_at_infinity(function), start
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


def _bisect(function: Exponential, start: int, end: int, marks: set[int]) -> None:
    """Add the numbers around each change of sign on start, …, end, where the signs come in order."""
    final = sign_at(function, end)
    while (sign := sign_at(function, start)) != final:
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if sign_at(function, middle) == sign else (low, middle)
        marks.update((low, high))
        start = high
    marks.add(end)
