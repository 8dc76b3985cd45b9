"""Counterexamples: points at which two formulas differ, smallest first.

The smallest point is the one with the least sum of values; among these the one with the fewest names that are raised,
first in the order of names. For polynomials it is found with hardly a search: on the symbols of its shortest product
alone, a polynomial is not 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice

from symflops import deadline
from symflops.algebra import free_symbols, from_tree, substitute
from symflops.polynomial import Call, Number, Polynomial, Value, flat, terms_of
from symflops.tree import Tree, names
from symflops.verification.domain import Domain, divisors, shifted
from symflops.verification.exact import UndefinedError, differ, number_at

Point = dict[str, int]


class Search:
    """The points of a domain, and whether two formulas differ there."""

    def __init__(self, a: Tree, b: Tree, where: Domain) -> None:
        self.trees, self.where = (a, b), where
        self.reduced = tuple(where.reduced(from_tree(tree)) for tree in (a, b))
        used = names(("", a, b)) - set(where.fixed)
        for value in where.fixed.values():
            used |= free_symbols(value)
        self.names = sorted((used | where.names) - set(where.fixed))
        needed = divisors(a) | divisors(b) | set().union(*(divisors(flat(v)) for v in where.fixed.values()))
        self.base = {n: max(where.lower.get(n, 0), int(n in needed)) for n in self.names}
        self.tried = 0

    def differs(self, point: Mapping[str, Number]) -> bool:
        """Whether a point lies in the domain and the formulas are both defined and different there."""
        self.tried += 1
        whole = self.where.complete(point)
        if whole is None:
            return False
        try:
            different = differ(*(number_at(tree, whole) for tree in self.trees))
        except UndefinedError:
            return False
        return different and self.where.contains(whole)

    def within(self, point: Mapping[str, int]) -> bool:
        return all(point[n] <= high for n, high in self.where.upper.items() if n in point)

    # ------------------------------------------------------------------------------------------------ in order

    def on_supports(self, supports: Iterable[tuple[str, ...]]) -> Point | None:
        """The first point that differs among those that raise the names of one support by 1 above their least."""
        for support in supports:
            point = self.base | {n: self.base[n] + 1 for n in support}
            if self.within(point) and self.differs(point):
                return point
        return None

    def smallest_of_polynomial(self, difference: Value) -> tuple[Point, bool] | None:
        """A point where a polynomial difference is not 0, and whether it is known to be the smallest."""
        supports = self.supports(difference)
        if not supports:
            return None
        least = len(supports[0])
        known = self.on_supports(s for s in supports if len(s) == least)
        if known is not None:
            return known, True
        for point in islice(self.in_order(supports, least + 1), 3000):
            if self.differs(point):
                return point, True
        return None

    def supports(self, difference: Value) -> list[tuple[str, ...]]:
        """Sets of names: where the difference is not 0, all names of one of them are above their least values."""
        return least_supports(substitute(difference, shifted(self.base)))

    def in_order(self, supports: list[tuple[str, ...]] | None = None, start: int = 0) -> Iterator[Point]:
        """Points by growing sum above the least values; with supports, only those that raise all names of one."""
        upper = {n: self.where.upper[n] - self.base[n] for n in self.names if n in self.where.upper}
        for above in in_order_of(self.names, upper, supports, start):
            yield {n: self.base[n] + above[n] for n in self.names}

    # ----------------------------------------------------------------------------------------- from a larger point

    def reduce(self, point: Point, supports: list[tuple[str, ...]], most: int = 20_000) -> tuple[Point, bool]:
        """A smaller point that differs, and whether none is smaller: all smaller ones are tried where they are few,
        otherwise each value is lowered while the formulas still differ."""
        point = self._lowered(point)
        total = sum(point.values()) - sum(self.base.values())
        count = 1
        for i in range(1, len(self.names) + 1):  # binomial(total + names, names)
            count = count * (total + i) // i
        if count <= most:
            for smaller in self.in_order(supports):
                if sum(smaller.values()) >= sum(point.values()):
                    return point, True
                if self.differs(smaller):
                    return smaller, True
        return point, False

    def _lowered(self, point: Point) -> Point:
        changed = True
        while changed:
            changed = False
            for name in self.names:
                low, high = self.base[name], point[name]
                if high > low and self.differs(point | {name: low}):
                    point, changed = point | {name: low}, True
                    continue
                while high - low > 1:  # differs at high; perhaps lower
                    middle = (low + high) // 2
                    low, high = (low, middle) if self.differs(point | {name: middle}) else (middle, high)
                if high < point[name]:
                    point, changed = point | {name: high}, True
        return point


def in_order_of(
    names: Sequence[str], upper: Mapping[str, int], supports: list[tuple[str, ...]] | None = None, start: int = 0
) -> Iterator[Point]:
    """All points of nonnegative numbers up to `upper` by growing sum; with supports, those positive on all of one."""
    sets = None if supports is None else [frozenset(s) for s in supports]
    most = sum(upper[n] for n in names) if all(n in upper for n in names) else None
    total = start
    while most is None or total <= most:
        for size in range(min(total, len(names)) + 1):
            for support in combinations(names, size):
                deadline.check()
                if sets is not None and not any(s <= set(support) for s in sets):
                    continue
                for parts in _compositions(total, size):
                    if all(p <= upper.get(n, p) for n, p in zip(support, parts, strict=True)):
                        yield dict.fromkeys(names, 0) | dict(zip(support, parts, strict=True))
        total += 1


def _compositions(total: int, size: int) -> Iterator[tuple[int, ...]]:
    """All ways to write a sum of `size` positive numbers, the first number small first."""
    if size == 0:
        if total == 0:
            yield ()
        return
    for cuts in combinations(range(1, total), size - 1):
        ends = (*cuts, total)
        yield tuple(b - a for a, b in zip((0, *cuts), ends, strict=True))


def least_supports(value: Value) -> list[tuple[str, ...]]:
    """The sets of symbols of a value's products that contain no other product's, the smallest first; a product is 0
    where one of its symbols is, and what a call in it is does not matter."""
    found = {frozenset(n for n, e in m if e > 0 and not isinstance(n, Call)) for m in terms_of(value)}
    least: list[frozenset[str]] = []
    for support in sorted(found, key=lambda s: (len(s), sorted(s))):
        deadline.check()
        if not any(other <= support for other in least):
            least.append(support)
    return [tuple(sorted(s)) for s in least]


def marks(value: Value) -> set[int]:
    """Whole numbers in a value around which it may change: its coefficients, and those inside of calls."""
    found: set[int] = set()
    for monomial, coefficient in terms_of(value).items():
        found |= {abs(coefficient.numerator), coefficient.denominator}
        for name, _ in monomial:
            if isinstance(name, Call):
                found |= set().union(*(marks(a) for a in name.arguments))
    return found


def corners(search: Search, difference: Value, limit: int) -> Iterator[Point]:
    """Points at and beside the constants of a difference, each name in turn and all together."""
    numbers = sorted({n + d for n in marks(difference) if n < 2**40 for d in (-1, 0, 1) if n + d >= 0} | {2, 3, 7})
    used = sorted(free_symbols(difference) & set(search.names))
    count = 0
    for number in numbers:
        for others in (1, 2, number, *numbers[-3:]):
            for name in used:
                point = search.base | {n: max(search.base[n], others) for n in used} | {name: number}
                point = {n: min(v, search.where.upper.get(n, v)) for n, v in point.items()}
                if all(point[n] >= low for n, low in search.base.items()):
                    yield point
                    count += 1
                    if count >= limit:
                        return


def is_polynomial(value: Value) -> bool:
    """Whether a value is a polynomial in symbols, negative exponents allowed."""
    return not isinstance(value, Polynomial) or not any(isinstance(n, Call) for m in value.terms for n, _ in m)
