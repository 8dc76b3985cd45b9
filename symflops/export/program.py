"""Many closed forms as one straight-line program: every distinct subexpression is one step, computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symflops.grouping import grouped
from symflops.polynomial import Value
from symflops.tree import Tree

_SAFE = 2**53  # JSON numbers beyond this lose digits in JavaScript; they are written as text


@dataclass
class StraightLineProgram:
    """Steps in an order in which each uses only earlier ones.

    A step is a number, a symbol's name, `["#", numerator, denominator]` as texts, or `[operation, step, ...]`; `^` is a
    power that the formula spells out and `**` one that depends on symbols.

    >>> program = StraightLineProgram()
    >>> program.step(("*", 2, "N", ("+", "N", 1)))
    4
    >>> program.steps
    [2, 'N', 1, ['+', 1, 2], ['*', 0, 1, 3]]
    """

    steps: list[Any] = field(default_factory=list)
    _places: dict[Any, int] = field(default_factory=dict)

    def value(self, value: Value) -> int:
        """The step that computes a canonical value."""
        key = ("value", value)
        if key not in self._places:
            self._places[key] = self.step(grouped(value))
        return self._places[key]

    def step(self, tree: Tree) -> int:
        """The step that computes a tree."""
        if isinstance(tree, tuple):
            operation, *operands = tree
            if operation == "**" and isinstance(operands[1], int) and operands[1] >= 0:
                operation = "^"
            return self._place([operation, *(self.step(operand) for operand in operands)])
        if isinstance(tree, Fraction) or (isinstance(tree, int) and abs(tree) >= _SAFE):
            return self._place(["#", str(tree.numerator), str(tree.denominator)])
        return self._place(tree)

    def _place(self, step: Any) -> int:
        key = tuple(step) if isinstance(step, list) else step
        if key not in self._places:
            self._places[key] = len(self.steps)
            self.steps.append(step)
        return self._places[key]
