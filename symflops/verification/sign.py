"""Whether a value is at least 0 in a region: by its range, by facts, by what is known of minima and floors in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    add,
    is_integer,
    multiply,
    negate,
    value_of,
)
from symflops.verification.fraction import divided, quotient
from symflops.verification.interval import interval

_DEPTH = 3  # minima and floors that are replaced by their bounds, at most
_TERMS = 40  # of a value in which that is tried


class Signs:
    """What is at least 0 for symbols between 0 and `upper`, where the values in `known` are at least 0."""

    def __init__(self, upper: Mapping[str, Number], known: Sequence[Value]) -> None:
        self.upper = upper
        self.known = [(fact, free_symbols(fact)) for fact in known]
        self.seen: dict[Value, bool] = {}

    def is_nonnegative(self, value: Value, depth: int = 0) -> bool:
        """Whether a value is shown to be at least 0, wherever it has a number."""
        if interval(value, self.upper)[0] >= 0:
            return True
        if not isinstance(value, Polynomial):
            return False
        if depth == 0 and value in self.seen:
            return self.seen[value]
        found = self._by_fraction(value) or self._by_facts(value) or (depth < _DEPTH and self._by_calls(value, depth))
        if depth == 0:
            self.seen[value] = found
        return found

    def _by_fraction(self, value: Polynomial) -> bool:
        """By its top and bottom: s/(s + 1) + 1/(s + 1) - 1 is 0/(s + 1)."""
        if not any(e < 0 for m in value.terms for _, e in m):
            return False
        return all(interval(part, self.upper)[0] >= 0 for part in quotient(value))

    def _by_facts(self, value: Value) -> bool:
        """By a known value below it, or a known factor."""
        used = free_symbols(value) if self.known else set()
        near = [fact for fact, names in self.known if not names.isdisjoint(used)]
        if not near:
            return False
        top, bottom = quotient(value)
        if interval(bottom, self.upper)[0] < 0:  # where it has a value, the bottom is not 0
            top = value
        return any(
            self._range_of(value, fact) >= 0
            or self._range_of(top, fact) >= 0
            or any(rest == 0 and interval(times, self.upper)[0] >= 0 for times, rest in _quotients(top, fact))
            for fact in near
        )

    def _range_of(self, value: Value, fact: Value) -> Number | float:
        return interval(add(value, negate(fact)), self.upper)[0]

    def _by_calls(self, value: Polynomial, depth: int) -> bool:
        """With a minimum or floor replaced by what it is at most, or at least: d - min(0, d) is at least d - d."""
        if len(value.terms) > _TERMS:
            return False
        calls = {n for m in value.terms for n, e in m if e == 1 and isinstance(n, Call)}
        for call in sorted(c for c in calls if c.function in ("min", "floor")):
            deadline.check()
            times: dict[Monomial, Number] = {}
            rest: dict[Monomial, Number] = {}
            for m, c in value.terms.items():
                if (call, 1) in m:
                    times[tuple(p for p in m if p != (call, 1))] = c
                else:
                    rest[m] = c
            if any(call == n for m in rest for n, _ in m):
                continue
            factor, others = value_of(times), value_of(rest)
            replaced = (add(others, multiply(factor, bound)) for bound in call.arguments)
            if interval(negate(factor), self.upper)[0] >= 0:  # the call is at most each argument
                if any(self.is_nonnegative(v, depth + 1) for v in replaced):
                    return True
            elif interval(factor, self.upper)[0] >= 0:
                if call.function == "floor":
                    replaced = (add(v, negate(factor)) for v in replaced)
                if all(self.is_nonnegative(v, depth + 1) for v in replaced):
                    return True
        return False


def _quotients(top: Value, known: Value) -> Iterator[tuple[Value, Value]]:
    """A value divided by a known one, or by the next greater: from w - s - 1 >= 0 follows w*w - s*s >= 0."""
    if isinstance(top, Polynomial) and is_integer(top):
        for factor in (known, add(known, 1)):
            if isinstance(factor, Polynomial) and is_integer(factor):
                yield divided(top, factor)
