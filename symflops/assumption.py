"""Assumptions: conditions under which a closed form holds, such as `hidden_size % num_attention_heads == 0`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symflops import algebra, numeric
from symflops.errors import SymflopsError
from symflops.polynomial import Number
from symflops.tree import read

_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip


def sides(text: str) -> tuple[Any, str, Any]:
    for sign in _COMPARISONS:
        left, found, right = text.partition(sign)
        if found:
            return read(left), sign, read(right)
    raise SymflopsError(f"{text[:100]!r}: expected two formulas compared by {' '.join(_COMPARISONS)}")


def holds(text: str, numbers: Mapping[str, Number]) -> bool:
    """Whether an assumption, `formula == formula` or another comparison, is true for these numbers."""
    left, sign, right = sides(text)
    a, b = (numeric.evaluate(algebra.from_tree(side), numbers) for side in (left, right))
    return bool(_COMPARISONS[sign](a, b))
