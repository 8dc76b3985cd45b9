"""What the language has and SymPy lacks: a binary logarithm, and powers of numbers whose digits are not written out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from symflops import function, polynomial
from symflops.tree import exact


class log2(sympy.Function):  # type: ignore[misc]  # SymPy has no stubs; functions are named as they print
    """The binary logarithm; SymPy has only quotients of natural ones, which do not read back."""

    nargs = 1

    def __new__(cls, x: Any, **options: Any) -> sympy.Expr:
        """Of an expression or a number. SymPy would evaluate a text; here that is a SympifyError."""
        return super().__new__(cls, sympy.sympify(x, strict=True), **options)

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:  # SymPy's own hook, after __new__: no text gets here
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


class LongPower(sympy.UnevaluatedExpr):  # type: ignore[misc]  # SymPy has no types
    """A power of numbers as it is, (7/8)**4096: SymPy would write out the digits, and could not print so many."""

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return self.args[0]._eval_evalf(prec)
