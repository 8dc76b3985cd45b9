"""What a model's source needs a number for: a run symbol, of which it must not become one, or a field of the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from symflops.errors import SymflopsError

_DIVISIONS = ("FloorDiv", "CleanDiv", "Mod", "PythonMod")


class SizeFixedError(SymflopsError):
    """The model's source needs a number for a run symbol, such as a loop over the sequence does."""

    def __init__(self, name: str, condition: Any, names: Mapping[sympy.Symbol, str], long_enough: int = 0) -> None:
        super().__init__(f"the source needs a number for {name}, as a loop over it does")
        self.symbol = name
        self.long_enough = long_enough  # a length on the other side of the condition, if it may be no loop
        self.run: Any = None  # what was recorded until then
        # A loop over pieces of the sequence asks for their number: the lengths of the pieces, numbers or symbols.
        divisors = [e.args[1] for e in _divisions(condition)]
        self.chunks = sorted({int(d) for d in divisors if d.is_Integer and d > 1})
        self.symbolic_chunks = {names[s].removesuffix("__rest") for d in divisors for s in d.free_symbols if s in names}


class FieldFixedError(SymflopsError):
    """The model's source needs a number for a field of the config, so that a run with its hint is made anew."""

    def __init__(self, fields: set[str]) -> None:
        super().__init__(f"the source needs a number for {', '.join(sorted(fields))}, as a loop over it does")
        self.fields = fields


def _divisions(expression: sympy.Basic) -> list[sympy.Basic]:
    return [e for e in sympy.preorder_traversal(expression) if type(e).__name__ in _DIVISIONS]


def has_division(expression: sympy.Basic) -> bool:
    """Whether torch's whole quotients or remainders are in an expression."""
    return bool(_divisions(expression))
