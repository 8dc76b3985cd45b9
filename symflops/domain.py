"""The domain of a closed form: what has to hold for it to be one, as data that travels with it.

`hidden_size % num_attention_heads == 0` and `seq_len + past_len <= n_positions` are compared at every point at which a
cost is computed, in whatever way: one point, a grid, or with some numbers put in and others open. What the config says
that is no number (`hidden_act == "silu"`) no point can break, and another config can: it is carried along.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from symflops import algebra, arrays, numeric
from symflops.assumption import Choice, Fact, Relation, assumption, comparison
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.polynomial import Number, Value, add, is_integer, is_nonnegative, negate, symbol, terms_of
from symflops.tree import Tree, write
from symflops.vocabulary.symbols import POSITIVE, RUN

if TYPE_CHECKING:
    import numpy as np

_HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_RUNS = tuple(f"{name} >= {RUN[name].lowest}" for name in POSITIVE)


@dataclass(frozen=True)
class Condition:
    """Two values and how they compare; `text` is what was written, `known` the numbers that were put in since."""

    left: Value
    sign: str
    right: Value
    text: str = field(compare=False)
    known: tuple[tuple[str, Value], ...] = field(default=(), compare=False)

    @staticmethod
    def of(compared: Relation) -> Condition:
        """The condition that a comparison is, such as `heads % groups == 0`."""
        left, right = (algebra.from_tree(side) for side in (compared.left, compared.right))
        return Condition(left, compared.sign, right, compared.text)

    @cached_property
    def free_symbols(self) -> set[str]:
        return algebra.free_symbols(self.left) | algebra.free_symbols(self.right)

    @cached_property
    def _evaluator(self) -> numeric.Evaluator:
        return numeric.compiled((self.left, self.right))

    def holds(self, numbers: Mapping[str, Number]) -> bool:
        """Whether it is true where its symbols are these numbers; where a side has no number it is not."""
        try:
            a, b = self._evaluator(numbers)
        except SymflopsError:
            return False
        return bool(_HOLDS[self.sign](a, b))

    def substitute(self, values: Mapping[str, Value]) -> Condition:
        """The condition with values in place of some symbols."""
        put_in = {name: values[name] for name in self.free_symbols & values.keys()}
        if not put_in:
            return self
        try:
            left, right = (algebra.substitute(side, put_in) for side in (self.left, self.right))
        except SymflopsError:
            raise self.broken(put_in) from None
        return Condition(left, self.sign, right, self.text, (*self.known, *put_in.items()))

    @property
    def decided(self) -> bool | None:
        """Whether it holds, whatever its symbols are; None where that depends on them, as far as its form shows."""
        if not self.free_symbols:
            return self.holds({})
        least = {n: add(symbol(n), 1) for n in self.free_symbols if n in POSITIVE}
        gap = algebra.substitute(add(self.left, negate(self.right)), least)
        if self.sign in ("<=", "<") and _is_positive(gap, or_zero=self.sign == "<"):
            return False
        if self.sign in (">=", ">") and _is_positive(negate(gap), or_zero=self.sign == ">"):
            return False
        return None

    def broken(self, numbers: Mapping[str, Value]) -> SymflopsError:
        """The error that names the condition and the numbers that break it."""
        return SymflopsError(f"assumption broken: {self.with_numbers(numbers)}")

    def with_numbers(self, numbers: Mapping[str, Value]) -> str:
        """What was written, and the numbers that are known of its symbols."""
        known = {**dict(self.known), **{name: numbers[name] for name in self.free_symbols & numbers.keys()}}
        values = ", ".join(f"{name}={write(grouped(known[name]))}" for name in sorted(known))
        return self.text + (f" (with {values})" if values else "")

    def __str__(self) -> str:
        if not self.known:
            return self.text
        if "%" not in self.text:  # of which the canonical form makes floors, that nobody would write
            return f"{write(grouped(self.left))} {self.sign} {write(grouped(self.right))}"
        written, known = comparison(self.text), dict(self.known)
        return f"{write(_with(written.left, known))} {written.sign} {write(_with(written.right, known))}"


def _with(tree: Tree, known: Mapping[str, Value]) -> Tree:
    """A tree with values in place of names, as it was written otherwise."""
    if isinstance(tree, tuple):
        return (tree[0], *(_with(operand, known) for operand in tree[1:]))
    return grouped(known[tree]) if isinstance(tree, str) and tree in known else tree


def _is_positive(value: Value, or_zero: bool) -> bool:
    return is_nonnegative(value) and (or_zero or terms_of(value).get((), 0) > 0)


@dataclass(frozen=True)
class Domain:
    """What holds together: conditions, which numbers can break, and facts and choices of the config.

    >>> texts = ["heads % groups == 0", "seq_len <= positions", 'hidden_act == "silu"']
    >>> domain = Domain.of(texts).substitute({"positions": 512, "groups": 4})
    >>> print(domain)
    heads % 4 == 0, seq_len <= 512, hidden_act == "silu"
    >>> domain.check({"heads": 6, "seq_len": 100})
    Traceback (most recent call last):
    symflops.errors.SymflopsError: assumption broken: heads % groups == 0 (with groups=4, heads=6)
    >>> domain.facts
    (Fact(name='hidden_act', literal='"silu"'),)
    """

    assumptions: tuple[Condition | Fact | Choice, ...] = ()

    @staticmethod
    def of(texts: Iterable[str]) -> Domain:
        """What texts say, such as a model file's `assumes`. Raises SymflopsError for one that is no assumption."""
        found = (assumption(text) for text in texts)
        return Domain(tuple(dict.fromkeys(Condition.of(a) if isinstance(a, Relation) else a for a in found)))

    @staticmethod
    def of_model(assumes: Iterable[str]) -> Domain:
        """What a model assumes, and that there are sequences and tokens."""
        return Domain.of((*assumes, *_RUNS))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """What numbers can break."""
        return tuple(a for a in self.assumptions if isinstance(a, Condition))

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What single fields of the config are."""
        return tuple(a for a in self.assumptions if isinstance(a, Fact))

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the config says of each of its layers."""
        return tuple(a for a in self.assumptions if isinstance(a, Choice))

    @property
    def texts(self) -> tuple[str, ...]:
        """All of it as it was written, but for what holds for every model."""
        return tuple(a.text for a in self.assumptions if a.text not in _RUNS)

    @property
    def said(self) -> tuple[Condition, ...]:
        """The conditions without those that hold for every model."""
        return tuple(condition for condition in self.conditions if condition.text not in _RUNS)

    def allows(self, **numbers: Number) -> bool:
        """Whether these numbers may be, as far as the conditions show.

        >>> Domain.of(["past_len == 0"]).allows(past_len=1), Domain.of(["past_len <= n"]).allows(past_len=1)
        (False, True)
        """
        return all(c.substitute(numbers).decided is not False for c in self.conditions)

    def __and__(self, other: Domain) -> Domain:
        """Both: where two closed forms are added up, both have to hold."""
        if not other.assumptions or self is other:
            return self
        return Domain(tuple(dict.fromkeys((*self.assumptions, *other.assumptions)))) if self.assumptions else other

    @cached_property
    def free_symbols(self) -> set[str]:
        """The names that some condition depends on."""
        return set().union(*(condition.free_symbols for condition in self.conditions))

    def substitute(self, values: Mapping[str, Value]) -> Domain:
        """The conditions with values in place of some symbols, without those that hold then whatever the others are.

        Raises SymflopsError for one that cannot hold any more.
        """
        if not self.free_symbols & values.keys() and all(c.free_symbols for c in self.conditions):
            return self
        kept: dict[Condition | Fact | Choice, None] = {}
        for one in self.assumptions:
            if not isinstance(one, Condition):
                kept[one] = None
                continue
            after = one.substitute(values)
            decided = after.decided
            if decided is False:
                raise after.broken({})
            if decided is None:
                kept[after] = None
        return Domain(tuple(kept))

    def check(self, numbers: Mapping[str, Number]) -> None:
        """Raise SymflopsError for the first condition that these numbers break. One on a symbol that has no number yet
        is left for when it has one."""
        for condition in self.conditions:
            if condition.free_symbols <= numbers.keys() and not condition.holds(numbers):
                raise condition.broken(numbers)

    def check_grid(self, axes: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """The same for all points of a grid."""
        for condition in self.conditions:
            used = {name: axis for name, axis in axes.items() if name in condition.free_symbols}
            if condition.free_symbols <= used.keys():
                _check_grid(condition, used)

    def __str__(self) -> str:
        return ", ".join([*map(str, self.said), *(a.text for a in self.facts), *(a.text for a in self.choices)])


NO_CONDITIONS = Domain()


def _check_grid(condition: Condition, axes: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Raise SymflopsError for the first point of a grid at which a condition does not hold, compared in int64 where
    that is exact, else point by point."""

    sides = (condition.left, condition.right)
    if all(map(is_integer, sides)):
        with suppress(SymflopsError):  # where one has no number at some point
            left, right = (arrays.column(side, axes) for side in sides)
            exact = left.dtype.kind == right.dtype.kind == "i"
            if exact and _HOLDS[condition.sign](left, right).all():
                return
    for point in product(*(axis.ravel().tolist() for axis in axes.values())):
        numbers = {name: numeric.check(name, number) for name, number in zip(axes, point, strict=True)}
        if not condition.holds(numbers):
            raise condition.broken(numbers)
