"""Where two formulas are compared: conditions are used in proofs, must leave a point, and bind every counterexample.
Expected numbers are hand calculations, written beside them, or brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest

import symflops
from symflops.algebra import free_symbols
from symflops.assumption import comparison
from symflops.tree import read
from symflops.verification.cases import Cases
from symflops.verification.constraints import constraints
from symflops.verification.points import Search
from symflops.verification.region import settled
from symflops.verification.subject import repeat_conditions

EMPTY = "the conditions exclude every point"
DEEPSEEK = Path(__file__).parent / "data" / "deepseek-v3.json"

CONTRADICTIONS = [
    ["s == 5", "s == 6"],
    ["s < s"],
    ["s >= 5", "s <= 4"],
    ["2*s == 7"],
    ["s**2 == 2"],
    ["s != 0", "s <= 0"],
    ["s == 5", "s != 5"],
    ["s < t", "t < s"],
    ["s < t", "t < u", "u < s"],
    ["s == t + 1", "t == s + 1"],
    ["s*t == 7", "s == 2"],  # 7 is prime
    ["s*t == 7", "s >= 2", "s <= 6"],
    ["s % 2 == 1", "s % 4 == 2"],
    ["s + t <= 3", "s >= 4"],
    ["causal == 2"],
    ["causal >= 2"],
    ["dtype_bytes < 0"],
    ["s == 5 % t", "t == 0"],  # no value
    ["1 == 2"],
    ["1/(s - s) <= 3"],  # no value anywhere
    ["x == 5", "x == 6"],  # of a symbol that no formula has
]


@pytest.mark.parametrize("conditions", CONTRADICTIONS, ids=", ".join)
@pytest.mark.parametrize("pair", [("s", "7"), ("s", "s"), ("min(s, t) + max(s, t)", "s + t")], ids=str)
def test_conditions_that_exclude_every_point_prove_nothing(conditions: list[str], pair: tuple[str, str]) -> None:
    verdict = symflops.verify(*pair, assume=conditions)
    assert (verdict.status, verdict.proof) == ("unproven", EMPTY)
    assert not verdict.findings  # nothing differs where there is no point
    assert not verdict.ratios


@pytest.mark.parametrize(
    ("conditions", "a", "b"),
    [
        (["s <= t"], "min(s, t)", "s"),
        (["s <= t", "t <= u"], "min(s, t, u)", "s"),
        (["s*t < u"], "max(s*t, u)", "u"),
        (["s <= 2*t"], "min(s, 2*t)", "s"),
        (["t >= s"], "max(0, t - s)", "t - s"),
        (["s < t"], "floor(s/t)", "0"),
        (["s + t == u"], "min(u, s)", "s"),
        (["2*s <= 7"], "min(s, 3)", "s"),  # s is whole
        (["s != 0"], "min(s, 1)", "1"),
        (["s != 0"], "0**s", "0"),
        (["s % 2 == 1", "s % 4 == 1"], "s", "s"),
        (["k <= E", "E >= 1"], "min(1, k/E)", "k/E"),
        (["2*s == t + u"], "t*k + u*k", "2*s*k"),  # no side is a name alone
        (["s + s*t == 5 + u"], "k*(s + s*t)", "k*(5 + u)"),
        (["s % t == 0"], "max(1, t) + s", "t + s"),  # where t is 0 the condition has no value
        (["dtype_bytes >= 1"], "max(0, dtype_bytes - 1)", "dtype_bytes - 1"),
        (["dtype_bytes > 0", "dtype_bytes < 1"], "min(1, dtype_bytes)", "dtype_bytes"),
    ],
)
def test_conditions_are_known_facts(conditions: list[str], a: str, b: str) -> None:
    assert symflops.verify(a, b, assume=conditions).status == "equal"


@pytest.mark.parametrize(
    ("conditions", "a", "b", "point", "numbers"),
    [
        (["s < t"], "min(s, t - 1)", "min(s, t - 2)", {"s": 0, "t": 1}, (0, -1)),
        (["s >= 3", "s != 4"], "s", "min(s, 4)", {"s": 5}, (5, 4)),
        (["s*t == 6", "s > t"], "s", "2", {"s": 3, "t": 2}, (3, 2)),
        (["dtype_bytes > 0", "dtype_bytes < 1"], "2*dtype_bytes", "dtype_bytes", {"dtype_bytes": Fraction(1, 2)}, None),
        (["s**2 >= 16"], "max(s, 5)", "s", {"s": 4}, (5, 4)),
        (["s**2 >= 17"], "max(s, 6)", "s", {"s": 5}, (6, 5)),
        (["2*s**3 >= 16"], "max(s, 3)", "s", {"s": 2}, (3, 2)),
        ([], "ceil(dtype_bytes)", "dtype_bytes", {"dtype_bytes": Fraction(1, 2)}, (1, Fraction(1, 2))),
        # v = floor(x), u = v + 1 where x is whole; s*dtype_bytes = 1/2 is not
        ([], "ceil(s*dtype_bytes)", "s*dtype_bytes", {"dtype_bytes": Fraction(1, 2), "s": 1}, (1, Fraction(1, 2))),
        ([], "0**s", "0", {"s": 0}, (1, 0)),  # 0**0 is 1
        ([], "(-2)**s", "2**s", {"s": 1}, (-2, 2)),
    ],
)
def test_counterexamples(
    conditions: list[str], a: str, b: str, point: dict[str, int], numbers: tuple[int, int] | None
) -> None:
    verdict = symflops.verify(a, b, assume=conditions)
    assert (verdict.status, verdict.counterexample) == ("different", point)
    assert numbers is None or (verdict.candidate_value, verdict.reference_value) == numbers


D = "(a*c/b - a*a - 3)"
U = f"(min(0, {D}) - min(0, {D} + 1))"


def test_a_fraction_may_lie_between_minus_one_and_nought() -> None:
    """At a=1, b=2, c=7 D is -1/2, so min(0, D) - min(0, D + 1) is -1/2 and u*(u + 1) is -1/4."""
    verdict = symflops.verify(f"{U}*({U} + 1)", "0")
    assert verdict.status == "different"
    assert verdict.counterexample is not None
    a, b, c = (Fraction(verdict.counterexample[n]) for n in "abc")
    d = a * c / b - a * a - 3
    u = min(Fraction(0), d) - min(Fraction(0), d + 1)
    assert verdict.candidate_value == u * (u + 1) != 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0**s", "max(0, 1 - s)"),
        ("0**(s + 1)", "0"),
        ("s*0**s", "0"),
        ("(-1)**(s*(s + 1))", "1"),
        ("(-3)**(2*s)", "9**s"),
        ("min(s/2, 1)*(min(s/2, 1) - 1)*(min(s/2, 1) - 1/2)", "0"),  # s is 0, 1 or more: 0, 1/2 or 1
        ("min(1/t, 1)", "1/t"),
        ("min(dtype_bytes, weight_bytes) + max(dtype_bytes, weight_bytes)", "dtype_bytes + weight_bytes"),
    ],
)
def test_proofs_over_fractions_and_powers(a: str, b: str) -> None:
    assert symflops.verify(a, b).status == "equal"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        # one of the two factors is 0, wherever the others are: no region is cut in steps of 1
        ("max(0, w - 100*t)*max(0, 50*t - w)", "0"),
        ("max(0, w - 10000*t)*max(0, 10000*t - w)", "0"),
        ("max(0, 2*s + p - 1000)*max(0, 999 - 2*s - p)", "0"),
        ("max(0, s + p - 4096)*max(0, s - p - 5000)", "(s + p - 4096)*max(0, s - p - 5000)"),  # s is 5000 or more
    ],
)
def test_proofs_with_large_numbers(a: str, b: str) -> None:
    assert symflops.verify(a, b).status == "equal"


@pytest.mark.parametrize(
    ("a", "b", "conditions", "status", "proof"),
    [
        # floor(sqrt(s)) is 0, 1, 1, 1, 2, 2, 2, 2, 2
        ("floor(sqrt(s))", "min(s, 1) + min(1, s//4)", ["s <= 8"], "equal", "at each point of the domain"),
        # equal, since 2*s + 2*sqrt(s*s - 1) is the square of the second; digits of roots do not show that
        ("sqrt(2*s + 2*sqrt(s*s - 1))", "sqrt(s + 1) + sqrt(s - 1)", ["s >= 1", "s <= 8"], "unproven", "normal forms"),
        ("6*B*S*h*i", "llama-2-7b-hf:mlp", ["vocab_size == 32000", "vocab_size == 5"], "unproven", EMPTY),
        ("6*B*S*h*i", "llama-2-7b-hf:mlp", ["vocab_size == 5", "vocab_size < 7"], "equal", "the same"),
    ],
)
def test_what_was_shown_and_how(a: str, b: str, conditions: list[str], status: str, proof: str) -> None:
    verdict = symflops.verify(a, b, "matmul_flops", assume=conditions)
    assert verdict.status == status
    assert verdict.proof.startswith(proof)


@pytest.mark.parametrize(
    ("a", "own"),
    [
        # where t and w are that large, only s = 1 differs: min(1, 2) - 2*min(1, 1) is -1
        ("max(0, t - 100)*max(0, w - 100*t)*(min(s, 2) - 2*min(s, 1))", {"t": 101, "w": 10101, "s": 1}),
        ("max(0, t - 100)*max(0, w - 100*t)*min(s, 2)*(min(s, 2) - 2)", {"t": 101, "w": 10101, "s": 1}),
        ("max(0, t - 100)*max(0, w - 100*t)*(1 - min(s, 1))", {"t": 101, "w": 10101, "s": 0}),
        ("max(0, t + s - 1000)*max(0, w - 100*t - s)*(min(k, 2) - 2*min(k, 1))", None),
        ("max(0, t - 100)*max(0, w - 100*t)*(min(s, 3) - 3*min(s, 1))", None),
    ],
)
def test_a_difference_far_away_is_found(a: str, own: dict[str, int] | None) -> None:
    verdict = symflops.verify(a, "0")
    assert verdict.status == "different"
    assert own is None or verdict.counterexample == own


def test_a_product_of_three_that_is_nought_at_whole_numbers_alone() -> None:
    verdict = symflops.verify("min(dtype_bytes, 1)*(min(dtype_bytes, 1) - 1)", "0")
    assert verdict.counterexample == {"dtype_bytes": Fraction(1, 2)}
    assert verdict.candidate_value == Fraction(-1, 4)
    assert not verdict.smallest
    # The dictionary is one of plain data, of which no type says what is inside.
    assert verdict.to_dict()["counterexample"]["at"] == {"dtype_bytes": "1/2"}


# ------------------------------------------------------------------------------------------------------------ a model


@pytest.fixture(scope="module")
def deepseek() -> symflops.Model:
    return symflops.load(str(DEEPSEEK))


def test_symbols_that_stand_in_neither_formula_take_no_time(deepseek: symflops.Model) -> None:
    deepseek.total(symbolic=True)
    verdict = symflops.verify("2*batch_size*seq_len*hidden_size*vocab_size", deepseek, "matmul_flops", budget=0.5)
    assert (verdict.status, verdict.smallest) == ("different", True)
    point = verdict.counterexample
    assert point is not None
    # n_group is in neither; the smallest that fits n_group != 1, n_group < n_routed_experts and a whole quotient
    fits = [(e, g) for e, g in product(range(9), range(1, 9)) if g != 1 and g < e and e % g == 0]
    assert (point["n_routed_experts"], point["n_group"]) == min(fits)
    for text in ("n_group != 1", "qk_rope_head_dim % 2 == 0", "head_dim == qk_rope_head_dim"):
        assert text in deepseek.assumes
        assert comparison(text).is_true(dict(point)), text


def test_no_layer_runs_a_negative_number_of_times(deepseek: symflops.Model) -> None:
    assert repeat_conditions(deepseek) == ("num_hidden_layers >= first_k_dense_replace",)
    verdict = symflops.verify("0*batch_size", deepseek, "parameters")
    assert verdict.counterexample is not None
    assert verdict.counterexample["num_hidden_layers"] >= verdict.counterexample["first_k_dense_replace"]
    assert verdict.reference_value is not None
    assert verdict.reference_value > 0


def test_new_symbols_of_a_proof_are_none_that_its_first_region_has() -> None:
    where = constraints(["k <= w", "s*k >= 4"], {}, {"k", "s", "w"})
    search = Search(read("min(s, w)"), read("s*k"), where)
    start = settled(search.start, search.fresh)
    assert start is not None
    used = {name for value in start.names.values() for name in free_symbols(value)}
    assert "w'1" in used  # w is k + w'1
    cases = Cases(search, search.differs)
    assert used.isdisjoint(cases.fresh(name) for name in ("w", "k", "s") for _ in range(3))


@pytest.mark.parametrize(
    ("candidate", "reference", "condition", "message"),
    [
        ("s", "1/s", "s == 0", "the reference 1/s has no value where s == 0: division by zero"),
        ("5 % w", "w", "w == 0", "the candidate 5 % w has no value where w == 0: division by zero"),
        (
            "s",
            "sqrt(s-4)",
            "s == 1",
            "the reference sqrt(s-4) has no value where s == 1: square root of a negative number",
        ),
        ("1/(s-s)", "s", "s >= 1", "the candidate 1/(s-s): division by zero"),
    ],
)
def test_a_side_without_a_value_is_named(candidate: str, reference: str, condition: str, message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.verify(candidate, reference, assume=[condition])
    assert str(refused.value) == message


def test_a_condition_that_holds_only_where_a_side_has_no_value_does_not_exclude_every_point() -> None:
    verdict = symflops.verify("s", "1/s", assume=["s <= 0"])
    assert verdict.status == "unproven"
    assert verdict.proof == "the conditions exclude every point at which both formulas have a value"


def test_a_condition_whose_right_side_is_irrational() -> None:
    """3 < sqrt(s) from s = 10 on, where 12 - s is still positive."""
    verdict = symflops.verify("s", "s + max(0, 12 - s)", assume=["3 < sqrt(s)"])
    assert (verdict.status, verdict.counterexample) == ("different", {"s": 10})
