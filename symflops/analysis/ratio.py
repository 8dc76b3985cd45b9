"""A quotient of two values, kept as one: expanded, it would fall apart into a sum of fractions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.numeric import evaluate
from symflops.polynomial import Monomial, Number, Polynomial, Value, factored, multiply, value_of
from symflops.tree import Tree, exact, write

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Ratio:
    """`top / bottom` in lowest terms as far as common factors are seen.

    >>> from symflops.algebra import from_text
    >>> Ratio.of(from_text("6*h*s + 4*h*s**2"), from_text("2*h*s + 8*h")).text
    's*(2*s + 3)/(s + 4)'
    """

    top: Value
    bottom: Value

    @staticmethod
    def of(top: Value, bottom: Value) -> Ratio:
        """The quotient. Raises SymflopsError for a bottom that is 0."""
        if bottom == 0:
            raise SymflopsError("division by zero")
        if top == 0:
            return Ratio(0, 1)
        c, m, rest = _parts(top)
        d, n, other = _parts(bottom)
        if rest == other:
            rest = other = 1
        number = Fraction(c) / Fraction(d)
        exponents = {**dict(m)}
        for name, e in n:
            exponents[name] = exponents.get(name, 0) - e
        above = tuple(sorted((name, e) for name, e in exponents.items() if e > 0))
        below = tuple(sorted((name, -e) for name, e in exponents.items() if e < 0))
        return Ratio(
            multiply(number.numerator, value_of({above: 1}), rest),
            multiply(number.denominator, value_of({below: 1}), other),
        )

    @cached_property
    def tree(self) -> Tree:
        return grouped(self.top) if self.bottom == 1 else ("/", grouped(self.top), grouped(self.bottom))

    @property
    def text(self) -> str:
        """The quotient in the formula language."""
        return write(self.tree)

    @property
    def expression(self) -> sympy.Expr:
        """The quotient as a SymPy expression."""
        from symflops.expr import tree_to_sympy

        return tree_to_sympy(self.tree)

    @property
    def free_symbols(self) -> set[str]:
        return free_symbols(self.top) | free_symbols(self.bottom)

    def at(self, numbers: Mapping[str, Number]) -> Number:
        """The exact quotient at one point. Raises SymflopsError where the bottom is 0."""
        top, bottom = (evaluate(v, numbers) for v in (self.top, self.bottom))
        if bottom == 0:
            raise SymflopsError("division by zero")
        return exact(Fraction(top) / bottom)

    def substituted(self, values: Mapping[str, Value]) -> Ratio:
        return Ratio.of(substitute(self.top, values), substitute(self.bottom, values))

    def __repr__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        import sympy

        return f"$\\displaystyle {sympy.latex(self.expression)}$"


def _parts(value: Value) -> tuple[Number, Monomial, Value]:
    if not isinstance(value, Polynomial):
        return value, (), 1
    content, common, rest = factored(value)
    return content, common, rest
