"""Signs, roots and curves against looking at every number, and against equations solved by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symflops
from symflops import SymflopsError, value
from symflops.algebra import from_text
from symflops.analysis.curves import Curve, curves
from symflops.analysis.feasible import is_at_least_zero
from symflops.analysis.roots import roots
from symflops.analysis.signs import signs
from symflops.function import maximum, minimum
from symflops.numeric import evaluate
from symflops.polynomial import add

TERMS = [
    "1", "n", "n**2", "n**3/7", "50*(3/4)**n", "n*(1/2)**(2*n)", "2**n/1000", "min(n, 23)", "max(n, 11, 3*n - 40)",
    "ceil(n/4)", "n*floor((n + 1)/6)", "min(floor(n/3), n - 9)", "min(n**2, 200)", "1/(n + 2)",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(-60, 60), st.sampled_from(TERMS)), min_size=1, max_size=4))
def test_the_sign_is_right_at_every_number(parts: list[tuple[int, str]]) -> None:
    value = from_text(" + ".join(f"({factor})*({term})" for factor, term in parts))
    try:
        runs = signs(value, "n")
    except SymflopsError:  # ceil against a line of the same slope changes places for ever
        with pytest.raises(SymflopsError, match="without end"):
            signs(value, "n")
        return
    ends = [run.last for run in runs]
    assert [run.first for run in runs] == [1, *(end + 1 for end in ends[:-1] if end is not None)]
    assert ends[-1] is None
    for n in (*range(1, 130), 500, 999):
        number = evaluate(value, {"n": n})
        assert [run.sign for run in runs if n in run] == [(number > 0) - (number < 0)], n


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fractions(1, 50, max_denominator=7), min_size=1, max_size=4, unique=True))
def test_rational_roots_are_found_and_all_of_them(wanted: list[Fraction]) -> None:
    value = from_text("*".join(f"(n - {r.numerator}/{r.denominator})" for r in wanted))
    assert [root.low for root in roots(value, "n")] == sorted(wanted)
    assert all(root.low == root.high and root.proof == "exact" for root in roots(value, "n"))


@pytest.mark.parametrize(
    ("text", "closed", "numbers"),
    [
        ("n**2 - 12", ["2*sqrt(3)"], [12**0.5]),
        ("n**2 - 3*n + 1", ["sqrt(5)/2 + 3/2"], [(3 + 5**0.5) / 2]),  # the other root, 0.38, is below 1
        ("2*n**2 - 7*n + 6", ["3/2", "2"], [1.5, 2]),
        ("min(n, 8)*n - 32", ["4*sqrt(2)"], [32**0.5]),  # below 8 it is n**2 - 32
        ("min(n, 4)*n - 32", ["8"], [8]),  # from 4 on it is 4*n - 32
        ("min(n**2, 50) - 7*n", ["7", "50/7"], [7, 50 / 7]),
        ("n**3 - 2", [None], [2 ** (1 / 3)]),
        ("(n - 3)**2", ["3"], [3]),  # touches and does not cross
        ("(n**2 - 2)**2*(n - 9)", ["sqrt(2)", "9"], [2**0.5, 9]),  # an irrational root that does not cross
        ("n**2 + 1", [], []),
        ("2*n - floor(n/3) - 20", ["12"], [12]),  # 24 - 4 - 20
    ],
)
def test_roots(text: str, closed: list[str | None], numbers: list[float]) -> None:
    found = roots(from_text(text), "n")
    assert [None if root.closed is None else str(root.closed) for root in found] == closed
    assert [root.number for root in found] == pytest.approx(numbers, rel=1e-15)


def test_a_root_of_a_power_lies_where_both_sides_meet() -> None:
    (root,) = roots(from_text("1000*(3/4)**n - n"), "n")
    assert root.closed is None
    assert 1000 * 0.75**root.number == pytest.approx(root.number, rel=1e-12)


def test_two_roots_between_neighbouring_numbers_are_found() -> None:
    found = roots(from_text("(n - 21/5)*(n - 22/5)"), "n")  # 4.2 and 4.4: positive at 4 and at 5
    assert [root.low for root in found] == [Fraction(21, 5), Fraction(22, 5)]


def test_curves_are_solved_by_formula() -> None:
    assert curves(from_text("a*n - b"), "n") == ("solved", [Curve(from_text("b/a"), "==", ("that is at least 1",))])
    _, (root,) = curves(from_text("a*n**2 - b"), "n")
    assert str(root.closed) == "sqrt(4*a*b)/(2*a)"
    assert curves(from_text("a*n + b"), "n") == ("never", [])  # no positive n
    _, (positive,) = curves(from_text("a*n**2 + b*n - c"), "n")
    point = {"a": 2, "b": 3, "c": 5, "n": 1}  # 2 + 3 - 5 = 0
    assert evaluate(positive.closed, point) == 1


def test_what_cannot_be_decided_is_refused() -> None:
    with pytest.raises(SymflopsError, match="no value for m; give m="):
        signs(from_text("n - m"), "n")
    with pytest.raises(SymflopsError, match="cannot solve with sqrt"):
        signs(from_text("sqrt(n) - 3"), "n")
    with pytest.raises(SymflopsError, match="cross again and again without end, with period 4"):
        signs(from_text("4*ceil(n/4) - n - 2"), "n")
    with pytest.raises(SymflopsError, match="a power of a negative number"):
        signs(from_text("(-2)**n + n"), "n")


def test_a_divisor_has_a_sign_and_where_it_is_0_there_is_none() -> None:
    # 3/(n - 5) - 1: negative below 5, none at 5, 2 and 1/2 at 6 and 7, 0 at 8, then negative
    assert [(r.first, r.last, r.sign) for r in signs(from_text("3/(n - 5) - 1"), "n")] == [
        (1, 4, -1), (5, 5, None), (6, 7, 1), (8, 8, 0), (9, None, -1),
    ]  # fmt: skip


@pytest.mark.parametrize("p", [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47])
def test_squares_of_primes_stand_before_a_root(p: int) -> None:
    """sqrt(2*p**2) is p*sqrt(2)."""
    (root,) = roots(from_text(f"n**2 - {2 * p * p}"), "n")
    assert str(root.closed) == f"{p}*sqrt(2)"


def test_a_rounded_value_that_steps_over_0_has_no_root() -> None:
    """3 + floor(3/2) is 4 and 4 + floor(4/2) is 6: no number gives 5, though the sign changes between them."""
    assert roots(from_text("floor(n/2) + n - 5"), "n") == []
    assert roots(from_text("ceil(n/2) + n - 4"), "n") == []  # 2 + 1 and 3 + 2


def test_a_value_that_stays_0_has_finitely_many_roots() -> None:
    found = [root.number for root in roots(from_text("max(0, 10 - n)"), "n")]
    assert found[0] == 10
    assert len(found) <= 2  # where it begins to be 0, told from the left and from the right


def test_the_root_of_a_line_with_a_power_of_many_digits() -> None:
    """3 / (63/64)**2000 by Python's own fractions."""
    (root,) = roots(from_text("(63/64)**2000*n - 3"), "n")
    exactly = 3 / Fraction(63, 64) ** 2000
    assert root.low <= exactly <= root.high
    assert root.number == float(exactly)
    assert str(root.closed) == "3/(63/64)**2000"


def test_a_power_of_too_many_digits_is_not_0() -> None:
    """(3/8)**40000 is less than 2**-50000 and more than 0."""
    assert roots(from_text("8*(3/8)**40000"), "n") == []
    model = {"name": "m", "symbols": {}, "layers": {"a": {"cost": dict.fromkeys(symflops.METRICS, "seq_len")}}}
    question = "8*(1 - (3/8)**batch_size) == 8"
    assert symflops.solve(model, question, "past_len", batch_size=40_000).status == "never"
    with pytest.raises(SymflopsError, match="a power of too many digits"):
        roots(from_text("(3/8)**40000*n - 3"), "n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max(0, 10 - n)", [10]), ("max(0, n - 10)", [1, 10]), ("max(0, min(n - 3, 10 - n))", [1, 3, 10]),
     ("max(0, 10 - n)*(n - 20)", [10]), ("(n - 1)*(n - 2)*(n - 3)", [1, 2, 3])],
)  # fmt: skip
def test_the_ends_of_a_stretch_of_zeros_are_roots_and_its_neighbours_are_none(text: str, expected: list[int]) -> None:
    assert [root.number for root in roots(from_text(text), "n")] == expected


def test_powers_of_powers_are_looked_at_once() -> None:
    """With each base looked at twice, 28 levels would take 2**28 steps: is log2(n + 1) >= 0, of which nobody knows?"""
    text = "log2(n + 1) + 1"
    for _ in range(28):
        text = f"({text})**m + 1"
    assert not is_at_least_zero(from_text(text))
    assert is_at_least_zero(from_text(text.replace("log2(n + 1)", "n")))


def test_an_atom_inside_of_many_others_is_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each level has the one below it twice: 10 levels are 1,024 atoms in the text, 20 that differ."""
    formula: value.Value = value.symbol("x")
    for i in range(10):
        y, z = value.symbol(f"y{i}"), value.symbol(f"z{i}")
        formula = minimum(add(formula, y), maximum(formula, z))
    walked = 0

    def terms_of(of: value.Value) -> dict[value.Monomial, value.Number]:
        nonlocal walked
        walked += 1
        return original(of)

    original = value.terms_of
    monkeypatch.setattr(value, "terms_of", terms_of)
    assert value.free_symbols(formula) == {"x", *(f"{letter}{i}" for letter in "yz" for i in range(10))}
    assert {call.function for call in value.calls_in(formula)} == {"min", "max"}
    assert value.is_nonnegative(formula)
    assert walked < 200
