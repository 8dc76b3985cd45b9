"""Signs of a value that rounds to multiples too large to be looked at class by class, `ceil(seq_len/65536)`.

A rounding lies within 1 of what it rounds. Where that is enough to tell the sign, it is told; in between, the value is
looked at on the blocks of numbers on which no rounding changes.
"""

from __future__ import annotations

from fractions import Fraction

from symflops import deadline
from symflops.algebra import calls_of, substitute
from symflops.analysis.runs import SignRun, combined, merged, runs
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Polynomial, Value, accumulate, add, is_nonnegative, value_of
from symflops.summation import linear

MAX_BLOCKS = 20_000


def runs_by_blocks(value: Value, name: str, first: int, last: int | None) -> list[SignRun]:
    """The signs of a value without min and max.

    >>> from symflops.algebra import from_text
    >>> [(run.first, run.sign) for run in runs_by_blocks(from_text("ceil(n/65536) - 2"), "n", 1, None)]
    [(1, -1), (65537, 0), (131073, 1)]

    Raises SymflopsError where the sign is open on too many blocks.
    """
    calls = sorted(set(calls_of(value, name)))
    roundings = [_Rounding.of(call, name) for call in calls]
    low, high = _bounds(value, set(calls))
    told = combined(
        runs(low, name, first, last), runs(high, name, first, last), lambda a, b: 1 if a == 1 else -1 if b == -1 else 0
    )
    found: list[SignRun] = []
    left = MAX_BLOCKS
    for run in told:
        if run.sign:
            found.append(run)
            continue
        here = run.first
        while run.last is None or here <= run.last:
            deadline.check()
            left -= 1
            if left < 0:
                raise SymflopsError("roundings of so large multiples change too often to be solved")
            numbers: dict[str, Value] = {r.call: r.at(here) for r in roundings}
            ends = [e for r in roundings if (e := r.next_change(here)) is not None]
            end = min([e - 1 for e in ends] + ([] if run.last is None else [run.last]), default=None)
            found.extend(runs(substitute(value, numbers), name, here, end))
            if end is None:
                break
            here = end + 1
    return merged(found)


class _Rounding:
    """floor or ceil of slope*n + offset."""

    def __init__(self, call: Call, slope: Fraction, offset: Fraction) -> None:
        self.call = call
        self.sign = 1 if call.function == "floor" else -1  # ceil(x) = -floor(-x)
        self.slope, self.offset = slope * self.sign, offset * self.sign

    @staticmethod
    def of(call: Call, name: str) -> _Rounding:
        if call.function in ("floor", "ceil") and not any(calls_of(call.arguments[0], name)):
            slope, offset = linear(call.arguments[0], name)
            if not isinstance(slope, Polynomial) and not isinstance(offset, Polynomial):
                return _Rounding(call, Fraction(slope), Fraction(offset))
        raise SymflopsError(f"rounding in {str(call)[:100]} is too coarse to solve")

    def at(self, n: int) -> int:
        return self.sign * (self.slope * n + self.offset).__floor__()

    def next_change(self, n: int) -> int | None:
        """The first number above n at which it has another value."""
        here = (self.slope * n + self.offset).__floor__()
        if self.slope > 0:
            return ((here + 1 - self.offset) / self.slope).__ceil__()
        if self.slope < 0:
            return ((here - self.offset) / self.slope).__floor__() + 1
        return None


def _bounds(value: Value, calls: set[Call]) -> tuple[Value, Value]:
    """Values without rounding that a value lies between."""
    low: dict[tuple[tuple[str, int], ...], int | Fraction] = {}
    high: dict[tuple[tuple[str, int], ...], int | Fraction] = {}
    assert isinstance(value, Polynomial)
    for monomial, c in value.terms.items():
        inside = [(n, e) for n, e in monomial if n in calls]
        rest = tuple(pair for pair in monomial if pair not in inside)
        if not inside:
            accumulate(low, value_of({monomial: c}))
            accumulate(high, value_of({monomial: c}))
            continue
        (call, exponent), *more = inside
        if more or exponent != 1 or not is_nonnegative(value_of({rest: 1})) or any(e < 0 for _, e in rest):
            raise SymflopsError(f"rounding in {str(value)[:100]} is too coarse to solve")
        assert isinstance(call, Call)
        argument = call.arguments[0]
        least, most = (add(argument, -1), argument) if call.function == "floor" else (argument, add(argument, 1))
        accumulate(low, least if c > 0 else most, c, rest)
        accumulate(high, most if c > 0 else least, c, rest)
    return value_of(low), value_of(high)
