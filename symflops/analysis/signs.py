"""Where a value of one symbol is negative, zero or positive, exactly, at all whole numbers from some start on.

The value may contain polynomials, powers c**n, `min`, `max`, and floor and ceil of quotients. `min` and `max` split
the line into pieces, floor and ceil into residue classes; what is left on each is a sum of p(n)*b**n, whose changes of
sign `exponential` finds. Numbers are exact integers and fractions throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from symflops.algebra import free_symbols, substitute
from symflops.analysis.exponential import Exponential, exponential, marks, sign, sign_at, sign_at_infinity
from symflops.analysis.summation import calls_of, coefficients
from symflops.errors import SymflopsError
from symflops.function import maximum, minimum
from symflops.numeric import compiled
from symflops.polynomial import (
    Call,
    Value,
    add,
    is_nonnegative,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
)

MAX_PERIOD = 4096  # residue classes of floor and ceil that are looked at one by one
MAX_ALTERNATING = 100_000  # whole numbers looked at one by one where residue classes disagree


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
        yield from _between(marks(function, piece.first, piece.last), piece.last, lambda n: sign_at(function, n))
        return
    if period > MAX_PERIOD:
        raise SymflopsError(f"rounding to multiples of {period:,} is too coarse to solve; at most {MAX_PERIOD:,}")
    classes: dict[int, Exponential] = {}
    found: set[int] = {piece.first} | ({piece.last} if piece.last is not None else set())
    for residue in range(period):
        start = piece.first + (residue - piece.first) % period  # the first number of the class
        if piece.last is not None and start > piece.last:
            continue
        inside = substitute(piece.value, {name: add(multiply(period, symbol(name)), start)})
        classes[residue] = exponential(inside, name, start)
        end = None if piece.last is None else (piece.last - start) // period
        found.update(start + period * m for m in marks(classes[residue], 0, end))

    evaluate = compiled([piece.value])

    def sign_of(n: int) -> int:
        return sign(evaluate({name: n})[0])

    ordered = sorted(found)
    if piece.last is None:
        beyond = [classes[n % period] for n in range(ordered[-1] + 1, ordered[-1] + 1 + period)]
        if len({sign_at_infinity(f) for f in beyond}) > 1:
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


def _between(places: list[int], last: int | None, sign_of: Callable[[int], int]) -> Iterator[Run]:
    """Runs from numbers between which the sign does not change."""
    for here, following in zip(places, [*places[1:], None], strict=True):
        yield Run(here, here, sign_of(here))
        if following is None and last is None:
            yield Run(here + 1, None, sign_of(here + 1))
        elif following is not None and following > here + 1:
            yield Run(here + 1, following - 1, sign_of(here + 1))


def ranges(runs: Iterable[Run], wanted: Collection[int]) -> list[tuple[int, int | None]]:
    """The whole numbers at which the sign is one of the wanted: first and last of each range, None without end.

    >>> ranges([Run(1, 3, -1), Run(4, 4, 0), Run(5, None, 1)], (-1, 0))
    [(1, 4)]
    """
    found: list[tuple[int, int | None]] = []
    for run in runs:
        if run.sign in wanted:
            joins = bool(found) and found[-1][1] == run.first - 1
            found.append((found.pop()[0] if joins else run.first, run.last))
    return found
