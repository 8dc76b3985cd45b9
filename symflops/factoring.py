"""The factors of a sum: those that a symbol tells apart, and those that are linear in one.

What divides a polynomial divides each of its coefficients in any symbol. So the factors that lack a symbol are found
among those of its shortest coefficient in that symbol, by trial division; what is left is tried for linear factors by
the rational root theorem. All of it is exact, in integers. A factor that is found neither way stays in its sum: the
text is longer than it could be, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import gcd, isqrt

from symflops import deadline
from symflops.number import Number
from symflops.polynomial import Monomial, Polynomial, Value, accumulate, multiply, negate, value_of

_TERMS = 300  # a longer sum is not factored
_ATOMS = 60  # nor one of so many symbols
_DEGREE = 12  # nor one in which a symbol has a higher power
_DIVISORS = 48  # of a coefficient, that are tried in linear factors

STEPS = 300_000  # of looking, dividing and tried roots, for all sums of one formula; a fifth of a second

Vector = tuple[int, ...]
Dense = dict[Vector, int]
"""A polynomial with integer coefficients: exponents in a fixed order of atoms."""


class Effort:
    """The steps that the search for factors has left. Where none are, what is not divided yet stays a sum."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def takes(self, steps: int) -> bool:
        """Whether so many were left."""
        deadline.check()
        self.left -= steps
        return self.left >= 0


def factors(value: Polynomial, effort: Effort) -> list[Polynomial]:
    """Sums whose product is `value`: at least one, in no order. `value` has no content and no common monomial.

    >>> from symflops.algebra import from_text
    >>> sorted(map(repr, factors(from_text("(2*d + 3)*(B*c + S)*(B*c + S)"), Effort())))
    ['2*d + 3', 'B*c + S', 'B*c + S']
    """
    atoms = sorted({n for m in value.terms for n, _ in m})
    if (
        len(value.terms) > _TERMS
        or len(atoms) > _ATOMS
        or not all(0 <= e <= _DEGREE for m in value.terms for _, e in m)
    ):
        return [value]
    if any(type(c) is not int for c in value.terms.values()):
        return [value]
    found = _split(_dense(value.terms, atoms), effort)
    return _oriented([Polynomial(_sparse(f, atoms)) for f in found])


def _oriented(found: list[Polynomial]) -> list[Polynomial]:
    """The same product with as few negative terms as can be: (c - 2)*(-S - P) is (2 - c)*(S + P)."""

    def surplus(factor: Polynomial) -> int:
        return sum(-1 if c < 0 else 1 for c in factor.terms.values())

    turned = [surplus(f) < 0 for f in found]
    if sum(turned) % 2:  # an even number of signs can be turned: all but the one that gains least, or one more
        i = min(range(len(found)), key=lambda i: abs(surplus(found[i])))
        turned[i] = not turned[i]
    return [
        Polynomial({m: -c for m, c in f.terms.items()}) if turn else f for f, turn in zip(found, turned, strict=True)
    ]


def divided(value: Polynomial, divisor: Polynomial) -> tuple[Value, Value]:
    """`(q, r)` with value = q * divisor + r, where q has the terms that divide out without a cancellation.

    >>> from symflops.algebra import from_text
    >>> divided(from_text("d*(4*S + 4*c + 7) + 6*(S + c)"), from_text("S + c"))
    (4*d + 6, 7*d)
    """
    (monomial, coefficient), *others = divisor.terms.items()
    quotients = ((_quotient(m, monomial), c) for m, c in value.terms.items() if not c % coefficient)
    shared: dict[Monomial, Number] = {q: c // coefficient for q, c in quotients if q is not None}
    for monomial, coefficient in others:
        deadline.check()
        products = ((q, c, _multiplied(q, monomial)) for q, c in shared.items())
        shared = {q: c for q, c, m in products if m is not None and value.terms.get(m) == c * coefficient}
    if not shared:
        return 0, value
    quotient_value = value_of(shared)
    rest = dict(value.terms)
    accumulate(rest, negate(multiply(quotient_value, divisor)))
    return quotient_value, value_of(rest)


def _quotient(m: Monomial, by: Monomial) -> Monomial | None:
    exponents = dict(m)
    for name, exponent in by:
        left = exponents.get(name, 0) - exponent
        if exponent > 0 and left < 0:
            return None
        exponents[name] = left
    return tuple(sorted((n, e) for n, e in exponents.items() if e))


def _multiplied(m: Monomial, by: Monomial) -> Monomial | None:
    """The product, of which `m` is the quotient by the other."""
    exponents = dict(m)
    for name, exponent in by:
        if exponent > 0 and exponents.get(name, 0) < 0:
            return None
        exponents[name] = exponents.get(name, 0) + exponent
    return tuple(sorted((n, e) for n, e in exponents.items() if e))


# ------------------------------------------------------------------------------------------------- integers and vectors


def _split(f: Dense, effort: Effort) -> list[Dense]:
    """Factors of a primitive polynomial that no atom divides; those found are split no further."""
    if not effort.takes(_look(f)) or _is_irreducible(f):
        return [f]
    if len(f) < 3:  # two terms: a difference of powers is tried as linear factors
        return _linear(f, effort)
    for place in range(len(next(iter(f)))):
        if not effort.takes(_look(f)):
            return [f]
        coefficients = _coefficients(f, place)
        shortest = min(coefficients.values(), key=len)
        if len(coefficients) < 2 or len(shortest) < 2:
            continue
        for factor in _split(_primitive(shortest), effort):
            rest = _exact(f, factor, effort)
            if rest is not None:
                return [factor, *_split(rest, effort)]
    return _linear(f, effort)


def _is_irreducible(f: Dense) -> bool:
    """Whether f is linear in an atom with a single term as a coefficient: a factor without it would divide that."""
    return any(max(exponents) == 1 and sum(exponents) in (1, len(f) - 1) for exponents in zip(*f, strict=True))


def _linear(f: Dense, effort: Effort) -> list[Dense]:
    """Linear factors a*x + b in some atom x: a divides the first coefficient in x and b the last."""
    for place in range(len(next(iter(f)))):
        if not effort.takes(_look(f)):
            return [f]
        coefficients = _coefficients(f, place)
        degree = max(coefficients)
        if degree < 2 or 0 not in coefficients:
            continue
        if not effort.takes(_look(f)):
            return [f]
        numbers = [_at(coefficients.get(power, {}), place) for power in range(degree + 1)]
        if degree == 2 and not _has_root(numbers):
            continue
        lasts = [(last, _at(last, place)) for last in _divisors(coefficients[0], effort)]
        for first in _divisors(coefficients[degree], effort):
            if not effort.takes(2 * len(lasts) * degree):
                return [f]
            a = _at(first, place)
            for last, value in lasts:
                for sign in (1, -1):
                    b = sign * value
                    if sum(c * (-b) ** k * a ** (degree - k) for k, c in enumerate(numbers)):
                        continue
                    x = {_moved(v, place, 1): c for v, c in first.items()}
                    factor = _primitive(x | {v: sign * c for v, c in last.items()})
                    rest = _exact(f, factor, effort)
                    if rest is not None:
                        return [factor, *_split(rest, effort)]
    return [f]


def _look(f: Dense) -> int:
    """The steps of one pass over a polynomial."""
    return len(f) * (2 + len(next(iter(f))) // 4)


def _has_root(numbers: list[int]) -> bool:
    """Whether a quadratic has a rational root: its discriminant is a square."""
    discriminant = numbers[1] ** 2 - 4 * numbers[0] * numbers[2]
    return discriminant >= 0 and isqrt(discriminant) ** 2 == discriminant


def _coefficients(f: Dense, place: int) -> dict[int, Dense]:
    """The coefficients of f as a polynomial in one atom, by power."""
    found: dict[int, Dense] = {}
    for vector, c in f.items():
        found.setdefault(vector[place], {})[_moved(vector, place, -vector[place])] = c
    return found


def _moved(vector: Vector, place: int, by: int) -> Vector:
    return (*vector[:place], vector[place] + by, *vector[place + 1 :])


def _at(f: Dense, place: int) -> int:
    """The value where each other atom is a number of its own: whatever is a factor is one there too."""
    total = 0
    for vector, c in f.items():
        for i, exponent in enumerate(vector):
            if exponent and i != place:
                c *= (3 * i + 5) ** exponent
        total += c
    return total


def _divisors(f: Dense, effort: Effort) -> Iterator[Dense]:
    """Divisors of a coefficient, not all of them if they are many."""
    content = gcd(*f.values())
    lowest = tuple(map(min, zip(*f, strict=True)))
    rest = {tuple(e - low for e, low in zip(v, lowest, strict=True)): c // content for v, c in f.items()}
    one = (0,) * len(lowest)
    primes: list[Dense] = [{_moved(one, i, 1): 1} for i, low in enumerate(lowest) for _ in range(low)]
    primes += _split(rest, effort) if len(rest) > 1 else []
    found: list[Dense] = [{one: d} for d in range(1, min(content, 1000) + 1) if content % d == 0]
    for prime in primes:
        if not effort.takes(min(len(found), _DIVISORS) * (len(prime) * 4 + len(found))):
            break
        found += [p for p in (_times(d, prime) for d in found[:_DIVISORS]) if p not in found]
    return islice(found, _DIVISORS)


def _times(f: Dense, g: Dense) -> Dense:
    product: Dense = {}
    for v, c in f.items():
        for w, d in g.items():
            key = tuple(map(sum, zip(v, w, strict=True)))
            product[key] = product.get(key, 0) + c * d
    return {v: c for v, c in product.items() if c}


def _exact(f: Dense, g: Dense, effort: Effort) -> Dense | None:
    """f / g if g is found to divide f: long division, first terms in lexicographic order."""
    lead = max(g)
    last = min(g)
    if any(a < b for a, b in zip(max(f), lead, strict=True)) or any(a < b for a, b in zip(min(f), last, strict=True)):
        return None
    rest, quotient = dict(f), {}
    while rest:
        if not effort.takes(len(rest) // 8 + len(g)):
            return None
        first = max(rest)
        vector = tuple(a - b for a, b in zip(first, lead, strict=True))
        c, remainder = divmod(rest[first], g[lead])
        if remainder or min(vector) < 0 or len(rest) > 2 * _TERMS:
            return None
        quotient[vector] = c
        for v, d in g.items():
            key = tuple(map(sum, zip(v, vector, strict=True)))
            left = rest.get(key, 0) - c * d
            if left:
                rest[key] = left
            else:
                rest.pop(key, None)
    return quotient


def _primitive(f: Dense) -> Dense:
    """f without what all its terms share, its first coefficient positive."""
    content = gcd(*f.values()) * (-1 if f[max(f)] < 0 else 1)
    lowest = tuple(map(min, zip(*f, strict=True)))
    return {tuple(e - low for e, low in zip(v, lowest, strict=True)): c // content for v, c in f.items()}


def _dense(terms: dict[Monomial, Number], atoms: list[str]) -> Dense:
    place = {name: i for i, name in enumerate(atoms)}
    dense: Dense = {}
    for monomial, c in terms.items():
        vector = [0] * len(atoms)
        for name, exponent in monomial:
            vector[place[name]] = exponent
        dense[tuple(vector)] = int(c)
    return dense


def _sparse(f: Dense, atoms: list[str]) -> dict[Monomial, Number]:
    return {tuple((n, e) for n, e in zip(atoms, v, strict=True) if e): c for v, c in f.items()}
