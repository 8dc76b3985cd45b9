"""Closed forms of sums against adding up, term by term."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symflops import SymflopsError
from symflops.algebra import from_text
from symflops.numeric import evaluate
from symflops.polynomial import symbol
from symflops.summation import summed

TERMS = [
    "n", "n**2", "3*n**3/2", "B*n", "min(n, W)", "max(n + 2, W)", "min(n + 1, W)*(min(n + 1, W) + 1)/2", "min(n, 1)",
    "min(3*n, W)", "max(0, n - 7)", "n*min(n, W)**2", "min(n, W, 2*n - 9)", "floor(n/5)", "n*ceil((n + 3)/4)",
    "floor(n/C)**2", "C*floor(n/C)*(C + 1)/2 + (n - C*floor(n/C))*(n - C*floor(n/C) + 1)/2", "(1 - k/E)**n",
    "n*(3/4)**(B*n)", "floor(min(n, W)/3)*n", "(1 - k/E)**B", "min(n, W)*ceil(W/3)",
    "n**5 - B*n**4", "min(W - 2*n, 5)", "max(20 - n, W - 3*n, 4)", "min(2*n + 1, W)*n", "max(3*n, W)**2",
    "min(n, W, C*B)", "max(n, W)*min(n, C)", "floor((n - 3)/5)", "ceil((n - 7)/C)*n", "floor((C*n + B)/C)", "n**2*2**n",
    "(1/2)**(3*n + 1)*n", "2**(0 - n)*(n + 1)", "((2/3)**n)**2*n**3", "((1 - k/E)**n)**3", "2**(B*n + C)", "W**2/7",
    "floor(ceil(n/2)*B/B)",
    "floor((n + 1/2)/3)",
]  # fmt: skip
POINTS = st.fixed_dictionaries({
    "P": st.integers(0, 40), "T": st.integers(0, 40), "W": st.integers(1, 45), "C": st.integers(1, 9),
    "B": st.integers(1, 3), "E": st.integers(3, 9), "k": st.just(2),
})  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.sampled_from(TERMS)), min_size=1, max_size=3), POINTS)
def test_a_closed_form_equals_the_sum(parts: list[tuple[int, str]], point: dict[str, int]) -> None:
    value = from_text(" + ".join(f"({factor})*({term})" for factor, term in parts))
    closed = summed(value, "n", symbol("P"), symbol("T"))
    steps = range(point["P"], point["P"] + point["T"])
    assert evaluate(closed, point) == sum(evaluate(value, point | {"n": n}) for n in steps)


@pytest.mark.parametrize("term", TERMS)
def test_each_term_alone(term: str) -> None:
    rng = random.Random(term)
    value = from_text(term)
    closed = summed(value, "n", symbol("P"), symbol("T"))
    for _ in range(25):
        point = {"P": rng.randint(0, 30), "T": rng.randint(0, 30), "W": rng.randint(1, 45), "C": rng.randint(1, 9)}
        point |= {"B": rng.randint(1, 3), "E": rng.randint(3, 9), "k": 2}
        steps = range(point["P"], point["P"] + point["T"])
        assert evaluate(closed, point) == sum(evaluate(value, point | {"n": n}) for n in steps), point


def test_sums_that_are_known() -> None:
    assert str(summed(from_text("n"), "n", 0, symbol("k"))) == "k**2/2 - k/2"  # Gauss
    assert summed(from_text("n**3"), "n", 1, 100) == 5050**2  # Nicomachus: the square of 1 + … + 100
    assert summed(from_text("2**n"), "n", 0, 64) == 2**64 - 1  # the grains on the chessboard
    assert summed(from_text("floor(n/7)"), "n", 0, 70) == 7 * 45  # 7 times 0 + 1 + … + 9


NO_SUM = [
    "1/(n + 1)", "1/n", "sqrt(n)", "log2(n + 1)", "floor(2*n/5)", "floor(n/3)*floor(n/4)", "min(n**2, W)",
    "min(W*n, 9)", "floor(n**2/3)", "n**n", "(n + 1)**n", "(k/(n + 1))**(2*n + 1)", "min(n, 9)**n", "2**(n**2)",
    "2**n/n", "floor(n/3)*2**n", "min(floor(n/2), n)", "max(floor(n/4), 3)", "n*min(floor((n + 1)/2), W)",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_SUM)
def test_a_sum_without_a_closed_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SymflopsError, match=r"no closed form for the sum of .* over n"):
        summed(from_text(text), "n", symbol("P"), symbol("T"))
