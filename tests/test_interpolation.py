"""Closed forms through records at several lengths, against loops that add up what a source that loops would cost."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from symflops import numeric, progress
from symflops.trace.interpolation import NoPolynomialError, interpolate, lengths, more_lengths
from symflops.trace.lengths import records_in_agreement

pytestmark = pytest.mark.torch


def blocks(length: int, chunk: int, cost: Callable[[int], int]) -> int:
    """The cost of a sequence in blocks, the last of which may be shorter."""
    return sum(cost(min(chunk, length - start)) for start in range(0, length, chunk))


@pytest.mark.parametrize("chunk", [3, 4, 8, 12, 64, 100])
@pytest.mark.parametrize(
    ("degree", "cost"),
    [(1, lambda n: 7 * n + 3), (2, lambda n: 5 * n * n + 2 * n), (3, lambda n: n**3 + 11)],
    ids=["linear", "quadratic", "cubic"],
)
def test_blocks_are_found_at_their_degree_and_nothing_wrong_at_another(
    chunk: int, degree: int, cost: Callable[[int], int]
) -> None:
    found = []
    for tried in (1, 2, 3):
        points = lengths(chunk, tried)
        try:
            form = interpolate(points, [blocks(p, chunk, cost) for p in points], chunk, tried)
        except NoPolynomialError:
            continue
        found.append(tried)
        for length in range(1, 5 * chunk + 2):
            assert numeric.evaluate(form, {"seq_len": length}) == blocks(length, chunk, cost)
    assert found[0] <= degree
    if chunk >= 8:  # of three or four remainders a polynomial of lower degree may say it all
        assert found[0] == degree


@pytest.mark.parametrize("stride", [2, 3, 4, 5, 7, 8, 16])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_quotient_that_is_the_same_at_neighbouring_lengths_is_seen(stride: int, degree: int) -> None:
    """12, 13, 14 and 15 have 3 quarters each, as CANINE has molecules of characters."""
    points = lengths(0, degree)
    with pytest.raises(NoPolynomialError):
        interpolate(points, [5 * p + 7 * (p // stride) for p in points], 0, degree)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_each_length_is_recorded_once(degree: int) -> None:
    for chunk in (0, *range(2, 130)):
        assert len(set(lengths(chunk, degree))) == len(lengths(chunk, degree))


@pytest.mark.parametrize("chunk", [8, 12, 64])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_cost_that_is_no_polynomial_of_what_is_left_is_refused(chunk: int, degree: int) -> None:
    # A logarithm of the last block, as a scan by doubling has.
    points = lengths(chunk, degree)
    with pytest.raises(NoPolynomialError):
        interpolate(points, [blocks(p, chunk, lambda n: n.bit_length()) for p in points], chunk, degree)


@pytest.mark.parametrize("chunk", [4, 8, 12, 64])
def test_whole_blocks_and_single_steps_for_what_is_left(chunk: int) -> None:
    # As xLSTM runs: a matrix form for whole chunks, then one step for each token that is left.
    def cost(length: int) -> int:
        whole, left = divmod(length, chunk)
        return sum(9 * chunk * chunk for _ in range(whole)) + sum(100 for _ in range(left))

    points = lengths(chunk, 1)
    form = interpolate(points, [cost(p) for p in points], chunk, 1)
    assert [numeric.evaluate(form, {"seq_len": n}) for n in range(1, 70)] == [cost(n) for n in range(1, 70)]


@pytest.mark.parametrize(("chunk", "degree"), [(4, 1), (8, 1), (12, 2), (64, 2)])
def test_whole_numbers_of_chunks_may_be_another_case(chunk: int, degree: int) -> None:
    # As bytes are where what is left is joined to the whole chunks in a step of its own.
    def cost(length: int) -> int:
        return blocks(length, chunk, lambda n: n**degree) + (5 * length + 40 if length % chunk else 3 * length)

    points = lengths(chunk, degree)
    with pytest.raises(NoPolynomialError):
        interpolate(points, [cost(p) for p in points], chunk, degree)
    points += more_lengths(chunk, degree, 0)
    form = interpolate(points, [cost(p) for p in points], chunk, degree)
    for length in range(1, 5 * chunk + 2):
        assert numeric.evaluate(form, {"seq_len": length}) == cost(length)


@pytest.mark.parametrize(("chunk", "degree"), [(4, 1), (8, 1), (8, 2), (12, 2), (64, 2)])
@pytest.mark.parametrize("whole", [0, 9])
def test_one_token_of_the_last_chunk_may_be_another_case(chunk: int, degree: int, whole: int) -> None:
    # As where a factor is how many tokens a chunk has: a product with 1 is none. And beside it whole numbers of chunks.
    def cost(length: int) -> int:
        each = blocks(length, chunk, lambda n: n**degree + (6 if n > 1 else 0))
        return each + (whole if length % chunk == 0 else 0)

    points, left = lengths(chunk, degree), []
    for _ in range(3):
        try:
            form = interpolate(points, [cost(p) for p in points], chunk, degree)
        except NoPolynomialError as error:
            left.append(-1 if error.left is None else error.left)
            points += [n for n in more_lengths(chunk, degree, left[-1]) if n not in points]
    assert sorted(left) == ([0, 1] if whole else [1])
    for length in range(1, 5 * chunk + 2):
        assert numeric.evaluate(form, {"seq_len": length}) == cost(length)


def test_what_a_later_record_teaches_makes_the_earlier_ones_anew() -> None:
    """The second call teaches something the first time; after that nothing is made again."""
    told: list[str] = []
    made_at: list[tuple[str, int]] = []
    known = 0

    class Learning:
        @property
        def state(self) -> int:
            return known

    def make(settings: Any) -> Any:
        nonlocal known
        told.append(progress.last())
        if settings == "long":
            known = 1
        made_at.append((settings, known))
        return SimpleNamespace(state=known, name=settings)

    with progress.shown():
        found = records_in_agreement(Learning(), make, {"at 5": "short", "at 90": "long"}, {})
    assert [record.name for record in found] == ["short", "long"]
    assert made_at == [("short", 0), ("long", 1), ("short", 1)]
    assert told == ["at 5", "at 90", "at 5"]
