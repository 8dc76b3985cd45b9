"""Where two formulas are compared: nonnegative integers, bytes of an element nonnegative rational numbers, `causal` 0
or 1, and conditions such as a model's `assumes`.

A condition takes part in three ways. An equation `name == formula` and a divisibility `name % divisor == 0` are put in
before anything is proved, the others are facts in a proof, and every counterexample has to satisfy all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from symflops.algebra import free_symbols, from_tree, substitute
from symflops.assumption import Relation, assumption
from symflops.errors import NoValueError, SymflopsError
from symflops.polynomial import Number, Value, add, flat, is_integer, is_nonnegative, multiply, negate, symbol, terms_of
from symflops.tree import Tree
from symflops.verification.exact import Enclosure, UncomputedError, UndefinedError, differ, number_at
from symflops.verification.fraction import quotient
from symflops.verification.interval import interval
from symflops.verification.region import Region
from symflops.vocabulary.symbols import CAUSAL, RUN, is_whole


@dataclass(frozen=True)
class Constraint(Relation):
    """A comparison of two formulas, at points whose numbers need not be exact."""

    def holds(self, point: Mapping[str, Number]) -> bool | None:
        """Whether it is true at a point; None where that takes more digits of an irrational number than we compute."""
        try:
            a, b = (number_at(side, point) for side in (self.left, self.right))
        except UncomputedError:
            return None
        except UndefinedError:
            return False
        if isinstance(a, Enclosure) or isinstance(b, Enclosure):
            if not differ(a, b):
                return None
            a, b = (x.low if isinstance(x, Enclosure) else x for x in (a, b))
        found: bool = _SIGNS[self.sign](a, b)
        return found


_SIGNS: dict[str, Any] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip


@dataclass(frozen=True)
class Constraints:
    """Conditions, in the form in which they are used."""

    conditions: tuple[Constraint, ...]
    fixed: Mapping[str, Value]  # names that an equation gives
    multiples: Mapping[str, Value]  # x -> y*(a new name), from x % y == 0
    lower: Mapping[str, Number]
    upper: Mapping[str, Number]
    aside: tuple[Constraint, ...] = ()  # conditions that share no name with the formulas, directly or through others
    hint: Mapping[str, Number] = field(default_factory=dict)  # numbers at which the conditions are likely to hold

    @property
    def names(self) -> set[str]:
        """The names that some condition mentions."""
        return set().union(*(c.names for c in self.conditions))

    def reaching(self, used: set[str]) -> Constraints:
        """The domain of formulas in these names, too: some may have been cancelled when it was made."""
        if not any(c.names & used for c in self.aside):
            return self
        texts = [c.text for c in (*self.conditions, *self.aside)]
        return replace(constraints(texts, {}, used | self.names), hint=self.hint)

    def start(self, used: Iterable[str] = ()) -> Region:
        """The domain as a region: equations, divisibilities and least values put in, the other conditions as facts."""
        names: dict[str, Value] = {n: symbol(n) for n in sorted({*used, *self.names}) if n not in self.fixed}
        for step in (self.multiples, shifted(self.lower)):
            names = {n: substitute(v, step) for n, v in names.items()}
        upper = {n: high - self.lower.get(n, 0) for n, high in self.upper.items() if n not in self.multiples}
        known = [*facts(self.conditions, self.fixed), *(v for v in self.fixed.values() if not is_nonnegative(v))]
        known += [add(high, negate(self.fixed[n])) for n, high in self.upper.items() if n in self.fixed]
        known += [add(high, negate(symbol(n))) for n, high in self.upper.items() if n in self.multiples]
        placed = tuple(substitute(fact, names) for fact in known)
        return Region(0, upper, names, (*placed, *(-1 for high in upper.values() if high < 0)))

    def reduced(self, value: Value) -> Value:
        """A value without the names that equations give."""
        return substitute(value, self.fixed) if self.fixed else value


def facts(conditions: Iterable[Constraint], fixed: Mapping[str, Value]) -> Iterator[Value]:
    """Values that are at least 0 where conditions hold: for whole p and q, p < q is q - p - 1, p != q (q - p)**2 - 1.

    A condition that is too large for an expansion gives none; a counterexample satisfies it all the same.
    """
    for c in conditions:
        try:
            gap = substitute(add(from_tree(c.right), negate(from_tree(c.left))), fixed)
            top, bottom = quotient(gap)
            strict = int(is_integer(top) and is_nonnegative(bottom))
            if c.sign in ("<=", "=="):
                yield gap
            if c.sign in (">=", "=="):
                yield negate(gap)
            if c.sign in ("<", ">"):
                signed = top if strict else gap
                yield add(signed if c.sign == "<" else negate(signed), -strict)
                if gap == 0 or interval(gap if c.sign == "<" else negate(gap), {})[1] <= 0:
                    yield -1
            if c.sign == "!=" and (strict or gap == 0):
                yield add(multiply(top, top), -1)
        except NoValueError:
            yield -1
        except SymflopsError:
            continue


def constraints(texts: Iterable[str], equations: Mapping[str, Value], used: set[str]) -> Constraints:
    """The domain of formulas in the names `used`, under conditions and under equations that give some names.

    Conditions that share no name with what is used, directly or through others, are kept aside: all that matters of
    them is whether they can hold. Raises SymflopsError for a text that is no comparison.
    """
    said = map(assumption, dict.fromkeys(texts))
    found = [Constraint(c.text, c.left, c.sign, c.right) for c in said if isinstance(c, Relation)]
    found += [Constraint(f"{n} == {v!r}", n, "==", flat(v)) for n, v in equations.items()]
    kept: list[Constraint] = []
    reach = set(used)
    while added := [c for c in found if c not in kept and (not c.names or c.names & reach)]:
        kept += added
        reach |= set().union(*(c.names for c in added))
    aside = tuple(c for c in found if c not in kept)
    try:
        return _constraints(kept, aside)
    except NoValueError:
        return Constraints(
            tuple(kept), {}, {}, {}, {CAUSAL: -1}, aside
        )  # a condition that has no value: no point is left


def _constraints(kept: list[Constraint], aside: tuple[Constraint, ...]) -> Constraints:
    fixed: dict[str, Value] = {}
    for c in kept:
        for name, other in ((c.left, c.right), (c.right, c.left)):
            if c.sign == "==" and isinstance(name, str) and name not in fixed:
                value = substitute(from_tree(other), fixed)
                if name not in free_symbols(value):
                    fixed = {n: substitute(v, {name: value}) for n, v in fixed.items()} | {name: value}
                    break
    upper: dict[str, Number] = {name: row.highest for name, row in RUN.items() if row.highest is not None}
    lower: dict[str, Number] = {}
    multiples: dict[str, Value] = {}
    for c in kept:
        left, sign, right = c.left, c.sign, c.right
        if isinstance(left, int) and isinstance(right, str):  # 1 <= x
            left, sign, right = right, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(sign, sign), left
        if isinstance(left, str) and isinstance(right, int) and left not in fixed:
            step = int(is_whole(left))
            if sign in ("<", "<="):
                upper[left] = min(right - step * (sign == "<"), upper.get(left, right))
            if sign in (">", ">="):
                lower[left] = max(right + step * (sign == ">"), lower.get(left, 0))
        if sign == "==" and right == 0 and isinstance(left, tuple) and left[0] == "%" and isinstance(left[1], str):
            times = _multiple(left[1], left[2], fixed, multiples)
            if times is not None:
                multiples = {n: substitute(v, {left[1]: times}) for n, v in multiples.items()} | {left[1]: times}
            if isinstance(left[2], str) and is_whole(left[2]):
                lower[left[2]] = max(1, lower.get(left[2], 0))
    lower = {n: low for n, low in lower.items() if n not in fixed}
    return Constraints(tuple(kept), fixed, multiples, lower, upper, aside)


def _multiple(name: str, divisor: Tree, fixed: Mapping[str, Value], known: Mapping[str, Value]) -> Value | None:
    """What `name % divisor == 0` puts in the place of the name; None where that would go in a circle."""
    value = substitute(from_tree(divisor), {**fixed, **known})
    if name in fixed or name in known or name in free_symbols(value) or not _is_positive_product(value):
        return None
    return multiply(value, symbol(f"{name}'"))


def _is_positive_product(value: Value) -> bool:
    terms = terms_of(value)
    return len(terms) == 1 and all(type(c) is int and c > 0 for c in terms.values())


def divisors(tree: Tree) -> set[str]:
    """Names by which a formula divides somewhere: where they are 0 it has no number."""
    if not isinstance(tree, tuple):
        return set()
    operation, *operands = tree
    found = set().union(*(divisors(operand) for operand in operands))
    if operation in ("/", "//", "%"):
        bottom = operands[1]
        product = bottom[1:] if isinstance(bottom, tuple) and bottom[0] == "*" else (bottom,)
        found |= {name for name in product if isinstance(name, str)}
    return found


def shifted(lower: Mapping[str, Number]) -> dict[str, Value]:
    """x -> x + its least value."""
    return {name: add(symbol(name), low) for name, low in lower.items() if low}
