"""Where a value of one symbol is negative, zero or positive, exactly, at all whole numbers from some start on.

The value may contain polynomials, quotients, powers c**n, `min`, `max`, and floor and ceil, which split the line into
residue classes; what is left on each is decided by `runs`. Numbers are exact integers and fractions throughout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.analysis import runs
from symflops.analysis.blocks import runs_by_blocks
from symflops.analysis.ranges import MAX_PERIOD, MAX_RANGES, Range, Ranges, joined, repeating
from symflops.analysis.runs import Piece, SignRun, combined, defined_runs, merged, one_by_one
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Value, add, atom, multiply, symbol, terms_of
from symflops.summation import calls_of


@dataclass(frozen=True)
class SignPattern:
    """The runs of equal sign in order; if there is a `cycle`, its runs follow and are repeated after every `period`."""

    runs: tuple[SignRun, ...]
    cycle: tuple[SignRun, ...] = ()
    period: int = 0

    def where(self, wanted: Collection[int]) -> Ranges:
        """The whole numbers at which the sign is one of the wanted."""
        repeated = joined([(r.first, r.last) for r in self.cycle if r.sign in wanted])
        return repeating(ranges(self.runs, wanted), [(a, b) for a, b in repeated if b is not None], self.period)


def signs(value: Value, name: str, first: int = 1, last: int | None = None) -> list[SignRun]:
    """The runs of equal sign of a value of one symbol, in order, from `first` on.

    >>> from symflops.algebra import from_text
    >>> signs(from_text("n**2 - 10"), "n")
    [SignRun(first=1, last=3, sign=-1), SignRun(first=4, last=None, sign=1)]

    Raises SymflopsError for other symbols, for functions that it cannot decide, and for runs that never end.
    """
    found = pattern(value, name, first, last)
    if found.cycle:
        raise SymflopsError(f"the two sides cross again and again without end, with period {found.period:,}")
    return list(found.runs)


def pattern(
    value: Value, name: str, first: int = 1, last: int | None = None, divisors: Sequence[Value] = ()
) -> SignPattern:
    """The same with runs that may be repeated without end. Where one of further `divisors` is 0 there is no sign.

    Raises SymflopsError for other symbols and for functions that it cannot decide.
    """
    others = set().union(*(free_symbols(v) for v in (value, *divisors))) - {name}
    if others:
        raise SymflopsError(f"no value for {min(others)}; give {min(others)}=…")
    period = max(1, lcm(*(_period(v, name) for v in (value, *divisors))))
    if period == 1:
        return SignPattern(tuple(merged(defined_runs(value, divisors, name, first, last))))
    if last is not None and last - first < min(period, MAX_RANGES):
        return SignPattern(tuple(merged(one_by_one(value, divisors, name, first, last))))
    if period > MAX_PERIOD:
        return _coarse(value, name, first, last, divisors, period)
    classes: list[list[SignRun]] = []
    for start in range(first, first + period):
        deadline.check()
        inside = [substitute(v, {name: add(multiply(period, symbol(name)), start)}) for v in (value, *divisors)]
        end = None if last is None else (last - start) // period
        classes.append([] if end is not None and end < 0 else defined_runs(inside[0], inside[1:], name, 0, end))
    return _interleaved(classes, first, last)


def ranges(runs: Iterable[SignRun], wanted: Collection[int]) -> list[Range]:
    """The whole numbers at which the sign is one of the wanted: first and last of each range, None without end.

    >>> ranges([SignRun(1, 3, -1), SignRun(4, 4, 0), SignRun(5, None, 1)], (-1, 0))
    [(1, 4)]
    """
    return list(joined([(run.first, run.last) for run in runs if run.sign in wanted]))


def _period(value: Value, name: str) -> int:
    """After how many whole numbers every floor and ceil has moved on by a whole number, those inside others too."""
    period = 1
    for call in calls_of(value, name):
        if call.function not in ("floor", "ceil"):
            continue
        own = 1
        for monomial, c in terms_of(call.arguments[0]).items():
            if any(n == name or (isinstance(n, Call) and name in free_symbols(atom(n))) for n, _ in monomial):
                own = lcm(own, Fraction(c).denominator)
        period = lcm(period, own * _period(call.arguments[0], name))
    return period


def _coarse(
    value: Value, name: str, first: int, last: int | None, divisors: Sequence[Value], period: int
) -> SignPattern:
    """The signs where there are too many residue classes: one period is enough where the value repeats itself."""
    later = {name: add(symbol(name), period)}
    repeats = last is None and all(substitute(v, later) == v for v in (value, *divisors))
    end = first + period - 1 if repeats else last
    found = _runs_by_blocks(value, name, first, end)
    for divisor in divisors:
        found = combined(found, _runs_by_blocks(divisor, name, first, end), lambda a, b: a if b else None)
    if not repeats:
        return SignPattern(tuple(found))
    return (
        SignPattern((), tuple(found), period) if len(found) > 1 else SignPattern((SignRun(first, None, found[0].sign),))
    )


def _runs_by_blocks(value: Value, name: str, first: int, last: int | None) -> list[SignRun]:
    found: list[SignRun] = []
    for piece in pieces(value, name, first, last):
        if piece.value is None:
            found.append(SignRun(piece.first, piece.last, None))
        elif any(call.function in ("floor", "ceil") for call in calls_of(piece.value, name)):
            found.extend(runs_by_blocks(piece.value, name, piece.first, piece.last))
        else:
            found.extend(runs.runs(piece.value, name, piece.first, piece.last))
    return merged(found)


def _interleaved(classes: Sequence[Sequence[SignRun]], first: int, last: int | None) -> SignPattern:
    """The runs of residue classes, each counted in periods from its own start, as runs of all numbers."""
    period = len(classes)
    changes = sorted(
        (first + i + period * run.first, i, run.sign) for i, runs in enumerate(classes) for run in runs[1:]
    )
    current: list[int | None] = [runs[0].sign if runs else None for runs in classes]
    count: dict[int | None, int] = {}
    for s in current:
        count[s] = count.get(s, 0) + 1
    found: list[SignRun] = []
    written, here = 0, first
    for n, i, s in [*changes, (None, 0, None)]:
        end = last if n is None else n - 1
        if end is not None and end >= here:
            numbers = range(here, end + 1)
            seen = {current[(k - first) % period] for k in numbers[:period]} if len(count) > 1 else set(count)
            if len(seen) == 1:
                found.append(SignRun(here, end, seen.pop()))
            else:
                written += len(numbers)
                if written > MAX_RANGES:
                    raise SymflopsError(f"the two sides cross more than {MAX_RANGES:,} times")
                found.extend(SignRun(k, k, current[(k - first) % period]) for k in numbers)
            here = end + 1
        if n is not None:
            count[current[i]] -= 1
            if not count[current[i]]:
                del count[current[i]]
            count[s] = count.get(s, 0) + 1
            current[i] = s
    if last is not None:
        return SignPattern(tuple(merged(found)))
    if len(count) == 1:
        return SignPattern(tuple(merged([*found, SignRun(here, None, next(iter(count)))])))
    cycle = merged(SignRun(k, k, current[(k - first) % period]) for k in range(here, here + period))
    return SignPattern(tuple(merged(found)), tuple(cycle), period)


def pieces(value: Value, name: str, first: int, last: int | None = None) -> list[Piece]:
    """The value without `min` and `max`, on the stretches of whole numbers where one of their arguments is taken."""
    return runs.pieces(value, name, first, last, signs)
