"""Counterexamples: points at which two formulas differ, smallest first.

The smallest point is the one of whole numbers with the least sum of the formulas' own symbols; among these the one
with the fewest names that are raised, first in the order of names. Points at which a size of a model is 0, such as its
width, are given only where no other is found. Symbols that stand in conditions alone are looked
for once the others have numbers (`completion.py`). For polynomials it is found with hardly a search: on the symbols of
its shortest product alone, a polynomial is not 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations, islice
from math import ceil, comb

from symflops import deadline
from symflops.algebra import free_symbols, from_tree, substitute
from symflops.grouping import SHORT
from symflops.numeric import compiled
from symflops.polynomial import Call, Number, Polynomial, Value, add, calls_in, flat, terms_of
from symflops.tree import Tree, names, replaced
from symflops.verification.completion import Completion
from symflops.verification.constraints import Constraints, divisors, shifted
from symflops.verification.exact import Enclosure, UncomputedError, UndefinedError, differ, number_at
from symflops.verification.interval import interval
from symflops.verification.region import Fresh, Region
from symflops.vocabulary.symbols import is_whole

Point = dict[str, Number]
_WITNESSES = 300  # points that are tried to find one that meets the conditions
_SIZES = SHORT.keys() - {"past_len", "causal"}  # what no model has none of
_SECONDS = 0.05  # to find a point without such a 0
_SORTED = 3000  # choices of names that are put in order
_BROKEN = tuple(
    Fraction(*x) for x in ((1, 2), (3, 2), (1, 3), (9, 4), (2, 3), (1, 8), (29, 4))
)  # bytes that are not whole


class Search:
    """The points of a domain, and whether two formulas differ there."""

    def __init__(self, a: Tree, b: Tree, where: Constraints) -> None:
        self.where = where
        fixed: dict[str, Tree] = {n: flat(v) for n, v in where.fixed.items()}
        self.trees = (replaced(a, fixed), replaced(b, fixed))  # as they were given, nothing cancelled
        self.given = (a, b)
        self.names = sorted(names(("", *self.trees)))
        needed = divisors(self.trees[0]) | divisors(self.trees[1])
        least = {n: int(n in needed and is_whole(n)) for n in self.names}
        self.base: Point = {n: max(where.lower.get(n, 0), low) for n, low in least.items()}
        self.has_divisors = bool(needed)
        self.completion = Completion(where, self.names)
        self.fresh = Fresh()
        self.tried = 0
        self.inside = 0  # of these, points in the domain at which both formulas have a number
        self.exhaustive = True  # whether every point that was tried and is no counterexample is known to be none

    @cached_property
    def reduced(self) -> tuple[Value, Value]:
        """Both formulas without the names that equations give."""
        a, b = (self.where.reduced(from_tree(tree)) for tree in self.given)
        return a, b

    def differs(self, point: Mapping[str, Number]) -> bool:
        """Whether a point lies in the domain and the formulas are both defined and different there."""
        self.tried += 1
        if self.completion.of(point) is None:
            return False
        try:
            a, b = (number_at(tree, point) for tree in self.trees)
        except UndefinedError as error:
            self.exhaustive = self.exhaustive and not isinstance(error, UncomputedError)
            return False
        self.inside += 1
        different = differ(a, b)
        if not different and (isinstance(a, Enclosure) or isinstance(b, Enclosure)):
            self.exhaustive = False
        return different

    def is_point(self, point: Mapping[str, Number]) -> bool:
        """Whether a point lies in the domain and both formulas have a number there."""
        before = self.inside
        self.differs(point)
        return self.inside > before

    @property
    def start(self) -> Region:
        """The domain as a region, without the points at which a divisor is 0."""
        region = self.where.start(self.names)
        above = (add(region.names[n], -low) for n, low in self.base.items() if low)
        return replace(region, known=(*region.known, *above))

    def raise_base(self, region: Region) -> None:
        """Begin where the conditions do: no point of the domain has a smaller number for a symbol."""
        for name in filter(is_whole, self.names):
            low = interval(region.names.get(name, 0), region.upper)[0]
            if isinstance(low, int | Fraction):
                self.base[name] = self.completion.least(name, max(int(self.base[name]), ceil(low)))

    def witness(self) -> Point | None:
        """A point of the domain at which both formulas have a number: one that is known, or one of the smallest."""
        known: Point = {n: self.where.hint.get(n, self.base[n] + 1) for n in self.names}
        for point in (known, *islice(self.in_order(), _WITNESSES), *self.broken(_WITNESSES // 10)):
            if self.is_point(point):
                return point
        return None

    @property
    def covers_everything(self) -> bool:
        """Whether the points in order, all tried, were all points of the domain, and some were in it."""
        bounded = all(n in self.where.upper and is_whole(n) for n in self.names)
        return bounded and self.exhaustive and self.completion.sure

    def within(self, point: Mapping[str, Number]) -> bool:
        return all(point[n] <= high for n, high in self.where.upper.items() if n in point)

    # ------------------------------------------------------------------------------------------------ in order

    def on_supports(self, supports: Iterable[tuple[str, ...]]) -> Point | None:
        """The first point that differs among those that raise the names of one support by 1 above their least."""
        for support in supports:
            point: Point = self.base | {n: self.base[n] + 1 for n in support}
            if self.within(point) and self.differs(point):
                return point
        return None

    def smallest_of_polynomial(self, difference: Value) -> tuple[Point, bool] | None:
        """A point where a polynomial difference is not 0, and whether it is known to be the smallest."""
        supports = self.supports(difference)
        if not supports:
            return None
        least = len(supports[0])
        number = compiled([difference])
        known = self.on_supports(s for s in supports if len(s) == least)
        if known is not None:
            return known, True
        for point in islice(self.in_order(supports, least + 1), 3000):
            if number(point)[0] and self.differs(point):
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

    def broken(self, count: int) -> Iterator[Point]:
        """Points at which bytes of an element are no whole numbers."""
        some = [n for n in self.names if not is_whole(n)]
        points = islice(self.in_order(), count) if some else ()
        for point in points:
            for value in _BROKEN:
                for chosen in [[n] for n in some] + ([some] if len(some) > 1 else []):
                    found = point | {n: self.base[n] + value for n in chosen}
                    if self.within(found):
                        yield found

    def of_a_model(self, point: Point) -> Point | None:
        """The first point that differs among those at which no size is 0, for one that has such a size; None where the
        point is of a model already, and where none is found soon."""
        sizes = {n for n in self.names if n in _SIZES or self.where.hint.get(n)}
        if all(point[n] for n in sizes):
            return None
        base = {n: max(low, 1) if n in sizes else low for n, low in self.base.items()}
        upper = {n: self.where.upper[n] - base[n] for n in self.names if n in self.where.upper}
        with suppress(deadline.OutOfTimeError), deadline.limit(_SECONDS):
            for above in islice(in_order_of(self.names, upper), _WITNESSES):
                found = {n: base[n] + above[n] for n in self.names}
                if self.differs(found):
                    return found
        return None

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
                if type(high) is not int or type(low) is not int:
                    continue
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
    names: Sequence[str], upper: Mapping[str, Number], supports: list[tuple[str, ...]] | None = None, start: int = 0
) -> Iterator[Point]:
    """All points of nonnegative numbers up to `upper` by growing sum; with supports, those positive on all of one."""
    sets = None if supports is None else [frozenset(s) for s in supports]
    most = sum(upper[n] for n in names) if all(n in upper for n in names) else None
    total = start
    while most is None or total <= most:
        for size in range(min(total, len(names)) + 1):
            for support in combinations(names, size) if sets is None else _supersets(names, sets, size):
                deadline.check()
                for parts in _compositions(total, size):
                    if all(p <= upper.get(n, p) for n, p in zip(support, parts, strict=True)):
                        raised: Point = dict(zip(support, parts, strict=True))
                        yield {**dict.fromkeys(names, 0), **raised}
        total += 1


def _supersets(names: Sequence[str], sets: Sequence[frozenset[str]], size: int) -> Iterator[tuple[str, ...]]:
    """The choices of so many names that contain one of the sets, in order as long as there are not too many."""
    if comb(len(names), size) <= _SORTED:
        yield from (c for c in combinations(names, size) if any(s <= set(c) for s in sets))
        return

    def unsorted() -> Iterator[tuple[str, ...]]:
        for i, least in enumerate(sets):
            others = [n for n in names if n not in least]
            for extra in combinations(others, size - len(least)) if len(least) <= size else ():
                chosen = least.union(extra)
                deadline.check()
                if not any(earlier <= chosen for earlier in sets[:i]):
                    yield tuple(n for n in names if n in chosen)

    found = unsorted()
    first = list(islice(found, _SORTED))
    yield from sorted(first)
    yield from found


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
    inside = (value, *(a for call in calls_in(value) for a in call.arguments))
    return {n for v in inside for c in terms_of(v).values() for n in (abs(c.numerator), c.denominator)}


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
