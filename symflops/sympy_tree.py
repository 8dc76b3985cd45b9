"""SymPy expressions become trees of the language, structure kept, operands in a fixed order."""

from __future__ import annotations

from fractions import Fraction
from functools import cmp_to_key

import sympy

from symflops import polynomial
from symflops.errors import SymflopsError, nearest
from symflops.tree import NAME, Tree, exact

_NAMES = {"Min": "min", "Max": "max", "floor": "floor", "ceiling": "ceil", "log2": "log2"}
_ORDERED = 100  # terms or factors; more are left in SymPy's own order
_BY_FORM = cmp_to_key(sympy.Basic.compare)


def readable(e: sympy.Basic) -> Tree:
    """The tree of a SymPy expression that is not larger than what can be read back."""
    if isinstance(e, sympy.Expr):
        polynomial.check_size(*measure(e, {}))
    return _tree(e)


def measure(e: sympy.Expr, known: dict[sympy.Expr, tuple[int, int]]) -> tuple[int, int]:
    """How many characters the text of an expression has without spaces, about, and how deep its tree is. Parts that
    occur often are measured once: nested remainders double the text with every level."""
    if e not in known:
        if e in (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
            raise SymflopsError(f"no number: {e} occurs in it" if e == sympy.I else "division by zero")
        if e.is_Pow and not e.base.is_Rational and e.exp.is_Integer and abs(e.exp) > polynomial.MAX_EXPONENT:
            raise SymflopsError(f"exponent {e.exp} is larger than the {polynomial.MAX_EXPONENT} allowed")
        length, depth = (len(e.name) if e.is_Symbol else 8), 0
        if e.is_Rational:
            length = (int(e.p).bit_length() + int(e.q).bit_length()) * 3 // 10 + 1 + 2 * (not e.is_Integer)
            depth = (e.p < 0) + (not e.is_Integer)
        elif e.args:
            sizes = [measure(a, known) if isinstance(a, sympy.Expr) else (8, 4) for a in _parts(e)]
            names = len(type(e).__name__) + 2 if e.is_Function else 2 * (e.is_Pow or e.is_Mul)
            length = sum(s[0] for s in sizes) + len(sizes) - 1 + names + len("sqrt()") * _roots(e)
            depth = 1 + max(s[1] for s in sizes) + (_levels(e) if e.is_Mul or e.is_Pow else 0)
        known[e] = (length, depth)
    return known[e]


def _parts(e: sympy.Expr) -> tuple[sympy.Basic, ...]:
    return tuple(a for a in e.args if a != -1) if e.is_Mul else e.args


def _levels(e: sympy.Expr) -> int:
    """By how many operations the tree of a product or a power is deeper than its parts, besides one."""
    below = any(f.is_Pow and f.exp.is_Rational and f.exp.is_negative for f in sympy.Mul.make_args(e))
    number = e.as_coeff_Mul()[0]
    roots = _roots(e)
    alone = roots > 0 and abs(e.exp.p) == 1  # nothing is raised but the roots themselves
    return int(below or not number.is_Integer) + int(number.is_negative) + roots - alone


def _roots(e: sympy.Expr) -> int:
    """How many square roots stand inside of one another where a power is written: three for a**(3/8)."""
    return int(e.exp.q).bit_length() - 1 if e.is_Pow and e.exp.is_Rational else 0


def _in_order(e: sympy.Expr) -> list[sympy.Expr]:
    """Terms by the powers of their factors, the highest power of the first one first; factors by their bases."""
    if len(e.args) > _ORDERED:
        return list(e.args)
    if e.is_Mul:
        return sorted(e.args, key=lambda factor: tuple(map(_BY_FORM, factor.as_base_exp())))
    powers = [dict(_power_of(factor) for factor in sympy.Mul.make_args(term)) for term in e.args]
    bases = sorted({base for term in powers for base in term}, key=_BY_FORM)
    order = [[-term.get(base, 0) for base in bases] for term in powers]
    return [e.args[i] for i in sorted(range(len(order)), key=lambda i: (order[i], i))]


def _power_of(factor: sympy.Expr) -> tuple[sympy.Expr, sympy.Rational]:
    base, exponent = factor.args if factor.is_Pow else (factor, sympy.S.One)
    if factor.is_Rational:
        return sympy.S.One, sympy.S.Zero
    return (base, exponent) if exponent.is_Rational else (factor, sympy.S.One)


def _tree(e: sympy.Basic) -> Tree:
    """The tree of a SymPy expression, structure kept, operands in a fixed order."""
    if isinstance(e, sympy.Rational):
        return exact(Fraction(int(e.p), int(e.q)))
    if isinstance(e, sympy.Symbol):
        if not NAME.match(e.name):
            raise SymflopsError(f"{e.name!r} is not a name of the language")
        return e.name
    if isinstance(e, sympy.UnevaluatedExpr):
        return _tree(e.args[0])
    if isinstance(e, sympy.Add):
        return ("+", *(_tree(a) for a in _in_order(e)))
    if isinstance(e, sympy.Mul):
        return _product_tree(e)
    if isinstance(e, sympy.Pow):
        return _power_tree(*e.args)
    name = type(e).__name__
    if name in _NAMES:
        return (_NAMES[name], *(_tree(a) for a in e.args))
    if isinstance(e, sympy.Piecewise):
        return _piecewise(e)
    if name == "Mod":
        return ("%", _tree(e.args[0]), _tree(e.args[1]))
    raise SymflopsError(f"{name} is not part of the language{nearest(name, tuple(_NAMES))}")


def _power_tree(base: sympy.Expr, exponent: sympy.Expr) -> Tree:
    if not exponent.is_Rational:
        return ("**", _tree(base), _tree(exponent))
    if exponent.is_negative:
        return ("/", 1, _power_tree(base, -exponent))
    top, root = int(exponent.p), int(exponent.q)
    tree = _tree(base)
    while root % 2 == 0:  # a**(3/4) is sqrt(sqrt(a))**3
        tree, root = ("sqrt", tree), root // 2
    if root != 1:
        raise SymflopsError(f"exponent {exponent} is not part of the language; use sqrt or integer powers")
    return tree if top == 1 else ("**", tree, top)


def _product_tree(e: sympy.Mul) -> Tree:
    coefficient, rest = e.as_coeff_Mul()
    factors = _in_order(rest) if isinstance(rest, sympy.Mul) else [rest]
    below = [f for f in factors if isinstance(f, sympy.Pow) and f.exp.is_Rational and f.exp.is_negative]
    top = [_tree(f) for f in factors if f not in below]
    bottom = [_power_tree(f.base, -f.exp) for f in below]
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
