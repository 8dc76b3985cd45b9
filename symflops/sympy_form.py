"""SymPy expressions in one normal form, made without SymPy's own evaluation.

SymPy decides about signs, roots and roundings by proofs that take milliseconds for every operation, and about products
by how they are written. Here like terms and equal bases are put together as SymPy does it, by their form alone, and
every decision depends on the operands as they are shown: an expression that is written is read back to the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cmp_to_key
from typing import Any, NamedTuple

import sympy

from symflops import budget, function, polynomial
from symflops.algebra import ALGEBRA
from symflops.errors import NoValueError, SymflopsError
from symflops.number import check_bits, is_small_power, number_power, prime_factors
from symflops.polynomial import Number, Value
from symflops.sympy_function import LongPower, log2
from symflops.tree import exact

_NAMES = {"Min": "min", "Max": "max", "floor": "floor", "ceiling": "ceil", "log2": "log2"}
_STEPS = 8  # of a budget, for each operand of an operation
_SORTING = 20  # for each operand of a function of SymPy


class Factors(NamedTuple):
    """A product that can still grow: SymPy multiplies a number into a sum where these two meet alone, so that
    -(a + b)/c is one product of three."""

    of: tuple[sympy.Expr, ...]


Operand = Any  # sympy.Expr | Factors
_Powers = dict[tuple[sympy.Expr, sympy.Expr], sympy.Rational]  # {(base, e): c} is base**(c*e)
_EXTREMES = {"min": sympy.Min, "max": sympy.Max}
_ROUNDINGS = {"floor": sympy.floor, "ceil": sympy.ceiling}
_BY_FORM = cmp_to_key(sympy.Basic.compare)  # the order of SymPy's own sums and products
_HALF = sympy.Rational(1, 2)


class Builder:
    """The expressions of one text, and the canonical values of those that were asked about."""

    def __init__(self, *, as_written: bool = False) -> None:
        """With `as_written`, 2*(a + b) stays, and minima and roundings are as they are: the algebra has decided."""
        self.as_written = as_written
        self.known: dict[sympy.Expr, sympy.Expr] = {}
        self.values: dict[sympy.Expr, Value] = {}
        self.operations: dict[str, Callable[..., Operand]] = {
            "+": lambda *a: self.sum(*map(self.finished, a)),
            "*": lambda *a: Factors(tuple(f for operand in a for f in _factors(operand))),
            "/": lambda a, b: Factors((*_factors(a), *(self.power(f, sympy.S.NegativeOne) for f in _factors(b)))),
            "-": lambda a: Factors((sympy.S.NegativeOne, *_factors(a))),
            "**": lambda a, b: self.power(self.finished(a), self.finished(b)),
            "//": lambda a, b: self.operations["floor"](self.operations["/"](a, b)),
            "%": self.remainder,
            "sqrt": lambda a: self.power(self.finished(a), _HALF),
            "log2": lambda a: self.logarithm(self.finished(a)),
        }
        for name in _EXTREMES:
            self.operations[name] = lambda *a, name=name: self.extreme(name, list(map(self.finished, a)))
        for name in _ROUNDINGS:
            self.operations[name] = lambda a, name=name: self.rounded(name, self.finished(a))

    def finished(self, operand: Operand) -> sympy.Expr:
        return self.product(operand.of) if isinstance(operand, Factors) else operand

    def remainder(self, a: Operand, b: Operand) -> sympy.Expr:
        """a - b*floor(a/b)"""
        floor = self.operations["//"](a, b)
        return self.sum(self.finished(a), self.product((sympy.S.NegativeOne, *_factors(b), floor)))

    def kept(self, e: sympy.Expr) -> sympy.Expr:
        """The one object of all that are equal to it, so that comparing large ones ends at once."""
        return self.known.setdefault(e, e)

    def value(self, e: sympy.Expr) -> Value:
        """The canonical value of an expression that was made here."""
        if e not in self.values:
            self.values[e] = self.computed(e)
        return self.values[e]

    def computed(self, e: sympy.Expr) -> Value:
        if e.is_Rational:
            return exact(Fraction(int(e.p), int(e.q)))
        if e.is_Symbol:
            return polynomial.symbol(e.name)
        if isinstance(e, LongPower):
            return self.computed(e.args[0])
        arguments = [self.value(a) for a in e.args]
        if e.is_Add:
            return polynomial.add(*arguments)
        if e.is_Mul:
            return polynomial.multiply(*arguments)
        return ALGEBRA["**" if e.is_Pow else _NAMES[type(e).__name__]](*arguments)

    def is_sure(self, e: sympy.Expr) -> bool:
        """Whether an expression is at least 0, as far as its form shows."""
        return polynomial.is_nonnegative(self.value(e))

    # ------------------------------------------------------------------------------------------------ sums, products

    def sum(self, *operands: sympy.Expr) -> sympy.Expr:
        """The sum, like terms put together."""
        coefficients: dict[sympy.Expr, sympy.Rational] = {}
        for operand in operands:
            for term in sympy.Add.make_args(operand):
                budget.charge(2 if term.is_Rational else _STEPS)
                number, rest = _split(term)
                coefficients[rest] = _checked(coefficients.get(rest, sympy.S.Zero) + number)
        number = coefficients.pop(sympy.S.One, sympy.S.Zero)
        return self.added(number, [self.scaled(rest, c) for rest, c in coefficients.items() if c != 0])

    def added(self, number: sympy.Rational, terms: list[sympy.Expr]) -> sympy.Expr:
        parts = [*([_checked(number)] if number != 0 or not terms else []), *self.in_order(terms)]
        return parts[0] if len(parts) == 1 else self.kept(sympy.Add._from_args(parts))

    def scaled(self, e: sympy.Expr, number: sympy.Rational) -> sympy.Expr:
        """A number times an expression whose own factor that is a number is 1."""
        if number is sympy.S.One:
            return e
        budget.charge(_STEPS * (1 + len(e.args)))
        if e.is_Add and not self.as_written:
            parts = {rest: c * number for c, rest in map(_split, e.args)}
            constant = parts.pop(sympy.S.One, sympy.S.Zero)
            return self.added(constant, [self.scaled(rest, c) for rest, c in parts.items()])
        factors = e.args if e.is_Mul else (e,)
        return self.kept(sympy.Mul._from_args([_checked(number), *factors], is_commutative=True))

    def product(self, factors: Iterable[sympy.Expr]) -> sympy.Expr:
        """The product, equal bases put together; a number is multiplied into a sum that stands alone with it."""
        number, powers = self.collected(factors)
        while True:
            parts = [self.raised(b, c if e is sympy.S.One else self.product((c, e))) for (b, e), c in powers.items()]
            more, merged = self.collected(parts)
            number = _checked(number * more)
            if merged == powers:
                break
            powers = merged  # what was below a root and is whole now may meet others
        if number == 0 or not parts:
            return number
        if len(parts) == 1:
            return self.scaled(parts[0], number)
        ordered = [*([] if number is sympy.S.One else [number]), *self.in_order(parts)]
        return self.kept(sympy.Mul._from_args(ordered, is_commutative=True))

    def collected(self, factors: Iterable[sympy.Expr]) -> tuple[sympy.Rational, _Powers]:
        """The number of a product, and its bases with their exponents; roots of numbers as one root of each degree."""
        number: sympy.Rational = sympy.S.One
        powers: _Powers = {}
        roots: dict[int, Fraction] = {}
        for factor in (part for several in factors for part in sympy.Mul.make_args(several)):
            budget.charge(_STEPS)
            base, exponent = factor.args if factor.is_Pow else (factor, sympy.S.One)
            if factor.is_Rational:
                number = _checked(number * factor)
            elif base.is_Rational and exponent.is_Rational:  # a positive integer
                for prime, times in prime_factors(int(base)).items():
                    roots[prime] = roots.get(prime, Fraction(0)) + times * Fraction(int(exponent.p), int(exponent.q))
            else:
                c, e = (exponent, sympy.S.One) if exponent.is_Rational else exponent.as_coeff_Mul(rational=True)
                powers[base, e] = powers.get((base, e), sympy.S.Zero) + c
        radicands: dict[Fraction, int] = {}
        for prime, exponent in roots.items():
            whole = exponent.__floor__()
            number = number * rational(number_power(prime, whole))
            if exponent != whole:
                radicands[exponent - whole] = radicands.get(exponent - whole, 1) * prime
        for exponent, radicand in radicands.items():
            powers[_checked(rational(radicand)), sympy.S.One] = rational(exponent)
        return _checked(number), {key: c for key, c in powers.items() if c != 0}

    def in_order(self, parts: list[sympy.Expr]) -> list[sympy.Expr]:
        budget.charge(len(parts) * len(parts).bit_length() // 8)
        return sorted(parts, key=_BY_FORM)

    # -------------------------------------------------------------------------------------------------------- powers

    def power(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        made = self.product((self.raised(base, exponent),))
        if not (self.as_written or (exponent.is_Integer and exponent > 0)):
            self.value(made)  # it may be a division by zero, which is not seen any more once 1/x has met x
        return made

    def raised(self, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        """A power as a product of factors that are not put together yet."""
        budget.charge(_STEPS)
        if exponent is sympy.S.Zero or base is sympy.S.One:
            return sympy.S.One
        if exponent is sympy.S.One:
            return base
        if exponent.is_Rational and exponent.q & (exponent.q - 1):
            raise SymflopsError(f"exponent {exponent} is not an integer; use sqrt or integer powers")
        if base.is_Rational:
            return self.number_raised(base, exponent)
        if base.is_Pow and self.is_power_of_power(base, exponent):
            return self.raised(base.base, self.product((base.exp, exponent)))
        if not base.is_Mul or not exponent.is_Rational:
            return self.kept(sympy.Pow(base, exponent, evaluate=False))
        number, rest = base.as_coeff_Mul(rational=True)
        factors = sympy.Mul.make_args(rest)
        if exponent.is_Integer:
            return _unordered(self.number_raised(number, exponent), *(self.raised(f, exponent) for f in factors))
        # A root of a product: what is not negative has a root of its own. A minus stays with the rest.
        apart = {f: None for f in factors if self.is_sure(f)}
        below = [f for f in factors if f not in apart]
        if number < 0:
            apart, below = apart if below else {}, [sympy.S.NegativeOne, *(below or factors)]
        if not apart and abs(number) == 1:
            return self.kept(sympy.Pow(base, exponent, evaluate=False))
        made = [self.number_raised(abs(number), exponent), *(self.raised(f, exponent) for f in apart)]
        return _unordered(*made, *([self.raised(self.product(below), exponent)] if below else []))

    def number_raised(self, base: sympy.Rational, exponent: sympy.Expr) -> sympy.Expr:
        """A power of a number: a number, roots of positive integers, or a power with a symbol in its exponent."""
        number = Fraction(int(base.p), int(base.q))
        if exponent.is_Integer:
            if not is_small_power(number, int(exponent)):
                return rational(number_power(number, int(exponent)))
            if exponent < 0:
                base, exponent = 1 / base, -exponent
            return LongPower(sympy.Pow(base, exponent, evaluate=False))
        if not exponent.is_Rational:
            if number.numerator == 1:  # (1/2)**a is 2**(-a)
                base, exponent = 1 / base, self.product((sympy.S.NegativeOne, exponent))
            return self.kept(sympy.Pow(base, exponent, evaluate=False))
        if number < 0:
            raise NoValueError("square root of a negative number")
        if number == 0:
            return rational(number_power(0, int(exponent.p)))
        roots = [(rational(number.numerator), exponent), (rational(number.denominator), -exponent)]
        return _unordered(*(sympy.Pow(n, e, evaluate=False) for n, e in roots if n is not sympy.S.One))

    def is_power_of_power(self, base: sympy.Pow, exponent: sympy.Expr) -> bool:
        """Whether (b**f)**e is b**(f*e): where e is whole, where b is not negative."""
        if base.exp.is_Rational and not base.exp.is_Integer:
            return True
        if exponent.is_Rational:
            return bool(exponent.is_Integer) or self.is_sure(base.base)
        return polynomial.is_integer(self.value(exponent)) or self.is_sure(base.base)

    # ----------------------------------------------------------------------------------------------------- functions

    def logarithm(self, a: sympy.Expr) -> sympy.Expr:
        budget.charge(_STEPS)
        value = None if self.as_written else function.logarithm2(self.value(a))
        if a.is_Rational and isinstance(value, int):
            return sympy.Integer(value)
        return self.kept(log2(a, evaluate=False))

    def extreme(self, name: str, operands: list[sympy.Expr]) -> sympy.Expr:
        """A minimum or maximum of those arguments that can be it."""
        kind = _EXTREMES[name]
        parts = [*dict.fromkeys(p for o in operands for p in (o.args if isinstance(o, kind) else (o,)))]
        if not self.as_written:
            stays = function.undominated(name, [self.value(part) for part in parts])
            parts = [part for part, is_kept in zip(parts, stays, strict=True) if is_kept]
        budget.charge(_SORTING * len(parts))
        return parts[0] if len(parts) == 1 else self.kept(kind(*parts, evaluate=False))

    def rounded(self, name: str, a: sympy.Expr) -> sympy.Expr:
        """A floor or ceiling with its whole terms taken out."""
        budget.charge(_STEPS)
        if a.is_Rational:
            return sympy.Integer(int(a.__floor__() if name == "floor" else a.__ceil__()))
        budget.charge(_SORTING)
        if self.as_written:
            return self.kept(_ROUNDINGS[name](a, evaluate=False))
        if polynomial.is_integer(self.value(a)):
            return a
        terms = sympy.Add.make_args(a)
        whole = [term for term in terms if polynomial.is_integer(self.value(term))]
        if whole:
            return self.sum(*whole, self.rounded(name, self.sum(*(term for term in terms if term not in whole))))
        return self.kept(_ROUNDINGS[name](a, evaluate=False))


def rational(number: Number) -> sympy.Rational:
    return sympy.Rational(number.numerator, number.denominator)


def _factors(operand: Operand) -> tuple[sympy.Expr, ...]:
    return operand.of if isinstance(operand, Factors) else (operand,)


def _split(term: sympy.Expr) -> tuple[sympy.Rational, sympy.Expr]:
    """A term as a number and the rest."""
    return (term, sympy.S.One) if term.is_Rational else term.as_coeff_Mul(rational=True)


def _unordered(*factors: sympy.Expr) -> sympy.Expr:
    return sympy.Mul._from_args(factors, is_commutative=True)


def _checked(number: sympy.Rational) -> sympy.Rational:
    check_bits(number.p)
    check_bits(number.q)
    return number
