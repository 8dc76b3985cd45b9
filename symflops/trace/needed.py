"""Which conditions say something: those that hold whatever the sizes are, or because others do, are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from types import MappingProxyType

from symflops.algebra import free_symbols, from_tree, substitute
from symflops.assumption import comparison
from symflops.polynomial import (
    Call,
    Number,
    Value,
    add,
    divide,
    is_integer,
    is_nonnegative,
    negate,
    symbol,
    terms_of,
)
from symflops.tree import Tree, exact

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
Bounds = Mapping[str, int]  # the smallest number that a symbol may be, where it is not the usual one
_NONE: Bounds = MappingProxyType({})


@dataclass(frozen=True)
class _Comparison:
    """A condition, and the difference of its sides that is compared with 0."""

    text: str
    left: Tree
    sign: str
    right: Tree
    difference: Value

    @staticmethod
    def of(text: str) -> _Comparison:
        one = comparison(text)
        return _Comparison(text, one.left, one.sign, one.right, add(from_tree(one.left), negate(from_tree(one.right))))

    @property
    def quotient(self) -> tuple[Value, Value] | None:
        """The dividend and the divisor of `a % b == 0`; None for any other condition."""
        if self.sign != "==" or self.right != 0 or not isinstance(self.left, tuple) or self.left[0] != "%":
            return None
        return from_tree(self.left[1]), from_tree(self.left[2])


def needed(texts: Iterable[str]) -> list[str]:
    """The conditions without those that the others imply, for sizes and lengths of at least 1.

    >>> needed(["1 != seq_len*(heads + 2)", "heads > 1", "heads != 1", "1 != seq_len*heads"])
    ['heads > 1']
    >>> needed(["width % 2 == 0", "width % (2*heads) == 0", "width != 1"])
    ['width % (2*heads) == 0']
    """
    kept = [_Comparison.of(text) for text in dict.fromkeys(texts)]
    for one in sorted(kept, key=lambda c: (c.sign != "!=", -len(c.text))):  # what says least first
        others = [c for c in kept if c is not one]
        if _is_implied(one, others):
            kept = others
    return [c.text for c in kept]


def _is_implied(one: _Comparison, others: list[_Comparison]) -> bool:
    if one.quotient is not None:
        above, below = one.quotient
        quotients = [c.quotient for c in others if c.quotient is not None]
        return any(top == above and is_integer(divide(bottom, below)) for top, bottom in quotients)
    bounds = _bounds(others)
    up, down = (least(value, bounds) for value in (one.difference, negate(one.difference)))
    is_above, is_below = (number is not None and number > 0 for number in (up, down))
    if one.sign in (">", "<", "!="):
        return (is_above and one.sign != "<") or (is_below and one.sign != ">")
    return (up is not None and up >= 0 and one.sign == ">=") or (down is not None and down >= 0 and one.sign == "<=")


def _bounds(conditions: list[_Comparison]) -> dict[str, int]:
    """What conditions on one symbol say that it is at least."""
    bounds: dict[str, int] = {}
    for _ in range(3):  # one may follow from another
        for condition in conditions:
            name, number = _bound(condition, bounds)
            bounds[name] = max(number, bounds.get(name, _lowest(name)))
    return bounds


def _bound(condition: _Comparison, bounds: Bounds) -> tuple[str, int]:
    """A symbol, and a number that a condition says it is at least; no name where it says that of none."""
    if condition.quotient is not None:
        above, below = condition.quotient
        name, divisor = _name(above), least(below, bounds)
        return ("", 0) if divisor is None or name == "past_len" else (name, ceil(divisor))  # a multiple that is not 0
    number = Fraction(terms_of(condition.difference).get((), 0))
    rest = add(condition.difference, exact(-number))
    name, number, sign = _name(rest), -number, condition.sign
    if not name:
        name, number, sign = _name(negate(rest)), -number, FLIPPED.get(sign, sign)
    if sign == ">" or (sign == "!=" and number == bounds.get(name, _lowest(name))):  # it is not its smallest number
        return name, floor(number) + 1
    return (name, ceil(number)) if sign in (">=", "==") else ("", 0)


def _name(value: Value) -> str:
    """The symbol that a value is; "" where it is something else."""
    found = [n for m in terms_of(value) for n, _ in m if not isinstance(n, Call)]
    return found[0] if found and value == symbol(found[0]) else ""


def least(value: Value, bounds: Bounds = _NONE) -> Number | None:
    """A number that a value is never below, where its form shows one."""
    low = {name: bounds.get(name, _lowest(name)) for name in free_symbols(value)}
    above = substitute(value, {name: add(symbol(name), number) for name, number in low.items()})
    return terms_of(above).get((), 0) if is_nonnegative(above) else None


def _lowest(name: str) -> int:
    return 0 if name == "past_len" else 1
