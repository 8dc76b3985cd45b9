"""What the verifier's search stands on, against enumeration: bounds of values, points in order, supports."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import inf

import pytest
from random_texts import BOX, NAMES, texts

import symflops
from symflops.algebra import from_text
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.polynomial import terms_of
from symflops.verification.interval import interval
from symflops.verification.points import _supersets, in_order_of, least_supports

FOUND = [*texts(250, 2, 21)[0], *texts(250, 3, 22)[0]]


@pytest.mark.parametrize("upper", [{}, {"a": 3}, {"a": 2, "b": 7}, {"a": 7, "b": 1, "n": 2}], ids=str)
def test_a_value_lies_between_its_bounds(upper: dict[str, int]) -> None:
    informative = 0
    for text, value in FOUND:
        low, high = interval(value, upper)
        informative += low > -inf or high < inf
        for point in BOX:
            if any(point[n] > top for n, top in upper.items()):
                continue
            try:
                number = evaluate(value, point)
            except SymflopsError:
                continue
            assert low <= number <= high, (text, point)
    assert informative > 200


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("3*s - r", (-7, inf)),
        ("r - 3", (-3, 4)),
        ("r**2 - r", (-7, 49)),
        ("(r - 9)/2", (Fraction(-9, 2), -1)),
        ("min(r, s)", (0, 7)),
        ("max(r - 9, q - 8)", (-8, -2)),
        ("floor(r/3) - ceil(r/2)", (-4, 2)),
        ("ceil(q/4 - 1/2)", (0, 1)),
        ("1/(r + 2)", (Fraction(1, 9), Fraction(1, 2))),
        ("1/(s + 1)", (0, 1)),
        ("1/r", (Fraction(1, 7), inf)),
        ("1/(r - 9)", (-inf, inf)),
        ("(r + 1)**s", (1, inf)),
        ("(1/2)**s", (0, 1)),
        ("(1/2)**(r - 9)", (0, inf)),
        ("log2(r)", (-inf, inf)),
        ("sqrt(r + 10)", (3, inf)),
        ("s - t", (-inf, inf)),
        ("0*s + 5", (5, 5)),
        ("-s*r", (-inf, 0)),
    ],
)
def test_bounds(text: str, bounds: tuple[object, object]) -> None:
    assert interval(from_text(text), {"r": 7, "q": 6}) == bounds


@pytest.mark.parametrize("upper", [{"a": 2, "b": 3, "c": 1}, {"a": 0, "b": 2}, {"b": 1}, {}], ids=str)
@pytest.mark.parametrize("supports", [None, [("a",), ("b", "c")], [()], []], ids=str)
@pytest.mark.slow
def test_points_come_once_and_in_order(upper: dict[str, int], supports: list[tuple[str, ...]] | None) -> None:
    names, reach = ("a", "b", "c"), 4
    wanted = []
    for values in itertools.product(range(reach + 1), repeat=3):
        point = dict(zip(names, values, strict=True))
        raised = {n for n in names if point[n]}
        inside = all(point[n] <= high for n, high in upper.items())
        if inside and sum(values) <= reach and (supports is None or any(raised >= set(s) for s in supports)):
            wanted.append(point)
    if supports == [] and len(upper) < 3:
        return  # it would look for ever
    found = [p for p in itertools.islice(in_order_of(names, upper, supports), 400) if sum(p.values()) <= reach]
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    keys = [(sum(p.values()), sum(v > 0 for v in p.values())) for p in found]
    assert keys == sorted(keys)  # by sum, then by how many are raised
    later = [p for p in itertools.islice(in_order_of(names, upper, supports, 2), 400) if sum(p.values()) <= reach]
    assert later == [p for p in found if sum(p.values()) >= 2]


def test_choices_of_many_names_come_once_each() -> None:
    names = [f"n{i:02}" for i in range(14)]
    sets = [frozenset(names[:2]), frozenset(names[3:6]), frozenset(names[:3:2])]
    for size in (0, 2, 3, 7):  # of 7 there are 3,432, which are not put in order any more
        wanted = [c for c in itertools.combinations(names, size) if any(s <= set(c) for s in sets)]
        found = list(_supersets(names, sets, size))
        assert sorted(found) == wanted
        assert all(list(c) == sorted(c) for c in found)


def test_the_smallest_point_above_least_values_is_the_smallest() -> None:
    """Beyond the first hundred points, and few enough that all smaller ones are looked at."""
    verdict = symflops.verify("min(s + t, 1151)", "min(s + t, 1152)", assume=["s >= 500", "t >= 500"])
    assert (verdict.status, verdict.smallest) == ("different", True)
    assert verdict.counterexample is not None
    assert sum(verdict.counterexample.values()) == 1152


def test_a_polynomial_is_0_where_no_support_is_raised() -> None:
    rng = random.Random(9)
    for _ in range(200):
        terms = [[rng.choice(NAMES) for _ in range(rng.randint(0, 3))] for _ in range(rng.randint(1, 4))]
        value = from_text(" + ".join(f"{rng.randint(1, 9)}*{'*'.join(['1', *t])}" for t in terms))
        supports = least_supports(value)
        assert [len(s) for s in supports] == sorted(len(s) for s in supports)
        for s, t in itertools.permutations(supports, 2):
            assert not set(s) <= set(t)
        products = [{n for n, _ in m} for m in terms_of(value)]
        for raised in itertools.product((0, 1), repeat=3):
            names = {n for n, r in zip(NAMES, raised, strict=True) if r}
            point = dict(zip(NAMES, raised, strict=True))
            assert (evaluate(value, point) != 0) == any(names >= set(s) for s in supports)
            assert any(p <= names for p in products) == any(names >= set(s) for s in supports)
    # What a call or a divisor is does not matter: only symbols that a product has as factors.
    assert least_supports(from_text("min(a, b)*n + a*b")) == [("n",), ("a", "b")]
    assert least_supports(from_text("a/n + b**2*a")) == [("a",)]
    assert least_supports(from_text("floor(a/2) + b")) == [()]


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("seq_len*min(seq_len, sliding_window)", "seq_len**2", {"seq_len": 2, "sliding_window": 1}),
        ("hidden_size + 1", "hidden_size + 2", {"hidden_size": 1}),
        ("max(hidden_size, 1)*s", "hidden_size*s", {"hidden_size": 0, "s": 1}),  # there is no other
        ("a + 1", "a + 2", {"a": 0}),  # a name that means nothing may be 0
        ("past_len + 1", "past_len + 2", {"past_len": 0}),
    ],
)
def test_a_counterexample_has_sizes_that_a_model_may_have(
    candidate: str, reference: str, expected: dict[str, int]
) -> None:
    assert symflops.verify(candidate, reference).counterexample == expected
