"""Which symbols of a region grow, and whether one product is of lower order than another where they do."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from symflops.algebra import free_symbols
from symflops.polynomial import Call, Monomial, Polynomial, Value, is_nonnegative, is_sure, terms_of, value_of
from symflops.verification.interval import interval
from symflops.verification.region import Region
from symflops.vocabulary import is_whole


class Growth:
    """What happens in a region when all the given symbols of a domain grow beyond all bounds.

    Bytes of an element stay what they are: any positive numbers.
    """

    def __init__(self, region: Region, symbols: Iterable[str]) -> None:
        self.region = region
        values = [region.names[n] for n in symbols]
        # A symbol that must be large has a bound here: no such point lies in the region.
        self.is_possible = all(interval(v, region.upper)[1] == inf for v in values)
        self.growing: set[str] = set()
        self.positive: set[str] = set()  # whole, and at least 1 where the others grow
        for value in values:
            unbounded = [m for m in terms_of(value) if interval(value_of({m: 1}), region.upper)[1] == inf]
            if len(unbounded) != 1 or terms_of(value)[unbounded[0]] < 0:
                continue
            whole = [n for n, e in unbounded[0] if e > 0 and not isinstance(n, Call) and is_whole(n)]
            if len(whole) == len(unbounded[0]):
                self.positive.update(whole)
            if len(whole) == 1:
                self.growing.update(whole)

    def covers(self, difference: Value, reference: Value) -> bool:
        """Whether a difference is of lower order than a reference that is a sum of positive terms, and others of lower
        order than those."""
        terms = terms_of(reference)
        positive = [m for m, c in terms.items() if c > 0 and all(self._is_sure(n) for n, _ in m)]
        others = [*terms_of(difference), *(m for m in terms if m not in positive)]
        return all(any(self.is_lower(m, other) for other in positive) for m in others)

    def is_lower(self, small: Monomial, large: Monomial) -> bool:
        """Whether the quotient of two products goes to 0: all its factors are bounded, one vanishes."""
        exponents = dict(small)
        for name, exponent in large:
            exponents[name] = exponents.get(name, 0) - exponent
        vanishes = False
        for name, exponent in exponents.items():
            if exponent == 0 or (not isinstance(name, Call) and not is_whole(name) and name in self.region.names):
                continue
            if self._grows(name):
                if exponent > 0:
                    return False
                vanishes = True
                continue
            low, high = interval(value_of({((name, 1),): 1}), self.region.upper)
            if exponent > 0 and not (-inf < low and high < inf):
                return False
            if exponent < 0 and not (low > 0 or name in self.positive):
                return False
        return vanishes

    def _is_sure(self, name: str) -> bool:
        return is_sure(name) or interval(value_of({((name, 1),): 1}), self.region.upper)[0] >= 0

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
