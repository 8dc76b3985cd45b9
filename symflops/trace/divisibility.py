"""Which sizes have to be divisible by which, since a size is their quotient: a head by their number."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

import sympy

from symflops.algebra import free_symbols
from symflops.grouping import grouped
from symflops.polynomial import Monomial, Value, multiply, power, symbol, terms_of
from symflops.tree import write


class Divisor(NamedTuple):
    """A number times powers of sizes."""

    sizes: Monomial
    number: int


def divisibility(values: Iterable[Value], apart: Iterable[str]) -> Iterator[str]:
    """`h % n == 0` for every size that is a quotient, but of those with a name of `apart`.

    >>> image, patch = symbol("image"), symbol("patch")
    >>> list(divisibility([multiply(Fraction(1, 4), power(image, 2), power(patch, -2))], ()))
    ['image % (2*patch) == 0']
    """
    needed: dict[Monomial, dict[Monomial, int]] = {}  # numerator -> what divides it
    for value in values:
        if free_symbols(value) & {*apart}:
            continue
        for monomial, coefficient in terms_of(value).items():
            above = tuple((name, exponent) for name, exponent in monomial if exponent > 0)
            below = tuple((name, -exponent) for name, exponent in monomial if exponent < 0)
            divisor = Divisor(below, Fraction(coefficient).denominator)
            if len(above) == 1 and above[0][1] > 1:
                above, divisor = ((above[0][0], 1),), _root(divisor, above[0][1])
            if above and (divisor.sizes or divisor.number > 1):
                found = needed.setdefault(above, {})
                found[divisor.sizes] = math.lcm(found.get(divisor.sizes, 1), divisor.number)
    for above, divisors in needed.items():
        for below, number in divisors.items():
            if not _follows(above, Divisor(below, number), needed):
                yield f"{write(grouped(_product(above, 1)))} % {in_product(_product(below, number))} == 0"


def _root(divisor: Divisor, exponent: int) -> Divisor:
    """What has to divide a size whose power is a multiple: 32 for a second power and 1024 or 512.

    >>> [_root(Divisor((("p", 2),), number), 2).number for number in (1024, 512, 12, 7)]
    [32, 32, 6, 7]
    >>> _root(Divisor((("p", 3),), 1), 2).sizes
    (('p', 2),)
    """
    number = 1
    for prime, times in sympy.factorint(divisor.number).items():
        number *= int(prime) ** -(-times // exponent)
    return Divisor(tuple((name, -(-times // exponent)) for name, times in divisor.sizes), number)


def _follows(above: Monomial, divisor: Divisor, needed: Mapping[Monomial, Mapping[Monomial, int]]) -> bool:
    """Whether a product is divisible since factors of it are, as is asked of these."""
    factors, sizes, number = Counter(dict(above)), Counter(dict(divisor.sizes)), divisor.number
    for part, below, theirs in ((part, b, n) for part, divisors in needed.items() for b, n in divisors.items()):
        if part == above:
            continue
        while Counter(dict(part)) <= factors and Counter(dict(below)) <= sizes:
            shared = math.gcd(number, theirs)
            if not below and shared == 1:
                break
            factors, sizes, number = factors - Counter(dict(part)), sizes - Counter(dict(below)), number // shared
    return number == 1 and not sizes


def _product(sizes: Monomial, number: int) -> Value:
    return multiply(number, *(power(symbol(name), exponent) for name, exponent in sizes))


def in_product(value: Value) -> str:
    """A value as text, in parentheses where it is no single symbol or number."""
    text = write(grouped(value))
    return f"({text})" if re.search(r"[-+*/ ]", text) else text
