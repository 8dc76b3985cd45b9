"""Random pairs of formulas, each of them decided as brute force and its making say: those whose difference a box of
points shows are different, those that were rewritten are equal, and where no point is left, that is said."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from verification_pairs import Maker, Pair, brute, judged, judged_leading, reads

import symflops
from symflops.errors import SymflopsError


def expected(pair: Pair) -> str:
    """What has to be said of a pair, as far as its making and a box of points show it; "" where they do not."""
    seen = [(brute(pair.a, point), brute(pair.b, point)) for point in pair.points()]
    both = [(x, y) for x, y in seen if x is not None and y is not None]
    if any(x != y for x, y in both):
        return "different"
    return "equal" if both and pair.kind == "rewritten" else ""


@pytest.mark.parametrize("seed", [32, 34])
def test_every_pair_is_decided(seed: int) -> None:
    maker, said = Maker(seed), Counter[str]()
    for _ in range(150):
        pair = maker.pair()
        if not (reads(pair.a) and reads(pair.b)):
            continue
        try:
            verdict = symflops.verify(pair.a, pair.b, assume=pair.conditions, budget=5)
        except SymflopsError:  # a division by zero under the conditions
            assert expected(pair) == "", pair
            continue
        assert judged(pair, verdict) == "", pair
        assert verdict.status == (expected(pair) or verdict.status), pair
        assert "by 1 cases" not in verdict.proof
        said["empty" if "exclude every point" in verdict.proof else verdict.status] += 1
    assert said["unproven"] == 0
    assert min(said["equal"], said["different"]) > 40


def test_leading_terms_of_every_pair_are_decided() -> None:
    maker, draw, said = Maker(32), random.Random(1), Counter[str]()
    for _ in range(40):
        pair = maker.leading_pair()
        verdict = symflops.verify(pair.a, pair.b, assume=pair.conditions, tolerance="leading", budget=5)
        assert judged_leading(pair, verdict, draw, 24) == "", pair
        said[verdict.status] += 1
    assert said["unproven"] == 0
    assert min(said["equal"], said["different"]) > 12
