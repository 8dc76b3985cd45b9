"""Where two formulas are compared: nonnegative integers, `causal` 0 or 1, and conditions such as a model's `assumes`.

A condition takes part in three ways. An equation `name == formula` and a divisibility `name % divisor == 0` are put in
before anything is proved, bounds on one name are kept as bounds, and every counterexample has to satisfy all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from symflops.algebra import free_symbols, from_tree, substitute
from symflops.assumption import is_of_config, sides
from symflops.polynomial import Number, Value, add, flat, multiply, symbol, terms_of
from symflops.tree import Tree, names
from symflops.verification.exact import IrrationalError, UndefinedError, rational


@dataclass(frozen=True)
class Condition:
    """A comparison of two formulas."""

    text: str
    left: Tree
    sign: str
    right: Tree

    def holds(self, point: Mapping[str, Number]) -> bool:
        try:
            a, b = rational(self.left, point), rational(self.right, point)
        except (UndefinedError, IrrationalError):
            return False
        found: bool = _SIGNS[self.sign](a, b)
        return found


_SIGNS: dict[str, Any] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip


@dataclass(frozen=True)
class Domain:
    """Conditions, in the form in which they are used."""

    conditions: tuple[Condition, ...]
    fixed: Mapping[str, Value]  # names that an equation gives
    multiples: Mapping[str, Value]  # x -> y*(a new name), from x % y == 0
    lower: Mapping[str, int]
    upper: Mapping[str, int]

    @property
    def names(self) -> set[str]:
        """The names that some condition mentions."""
        return set().union(*(names(("", c.left, c.right)) for c in self.conditions))

    def contains(self, point: Mapping[str, Number]) -> bool:
        """Whether all conditions hold at a point that gives all names of the conditions."""
        if point.get("causal", 0) not in (0, 1):
            return False
        return all(c.holds(point) for c in self.conditions)

    def complete(self, point: Mapping[str, Number]) -> dict[str, Number] | None:
        """The point with the names that equations give; None where one is no nonnegative whole number."""
        whole = dict(point)
        for name, value in self.fixed.items():
            try:
                number = rational(flat(value), whole)
            except (UndefinedError, IrrationalError):
                return None
            if type(number) is not int or number < 0:
                return None
            whole[name] = number
        return whole

    def reduced(self, value: Value) -> Value:
        """A value without the names that equations give."""
        return substitute(value, self.fixed) if self.fixed else value


def domain(texts: Iterable[str], equations: Mapping[str, Value], used: set[str]) -> Domain:
    """The domain of formulas in the names `used`, under conditions and under equations that give some names.

    Conditions that share no name with what is used, directly or through others, do not matter and are left out.
    Raises SymflopsError for a text that is no comparison.
    """
    found = [Condition(t, *sides(t)) for t in dict.fromkeys(texts) if not is_of_config(t)]
    found += [Condition(f"{n} == {v!r}", n, "==", flat(v)) for n, v in equations.items()]
    kept: list[Condition] = []
    reach = set(used)
    while added := [c for c in found if c not in kept and names(("", c.left, c.right)) & reach]:
        kept += added
        reach |= set().union(*(names(("", c.left, c.right)) for c in added))
    fixed: dict[str, Value] = {}
    for c in kept:
        for name, other in ((c.left, c.right), (c.right, c.left)):
            if c.sign == "==" and isinstance(name, str) and name not in fixed:
                value = substitute(from_tree(other), fixed)
                if name not in free_symbols(value):
                    fixed = {n: substitute(v, {name: value}) for n, v in fixed.items()} | {name: value}
                    break
    upper: dict[str, int] = {"causal": 1}
    lower: dict[str, int] = {}
    multiples: dict[str, Value] = {}
    for c in kept:
        left, sign, right = c.left, c.sign, c.right
        if isinstance(left, int) and isinstance(right, str):  # 1 <= x
            left, sign, right = right, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(sign, sign), left
        if isinstance(left, str) and isinstance(right, int) and left not in fixed:
            if sign in ("<", "<="):
                upper[left] = min(right - (sign == "<"), upper.get(left, right))
            if sign in (">", ">="):
                lower[left] = max(right + (sign == ">"), lower.get(left, 0))
        if sign == "==" and right == 0 and isinstance(left, tuple) and left[0] == "%" and isinstance(left[1], str):
            times = _multiple(left[1], left[2], fixed, multiples)
            if times is not None:
                multiples = {n: substitute(v, {left[1]: times}) for n, v in multiples.items()} | {left[1]: times}
            if isinstance(left[2], str):
                lower[left[2]] = max(1, lower.get(left[2], 0))
    lower = {n: low for n, low in lower.items() if n not in fixed}
    return Domain(tuple(kept), fixed, multiples, lower, upper)


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


def shifted(lower: Mapping[str, int]) -> dict[str, Value]:
    """x -> x + its least value."""
    return {name: add(symbol(name), low) for name, low in lower.items() if low}
