"""The boundary to SymPy: text, values and SymPy expressions become each other here and nowhere else.

Importing this module imports SymPy; the rest of the package works on `symflops.polynomial` values and comes here only
when somebody asks for an expression.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import sympy

from symflops import algebra, budget, function, polynomial
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.number import is_small_power
from symflops.polynomial import Value
from symflops.sympy_tree import measure, readable
from symflops.tree import MAX_LENGTH, NAME, Tree, exact, fold, read, write
from symflops.vocabulary import is_whole

_SYMPY_STEPS = 5  # of a budget, for each operand of an operation that SymPy does
_GROWN = 6_000  # characters of an expression that is longer than the text that it was read from


class log2(sympy.Function):  # type: ignore[misc]  # SymPy has no stubs; functions are named as they print
    """The binary logarithm; SymPy has only quotients of natural ones, which do not read back."""

    nargs = 1

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:  # SymPy's own hook: x is an expression, never text
        if x.is_Rational and x.is_positive:
            value = function.logarithm2(exact(Fraction(int(x.p), int(x.q))))
            return None if isinstance(value, polynomial.Polynomial) else sympy.Integer(value)
        return None

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return sympy.log(self.args[0], 2)._eval_evalf(prec)

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
    with budget.budget():
        parsed: _Parsed = fold(read(text), _PARSED, lambda leaf: _Parsed(*_leaves(leaf)))
        length, depth = measure(parsed.expression, {})
        # What has grown, as remainders inside of remainders do, is read back within the same budget.
        polynomial.check_size(length, depth, MAX_LENGTH if length < 2 * len(text) else _GROWN)
    return parsed.expression


def unparse(expression: Any) -> str:
    """The text of a SymPy expression, number or value; `parse` reads it back to the same expression.

    >>> unparse(parse("N*h*2 + 3/4*N"))
    '2*N*h + 3*N/4'
    """
    if isinstance(expression, polynomial.Polynomial):
        return write(grouped(expression))
    return write(readable(_sympified(expression)))


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
        return algebra.from_tree(readable(expression))
    raise SymflopsError(f"expected a formula, got {type(expression).__name__}")


def _power(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    if base.is_Rational and exponent.is_Integer and is_small_power(Fraction(int(base.p), int(base.q)), int(exponent)):
        return _LongPower(sympy.Pow(base, exponent, evaluate=False))
    if (
        base.is_Integer and base > 1 and exponent.args
    ):  # SymPy looks for a logarithm of the base in the exponent, for long
        return sympy.Pow(base, exponent, evaluate=exponent.is_number)
    return sympy.Pow(base, exponent)


def _leaf(leaf: int | Fraction | str) -> sympy.Expr:
    if isinstance(leaf, str):
        return symbol(leaf)
    return sympy.Rational(leaf.numerator, leaf.denominator)


def _sympified(expression: Any) -> sympy.Basic:
    try:
        return sympy.sympify(expression, strict=True)
    except sympy.SympifyError:
        raise SymflopsError(f"expected a formula, got {type(expression).__name__}") from None


# SymPy decides about every two arguments of Min and Max, and about every rounding, by proofs that take milliseconds and
# grow with the square of the arguments. The algebra has decided before: what is made here is left as it is.
_ALGEBRA: dict[str, Callable[..., Any]] = {
    "+": sympy.Add,
    "-": operator.neg,
    "*": sympy.Mul,
    "/": operator.truediv,
    "**": lambda a, b: _power(a, b),
    "min": lambda *a: sympy.Min(*a, evaluate=False),
    "max": lambda *a: sympy.Max(*a, evaluate=False),
    "floor": lambda a: _rounded(sympy.floor, a),
    "ceil": lambda a: _rounded(sympy.ceiling, a),
    "sqrt": sympy.sqrt,
    "log2": log2,
}


def _rounded(function: Any, a: sympy.Expr) -> sympy.Expr:
    """A floor or ceiling with its whole terms taken out, as SymPy writes it."""
    whole = [term for term in sympy.Add.make_args(a) if _is_whole(term)]
    rest = a - sympy.Add(*whole) if whole else a
    return sympy.Add(*whole, function(rest, evaluate=rest.is_Rational))


def _is_whole(e: sympy.Expr) -> bool:
    """Whether an expression is a whole number, as far as its form shows."""
    if e.is_Atom or isinstance(e, sympy.floor | sympy.ceiling):
        return bool(e.is_integer)
    if isinstance(e, sympy.Pow):
        return _is_whole(e.base) and e.exp.is_Integer and e.exp.is_positive
    return isinstance(e, sympy.Add | sympy.Mul | sympy.Min | sympy.Max) and all(map(_is_whole, e.args))


class _Parsed(NamedTuple):
    """A part of a text: its canonical value, its expression as it was written, and the `arguments` of a min or max.

    SymPy multiplies a number into a sum where these two meet alone: -(a + b)/c is one product of three `factors`.
    """

    value: Value
    expression: sympy.Expr
    arguments: tuple[_Parsed, ...] = ()
    factors: tuple[sympy.Expr, ...] = ()


def _leaves(leaf: int | Fraction | str) -> tuple[Value, sympy.Expr]:
    budget.charge(_SYMPY_STEPS)
    return (polynomial.symbol(leaf) if isinstance(leaf, str) else leaf), _leaf(leaf)


def _both(operation: str) -> Callable[..., _Parsed]:
    def apply(*operands: _Parsed) -> _Parsed:
        parts = sum(1 if operation == "+" else 2 + len(o.expression.args) for o in operands)
        budget.charge(_SYMPY_STEPS * parts)
        value = algebra.ALGEBRA[operation](*(o.value for o in operands))
        for number in polynomial.terms_of(value).values() if operation == "+" else ():
            polynomial.check_bits(number)
        if operation not in ("*", "/", "-"):
            return _Parsed(value, _ALGEBRA[operation](*(o.expression for o in operands)))
        factors = [o.factors or (o.expression,) for o in operands]
        if operation == "/":
            factors[1] = tuple(_power(f, sympy.Integer(-1)) for f in factors[1])
        product = (*([sympy.Integer(-1)] if operation == "-" else []), *(f for several in factors for f in several))
        return _Parsed(value, sympy.Mul(*product), factors=product)

    return apply


_EXTREMES = {"min": sympy.Min, "max": sympy.Max}


def _extreme(function_name: str) -> Callable[..., _Parsed]:
    def apply(*operands: _Parsed) -> _Parsed:
        budget.charge(4 * _SYMPY_STEPS * len(operands))
        parts = [part for operand in operands for part in _arguments(function_name, operand)]
        distinct = list({part.expression: part for part in parts}.values())
        stays = function.undominated(function_name, [part.value for part in distinct])
        kept = tuple(part for part, is_kept in zip(distinct, stays, strict=True) if is_kept)
        if len(kept) == 1:
            return kept[0]
        value = algebra.ALGEBRA[function_name](*(part.value for part in kept))
        expression = _ALGEBRA[function_name](*(part.expression for part in kept))
        return _Parsed(value, expression, kept)

    return apply


def _arguments(function_name: str, operand: _Parsed) -> tuple[_Parsed, ...]:
    """What an operand of a min or max stands for: the arguments of one of the same kind, also of one that SymPy leaves
    over, as of (2*min(a, b))/2. What SymPy makes a number of is compared as one."""
    if operand.expression.is_Rational:
        return (_Parsed(*_leaves(exact(Fraction(int(operand.expression.p), int(operand.expression.q))))),)
    if not isinstance(operand.expression, _EXTREMES[function_name]):
        return (operand,)
    return operand.arguments or tuple(_Parsed(from_sympy(a), a) for a in operand.expression.args)


def _rounding(operation: str) -> Callable[..., _Parsed]:
    def apply(a: _Parsed) -> _Parsed:
        budget.charge(_SYMPY_STEPS * (4 + len(sympy.Add.make_args(a.expression))))
        if polynomial.is_integer(a.value):
            return a
        return _Parsed(algebra.ALGEBRA[operation](a.value), _ALGEBRA[operation](a.expression))

    return apply


_PARSED: dict[str, Callable[..., _Parsed]] = {operation: _both(operation) for operation in _ALGEBRA}
_PARSED |= {"min": _extreme("min"), "max": _extreme("max"), "floor": _rounding("floor"), "ceil": _rounding("ceil")}
_PARSED["//"] = lambda a, b: _PARSED["floor"](_PARSED["/"](a, b))
_PARSED["%"] = lambda a, b: _PARSED["+"](a, _PARSED["-"](_PARSED["*"](b, _PARSED["//"](a, b))))


def _times(*factors: sympy.Expr) -> sympy.Expr:
    # SymPy multiplies a number into a sum; the readable form keeps 2*(a + b), as sympy.factor does.
    if len(factors) == 2 and factors[0].is_Rational and factors[1].is_Add:
        return sympy.Mul(*factors, evaluate=False)
    return sympy.Mul(*factors)


_GROUPED: dict[str, Callable[..., Any]] = {
    "-": lambda a: _times(sympy.Integer(-1), a),
    "*": _times,
    "/": lambda a, b: _times(1 / b, a),
    "floor": lambda a: sympy.floor(a, evaluate=False),
    "ceil": lambda a: sympy.ceiling(a, evaluate=False),
}
