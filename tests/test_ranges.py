"""Sets of whole numbers as ranges and a cycle, against Python's own sets of the numbers below a bound."""

from __future__ import annotations

import random
from functools import reduce
from itertools import pairwise

import pytest

from symflops.analysis import ranges as module
from symflops.analysis.ranges import Intersection, Ranges, joined, repeating
from symflops.errors import SymflopsError

BOUND = 400


def made(draw: random.Random) -> tuple[Ranges, set[int]]:
    """A set of whole numbers from 1 on, and its members below the bound."""
    at, found = draw.randint(1, 4), []
    for _ in range(draw.randint(0, 4)):
        last = at + draw.choice([0, 0, 1, 5, 20])
        found.append((at, last))
        at = last + draw.randint(2, 12)
    members = {n for a, b in found for n in range(a, b + 1)}
    kind = draw.choice(["finite", "endless", "cycle", "cycle"])
    if kind == "finite":
        return Ranges(tuple(found)), members
    if kind == "endless":
        return Ranges((*found, (at, None))), members | set(range(at, BOUND))
    period = draw.randint(2, 14)
    own = sorted(draw.sample(range(at, at + period), draw.randint(1, period - 1)))
    cycle = [(n, n) for n in own]
    merged: list[tuple[int, int]] = []
    for first, last in cycle:
        merged = (
            [*merged[:-1], (merged[-1][0], last)] if merged and merged[-1][1] == first - 1 else [*merged, (first, last)]
        )
    members |= {n + turn for n in own for turn in range(0, BOUND, period) if n + turn < BOUND}
    return repeating(found, merged, period), members


def each(count: int = 300) -> list[tuple[Ranges, set[int]]]:
    return [made(random.Random(f"ranges {i}")) for i in range(count)]


def test_members_and_neighbours() -> None:
    for numbers, members in each():
        assert bool(numbers) is bool(members)
        for n in range(BOUND // 2):
            above = min((m for m in members if m >= n), default=None)
            below = max((m for m in members if m <= n), default=None)
            assert (n in numbers, numbers.following(n), numbers.preceding(n)) == (n in members, above, below), numbers


def test_the_ranges_of_a_set_are_apart_and_in_order() -> None:
    for numbers, members in each():
        found = numbers.until(BOUND - 1)
        assert {n for a, b in found for n in range(a, b + 1)} == members, numbers
        assert all(b + 1 < a for (_, b), (a, _) in pairwise(found)), numbers
        assert numbers.last == (
            None if numbers.cycle or max(members, default=0) == BOUND - 1 else max(members, default=None)
        )


def test_from_where_a_set_is_settled_it_repeats_itself() -> None:
    for numbers, members in each():
        period, settled = numbers.period or 1, numbers.settled
        for n in range(settled, BOUND - period):
            assert (n in members) == (n + period in members), numbers


def test_repeating_writes_a_set_in_its_shortest_form() -> None:
    """What a cycle repeats already is no range before it."""
    assert repeating([(3, 3), (5, 5)], [(7, 7)], 2) == Ranges((), ((3, 3),), 2)
    assert repeating([(1, 1), (5, 5)], [(7, 7)], 2) == Ranges(((1, 1),), ((5, 5),), 2)
    assert repeating([(1, 6)], [(7, 8)], 4) == Ranges(((1, 8),), ((11, 12),), 4)
    assert repeating([(1, 1), (5, 6)], [(7, 8)], 4) == Ranges(((1, 1), (5, 8)), ((11, 12),), 4)
    assert repeating([(1, 4), (5, 9)], [], 0) == Ranges(((1, 9),))
    assert joined([(1, 2), (3, 5), (7, None)]) == ((1, 5), (7, None))


def test_the_numbers_of_all_of_several_sets() -> None:
    for i in range(300):
        draw = random.Random(f"intersection {i}")
        parts = [made(draw) for _ in range(draw.randint(1, 3))]
        both = Intersection(tuple(numbers for numbers, _ in parts))
        members = reduce(set.intersection, (m for _, m in parts), set(range(BOUND)))
        for n in range(0, BOUND // 4, 3):
            above = min((m for m in members if m >= n), default=None)
            assert (n in both, both.following(n)) == (n in members, above), both
            if members and n >= min(members):
                assert both.preceding(n) == max(m for m in members if m <= n), both
        ends = [numbers.last for numbers, _ in parts if numbers.last is not None]
        if ends:
            assert both.last == max((m for m in members if m <= min(ends)), default=None)
        else:
            assert both.last is None
        for n in range(both.settled, BOUND - both.period):
            assert (n in members) == (n + both.period in members), both


def test_members_that_another_set_has_too() -> None:
    """What is apart only by numbers that are no members is one range."""
    for i in range(300):
        draw = random.Random(f"narrowed {i}")
        parts = [made(draw) for _ in range(draw.randint(1, 2))]
        other, allowed = made(draw)
        both = Intersection(tuple(numbers for numbers, _ in parts))
        members = sorted(reduce(set.intersection, (m for _, m in parts), set(range(BOUND))))
        found = both.narrowed(other)
        assert [n for n in members if n in found] == [n for n in members if n in allowed], (both, other)
        wanted: list[list[int]] = []
        for n in members:
            if n in allowed:
                if wanted and members.index(n) == members.index(wanted[-1][1]) + 1:
                    wanted[-1][1] = n
                else:
                    wanted.append([n, n])
        said = [(a, b) for a, b in found.until(BOUND - 1)]
        whole = [(a, b) for a, b in map(tuple, wanted) if b < BOUND // 2]
        assert said[: len(whole)] == whole, (both, other, found)


def test_what_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RANGES", 10)
    odd = Ranges((), ((1, 1),), 2)
    assert odd.until(19) == [(n, n) for n in range(1, 20, 2)]
    with pytest.raises(SymflopsError, match="the answer has more than 10 ranges"):
        odd.until(21)
    with pytest.raises(SymflopsError, match="the answer repeats itself only after 46 numbers"):
        Intersection((odd,)).narrowed(Ranges((), ((5, 6),), 23))
    monkeypatch.setattr(module, "MAX_PERIOD", 6)
    with pytest.raises(SymflopsError, match="the answer repeats itself only after 46 numbers"):
        Intersection((odd,)).narrowed(Ranges((), ((5, 6),), 23))
    assert Intersection((odd,)).narrowed(Ranges((), ((6, 7),), 18)) == Ranges((), ((7, 7),), 18)
