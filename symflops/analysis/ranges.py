"""Sets of whole numbers: ranges in order and, where they never end, a cycle of ranges that is repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import lcm

from symflops.errors import SymflopsError

Range = tuple[int, int | None]  # first and last, None without end

MAX_PERIOD = 4096  # of a cycle that is looked at number by number
MAX_RANGES = 100_000  # that are written down one by one


@dataclass(frozen=True)
class Ranges:
    """Whole numbers: the `ranges`, in order and apart, and those of the `cycle` shifted by 0, 1, 2, … times `period`.

    >>> multiples = Ranges((), ((64, 64),), 64)
    >>> 128 in multiples, 130 in multiples, multiples.following(130), multiples.preceding(130)
    (True, False, 192, 128)
    """

    ranges: tuple[Range, ...]
    cycle: tuple[tuple[int, int], ...] = ()
    period: int = 0

    def __bool__(self) -> bool:
        return bool(self.ranges or self.cycle)

    def __contains__(self, n: int) -> bool:
        return self.following(n) == n

    @property
    def last(self) -> int | None:
        """The largest number; None where there is none."""
        return None if self.cycle or not self.ranges else self.ranges[-1][1]

    @property
    def settled(self) -> int:
        """From where on it is one range, nothing, or the cycle alone."""
        if self.cycle:
            return self.cycle[0][0]
        if not self.ranges:
            return 0
        first, last = self.ranges[-1]
        return first if last is None else last + 1

    def following(self, n: int) -> int | None:
        """The smallest member that is not below n; None if there is none."""
        for first, last in self.ranges:
            if last is None or n <= last:
                return max(n, first)
        if not self.cycle:
            return None
        turns = max(0, (n - self.cycle[0][0]) // self.period)
        for shift in (turns * self.period, (turns + 1) * self.period):
            for first, last in self.cycle:
                if n <= last + shift:
                    return max(n, first + shift)
        raise AssertionError("a cycle has a member in every period")

    def preceding(self, n: int) -> int | None:
        """The largest member that is not above n; None if there is none."""
        if self.cycle and n >= self.cycle[0][0]:
            shift = (n - self.cycle[0][0]) // self.period * self.period
            return min(n, next(last for first, last in reversed(self.cycle) if first + shift <= n) + shift)
        for start, end in reversed(self.ranges):
            if start <= n:
                return n if end is None else min(n, end)
        return None

    def __iter__(self) -> Iterator[Range]:
        """The ranges in order, without end where there is a cycle."""
        yield from self.ranges
        shift = 0
        while self.cycle:
            yield from ((first + shift, last + shift) for first, last in self.cycle)
            shift += self.period

    def until(self, end: int) -> list[tuple[int, int]]:
        """The ranges up to a number. Raises SymflopsError where they are too many."""
        found: list[tuple[int, int]] = []
        for first, last in islice(self, MAX_RANGES + 1):
            if first > end:
                return found
            found.append((first, end if last is None else min(last, end)))
        if len(found) > MAX_RANGES:
            raise SymflopsError(f"the answer has more than {MAX_RANGES:,} ranges")
        return found


def repeating(ranges: Sequence[Range], cycle: Sequence[tuple[int, int]], period: int) -> Ranges:
    """Ranges and a cycle that follows them, so that no range of the cycle is cut where it begins anew.

    >>> repeating([(1, 3)], [(64, 67), (120, 127)], 64)
    Ranges(ranges=((1, 3), (64, 67)), cycle=((120, 131),), period=64)
    """
    if not cycle:
        return Ranges(joined(ranges))
    first, last = cycle[0]
    if len(cycle) > 1 and cycle[-1][1] + 1 == first + period:
        ranges, cycle = [*ranges, (first, last)], [*cycle[1:-1], (cycle[-1][0], last + period)]
    elif ranges and ranges[-1][1] == first - 1:
        ranges, cycle = [*ranges, (first, last)], [*cycle[1:], (first + period, last + period)]
    before, repeated = list(joined(ranges)), list(cycle)
    while before and before[-1] == (repeated[-1][0] - period, repeated[-1][1] - period):
        repeated = [repeated[-1], *repeated[:-1]]
        repeated[0] = (repeated[0][0] - period, repeated[0][1] - period)
        before.pop()
    return Ranges(tuple(before), tuple(repeated), period)


def joined(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Ranges in order with those that touch made one."""
    found: list[Range] = []
    for first, last in ranges:
        if found and found[-1][1] == first - 1:
            first = found.pop()[0]
        found.append((first, last))
    return tuple(found)


@dataclass(frozen=True)
class Intersection:
    """The numbers that belong to all of several sets, from one to the next; never written down."""

    sets: tuple[Ranges, ...]

    @property
    def period(self) -> int:
        return lcm(*(s.period for s in self.sets if s.cycle))

    @property
    def settled(self) -> int:
        return max(s.settled for s in self.sets)

    def __contains__(self, n: int) -> bool:
        return all(n in s for s in self.sets)

    def following(self, n: int) -> int | None:
        """The smallest member that is not below n; None if there is none."""
        limit = max(n, self.settled) + self.period
        here = n
        while here <= limit:
            candidates = [s.following(here) for s in self.sets]
            found = [c for c in candidates if c is not None]
            if len(found) < len(candidates):
                return None
            if max(found) == here:
                return here
            here = max(found)
        return None

    def preceding(self, n: int) -> int | None:
        """The largest member that is not above n; None if there is none."""
        here = n
        for _ in range(MAX_RANGES):
            candidates = [s.preceding(here) for s in self.sets]
            found = [c for c in candidates if c is not None]
            if len(found) < len(candidates):
                return None
            if min(found) == here:
                return here
            here = min(found)
        raise SymflopsError("numbers that meet all conditions are too rare to be found")

    @property
    def last(self) -> int | None:
        """The largest member; None where there is none."""
        ends = [end for s in self.sets if (end := s.last) is not None]
        return self.preceding(min(ends)) if ends else None

    def narrowed(self, other: Ranges) -> Ranges:
        """The members that belong to another set too; what is apart only by numbers that are no members is one range.

        >>> multiples = Intersection((Ranges((), ((64, 64),), 64),))
        >>> multiples.narrowed(Ranges(((1, 100), (120, 1000))))
        Ranges(ranges=((64, 960),), cycle=(), period=0)
        """
        ends = [end for s in (*self.sets, other) if (s.ranges or not s.cycle) and (end := _end(s)) is not None]
        if ends:
            return Ranges(self._together(other.until(min(ends))))
        settled = max(self.settled, other.settled)
        period = lcm(self.period, other.period if other.cycle else 1)
        if period > MAX_PERIOD * MAX_PERIOD:
            raise SymflopsError(f"the answer repeats itself only after {period:,} numbers")
        start = self.following(settled)
        if start is None:
            return Ranges(self._together(other.until(settled - 1)))
        before = self._together(other.until(start - 1))
        members: list[int] = []
        here: int | None = start
        while here is not None and here < start + period:
            members.append(here)
            if len(members) > MAX_RANGES:
                raise SymflopsError(f"the answer repeats itself only after {period:,} numbers")
            here = self.following(here + 1)
        holding = [n in other for n in members]
        cut = holding.index(False) if holding[0] and not all(holding) else 0
        if cut:  # the cycle begins behind a gap
            before = self._together([*before, (members[0], members[cut - 1])])
            members = members[cut:] + [n + period for n in members[:cut]]
            holding = holding[cut:] + holding[:cut]
        if not any(holding):
            return Ranges(before)
        if all(holding):
            touches = before and self.following(before[-1][1] + 1) == start
            return Ranges((*before[:-1], (before[-1][0], None)) if touches else (*before, (start, None)))
        cycle: list[tuple[int, int]] = []
        for n, holds, continues in zip(members, holding, [False, *holding], strict=False):
            if holds and continues:
                cycle[-1] = (cycle[-1][0], n)
            elif holds:
                cycle.append((n, n))
        return repeating(before, cycle, period)

    def _together(self, ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        found: list[tuple[int, int]] = []
        for first, last in ranges:
            a, b = self.following(first), self.preceding(last)
            if a is None or b is None or a > b:
                continue
            if found and self.following(found[-1][1] + 1) == a:
                a = found.pop()[0]
            found.append((a, b))
        return tuple(found)


def _end(numbers: Ranges) -> int | None:
    """The end of a set that has one (0 of nothing), None of one that goes on."""
    return 0 if not numbers else numbers.last
