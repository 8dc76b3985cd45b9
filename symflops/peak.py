"""What a model holds in memory at its fullest, as it was derived: closed forms for each kind of call.

The first call of a sequence, a later one with tokens in its cache, and a call of one token take different ways through
a source, which holds different things on each. All amounts are in bytes and stand beside the weights: inputs, buffers,
the cache before and after, and what is computed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from symflops import algebra
from symflops.assumption import comparison
from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.function import maximum, minimum
from symflops.grouping import grouped
from symflops.polynomial import Number, Value, add, multiply, negate, symbol
from symflops.program.liveness import Peak
from symflops.tree import write

__all__ = ["AFTER", "ALONE", "FIRST", "LATER", "MANY", "ONE", "STEP", "PeakOfCalls", "highest", "read_peaks"]

STEP = "a step of training"
# Of a step of training, what is there when the optimizer begins; and what it makes meanwhile where it steps one weight
# after the other.
AFTER, ALONE = "the optimizer's step", "one weight's step"
ONE, MANY, FIRST, LATER = "seq_len == 1", "seq_len >= 2", "past_len == 0", "past_len >= 1"
KINDS = ("eager", "least")


@dataclass(frozen=True)
class PeakOfCalls:
    """The peak of the calls that `calls` says, each text one of those above, where also `assumes` holds; or of a step
    of training, which has a forward with its loss and a backward, and no `least`.

    `eager` are the fullest moments as eager PyTorch frees memory, which is when Python's variables let it go; `least`
    those where each tensor is freed after it was read for the last time. Which moment is the fullest depends on sizes.
    """

    calls: tuple[str, ...]
    assumes: tuple[str, ...]
    eager: tuple[Peak, ...]
    least: tuple[Peak, ...]

    @property
    def is_of_step(self) -> bool:
        """Whether it is that of a step of training."""
        return self.calls == (STEP,)

    def moments(self, kind: str) -> tuple[Peak, ...]:
        return self.eager if kind == "eager" else self.least

    def holds(self, numbers: Mapping[str, Number]) -> bool:
        """Whether a call with these numbers is one of them."""
        return self.is_of_step or all(comparison(text).is_true(numbers) for text in self.calls)

    def check(self, numbers: Mapping[str, Number]) -> None:
        """Raise SymflopsError where an assumption of its own does not hold."""
        Domain.of(self.assumes).check(numbers)

    def substitute(self, values: Mapping[str, Value]) -> PeakOfCalls:
        """The same with values for some symbols."""

        def put(moments: Sequence[Peak]) -> tuple[Peak, ...]:
            return tuple(Peak(path, algebra.substitute(size, values)) for path, size in moments)

        return PeakOfCalls(self.calls, self.assumes, put(self.eager), put(self.least))

    def data(self) -> dict[str, Any]:
        """As a model file has it."""
        shown: dict[str, Any] = {"calls": list(self.calls)}
        shown |= {"assumes": list(self.assumes)} if self.assumes else {}
        for kind in KINDS[: 1 if self.is_of_step else None]:
            found: dict[str, list[str]] = {}
            for path, size in self.moments(kind):
                found.setdefault(path, []).append(write(grouped(size)))
            shown[kind] = found
        return shown


def peak_at(peaks: Sequence[PeakOfCalls], numbers: Mapping[str, Number]) -> PeakOfCalls:
    """The peak of the call with these numbers.

    Raises SymflopsError naming the assumption that it breaks, where no peak was derived for such lengths.
    """
    own = [one for one in peaks if one.holds(numbers)]
    for one in own[1:]:
        with suppress(SymflopsError):
            one.check(numbers)
            return one
    own[0].check(numbers)
    return own[0]


def highest(peaks: Sequence[PeakOfCalls], kind: str) -> Value:
    """One closed form for all calls: the fullest moment of each kind of call, chosen by the lengths; where a kind has
    several, as for lengths on either side of a window, that of any of them."""
    many: Value = add(1, negate(_IS_ONE))
    factors: Mapping[str, Value] = {
        ONE: _IS_ONE, MANY: many, FIRST: add(1, negate(_IS_LATER)), LATER: _IS_LATER,
    }  # fmt: skip
    by_calls: dict[tuple[str, ...], dict[Value, None]] = {}
    for one in peaks:
        by_calls.setdefault(one.calls, {}).update(dict.fromkeys(size for _, size in one.moments(kind)))
    parts = []
    for calls, sizes in by_calls.items():
        most = maximum(*sizes) if len(sizes) > 1 else next(iter(sizes))
        parts.append(multiply(most, *(factors[text] for text in calls)))
    return add(0, *parts)


_IS_ONE = maximum(add(2, negate(symbol("seq_len"))), 0)
_IS_LATER = minimum(symbol("past_len"), 1)


def read_peaks(data: Sequence[Any], value: Callable[[Any, str], Value]) -> tuple[PeakOfCalls, ...]:
    """The peaks of a model file; `value` reads a closed form at a place in it.

    Raises SymflopsError for what is none.
    """
    return tuple(_read(one, f"peak[{i}]", value) for i, one in enumerate(data))


def _read(data: Any, where: str, value: Callable[[Any, str], Value]) -> PeakOfCalls:
    if not isinstance(data, dict):
        raise SymflopsError("expected an object", where=where)
    if unknown := sorted(data.keys() - {"calls", "assumes", *KINDS}):
        raise SymflopsError(f"unknown key {str(unknown[0])[:100]!r}", where=where)
    calls, assumes = (_texts(data.get(key, []), f"{where}.{key}") for key in ("calls", "assumes"))
    is_of_step = calls == (STEP,)
    if other := [text for text in calls if text not in (ONE, MANY, FIRST, LATER) and not is_of_step]:
        raise SymflopsError(f"{other[0][:60]!r}: expected {ONE}, {MANY}, {FIRST} or {LATER}", where=f"{where}.calls")
    for text in assumes:
        comparison(text)
    eager, *least = (_moments(data.get(kind), f"{where}.{kind}", value) for kind in KINDS[: 1 if is_of_step else None])
    if is_of_step and not {AFTER, ALONE} < {path for path, _ in eager}:
        raise SymflopsError(f"expected {AFTER!r}, {ALONE!r} and others", where=f"{where}.eager")
    return PeakOfCalls(calls, assumes, eager, *least or ((),))


def _texts(data: Any, where: str) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
        raise SymflopsError("expected a list of texts", where=where)
    return tuple(data)


def _moments(data: Any, where: str, value: Callable[[Any, str], Value]) -> tuple[Peak, ...]:
    if not isinstance(data, dict) or not data or not all(isinstance(some, list) and some for some in data.values()):
        raise SymflopsError("expected an object: a list of formulas for each path", where=where)
    return tuple(Peak(path, value(text, f"{where}.{path}")) for path, some in data.items() for text in some)
