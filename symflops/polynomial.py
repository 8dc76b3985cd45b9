"""The canonical form that every cost is kept in: a sum of monomials with exact rational coefficients.

A `Value` is an `int`, a `Fraction` or a `Polynomial`. A polynomial maps monomials to coefficients; a monomial is a
sorted tuple of (atom, exponent), exponents may be negative. An atom is a symbol's name or a `Call`: a function
(`min`, `floor`, a power with a symbol in its exponent, ...) of values that are canonical themselves. Two expressions
that agree as polynomials in their atoms are therefore the same dictionary, adding is merging dictionaries, and a sum
over 100,000 layers is linear. Every symbol stands for a nonnegative number, which is whole unless
`vocabulary.is_whole` says otherwise; the rules for `min`, `max`, `floor` and `ceil` rely on it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from typing import Any, Union

from symflops import deadline
from symflops.errors import SymflopsError
from symflops.number import Number as Number
from symflops.number import is_small_power, number_power, rational_root
from symflops.tree import MAX_BITS, Tree, exact, write
from symflops.vocabulary import is_whole

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
        """Whether its value is a whole number at all numbers that its symbols stand for."""
        if self.function in ("floor", "ceil"):
            return True
        if self.function == "**" and not is_nonnegative(self.arguments[1]):  # 2**(-n) is a fraction
            return False
        return self.function in ("min", "max", "**") and all(is_integer(a) for a in self.arguments)


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


def accumulate(total: dict[Monomial, Number], value: Value, factor: Number = 1, shift: Monomial = ()) -> None:
    """Add `factor * shift * value` to a dictionary of terms in place: how long sums stay linear."""
    for monomial, coefficient in value.terms.items() if isinstance(value, Polynomial) else (((), value),):
        key = _times(monomial, shift) if shift else monomial
        found = total.get(key, 0) + coefficient * factor
        if type(found) is Fraction:
            found = exact(found)
        if found:
            total[key] = found
        else:
            total.pop(key, None)


def negate(a: Value) -> Value:
    return -a if not isinstance(a, Polynomial) else Polynomial({m: -c for m, c in a.terms.items()})


def multiply(*values: Value) -> Value:
    """The product, expanded. Numbers are multiplied first: most arguments of most layers are numbers."""
    number: Number = 1
    product: Polynomial | None = None
    for value in values:
        if not isinstance(value, Polynomial):
            number *= value
        elif product is None:
            product = value
        else:
            expanded = _expand(product, value)
            if isinstance(expanded, Polynomial):
                product = expanded
            else:
                number, product = number * expanded, None
    if type(number) is Fraction:
        number = exact(number)
    if number.numerator.bit_length() > 2 * MAX_BITS:
        raise SymflopsError(f"integer of more than {2 * MAX_BITS} bits")
    if product is None or not number:
        return number
    if number == 1:
        return product
    scaled: dict[Monomial, Number] = {}
    accumulate(scaled, product, number)
    return Polynomial(scaled)


def _expand(a: Polynomial, b: Polynomial) -> Value:
    if len(a.terms) * len(b.terms) > MAX_TERMS:
        raise SymflopsError(f"expanding the product needs more than {MAX_TERMS:,} terms")
    total: dict[Monomial, Number] = {}
    for m, c in a.terms.items():
        deadline.check()
        for n, d in b.terms.items():
            key = _times(m, n)
            found = total.get(key, 0) + c * d
            total[key] = exact(found) if type(found) is Fraction else found
    return _reduced({m: c for m, c in total.items() if c})


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
    squared = [m for m in terms if any(abs(e) > 1 and isinstance(n, Call) and n.function == "sqrt" for n, e in m)]
    if not squared:
        return value_of(terms)
    total = {m: c for m, c in terms.items() if m not in squared}
    for m in squared:
        roots = [(n, e) for n, e in m if isinstance(n, Call) and n.function == "sqrt"]
        product: Value = value_of({tuple(pair for pair in m if pair not in roots): terms[m]})
        for root, exponent in roots:
            whole, half = divmod(exponent, 2)
            odd = Polynomial({((root, 1),): 1}) if half else 1
            product = multiply(product, power(root.arguments[0], whole), odd)
        accumulate(total, product)
    return value_of(total)


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
        if base == 1:
            return 1
        return atom(Call.of("**", base, exponent))
    if not isinstance(base, Polynomial):
        if is_small_power(base, exponent):  # its digits are computed where a number is asked for
            base, exponent = (base, exponent) if exponent > 0 else (exact(1 / Fraction(base)), -exponent)
            return atom(Call.of("**", base, exponent))
        return number_power(base, exponent)
    if exponent == 0:
        return 1
    if abs(exponent) > MAX_EXPONENT:
        raise SymflopsError(f"exponent {exponent} is larger than the {MAX_EXPONENT} allowed")
    if len(base.terms) == 1:
        ((monomial, coefficient),) = base.terms.items()
        raised = tuple((a, e * exponent) for a, e in monomial)
        return _reduced({raised: exact(Fraction(number_power(coefficient, exponent)))})
    if exponent < 0:
        # 1/(sum): the sum without its common factor becomes an atom of its own, so that equal divisors are equal atoms.
        content, common, rest = factored(base)
        divisor = Polynomial({((Call.of("+", rest), exponent),): 1})
        return multiply(power(content, exponent), power(value_of({common: 1}), exponent), divisor)
    result: Value = 1
    for _ in range(exponent):
        result = multiply(result, base)
    return result


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


def square_root(a: Value) -> Value:
    if not isinstance(a, Polynomial):
        if a < 0:
            raise SymflopsError("square root of a negative number")
        root = rational_root(a)
        if root is not None:
            return root
    elif len(a.terms) == 1:
        ((monomial, coefficient),) = a.terms.items()
        # The root of a square is its base only where the base is not negative: sqrt(min(a - 5, b)**2) stays.
        if coefficient > 0 and all(e % 2 == 0 and (e % 4 == 0 or is_sure(n)) for n, e in monomial):
            return multiply(square_root(coefficient), value_of({tuple((n, e // 2) for n, e in monomial): 1}))
    return atom(Call.of("sqrt", a))


def is_nonnegative(a: Value) -> bool:
    """Whether a value is at least 0 for all nonnegative symbols, as far as its form shows."""
    return all(c > 0 and all(is_sure(n) for n, _ in m) for m, c in terms_of(a).items())


def is_sure(name: str) -> bool:
    """Whether a factor is at least 0, as far as its form shows; a symbol always is."""
    if not isinstance(name, Call):
        return True
    if name.function == "max":
        return any(is_nonnegative(a) for a in name.arguments)
    if name.function == "log2":
        return False
    return name.function == "sqrt" or all(is_nonnegative(a) for a in name.arguments)


def is_integer(a: Value) -> bool:
    """Whether a value is a whole number at all numbers that its symbols stand for, as far as its form shows."""
    return all(type(c) is int and is_integral(m) for m, c in terms_of(a).items())


def is_integral(monomial: Monomial) -> bool:
    return all(e > 0 and (name.is_integer if isinstance(name, Call) else is_whole(name)) for name, e in monomial)


def flat(value: Value) -> Tree:
    """The expanded tree of a value, in canonical order."""
    if not isinstance(value, Polynomial):
        return value
    trees = [_term(m, c) for m, c in sorted(value.terms.items(), key=lambda t: (-sum(e for _, e in t[0]), t[0]))]
    return trees[0] if len(trees) == 1 else ("+", *trees)


def _term(monomial: Monomial, coefficient: Number) -> Tree:
    size = -coefficient if coefficient < 0 else coefficient
    top: list[Tree] = [_factor(n, e) for n, e in monomial if e > 0]
    bottom: list[Tree] = [_factor(n, -e) for n, e in monomial if e < 0]
    if size.numerator != 1 or not top:
        top.insert(0, size.numerator)
    if size.denominator != 1:
        bottom.insert(0, size.denominator)
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
