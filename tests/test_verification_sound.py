"""The decision against brute force: random formulas, evaluated by Python itself at every point of a box."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verification_pairs import Maker, judged, reads
from verification_pairs import brute as fractions

import symflops
from symflops.errors import SymflopsError

BOX = 9
LIMITED = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


def brute(text: str, point: dict[str, int]) -> Fraction | None:
    """What Python makes of the text at a point, in fractions; None where it has no value."""
    names: dict[str, Any] = {name: Fraction(value) for name, value in point.items()}
    functions = {"min": min, "max": max, "floor": math.floor, "ceil": math.ceil, "F": Fraction}
    try:
        value = eval(text, {"__builtins__": {}}, names | functions)
    except ZeroDivisionError:
        return None
    return Fraction(value)


def constants_as_fractions(text: str) -> str:
    """Every integer of a text inside F(), so that Python's / is exact."""
    return re.sub(r"(?<![A-Za-z_0-9])(\d+)", r"F(\1)", text)


def formulas(names: tuple[str, ...], depth: int) -> st.SearchStrategy[str]:
    leaves = st.one_of(st.sampled_from(names), st.sampled_from(names), st.integers(0, 5).map(str))
    if depth == 0:
        return leaves
    below = formulas(names, depth - 1)
    pair = st.tuples(below, below)
    return st.one_of(
        leaves,
        st.tuples(pair, st.sampled_from("+-*")).map(lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"),
        st.tuples(pair, st.sampled_from(["min", "max"])).map(lambda t: f"{t[1]}({t[0][0]}, {t[0][1]})"),
        st.tuples(below, st.integers(2, 4), st.sampled_from(["floor", "ceil"])).map(
            lambda t: f"{t[2]}({t[0]} / {t[1]})"
        ),
        st.tuples(pair, st.sampled_from(["//", "%"])).map(lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"),
        st.tuples(st.integers(1, 3), st.sampled_from(names)).map(lambda t: f"({t[0]} ** {t[1]})"),
    )


def judge(a: str, b: str, names: tuple[str, ...]) -> None:
    """A verdict on two texts never contradicts what brute force sees."""
    if not (_reads(a) and _reads(b)):  # a division by zero that the language refuses: nothing to compare
        return
    verdict = symflops.verify(a, b, budget=0.3)
    left, right = constants_as_fractions(a), constants_as_fractions(b)
    if verdict.status == "equal":
        for values in itertools.product(range(BOX if len(names) < 3 else 5), repeat=len(names)):
            point = dict(zip(names, values, strict=True))
            x, y = brute(left, point), brute(right, point)
            assert x is None or y is None or x == y, (a, b, point, verdict)
    if verdict.status == "different":
        assert verdict.counterexample is not None
        point = dict.fromkeys(names, 0) | verdict.counterexample
        x, y = brute(left, point), brute(right, point)
        assert x is not None
        assert y is not None
        assert x != y
        assert (verdict.candidate_value, verdict.reference_value) == (x, y)
        if verdict.smallest:
            total = sum(verdict.counterexample.values())
            for values in itertools.product(range(min(total, BOX if len(names) < 3 else 5)), repeat=len(names)):
                if sum(values) < total:
                    smaller = dict(zip(names, values, strict=True))
                    x, y = brute(left, smaller), brute(right, smaller)
                    assert x is None or y is None or x == y, (a, b, smaller, verdict)


@pytest.mark.slow
@LIMITED
@given(formulas(("s", "w"), 2), formulas(("s", "w"), 2))
def test_two_unrelated_formulas(a: str, b: str) -> None:
    judge(a, b, ("s", "w"))


@pytest.mark.slow
@LIMITED
@given(formulas(("s", "w"), 3), st.data())
def test_a_formula_and_a_slightly_changed_one(a: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, max(0, len(a) - 1)))
    swaps = {"+": "-", "-": "+", "s": "w", "w": "s", "2": "3", "3": "2", "4": "3", "1": "2", "0": "1", "5": "4"}
    b = a[:at] + swaps.get(a[at], a[at]) + a[at + 1 :]
    if any(word in b for word in ("winw", "flooww", "mas")) or not _reads(b):
        b = a
    judge(a, b, ("s", "w"))


def _reads(text: str) -> bool:
    try:
        symflops.parse(text)
    except SymflopsError:
        return False
    return True


@pytest.mark.slow
@settings(LIMITED, max_examples=150)
@given(formulas(("s", "w", "k"), 2), formulas(("s", "w", "k"), 1))
def test_adding_and_taking_away_is_equal(a: str, b: str) -> None:
    """a + b - b is a wherever b has a value; max and min of two are their sum."""
    judge(f"({a}) + ({b}) - ({b})", a, ("s", "w", "k"))
    judge(f"min({a}, {b}) + max({a}, {b})", f"({a}) + ({b})", ("s", "w", "k"))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("floor(2**(0 - s))", "2**(0 - s)"),  # 2**-1 is not whole
        ("min(s - 5, w)", "max(s - 5, w)"),
    ],
)
def test_traps_of_the_canonical_form(a: str, b: str) -> None:
    assert symflops.verify(a, b).status == "different"


def test_the_root_of_a_square_of_something_negative() -> None:
    verdict = symflops.verify("sqrt(min(s - 5, w)**2)", "min(s - 5, w)")
    assert verdict.status == "different"
    assert verdict.counterexample == {"s": 0, "w": 0}
    assert (verdict.candidate_value, verdict.reference_value) == (5, -5)


@pytest.mark.slow
def test_pairs_with_divisions_conditions_and_bytes() -> None:
    """Division by symbols, nested extremes over fractions, conditions that may contradict each other, half bytes."""
    maker = Maker(11)
    found: Counter[str] = Counter()
    for _ in range(300):
        pair = maker.pair()
        if not (reads(pair.a) and reads(pair.b)):
            continue
        try:
            verdict = symflops.verify(pair.a, pair.b, assume=pair.conditions, budget=0.3)
        except SymflopsError:  # a division by zero under the conditions
            assert all(fractions(pair.a, p) is None or fractions(pair.b, p) is None for p in pair.points()), pair
            continue
        assert judged(pair, verdict) == "", pair
        found["empty" if "exclude every point" in verdict.proof else verdict.status] += 1
    assert min(found["equal"], found["different"]) > 50
    assert found["empty"] > 0
