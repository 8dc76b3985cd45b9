"""Which symbols of a region grow, and whether one product is of lower order than another where they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import inf, lcm, prod

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    is_nonnegative,
    is_sure,
    negate,
    terms_of,
    value_of,
)
from symflops.verification.interval import Interval, interval
from symflops.verification.region import Region
from symflops.vocabulary.symbols import is_whole

_WEIGHTS = [Fraction(i, 12) for i in range(1, 12)]  # of means


class Growth:
    """What happens in a region when all the given symbols of a domain grow beyond all bounds.

    Bytes of an element stay what they are: any positive numbers.
    """

    def __init__(self, region: Region, symbols: Iterable[str]) -> None:
        self.region = region
        self.ranges: dict[str, Interval] = {}
        values = [region.names[n] for n in symbols]
        # A symbol that must be large has a bound here: no such point lies in the region.
        self.is_possible = all(interval(v, region.upper)[1] == inf for v in values)
        self.growing: set[str] = set()
        self.positive: set[str] = set()  # whole, and at least 1 where the others grow
        self.some: list[set[str]] = []  # whole symbols of which one grows, whichever it is
        for value in values:
            unbounded = [m for m in terms_of(value) if interval(value_of({m: 1}), region.upper)[1] == inf]
            factors = {n for m in unbounded for n, _ in m}
            if factors and all(is_whole(n) and not isinstance(n, Call) for n in factors):
                self.some.append(factors)
            if len(unbounded) != 1 or terms_of(value)[unbounded[0]] < 0:
                continue
            whole = [n for n, e in unbounded[0] if e > 0 and not isinstance(n, Call) and is_whole(n)]
            if len(whole) == len(unbounded[0]):
                self.positive.update(whole)
            if len(whole) == 1:
                self.growing.update(whole)

    def covers(self, difference: Value, reference: Value) -> bool:
        """Whether a difference is of lower order than a reference in which positive products, or negative ones, rule:
        the others have that sign, too, or are of lower order than those."""
        return any(self._rules(difference, sign) for sign in (reference, negate(reference)))

    def _rules(self, difference: Value, reference: Value) -> bool:
        """The same for positive products. Each has a factor that is bounded: 2*s*s - r*s*s, where r is at most 1."""
        positive: list[Monomial] = []
        others = list(terms_of(difference))
        for product, terms in self._by_product(reference).items():
            least = interval(value_of(dict(terms)), self.region.upper)[0]
            above = {m for m, c in terms.items() if c > 0 and all(self._is_sure(n) for n, _ in m)}
            if not all(self._is_sure(n) for n, _ in product):
                least, above = -inf, set()
            if least > 0:
                positive.append(product)
            if least < 0 or len(above) == len(terms):
                positive += [_times(product, m) for m in above]
                others += [_times(product, m) for m in terms.keys() - above]
        return all(self._is_covered(other, positive) for other in others)

    def _is_covered(self, small: Monomial, positive: Sequence[Monomial]) -> bool:
        """Whether a product is of lower order than a sum of positive ones: than one of them, than a mean of two, or
        by one of several symbols, whichever of these grows."""
        if any(self.is_lower(small, {m: 1}) for m in positive):
            return True
        for factors in self.some:
            if all(any(self._is_at_most(small, name, large) for large in positive) for name in factors):
                return True
        simple = [m for m in positive if not any(isinstance(n, Call) for n, _ in m)]
        for first, second in combinations(simple, 2):
            deadline.check()
            if any(self.is_lower(small, {first: weight, second: 1 - weight}) for weight in _WEIGHTS):
                return True
        return False

    def _by_product(self, value: Value) -> dict[Monomial, dict[Monomial, Number]]:
        """The terms of a value by their products of factors that are not bounded."""
        found: dict[Monomial, dict[Monomial, Number]] = {}
        for m, c in terms_of(value).items():
            bounded = tuple(p for p in m if self._is_bounded(p))
            product = tuple(p for p in m if p not in bounded)
            found.setdefault(product, {})[bounded] = c
        return found

    def _is_bounded(self, factor: tuple[str, int]) -> bool:
        low, high = interval(value_of({(factor,): 1}), self.region.upper)
        return -inf < low and high < inf

    def is_lower(self, small: Monomial, large: Mapping[Monomial, Number]) -> bool:
        """Whether the quotient of a product and a weighted mean of others goes to 0: all its factors are bounded, one
        vanishes. A mean of powers is at most a sum: x**(1/3) * y**(2/3) is at most x + y."""
        exponents: dict[str, Number] = {**dict(small)}
        for monomial, weight in large.items():
            for name, exponent in monomial:
                exponents[name] = exponents.get(name, 0) - exponent * weight
        vanishes = False
        for group in self._growing_powers(exponents):
            base = _base({name: exponents.pop(name) for name in group})
            if base > 1:
                return False
            vanishes = vanishes or base < 1
        for name, power in exponents.items():
            if power == 0 or (not isinstance(name, Call) and not is_whole(name) and name in self.region.names):
                continue
            if self._grows(name):
                if power > 0:
                    return False
                vanishes = True
            elif not self._keeps_bounded(name, power):
                return False
        return vanishes

    def _growing_powers(self, names: Iterable[str]) -> Iterable[list[Call]]:
        """The powers of numbers whose exponent grows, those with the same one together: 3**t/2**t is (3/2)**t."""
        found: dict[Value, list[Call]] = {}
        for name in names:
            if isinstance(name, Call) and name.function == "**":
                base, exponent = name.arguments
                if not isinstance(base, Polynomial) and base > 0 and self._is_growing(exponent):
                    found.setdefault(exponent, []).append(name)
        return found.values()

    def _keeps_bounded(self, name: str, exponent: Number) -> bool:
        """Whether a power of a factor that need not grow is bounded."""
        low, high = self._range(name)
        return (-inf < low and high < inf) if exponent > 0 else (low > 0 or name in self.positive)

    def _is_at_most(self, small: Monomial, name: str, large: Monomial) -> bool:
        """Whether a product times a symbol is at most a multiple of another: x*x is at most x*x*x for whole x."""
        exponents: dict[str, int] = dict(small)
        exponents[name] = exponents.get(name, 0) + 1
        kept = {n for n, e in exponents.items() if e > 0 and not isinstance(n, Call) and is_whole(n)}
        for other, exponent in large:
            exponents[other] = exponents.get(other, 0) - exponent
        for other, exponent in exponents.items():
            if exponent == 0 or (not isinstance(other, Call) and not is_whole(other) and other in self.region.names):
                continue
            if not (exponent < 0 and other in kept) and not self._keeps_bounded(other, exponent):
                return False
        return True

    def _is_sure(self, name: str) -> bool:
        return is_sure(name) or self._range(name)[0] >= 0

    def _range(self, name: str) -> Interval:
        if name not in self.ranges:
            self.ranges[name] = interval(value_of({((name, 1),): 1}), self.region.upper)
        return self.ranges[name]

    def _grows(self, name: str) -> bool:
        if not isinstance(name, Call):
            return name in self.growing
        if name.function in ("sqrt", "log2"):
            return self._is_growing(name.arguments[0])
        base, exponent = name.arguments if name.function == "**" else (0, 0)
        return not isinstance(base, Polynomial) and base > 1 and self._is_growing(exponent)

    def _is_growing(self, value: Value) -> bool:
        """Whether a sum of nonnegative terms has one that grows."""
        alone = {m[0][0] for m in terms_of(value) if len(m) == 1 and m[0][1] > 0}
        return is_nonnegative(value) and not alone.isdisjoint(self.growing) and free_symbols(value) != set()


def _times(first: Monomial, second: Monomial) -> Monomial:
    """The product of two that share no factor."""
    return tuple(sorted((*first, *second)))


def _base(powers: Mapping[Call, Number]) -> Fraction:
    """What is above or below 1 as the base of a product of powers with one exponent is: a root would be irrational."""
    whole = lcm(*(Fraction(p).denominator for p in powers.values()))
    bases = {call: call.arguments[0] for call in powers}
    factors = (Fraction(b) ** int(powers[call] * whole) for call, b in bases.items() if not isinstance(b, Polynomial))
    return prod(factors, start=Fraction(1))
