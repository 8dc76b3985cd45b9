"""The canonical form that every cost is kept in: a sum of monomials with exact rational coefficients.

A `Value` is an `int`, a `Fraction` or a `Polynomial`. A polynomial maps monomials to coefficients; a monomial is a
sorted tuple of (atom, exponent), exponents may be negative. An atom is a symbol's name or a `Call`: a function
(`min`, `floor`, a power with a symbol in its exponent, ...) of values that are canonical themselves. Two expressions
that agree as polynomials in their atoms are therefore the same dictionary, adding is merging dictionaries, and a sum
over 100,000 layers is linear. Every symbol stands for a nonnegative integer; the rules for `min`, `max`, `floor` and
`ceil` rely on it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import gcd, isqrt, lcm
from typing import Any, Union

from symflops.errors import SymflopsError
from symflops.tree import MAX_BITS, Tree, exact, fold, read, write

Number = int | Fraction
Value = Union[int, Fraction, "Polynomial"]
Monomial = tuple[tuple[str, int], ...]

MAX_TERMS = 100_000  # products that one multiplication may form
MAX_EXPONENT = 1000


class Call(str):
    """An opaque factor: a function of values. It is its own canonical text, so atoms sort and hash as strings."""

    function: str
    arguments: tuple[Value, ...]

    @staticmethod
    def of(function: str, *arguments: Value) -> Call:
        call = Call(write((function, *(flat(a) for a in arguments))))
        call.function = function
        call.arguments = arguments
        return call

    def __reduce__(self) -> tuple[Any, ...]:
        return (Call.of, (self.function, *self.arguments))

    @property
    def is_integer(self) -> bool:
        """Whether its value is a whole number whenever its symbols are."""
        if self.function in ("floor", "ceil"):
            return True
        if self.function in ("min", "max", "**"):
            return all(is_integer(a) for a in self.arguments)
        return False


class Polynomial:
    """An immutable polynomial that is not a constant. Make one with `symbol` and the functions below."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, Number]) -> None:
        self.terms = terms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __repr__(self) -> str:
        return write(flat(self))


def symbol(name: str) -> Polynomial:
    """The polynomial of one symbol."""
    return Polynomial({((name, 1),): 1})


def atom(call: Call) -> Polynomial:
    return Polynomial({((call, 1),): 1})


def terms_of(value: Value) -> dict[Monomial, Number]:
    """The terms of any value, constants included."""
    if isinstance(value, Polynomial):
        return value.terms
    return {(): value} if value else {}


def value_of(terms: dict[Monomial, Number]) -> Value:
    """The value with these terms (none of them 0): a constant if that is all there is."""
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        return terms[()]
    return Polynomial(terms)


# ------------------------------------------------------------------------------------------------------- sums, products


def add(*values: Value) -> Value:
    """The sum."""
    if len(values) == 2:
        a, b = values
        if type(a) is int and type(b) is int:
            return a + b
    total: dict[Monomial, Number] = {}
    for value in values:
        accumulate(total, value)
    return value_of(total)


def accumulate(total: dict[Monomial, Number], value: Value, factor: Number = 1) -> None:
    """Add `factor * value` to a dictionary of terms in place: how long sums stay linear."""
    if not isinstance(value, Polynomial):
        items: Iterable[tuple[Monomial, Number]] = (((), value),)
    else:
        items = value.terms.items()
    for monomial, coefficient in items:
        found = total.get(monomial, 0) + coefficient * factor
        if type(found) is Fraction and found.denominator == 1:
            found = found.numerator
        if found:
            total[monomial] = found
        else:
            total.pop(monomial, None)


def negate(a: Value) -> Value:
    return -a if not isinstance(a, Polynomial) else Polynomial({m: -c for m, c in a.terms.items()})


def multiply(*values: Value) -> Value:
    """The product, expanded."""
    result: Value = 1
    for value in values:
        result = _multiply(result, value)
    return result


def _multiply(a: Value, b: Value) -> Value:
    if not isinstance(a, Polynomial):
        if not isinstance(b, Polynomial):
            product = a * b
            if type(product) is int:
                if product.bit_length() > 2 * MAX_BITS:
                    raise SymflopsError(f"integer of more than {2 * MAX_BITS} bits")
                return product
            return exact(Fraction(product))
        a, b = b, a
    if not isinstance(b, Polynomial):
        if b == 1:
            return a
        if not b:
            return 0
        if type(b) is int and b.bit_length() > 2 * MAX_BITS:
            raise SymflopsError(f"integer of more than {2 * MAX_BITS} bits")
        return Polynomial({m: _scaled(c, b) for m, c in a.terms.items()})
    if len(a.terms) * len(b.terms) > MAX_TERMS:
        raise SymflopsError(f"expanding the product needs more than {MAX_TERMS:,} terms")
    total: dict[Monomial, Number] = {}
    for m, c in a.terms.items():
        for n, d in b.terms.items():
            key = _times(m, n)
            found = total.get(key, 0) + c * d
            total[key] = exact(found) if type(found) is Fraction else found
    return _reduced({m: c for m, c in total.items() if c})


def _scaled(c: Number, by: Number) -> Number:
    product = c * by
    return exact(product) if type(product) is Fraction else product


@lru_cache(maxsize=65536)
def _times(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    exponents = dict(m)
    for name, exponent in n:
        exponents[name] = exponents.get(name, 0) + exponent
    return tuple(sorted((a, e) for a, e in exponents.items() if e))


def _reduced(terms: dict[Monomial, Number]) -> Value:
    """Terms in which no square root is squared: sqrt(x)**2 is x."""
    for m in terms:
        for name, exponent in m:
            if isinstance(name, Call) and name.function == "sqrt" and abs(exponent) > 1:
                rest = value_of({n: c for n, c in terms.items() if n != m})
                without = value_of({tuple(p for p in m if p[0] != name): terms[m]})
                whole, half = divmod(abs(exponent), 2)
                square = power(name.arguments[0], whole if exponent > 0 else -whole)
                odd = Polynomial({((name, 1 if exponent > 0 else -1),): 1}) if half else 1
                return add(rest, multiply(without, square, odd))
    return value_of(terms)


def divide(a: Value, b: Value) -> Value:
    """The exact quotient."""
    if not isinstance(b, Polynomial):
        if b == 0:
            raise SymflopsError("division by zero")
        return multiply(a, exact(1 / Fraction(b)))
    return multiply(a, power(b, -1))


def power(base: Value, exponent: Value) -> Value:
    """`base ** exponent`: expanded for an integer exponent, an opaque factor otherwise."""
    if isinstance(exponent, Fraction):
        if exponent.denominator == 2:
            return power(square_root(base), exponent.numerator)
        raise SymflopsError(f"exponent {exponent} is not an integer; use sqrt or integer powers")
    if isinstance(exponent, Polynomial):
        if base in (0, 1) and base == 1:
            return 1
        return atom(Call.of("**", base, exponent))
    if not isinstance(base, Polynomial):
        return _number_power(base, exponent)
    if exponent == 0:
        return 1
    if abs(exponent) > MAX_EXPONENT:
        raise SymflopsError(f"exponent {exponent} is larger than the {MAX_EXPONENT} allowed")
    if len(base.terms) == 1:
        ((monomial, coefficient),) = base.terms.items()
        raised = tuple((a, e * exponent) for a, e in monomial)
        return _reduced({raised: exact(Fraction(_number_power(coefficient, exponent)))})
    if exponent < 0:
        # 1/(sum): the sum without its common factor becomes an atom of its own, so that equal divisors are equal atoms.
        content, common, rest = factored(base)
        divisor = Polynomial({((Call.of("+", rest), exponent),): 1})
        return multiply(power(content, exponent), power(value_of({common: 1}), exponent), divisor)
    result: Value = 1
    for _ in range(exponent):
        result = _multiply(result, base)
    return result


def _number_power(base: Number, exponent: int) -> Number:
    if base == 0 and exponent < 0:
        raise SymflopsError("division by zero")
    if base in (0, 1, -1):
        return base**exponent if base else int(exponent == 0)
    size = max(abs(Fraction(base).numerator).bit_length(), Fraction(base).denominator.bit_length())
    if type(base) is int or abs(base) > 1 or exponent < 0:
        if size * abs(exponent) > 2 * MAX_BITS:
            raise SymflopsError(f"power of more than {2 * MAX_BITS} bits")
    elif size * exponent > 32 * MAX_BITS:
        return _small_power(base, exponent)
    return exact(Fraction(base) ** exponent)


def _small_power(base: Fraction, exponent: int) -> Fraction:
    """A proper fraction to a huge power, to 512 significant bits: exact digits would fill the memory for a
    probability such as (1 - 1/256)**10**9, and no count of bytes depends on them."""
    from mpmath import mp, mpf

    with mp.workprec(512):
        mantissa = (mpf(base.numerator) / base.denominator) ** exponent
        sign, significand, shift, _ = mantissa._mpf_
    if shift < -16 * MAX_BITS:
        return Fraction(0)
    return Fraction((-1) ** sign * int(significand)) * Fraction(2) ** int(shift)


def factored(a: Polynomial) -> tuple[Number, Monomial, Value]:
    """`(content, common, rest)` with a = content * common * rest, content positive unless all of a is negative."""
    coefficients = [Fraction(c) for c in a.terms.values()]
    content = Fraction(gcd(*(c.numerator for c in coefficients)), lcm(*(c.denominator for c in coefficients)))
    if all(c < 0 for c in coefficients):
        content = -content
    monomials = [dict(m) for m in a.terms]
    common: Monomial = tuple(
        (name, low)
        for name in sorted(set().union(*monomials))
        if (low := min(m.get(name, 0) for m in monomials)) > 0 or all(m.get(name, 0) < 0 for m in monomials)
        if (low := low if low > 0 else max(m.get(name, 0) for m in monomials))
    )
    inverse = tuple((name, -exponent) for name, exponent in common)
    rest = {_times(m, inverse): exact(c / content) for m, c in zip(a.terms, coefficients, strict=True)}
    return exact(content), common, value_of(rest)


# ------------------------------------------------------------------------------------------------------------ functions


def is_integer(a: Value) -> bool:
    """Whether a value is a whole number for all nonnegative whole symbols, as far as its form shows."""
    return all(type(c) is int and _integral(m) for m, c in terms_of(a).items())


def _integral(monomial: Monomial) -> bool:
    return all(e > 0 and (not isinstance(name, Call) or name.is_integer) for name, e in monomial)


def is_nonnegative(a: Value) -> bool:
    """Whether a value is at least 0 for all nonnegative symbols, as far as its form shows."""
    return all(c > 0 and all(not isinstance(n, Call) or _sure(n) for n, _ in m) for m, c in terms_of(a).items())


def _sure(call: Call) -> bool:
    if call.function == "max":
        return any(is_nonnegative(a) for a in call.arguments)
    if call.function == "log2":
        return False
    return call.function == "sqrt" or all(is_nonnegative(a) for a in call.arguments)


def floor(a: Value) -> Value:
    """The largest integer not above a; whole parts are taken out, so floor(x + 3*y/2) is x + y + floor(y/2)."""
    return _round(a, "floor")


def ceil(a: Value) -> Value:
    """The smallest integer not below a."""
    return _round(a, "ceil")


def _round(a: Value, function: str) -> Value:
    if not isinstance(a, Polynomial):
        return a.__floor__() if function == "floor" else a.__ceil__()
    if all(_integral(m) for m in a.terms):
        d = lcm(*(Fraction(c).denominator for c in a.terms.values()))
        numerators = {m: int(c * d) for m, c in a.terms.items()}
        if function == "ceil":  # ceil(p/d) = floor((p + d - 1)/d) for whole p
            numerators[()] = numerators.get((), 0) + d - 1
        return _floor_quotient(numerators, d)
    if all(c < 0 for c in a.terms.values()):
        return negate(_round(negate(a), "ceil" if function == "floor" else "floor"))
    whole = {m: w for m, c in a.terms.items() if _integral(m) and (w := c.__floor__())}
    inside = add(a, negate(value_of(dict(whole))))
    return add(value_of(dict(whole)), atom(Call.of(function, inside)) if isinstance(inside, Polynomial) else 0)


def _floor_quotient(numerators: dict[Monomial, int], d: int) -> Value:
    """floor(sum/d) of whole terms in the one canonical form: residues in (-d/2, d/2], the leading one positive, the
    constant in [0, d), lowest terms, and written as a ceil where that needs no constant."""
    constant, k = divmod(numerators.get((), 0), d)
    whole: dict[Monomial, Number] = {(): constant} if constant else {}
    rest: dict[Monomial, int] = {}
    for m, c in numerators.items():
        residue = (c + (d - 1) // 2) % d - (d - 1) // 2
        if m and c != residue:
            whole[m] = (c - residue) // d
        if m and residue:
            rest[m] = residue
    if not rest:
        return value_of(whole)
    if rest[min(rest)] < 0:  # floor(-p/d) = -floor((p + d - 1)/d)
        flipped = {m: -c for m, c in rest.items()} | {(): d - 1 - k}
        return add(value_of(whole), negate(_floor_quotient(flipped, d)))
    common = gcd(d, *rest.values())
    d, k = d // common, k // common  # floor((g*p + k)/(g*d)) = floor((p + floor(k/g))/d)
    inside: dict[Monomial, Number] = {m: exact(Fraction(c, d * common)) for m, c in rest.items()}
    if d == 1:
        return add(value_of(whole), value_of(inside))
    if k == d - 1:
        return add(value_of(whole), atom(Call.of("ceil", value_of(inside))))
    if k:
        inside[()] = Fraction(k, d)
    return add(value_of(whole), atom(Call.of("floor", value_of(inside))))


def divide_floor(a: Value, b: Value) -> Value:
    return floor(divide(a, b))


def modulo(a: Value, b: Value) -> Value:
    """`a % b` as a - b*floor(a/b)."""
    return add(a, negate(multiply(b, divide_floor(a, b))))


def minimum(*values: Value) -> Value:
    return _extreme("min", values)


def maximum(*values: Value) -> Value:
    return _extreme("max", values)


def _extreme(function: str, values: tuple[Value, ...]) -> Value:
    sign = 1 if function == "min" else -1
    candidates: list[Value] = []
    for value in values:
        nested = _only_call(value)
        parts = nested.arguments if nested is not None and nested.function == function else (value,)
        candidates.extend(p for p in parts if p not in candidates)
    kept: list[Value] = []
    for i, value in enumerate(candidates):
        # `value` cannot be the extreme one where another is always on the right side of it.
        others = kept + candidates[i + 1 :]
        if not any(is_nonnegative(multiply(sign, add(value, negate(other)))) for other in others):
            kept.append(value)
    if len(kept) == 1:
        return kept[0]
    return atom(Call.of(function, *sorted(kept, key=lambda v: write(flat(v)))))


def _only_call(value: Value) -> Call | None:
    if isinstance(value, Polynomial) and len(value.terms) == 1:
        ((monomial, coefficient),) = value.terms.items()
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Call):
            return monomial[0][0]
    return None


def square_root(a: Value) -> Value:
    if not isinstance(a, Polynomial):
        if a < 0:
            raise SymflopsError("square root of a negative number")
        top, bottom = Fraction(a).numerator, Fraction(a).denominator
        if isqrt(top) ** 2 == top and isqrt(bottom) ** 2 == bottom:
            return exact(Fraction(isqrt(top), isqrt(bottom)))
    elif len(a.terms) == 1:
        ((monomial, coefficient),) = a.terms.items()
        if coefficient > 0 and all(e % 2 == 0 for _, e in monomial):
            return multiply(square_root(coefficient), value_of({tuple((n, e // 2) for n, e in monomial): 1}))
    return atom(Call.of("sqrt", a))


def logarithm2(a: Value) -> Value:
    if not isinstance(a, Polynomial):
        if a <= 0:
            raise SymflopsError("log2 of a number that is not positive")
        top, bottom = Fraction(a).numerator, Fraction(a).denominator
        if top & (top - 1) == 0 and bottom & (bottom - 1) == 0:
            return top.bit_length() - bottom.bit_length()
    return atom(Call.of("log2", a))


ALGEBRA: Mapping[str, Callable[..., Value]] = {
    "+": add, "-": negate, "*": multiply, "/": divide, "//": divide_floor, "%": modulo, "**": power,
    "min": minimum, "max": maximum, "floor": floor, "ceil": ceil, "sqrt": square_root, "log2": logarithm2,
}  # fmt: skip


# -------------------------------------------------------------------------------------------- to, from, and substitution


def from_tree(tree: Tree) -> Value:
    """The canonical value of a tree."""
    value: Value = fold(tree, ALGEBRA, lambda leaf: symbol(leaf) if isinstance(leaf, str) else leaf)
    return value


def compiled(tree: Tree) -> Callable[[Mapping[str, Value]], Value]:
    """A function that gives the value of a tree with every name bound: how a formula is applied to many layers."""
    if isinstance(tree, str):
        return operator.itemgetter(tree)
    if not isinstance(tree, tuple):
        return lambda bindings: tree
    function = ALGEBRA[tree[0]]
    operands = [compiled(operand) for operand in tree[1:]]
    if len(operands) == 1:
        (only,) = operands
        return lambda bindings: function(only(bindings))
    if len(operands) == 2:
        first, second = operands
        return lambda bindings: function(first(bindings), second(bindings))
    return lambda bindings: function(*[operand(bindings) for operand in operands])


@lru_cache(maxsize=4096)
def from_text(text: str) -> Value:
    """The canonical value of a formula's text.

    >>> from_text("(a + b)*(a - b)") == from_text("a**2 - b**2")
    True
    """
    return from_tree(read(text))


def flat(value: Value) -> Tree:
    """The expanded tree of a value, in canonical order."""
    if not isinstance(value, Polynomial):
        return value
    trees = [_term(m, c) for m, c in sorted(value.terms.items(), key=lambda t: (-sum(e for _, e in t[0]), t[0]))]
    return trees[0] if len(trees) == 1 else ("+", *trees)


def _term(monomial: Monomial, coefficient: Number) -> Tree:
    size = abs(coefficient)
    top: list[Tree] = [_factor(n, e) for n, e in monomial if e > 0]
    bottom: list[Tree] = [_factor(n, -e) for n, e in monomial if e < 0]
    if Fraction(size).numerator != 1 or not top:
        top.insert(0, Fraction(size).numerator)
    if Fraction(size).denominator != 1:
        bottom.insert(0, Fraction(size).denominator)
    tree: Tree = top[0] if len(top) == 1 else ("*", *top)
    if bottom:
        tree = ("/", tree, bottom[0] if len(bottom) == 1 else ("*", *bottom))
    return ("-", tree) if coefficient < 0 else tree


def _factor(name: str, exponent: int) -> Tree:
    base: Tree = name
    if isinstance(name, Call):
        arguments = tuple(flat(a) for a in name.arguments)
        base = arguments[0] if name.function == "+" else (name.function, *arguments)
    return base if exponent == 1 else ("**", base, exponent)


def free_symbols(value: Value) -> set[str]:
    """The names that a value depends on."""
    found: set[str] = set()
    for monomial in terms_of(value):
        for name, _ in monomial:
            if isinstance(name, Call):
                found.update(*(free_symbols(a) for a in name.arguments))
            else:
                found.add(name)
    return found


def substitute(value: Value, bindings: Mapping[str, Value]) -> Value:
    """The value with symbols replaced, all at once."""
    if not isinstance(value, Polynomial):
        return value
    total: dict[Monomial, Number] = {}
    powers: dict[tuple[str, int], Value] = {}
    for monomial, coefficient in value.terms.items():
        product: Value = coefficient
        kept: list[tuple[str, int]] = []
        for pair in monomial:
            name, exponent = pair
            if name in bindings or isinstance(name, Call):
                if pair not in powers:
                    powers[pair] = power(_replaced(name, bindings), exponent)
                product = multiply(product, powers[pair])
            else:
                kept.append(pair)
        accumulate(total, multiply(product, value_of({tuple(kept): 1})) if kept else product)
    return value_of(total)


def _replaced(name: str, bindings: Mapping[str, Value]) -> Value:
    if isinstance(name, Call):
        function = add if name.function == "+" else ALGEBRA[name.function]
        return function(*(substitute(a, bindings) for a in name.arguments))
    return bindings[name]
