"""Where a value of one symbol without periodic rounding is negative, zero or positive, exactly, at all whole numbers.

`min` and `max` split the line into pieces; what is left on each is a sum of p(n)*b**n, whose changes of sign
`exponential` finds, over divisors, whose own signs are found the same way. A rounding such as floor(100/n) stays the
same from some number on. Where a divisor is 0 there is no sign.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.analysis.exponential import MAX_EXACT, bits_of, exponential, marks, sign, sign_at
from symflops.analysis.ranges import MAX_RANGES
from symflops.errors import SymflopsError
from symflops.function import maximum, minimum
from symflops.numeric import compiled
from symflops.polynomial import Call, Polynomial, Value, add, atom, multiply, negate, power, symbol, terms_of
from symflops.summation import calls_of, coefficients, linear

_FAR = 1 << 64  # where a rounding that comes to rest has come to rest


@dataclass(frozen=True)
class SignRun:
    """Consecutive whole numbers, without end where `last` is None, at which a value has the same sign; None where the
    value is not defined, since a divisor is 0."""

    first: int
    last: int | None
    sign: int | None

    def __contains__(self, n: int) -> bool:
        return self.first <= n and (self.last is None or n <= self.last)


@dataclass(frozen=True)
class Piece:
    """Consecutive whole numbers at which a value equals one without `min` and `max`; None where it is not defined."""

    first: int
    last: int | None
    value: Value | None


def merged(runs: Iterable[SignRun]) -> list[SignRun]:
    found: list[SignRun] = []
    for run in runs:
        if found and found[-1].sign == run.sign:
            run = SignRun(found.pop().first, run.last, run.sign)
        found.append(run)
    return found


def defined_runs(value: Value, extra: Sequence[Value], name: str, first: int, last: int | None) -> list[SignRun]:
    """The signs of a value on which rounding has no period, none where one of the divisors is 0."""
    found = runs(value, name, first, last)
    for divisor in extra:
        found = combined(found, runs(divisor, name, first, last), lambda a, b: a if b else None)
    return found


def runs(value: Value, name: str, first: int, last: int | None) -> list[SignRun]:
    """The signs of a value on which rounding has no period."""
    call = next(_innermost(value, name, ("min", "max", "floor", "ceil")), None)
    if call is None:
        return _elementary(value, name, first, last)
    if call.function in ("floor", "ceil"):
        return _at_rest(value, call, name, first, last)
    found: list[SignRun] = []
    for piece in _arms(value, call, name, first, last, runs):
        if piece.value is None:
            found.append(SignRun(piece.first, piece.last, None))
        else:
            found.extend(runs(piece.value, name, piece.first, piece.last))
    return merged(found)


def _elementary(value: Value, name: str, first: int, last: int | None) -> list[SignRun]:
    """The signs of a value without roundings and extremes."""
    top, below = cleared(value, name)
    function = exponential(top, name, first)
    found = _between(marks(function, first, last), last, lambda n: sign_at(function, n))
    for divisor, exponent in below:
        signs = runs(divisor, name, first, last)
        found = combined(found, signs, partial(_quotient, exponent))
    return found


def _between(places: list[int], last: int | None, sign_of: Callable[[int], int]) -> list[SignRun]:
    """Runs from numbers between which the sign does not change."""
    found: list[SignRun] = []
    for here, following in zip(places, [*places[1:], None], strict=True):
        found.append(SignRun(here, here, sign_of(here)))
        if following is None and last is None:
            found.append(SignRun(here + 1, None, sign_of(here + 1)))
        elif following is not None and following > here + 1:
            found.append(SignRun(here + 1, following - 1, sign_of(here + 1)))
    return found


def _quotient(exponent: int, sign: int | None, divisor: int | None) -> int | None:
    """The sign of a quotient by a power; None where it has no value."""
    return sign * int(divisor**exponent) if sign is not None and divisor else None


def combined(
    one: Sequence[SignRun], other: Sequence[SignRun], rule: Callable[[int | None, int | None], int | None]
) -> list[SignRun]:
    """Two lists of runs over the same numbers as one."""
    found: list[SignRun] = []
    i = j = 0
    while i < len(one) and j < len(other):
        a, b = one[i], other[j]
        ends = [end for end in (a.last, b.last) if end is not None]
        end = min(ends) if ends else None
        found.append(SignRun(max(a.first, b.first), end, rule(a.sign, b.sign)))
        i += a.last == end
        j += b.last == end
    return merged(found)


def cleared(value: Value, name: str) -> tuple[Value, list[tuple[Value, int]]]:
    """A value without divisors of the symbol, and these with the exponents that it was multiplied by: it has the
    value's sign, times that of each divisor to its exponent."""
    divisors: list[tuple[Value, int]] = []
    while (found := _divisor(value, name)) is not None:
        factor, divisor, exponent = found
        divisors.append((divisor, exponent))
        parts = coefficients(value, factor).items()
        value = add(0, *(multiply(rest, power(divisor, e + exponent)) for e, rest in parts))
    return value, divisors


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
            if isinstance(factor, Call) and name in free_symbols(atom(factor)) and factor.function != "**":
                inside = factor.arguments[0] if factor.function == "+" else atom(factor)
                return factor, inside, -exponent
    return None


def _innermost(value: Value, name: str, functions: Collection[str]) -> Iterator[Call]:
    calls = sorted(set(calls_of(value, name)), key=lambda c: (len(c), c))
    return (c for c in calls if c.function in functions)


Signs = Callable[[Value, str, int, "int | None"], "list[SignRun]"]


def pieces(value: Value, name: str, first: int, last: int | None, signs: Signs) -> list[Piece]:
    """The value without `min` and `max`, on the stretches of whole numbers where one of their arguments is taken;
    `signs` finds where two of these change places."""
    extreme = next(_innermost(value, name, ("min", "max")), None)
    if extreme is None:
        return [Piece(first, last, value)]
    found: list[Piece] = []
    for piece in _arms(value, extreme, name, first, last, signs):
        if piece.value is None:
            found.append(piece)
        else:
            found.extend(pieces(piece.value, name, piece.first, piece.last, signs))
    return found


def _arms(value: Value, extreme: Call, name: str, first: int, last: int | None, signs: Signs) -> list[Piece]:
    """The value on the stretches where the first or the second argument of a min or max is taken of these two."""
    choose = minimum if extreme.function == "min" else maximum
    a, b, *rest = extreme.arguments
    found: list[Piece] = []
    for run in signs(add(a, negate(b)), name, first, last):
        if run.sign is None:
            found.append(Piece(run.first, run.last, None))
            continue
        taken = a if (run.sign <= 0) is (extreme.function == "min") else b
        found.append(Piece(run.first, run.last, substitute(value, {extreme: choose(taken, *rest)})))
    return found


def _at_rest(value: Value, rounded: Call, name: str, first: int, last: int | None) -> list[SignRun]:
    """The signs of a value with a rounding that stays the same from some number on, as that of 100/n does: number by
    number before."""
    (there,) = compiled([rounded.arguments[0]])({name: _FAR})
    for still in (there.__floor__(), there.__ceil__(), there.__floor__() - 1, there.__ceil__() + 1):
        inside = _is_rounded_to(rounded, still, name, first, last)
        start = inside[-1].first if inside[-1].sign else None if last is None else last + 1
        if start is not None and start - first <= MAX_RANGES:
            found = one_by_one(value, (), name, first, start - 1)
            if last is None or start <= last:
                found.extend(runs(substitute(value, {rounded: still}), name, start, last))
            return merged(found)
    raise SymflopsError(f"cannot solve with {str(rounded)[:100]}")


def _is_rounded_to(rounded: Call, still: int, name: str, first: int, last: int | None) -> list[SignRun]:
    """Where (sign 1) a floor or ceil has this value."""
    low, high = (still, still + 1) if rounded.function == "floor" else (still - 1, still)
    above, below = (runs(add(rounded.arguments[0], -edge), name, first, last) for edge in (low, high))
    least, most = (0, -1) if rounded.function == "floor" else (1, 0)
    return combined(above, below, lambda a, b: int(a is not None and b is not None and a >= least and b <= most))


def one_by_one(value: Value, extra: Sequence[Value], name: str, first: int, last: int) -> list[SignRun]:
    """The signs of a value at a few numbers, computed one after another."""
    for call in calls_of(value, name):
        if call.function in ("sqrt", "log2") or (call.function == "**" and not _is_short(call, name, last)):
            raise SymflopsError(f"cannot solve with {str(call)[:100]} and roundings at once")
    below = [*divisors(value, name), *extra]
    evaluate, evaluators = compiled([value]), [compiled([d]) for d in below]
    found = []
    for n in range(first, last + 1):
        deadline.check()
        is_defined = all(run({name: n})[0] != 0 for run in evaluators)
        found.append(SignRun(n, n, sign(evaluate({name: n})[0]) if is_defined else None))
    return found


def _is_short(call: Call, name: str, last: int) -> bool:
    """Whether a power is computed exactly up to a number."""
    base, exponent = call.arguments
    slope, offset = linear(exponent, name)
    if isinstance(base, Polynomial) or not isinstance(slope, int) or not isinstance(offset, int):
        return False
    return bits_of((Fraction(base), slope * last, offset)) <= MAX_EXACT


def divisors(value: Value, name: str) -> Iterator[Value]:
    """Everything of the symbol that a value divides by, the innermost first."""
    for call in sorted(set(calls_of(value, name)), key=lambda c: (len(c), c)):
        for argument in call.arguments:
            yield from divisors(argument, name)
    for monomial in terms_of(value):
        for factor, exponent in monomial:
            if exponent < 0 and factor == name:
                yield symbol(name)
            elif exponent < 0 and isinstance(factor, Call) and name in free_symbols(atom(factor)):
                yield factor.arguments[0] if factor.function == "+" else atom(factor)
