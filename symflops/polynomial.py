"""The canonical form that every cost is kept in: a sum of monomials with exact rational coefficients.

Two expressions that agree as polynomials in their atoms are the same dictionary, adding is merging dictionaries, and a
sum over 100,000 layers is linear. What a value is made of is said in `value.py`.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

from symflops import budget, deadline
from symflops.errors import NoValueError, SymflopsError
from symflops.number import Number as Number
from symflops.number import check_bits as check_bits
from symflops.number import is_small_power, number_power, rational_root
from symflops.tree import exact
from symflops.value import Call as Call
from symflops.value import Monomial as Monomial
from symflops.value import Polynomial as Polynomial
from symflops.value import Value as Value
from symflops.value import atom as atom
from symflops.value import calls_in as calls_in
from symflops.value import check_size as check_size
from symflops.value import flat as flat
from symflops.value import free_symbols as free_symbols
from symflops.value import is_integer as is_integer
from symflops.value import is_integral as is_integral
from symflops.value import is_nonnegative as is_nonnegative
from symflops.value import is_sure as is_sure
from symflops.value import size as size
from symflops.value import symbol as symbol
from symflops.value import terms_of as terms_of
from symflops.value import value_of as value_of

MAX_TERMS = 100_000  # products that one multiplication may form
MAX_EXPONENT = 1000
_TOO_MANY = f"expanding the product needs more than {MAX_TERMS:,} terms"
_ROOT_STEPS = 10  # of a budget, for each product in which a root is squared
_CACHED = 32  # factors of a product that is remembered


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
    for value in _merged(values) if len(values) > 2 else values:
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
    check_bits(number)
    if product is None or not number:
        return number
    if number == 1:
        return product
    scaled: dict[Monomial, Number] = {}
    accumulate(scaled, product, number)
    return Polynomial(scaled)


def _merged(values: tuple[Value, ...]) -> list[Value]:
    """The factors of a product with those that are single terms made one, all at once: a long product stays linear."""
    others: list[Value] = []
    exponents: dict[str, int] = {}
    coefficient: Number = 1
    for value in values:
        if isinstance(value, Polynomial) and len(value.terms) == 1:
            ((monomial, factor),) = value.terms.items()
            coefficient *= factor
            for name, exponent in monomial:
                exponents[name] = exponents.get(name, 0) + exponent
        else:
            others.append(value)
    monomial = tuple(sorted((name, exponent) for name, exponent in exponents.items() if exponent))
    return [_reduced({monomial: exact(Fraction(coefficient))}), *others] if exponents else [coefficient, *others]


def _expand(a: Polynomial, b: Polynomial) -> Value:
    products = len(a.terms) * len(b.terms)
    if products > MAX_TERMS:
        raise budget.TooLargeError(f"the formula is too large: {_TOO_MANY}")
    if budget.is_open():
        fractions = any(type(c) is Fraction for terms in (a.terms, b.terms) for c in terms.values())
        budget.charge(
            products * (2 + 2 * fractions + (max(map(len, a.terms)) + max(map(len, b.terms))) // 4), _TOO_MANY
        )
    total: dict[Monomial, Number] = {}
    for m, c in a.terms.items():
        deadline.check()
        for n, d in b.terms.items():
            key = _times(m, n)
            found = total.get(key, 0) + c * d
            total[key] = exact(found) if type(found) is Fraction else found
    for c in total.values():
        check_bits(c)
    return _reduced({m: c for m, c in total.items() if c})


def _times(m: Monomial, n: Monomial) -> Monomial:
    if not m or not n:
        return m or n
    if m[-1][0] < n[0][0]:
        return m + n
    if n[-1][0] < m[0][0]:
        return n + m
    return _remembered(m, n) if len(m) + len(n) <= _CACHED else _product(m, n)


def _product(m: Monomial, n: Monomial) -> Monomial:
    exponents = dict(m)
    for name, exponent in n:
        exponents[name] = exponents.get(name, 0) + exponent
    if 0 in exponents.values():
        return tuple(sorted((a, e) for a, e in exponents.items() if e))
    return tuple(sorted(exponents.items()))


_remembered = lru_cache(maxsize=65536)(_product)


def _reduced(terms: dict[Monomial, Number]) -> Value:
    """Terms in which no square root is squared: sqrt(x)**2 is x."""
    squared = {m for m in terms if any(abs(e) > 1 and isinstance(n, Call) and n.function == "sqrt" for n, e in m)}
    if not squared:
        return value_of(terms)
    budget.charge(_ROOT_STEPS * len(squared))
    total = {m: c for m, c in terms.items() if m not in squared}
    for m in (m for m in terms if m in squared):
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
            raise NoValueError("division by zero")
        return multiply(a, exact(1 / Fraction(b)))
    return multiply(a, power(b, -1))


def power(base: Value, exponent: Value) -> Value:
    """`base ** exponent`: expanded for an integer exponent, an opaque factor otherwise."""
    if isinstance(exponent, Fraction):
        if exponent.denominator & (exponent.denominator - 1) == 0:  # a**(3/4) is sqrt(sqrt(a))**3
            return power(square_root(base), exact(2 * exponent))
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
    coefficients = a.terms.values()
    content: Number = gcd(*(c.numerator for c in coefficients))
    divisor = lcm(*(c.denominator for c in coefficients))
    if divisor != 1:
        content = Fraction(content, divisor)
    if all(c < 0 for c in coefficients):
        content = -content
    quotients = (c // content if divisor == 1 else exact(Fraction(c) / content) for c in coefficients)
    shared: dict[str, int] | None = None  # exponents of the factors that all terms have, above or all below
    for monomial in a.terms:
        exponents = dict(monomial)
        if shared is None:
            shared = exponents
        else:
            both = ((name, e, exponents[name]) for name, e in shared.items() if name in exponents)
            shared = {name: min(e, other) if e > 0 else max(e, other) for name, e, other in both if e * other > 0}
        if not shared:
            break
    common: Monomial = tuple(sorted((shared or {}).items()))
    inverse = tuple((name, -exponent) for name, exponent in common)
    rest = {_times(m, inverse): c for m, c in zip(a.terms, quotients, strict=True)}
    return exact(Fraction(content)), common, value_of(rest)


def square_root(a: Value) -> Value:
    if not isinstance(a, Polynomial):
        if a < 0:
            raise NoValueError("square root of a negative number")
        root = rational_root(a)
        if root is not None:
            return root
    elif len(a.terms) == 1:
        ((monomial, coefficient),) = a.terms.items()
        # The root of a square is its base only where the base is not negative: sqrt(min(a - 5, b)**2) stays.
        if coefficient > 0 and all(e % 2 == 0 and (e % 4 == 0 or is_sure(n)) for n, e in monomial):
            return multiply(square_root(coefficient), value_of({tuple((n, e // 2) for n, e in monomial): 1}))
    return atom(Call.of("sqrt", a))
