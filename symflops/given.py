"""The types of what people give to public functions: numbers for symbols, grids of them, and formulas."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

if TYPE_CHECKING:
    import sympy

    from symflops.polynomial import Polynomial

# A number: of Python, NumPy or SymPy; what is not whole is taken for bytes per element alone.
Numeric: TypeAlias = SupportsIndex | float | Fraction | Decimal
# One number, or those of an axis of a grid: a list, a range, an array.
Axis: TypeAlias = Numeric | Collection[Numeric]
# A formula: as text, as a number, as `parse` gives it or as a canonical value.
Formulaic: TypeAlias = "str | int | Fraction | Polynomial | sympy.Expr"
