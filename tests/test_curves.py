"""Solutions with other symbols left, against the question asked at small numbers of all of them."""

from __future__ import annotations

import itertools
import operator
from fractions import Fraction

import pytest

from symflops.algebra import from_text
from symflops.analysis.curves import Curve, curves
from symflops.assumption import comparison
from symflops.domain import Condition
from symflops.errors import SymflopsError
from symflops.numeric import evaluate

HOLDS = {
    "==": operator.eq, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
TEXTS = [
    "a*n - b", "a*n + b", "n - a - b", "a - n", "-a*n + b - 1", "(a - b)*n - 1", "a*n**2 - b", "a*n**2 + b*n - c",
    "a*n**2 - b*n", "b - a*n**2", "n**2 - 2*a*n + a**2", "n**2 - (a + b)*n + a*b", "a*n**2 - b*n - c",
    "n**2 + a*n - c*n",
    "1/(1 - n - a) + b", "1/(n + a) - 1/b", "a/n - b", "a/n**2 - b", "(n - a)/(n + b)", "b/(1 - n - a)**2 - 1/c",
    "min(a - b, 3)*(n - c)", "min(a - b, 3)**2*(n - c)", "max(a, b - 3)*(c - n)",
    "b - past_len*n**2", "b + n - past_len*n**2", "past_len*n**2 - b - n",
    "past_len*(n - a)", "past_len**2*(a - n)", "(n - a)*a*b", "-b*(n - a)", "(2*n - a)*(a + 1)", "a - a*n",
    "b", "-b", "a - b*c",
]  # fmt: skip


def holds_at(found: tuple[str, list[Curve]], point: dict[str, int]) -> bool | None:
    """What an answer says of a point; None where its conditions do not hold, of which it says nothing."""
    status, solutions = found
    if status != "solved":
        return status == "always"
    said: list[bool] = []
    for curve in solutions:
        told = [c for c in curve.conditions if not c.startswith("that is ")]  # of a root: one that n can be
        if all(Condition.of(comparison(c)).holds(point) for c in told):
            try:
                edge = Fraction(evaluate(curve.closed, point))
            except SymflopsError:  # an irrational edge is no whole number; only its sides are told
                edge = Fraction(str(round(float(from_sqrt(curve, point)), 9)))
            said.append(HOLDS[curve.side](point["n"], edge))
    return any(said) if said else None


def from_sqrt(curve: Curve, point: dict[str, int]) -> float:
    import sympy

    from symflops.expr import to_sympy

    return float(sympy.N(to_sympy(curve.closed).subs({sympy.Symbol(n): v for n, v in point.items()})).as_real_imag()[0])


@pytest.mark.parametrize("relation", HOLDS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_solution_holds_where_the_question_does(text: str, relation: str) -> None:
    value = from_text(text)
    try:
        found = curves(value, "n", relation)
    except SymflopsError:
        return  # what cannot be told is not told
    for a, b, c, n, past in itertools.product((1, 2, 3), (1, 2, 4), (1, 5), (1, 2, 3, 4, 7), (0, 1)):
        point = {"a": a, "b": b, "c": c, "n": n, "past_len": past}
        said = holds_at(found, point)
        assert said is None or said == HOLDS[relation](evaluate(value, point), 0), (found, point)


@pytest.mark.parametrize(
    ("text", "relation", "first", "side", "where"),
    [
        # At a = b = past_len = 1: n**2 - n - 6 is 0 at 3, n**2 + n - 6 at 2, n**2 - 9 at 3.
        ("6*b + n - past_len*n**2", "<=", 3, ">=", "past_len > 0"),
        ("6*b + n - past_len*n**2", "<", 4, ">=", "past_len > 0"),
        ("6*b + n - past_len*n**2", ">=", 3, "<=", "past_len > 0"),
        ("6*b + n - past_len*n**2", ">", 2, "<=", "past_len > 0"),
        ("6*b + n - past_len*n**2", "==", 3, "==", "past_len > 0"),
        ("6*b - n - past_len*n**2", "<=", 2, ">=", "past_len > 0"),
        ("9*b - past_len*n**2", ">=", 3, "<=", "past_len > 0"),
        ("6*b + n - a*n**2", "<=", 3, ">=", ""),
        ("6*b + n - a*n**2", ">", 2, "<=", ""),
        ("6*b + n - a*n**2", "==", 3, "==", ""),
        ("6*b - n - a*n**2", ">=", 2, "<=", ""),
        ("9*b - a*n**2", "<", 4, ">=", ""),
        ("past_len*n**2 - n - 6*b", ">=", 3, ">=", "past_len > 0"),
    ],
)
def test_a_leading_coefficient_of_either_sign_or_0(text: str, relation: str, first: int, side: str, where: str) -> None:
    status, (found,) = curves(from_text(text), "n", relation)
    assert (status, found.side) == ("solved", side)
    assert [c for c in found.conditions if not c.startswith("that is ")] == ([where] if where else [])
    assert evaluate(found.closed, {"a": 1, "b": 1, "past_len": 1}) == first


def test_both_roots_of_a_leading_coefficient_that_is_at_most_0() -> None:
    for text, where in (("5*n - past_len*n**2 - 6*b", "past_len > 0"), ("5*n - a*n**2 - 6*b", "")):
        _, found = curves(from_text(text), "n")
        assert {evaluate(f.closed, {"a": 1, "b": 1, "past_len": 1}) for f in found} == {2, 3}
        assert all((where in f.conditions) == bool(where) for f in found)
