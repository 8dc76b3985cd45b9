"""The boundary to SymPy: text, values and SymPy expressions become each other here and nowhere else.

Importing this module imports SymPy; the rest of the package works on `symflops.polynomial` values and comes here only
when somebody asks for an expression.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy

from symflops import algebra, function, polynomial
from symflops.errors import SymflopsError, nearest
from symflops.grouping import grouped
from symflops.number import is_small_power
from symflops.polynomial import Value
from symflops.tree import NAME, Tree, exact, fold, read, write
from symflops.vocabulary import is_whole


class log2(sympy.Function):  # type: ignore[misc]  # SymPy has no stubs; functions are named as they print
    """The binary logarithm; SymPy has only quotients of natural ones, which do not read back."""

    nargs = 1

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:  # SymPy's own hook: x is an expression, never text
        if x.is_Rational and x.is_positive:
            value = function.logarithm2(exact(Fraction(int(x.p), int(x.q))))
            return None if isinstance(value, polynomial.Polynomial) else sympy.Integer(value)
        return None

    def _eval_is_extended_real(self) -> bool | None:
        return True if self.args[0].is_positive else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp else ""
        return rf"\log_{{2}}{power}\left({printer._print(self.args[0])}\right)"


class _LongPower(sympy.UnevaluatedExpr):  # type: ignore[misc]
    """A power of numbers as it is, (7/8)**4096: SymPy would write out the digits, and could not print so many."""

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return self.args[0]._eval_evalf(prec)


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

    Raises SymflopsError naming column and culprit when the text is not in the language or too large to handle.
    """
    tree = read(text)
    algebra.from_tree(tree)  # the size limits: SymPy would happily start computing 9**9**9
    expression: sympy.Expr = fold(tree, _ALGEBRA, _leaf)
    return expression


def unparse(expression: Any) -> str:
    """The text of a SymPy expression, number or value; `parse` reads it back to the same expression.

    >>> unparse(parse("N*h*2 + 3/4*N"))
    '2*N*h + 3*N/4'
    """
    if isinstance(expression, polynomial.Polynomial):
        return write(grouped(expression))
    return write(_tree(sympy.sympify(expression, strict=True)))


def to_sympy(value: Value) -> sympy.Expr:
    """The SymPy expression of a value, in its readable grouping."""
    return tree_to_sympy(grouped(value))


def tree_to_sympy(tree: Tree) -> sympy.Expr:
    """The SymPy expression of a tree, grouped as it is."""
    expression: sympy.Expr = fold(tree, _ALGEBRA | _GROUPED, _leaf)
    return expression


def from_sympy(expression: Any) -> Value:
    """The canonical value of a SymPy expression."""
    if isinstance(expression, sympy.Expr):
        return algebra.from_tree(_tree(expression))
    raise SymflopsError(f"expected a formula, got {type(expression).__name__}")


def _power(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    if base.is_Rational and exponent.is_Integer and is_small_power(Fraction(int(base.p), int(base.q)), int(exponent)):
        return _LongPower(sympy.Pow(base, exponent, evaluate=False))
    return sympy.Pow(base, exponent)


def _leaf(leaf: int | Fraction | str) -> sympy.Expr:
    if isinstance(leaf, str):
        return symbol(leaf)
    return sympy.Rational(leaf.numerator, leaf.denominator)


_ALGEBRA: dict[str, Callable[..., Any]] = {
    "+": sympy.Add,
    "-": operator.neg,
    "*": sympy.Mul,
    "/": operator.truediv,
    "//": lambda a, b: sympy.floor(a / b),
    "%": lambda a, b: a - b * sympy.floor(a / b),
    "**": lambda a, b: _power(a, b),
    "min": sympy.Min,
    "max": sympy.Max,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "sqrt": sympy.sqrt,
    "log2": log2,
}


def _times(*factors: sympy.Expr) -> sympy.Expr:
    # SymPy multiplies a number into a sum; the readable form keeps 2*(a + b), as sympy.factor does.
    if len(factors) == 2 and factors[0].is_Rational and factors[1].is_Add:
        return sympy.Mul(*factors, evaluate=False)
    return sympy.Mul(*factors)


_GROUPED: dict[str, Callable[..., Any]] = {
    "-": lambda a: _times(sympy.Integer(-1), a),
    "*": _times,
    "/": lambda a, b: _times(1 / b, a),
}
_NAMES = {"Min": "min", "Max": "max", "floor": "floor", "ceiling": "ceil", "log2": "log2"}


def _tree(e: sympy.Basic) -> Tree:
    """The tree of a SymPy expression, structure kept, operands in a fixed order."""
    if isinstance(e, sympy.Rational):
        return exact(Fraction(int(e.p), int(e.q)))
    if isinstance(e, sympy.Symbol):
        if not NAME.match(e.name):
            raise SymflopsError(f"{e.name!r} is not a name of the language")
        return e.name
    if isinstance(e, sympy.Add):
        return ("+", *(_tree(a) for a in e.as_ordered_terms()))
    if isinstance(e, sympy.Mul):
        return _product_tree(e)
    if isinstance(e, sympy.Pow):
        base, exponent = e.args
        if exponent == sympy.Rational(1, 2):
            return ("sqrt", _tree(base))
        if exponent.is_Rational and exponent.is_negative:
            return ("/", 1, _tree(base**-exponent))
        return ("**", _tree(base), _tree(exponent))
    if isinstance(e, sympy.UnevaluatedExpr):
        return _tree(e.args[0])
    name = type(e).__name__
    if name in _NAMES:
        arguments = sorted(e.args, key=sympy.default_sort_key) if name in ("Min", "Max") else e.args
        return (_NAMES[name], *(_tree(a) for a in arguments))
    if isinstance(e, sympy.Piecewise):
        return _piecewise(e)
    if name == "Mod":
        return ("%", _tree(e.args[0]), _tree(e.args[1]))
    raise SymflopsError(f"{name} is not part of the language{nearest(name, tuple(_NAMES))}")


def _product_tree(e: sympy.Mul) -> Tree:
    coefficient, rest = e.as_coeff_Mul()
    factors = rest.as_ordered_factors() if isinstance(rest, sympy.Mul) else [rest]
    below = [f for f in factors if isinstance(f, sympy.Pow) and f.exp.is_Rational and f.exp.is_negative]
    top = [_tree(f) for f in factors if f not in below]
    bottom = [_tree(1 / f) for f in below]
    size = abs(Fraction(int(coefficient.p), int(coefficient.q)))
    if size.numerator != 1 or not top:
        top.insert(0, size.numerator)
    if size.denominator != 1:
        bottom.insert(0, size.denominator)
    tree: Tree = ("*", *top) if len(top) > 1 else top[0]
    if bottom:
        tree = ("/", tree, ("*", *bottom) if len(bottom) > 1 else bottom[0])
    return ("-", tree) if coefficient < 0 else tree


def _piecewise(e: sympy.Piecewise) -> Tree:
    """A sum of the pieces, each times 1 where its condition is the first that holds, and times 0 elsewhere."""
    if e.args[-1].cond != sympy.true:
        raise SymflopsError("Piecewise without a piece for all other cases (one whose condition is True)")
    result = _tree(e.args[-1].expr)
    for piece, condition in reversed(e.args[:-1]):
        here = _indicator(condition)
        result = ("+", ("*", here, _tree(piece)), ("*", ("+", 1, ("-", here)), result))
    return result


def _indicator(condition: sympy.Basic) -> Tree:
    """1 where a condition on whole numbers holds, else 0: p <= q is min(1, max(0, q - p + 1))."""
    if condition in (sympy.true, sympy.false):
        return 1 if condition == sympy.true else 0
    if isinstance(condition, sympy.And | sympy.Or | sympy.Not):
        parts = [_indicator(c) for c in condition.args]
        if isinstance(condition, sympy.And):
            return ("*", *parts)
        others: Tree = ("*", *(("+", 1, ("-", part)) for part in parts))
        return ("+", 1, ("-", others)) if isinstance(condition, sympy.Or) else others
    if not isinstance(condition, sympy.core.relational.Relational) or not (condition.lhs - condition.rhs).is_integer:
        raise SymflopsError(f"Piecewise: {str(condition)[:60]} is no comparison of whole numbers")
    if isinstance(condition, sympy.Eq | sympy.Ne):
        both: Tree = ("*", _indicator(condition.lhs <= condition.rhs), _indicator(condition.lhs >= condition.rhs))
        return both if isinstance(condition, sympy.Eq) else ("+", 1, ("-", both))
    gap, strict = condition.gts - condition.lts, isinstance(condition, sympy.Lt | sympy.Gt)
    return ("min", 1, ("max", 0, _tree(gap if strict else gap + 1)))
