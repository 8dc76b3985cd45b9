"""Where a symbol is asked about: which whole numbers it may be, and what is known of signs for all of these.

A batch, a length or a size is at least 1, what is in the cache and `causal` at least 0, bytes per element are positive
and may be fractions. The conditions of a model leave fewer numbers: `past_len + seq_len <= max_seq_len`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from symflops.algebra import free_symbols, substitute
from symflops.analysis.ranges import Intersection, Ranges
from symflops.analysis.runs import SignRun
from symflops.analysis.signs import SignPattern, pattern
from symflops.domain import Condition
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.model import Model
from symflops.numeric import BYTE_SYMBOLS
from symflops.polynomial import Call, Value, add, negate, symbol, terms_of
from symflops.tree import write
from symflops.vocabulary.symbols import RUN

HOLDS = {"==": (0,), "!=": (-1, 1), "<=": (-1, 0), ">=": (0, 1), "<": (-1,), ">": (1,)}

Lowest = Callable[[str], int]


def lowest(name: str) -> int:
    """The smallest value that a symbol is solved for: no model runs with no sequence or no token."""
    row = RUN.get(name)
    return 1 if row is None or row.is_bytes else row.lowest


@dataclass(frozen=True)
class Feasible:
    """The whole numbers that one symbol may be; `conditions` are those of the models that leave fewer, as texts."""

    name: str
    numbers: Intersection
    conditions: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        return self.numbers.following(lowest(self.name)) or 0

    @property
    def last(self) -> int | None:
        return self.numbers.last

    def narrowed(self, ranges: Ranges) -> Ranges:
        """What of a set is feasible; numbers between which there is no feasible one are next to each other."""
        return self.numbers.narrowed(ranges)

    def is_all(self, ranges: Ranges) -> bool:
        """Whether a narrowed set is all that is feasible."""
        return ranges.ranges == ((self.first, self.last),)

    @property
    def within(self) -> str:
        """The conditions in words, to follow an answer; nothing where there are none."""
        return f", within what the model can run: {'; '.join(self.conditions)}" if self.conditions else ""


def feasible(name: str, *models: tuple[Model, Mapping[str, Value]]) -> Feasible:
    """The numbers that a symbol may be in models, each with the values of all other symbols.

    Raises SymflopsError where the conditions leave no number, or cannot be solved.
    """
    start = lowest(name)
    sets = [Ranges(((start, 1 if name == "causal" else None),))]
    texts: list[str] = []
    for model, values in models:
        for condition in conditions(model, values):
            if name not in condition.free_symbols:
                continue
            if others := condition.free_symbols - {name}:
                raise SymflopsError(f"no value for {min(others)} in {condition.text}", where=model.name)
            try:
                difference = add(condition.left, negate(condition.right))
                holding = pattern(difference, name, start).where(HOLDS[condition.sign])
            except SymflopsError as error:
                raise SymflopsError(f"cannot tell where {condition.text} holds: {error}", where=model.name) from None
            if holding.ranges != ((start, None),):
                sets.append(holding)
                texts.append(told(model, condition))
    found = Feasible(name, Intersection(tuple(sets)), tuple(dict.fromkeys(texts)))
    if found.numbers.following(start) is None:
        raise SymflopsError(f"no {name} is within what the model can run: {'; '.join(found.conditions)}")
    return found


def conditions(model: Model, values: Mapping[str, Value]) -> list[Condition]:
    """The conditions of a model that depend on symbols which have no value, the others put in.

    Raises SymflopsError for one that does not hold any more.
    """
    found = [condition.substitute(values) for condition in model.domain.conditions]
    for condition in found:
        if condition.decided is False:
            raise condition.broken({}).within(model.name)
    said = {condition.text for condition in model.domain.said}
    return [condition for condition in found if condition.free_symbols and condition.text in said]


def told(model: Model, condition: Condition) -> str:
    """A condition as it was written, with the values of the model's own symbols."""
    own = [f"{n} = {write(grouped(v))}" for n, v in sorted(condition.known) if n in model.definitions]
    return condition.text + (f" ({', '.join(own)})" if own else "")


def changes(signs: SignPattern, asked: Feasible) -> list[SignRun]:
    """Where among the feasible numbers a value is negative or positive, in order.

    Raises SymflopsError where it changes without end.
    """
    found = [(s, asked.narrowed(signs.where((s,)))) for s in (-1, 1)]
    if any(numbers.cycle for _, numbers in found):
        raise SymflopsError(f"the two sides cross again and again without end, with period {signs.period:,}")
    return sorted((SignRun(a, b, s) for s, numbers in found for a, b in numbers.ranges), key=lambda run: run.first)


# ------------------------------------------------------------------------------------------- signs that hold everywhere


def is_positive(value: Value) -> bool:
    """Whether a value is above 0 at every point of the domain, as far as its form shows."""
    return any(_is_sum_of(form, strictly=True) for form in _forms(value))


def is_at_least_zero(value: Value) -> bool:
    """Whether a value is not negative at any point of the domain, as far as its form shows."""
    return any(_is_sum_of(form, strictly=False) for form in _forms(value))


def _forms(value: Value) -> list[tuple[Value, Lowest]]:
    """The value as it is, and in what its symbols exceed their lowest values by: seq_len - 1 is then seq_len."""
    own = {n: add(symbol(n), 1) for n in free_symbols(value) if lowest(n) and n not in BYTE_SYMBOLS}
    forms: list[tuple[Value, Lowest]] = [(value, lowest)]
    if own and len(terms_of(value)) <= 200:
        forms.append((substitute(value, own), lambda n: int(n in BYTE_SYMBOLS)))
    return forms


def _is_sum_of(form: tuple[Value, Lowest], strictly: bool) -> bool:
    """Whether all terms are at least 0 and, `strictly`, one of them is more."""
    value, low = form
    terms = terms_of(value)
    if not all(c > 0 and all(_is_factor(n, low, False) for n, _ in m) for m, c in terms.items()):
        return False
    return not strictly or any(all(_is_factor(n, low, True) for n, _ in m) for m in terms)


def _is_factor(name: str, low: Lowest, strictly: bool) -> bool:
    """Whether a factor is at least 0, or `strictly` more."""
    if not isinstance(name, Call):
        return not strictly or low(name) > 0

    def each(strictly: bool, shift: int = 0) -> list[bool]:
        return [_is_sum_of((add(a, shift), low), strictly) for a in name.arguments]

    if name.function == "max":
        return any(each(strictly))
    if name.function == "log2":
        return False
    if name.function == "floor":
        return all(each(False, -1)) if strictly else all(each(False))
    if name.function == "**":
        return _is_sum_of((name.arguments[0], low), strictly)
    return all(each(strictly)) or (not strictly and name.function == "sqrt")
