"""The boundary to SymPy: text, values and SymPy expressions become each other here and nowhere else.

Importing this module imports SymPy; the rest of the package works on `symflops.polynomial` values and comes here only
when somebody asks for an expression.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy

from symflops import algebra, budget, deadline, polynomial
from symflops.errors import SymflopsError
from symflops.given import Formulaic
from symflops.grouping import grouped
from symflops.polynomial import Value
from symflops.sympy_form import Builder
from symflops.sympy_tree import measure, readable
from symflops.tree import MAX_LENGTH, NAME, Tree, fold, read, write
from symflops.vocabulary.symbols import is_whole

_GROWN = 6_000  # characters of an expression that is longer than the text that it was read from


@lru_cache(maxsize=4096)
def symbol(name: str) -> sympy.Symbol:
    """The symbol of that name: a nonnegative integer, or a nonnegative rational number for the bytes of an element.

    Every symbol comes from here, so equal names are equal symbols.

    >>> symbol("seq_len").is_nonnegative, symbol("seq_len").is_integer
    (True, True)
    >>> symbol("dtype_bytes").is_rational, symbol("dtype_bytes").is_integer
    (True, None)
    """
    if not isinstance(name, str) or not NAME.match(name):
        raise SymflopsError(f"{name!r} is not a name (letters, digits and _, not starting with a digit)")
    kind = {"integer": True} if is_whole(name) else {"rational": True}
    return sympy.Symbol(name, nonnegative=True, **kind)


def parse(text: str) -> sympy.Expr:
    """The SymPy expression of a formula's text, read without executing anything.

    >>> parse("2*N*(h + 1)")
    2*N*(h + 1)
    >>> parse("{seq_len} // 2")
    floor(seq_len/2)

    Raises SymflopsError naming column and culprit when the text is not in the language or too large to handle. Write
    long sums with `unparse`: SymPy's own `str` takes time with the square of their names, 20 s for 14,000.
    """
    tree = read(text)
    with deadline.call("the formula"):
        expression = _built(tree)
        length, depth = measure(expression, {})
        has_grown = length >= 2 * len(text)  # as remainders inside of remainders do
        polynomial.check_size(length, depth, _GROWN if has_grown else MAX_LENGTH)
        written = write(readable(expression))
        if written != text:  # it can be read back, too: within the same budget, and its own reader builds it only once
            _built(read(written))
    return expression


def _built(tree: Tree) -> sympy.Expr:
    """The expression of a tree, within the budget of a text. Raises SymflopsError where it has no value, as in a
    division by zero."""
    builder = Builder()
    with budget.budget():
        expression = builder.finished(fold(tree, builder.operations, _leaf))
        builder.value(expression)
    return expression


def unparse(expression: Formulaic) -> str:
    """The text of a SymPy expression, number or value; `parse` reads it back to the same expression.

    >>> unparse(parse("N*h*2 + 3/4*N"))
    '2*N*h + 3*N/4'
    """
    with deadline.call("the text"):
        if isinstance(expression, polynomial.Polynomial):
            return write(grouped(expression))
        return write(readable(_sympified(expression)))


def to_sympy(value: Value) -> sympy.Expr:
    """The SymPy expression of a value, in its readable grouping."""
    return tree_to_sympy(grouped(value))


def tree_to_sympy(tree: Tree) -> sympy.Expr:
    """The SymPy expression of a tree, grouped as it is."""
    builder = Builder(as_written=True)
    return builder.finished(fold(tree, builder.operations, _leaf))


def from_sympy(expression: Any) -> Value:
    """The canonical value of a SymPy expression."""
    if isinstance(expression, sympy.Expr):
        return algebra.from_tree(readable(expression))
    raise SymflopsError(f"expected a formula, got {type(expression).__name__}")


def _leaf(leaf: int | Fraction | str) -> sympy.Expr:
    if isinstance(leaf, str):
        return symbol(leaf)
    return sympy.Rational(leaf.numerator, leaf.denominator)


def _sympified(expression: Any) -> sympy.Basic:
    try:
        return sympy.sympify(expression, strict=True)
    except (sympy.SympifyError, TypeError, ValueError, AttributeError):  # a class only looks like a number
        raise SymflopsError(f"expected a formula, got {type(expression).__name__}") from None
