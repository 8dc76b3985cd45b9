"""Verdicts, counterexamples, names, conditions, tolerance and time. What is expected comes from the planted faults of
the benchmark set, from brute force, or from a hand calculation written beside it."""

from __future__ import annotations

from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_verification_sound import brute, constants_as_fractions
from verification_set import Case, right, wrong

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.xdist_group("verification")

Judged = list[tuple[Case, symflops.Verdict]]


def judge(cases: list[Case]) -> Judged:
    found = []
    for case in cases:
        candidate, reference = case.sides()
        found.append((case, symflops.verify(candidate, reference, case.metric)))
    return found


@pytest.fixture(scope="module")
def rights() -> Judged:
    return judge(right())


@pytest.fixture(scope="module")
def wrongs() -> Judged:
    """Every second one; `benchmarks/bench_verify.py` judges all."""
    cases = wrong()
    chosen = cases[::2]
    assert {case.kinds for case in chosen} == {case.kinds for case in cases}
    return judge(chosen)


@pytest.mark.slow
def test_right_rewrites_are_equal(rights: Judged) -> None:
    assert len(rights) >= 300
    assert [(case.name, v.status) for case, v in rights if v.status != "equal"] == []


@pytest.mark.slow
def test_wrong_ones_are_different_at_a_point_that_checks_out(wrongs: Judged) -> None:
    assert len(wrongs) >= 300
    for case, verdict in wrongs:
        assert verdict.status == "different", case.name
        assert verdict.counterexample is not None
        x, y = (brute(constants_as_fractions(t), verdict.counterexample) for t in (case.candidate, case.reference))
        assert x != y, case.name
        assert (x, y) == (verdict.candidate_value, verdict.reference_value), case.name


@pytest.mark.slow
def test_the_planted_fault_is_named_first(wrongs: Judged) -> None:
    missed = [case.name for case, v in wrongs if not v.findings or v.findings[0].kind not in case.kinds]
    assert len(missed) <= len(wrongs) / 10, missed


@pytest.mark.slow
def test_a_fault_in_one_layer_is_named_with_its_layer(wrongs: Judged) -> None:
    """The path is part of the case's name; layers that cost the same are named together."""
    in_layers = [(c, v) for c, v in wrongs if c.model and c.name.endswith((" without", " last token"))]
    assert len(in_layers) > 25
    missed = [c.name for c, v in in_layers if c.name.split()[2] not in v.diagnosis]
    assert len(missed) <= len(in_layers) / 20, missed


# --------------------------------------------------------------------------------------------------------- decisions


def sympy_cases() -> list[tuple[Any, Any, str]]:
    s, w = symflops.symbol("s"), symflops.symbol("w")
    window = sympy.Piecewise((s * (s + 1) / 2, s <= w), (w * (w + 1) / 2 + w * (s - w), True))
    return [
        (sympy.Piecewise((s, s <= w), (w, True)), sympy.Min(s, w), "equal"),
        (sympy.Piecewise((s, s < w), (w, True)), "min(s, w)", "equal"),
        (window, "min(s, w)*(min(s, w) + 1)/2 + w*max(s - w, 0)", "equal"),
        (sympy.Piecewise((1, sympy.Eq(sympy.Mod(s, 2), 0)), (2, True)), "1 + s % 2", "equal"),
        (sympy.Piecewise((s, s <= w), (w + 1, True)), sympy.Min(s, w), "different"),
        (sympy.ceiling(s / 128), sympy.floor((s + 127) / 128), "equal"),
    ]


@pytest.mark.parametrize(("a", "b", "status"), sympy_cases(), ids=str)
def test_sympy_expressions(a: Any, b: Any, status: str) -> None:
    assert symflops.verify(a, b).status == status


def test_a_piecewise_that_cannot_be_read_exactly() -> None:
    s = symflops.symbol("s")
    with pytest.raises(SymflopsError, match="no comparison of whole numbers"):
        symflops.verify(sympy.Piecewise((s, s / 2 < symflops.symbol("w")), (1, True)), "s")
    with pytest.raises(SymflopsError, match="without a piece for all other cases"):
        symflops.verify(sympy.Piecewise((s, s < 3)), "s")


@pytest.mark.parametrize(
    ("a", "b", "assume", "status"),
    [
        ("causal**2", "causal", [], "equal"),  # causal is 0 or 1
        ("c**2", "x", ["x == c**2"], "equal"),
        ("n*(h // n)", "h", [], "different"),
        ("n*(h // n)", "h", ["h % n == 0"], "equal"),
        ("ceil(h/n)", "h // n", ["h % n == 0", "n % g == 0"], "equal"),
        ("max(s, 1)", "s", ["s >= 1"], "equal"),
        ("min(s, 512)", "s", ["s <= 512"], "equal"),
        ("min(s, 512)", "s", ["s <= 513"], "different"),
        ("s*p", "0", ["p == 0"], "equal"),
        ("min(s + p, w)", "s + p", ["w == s + p"], "equal"),
    ],
)
def test_conditions_restrict_the_domain(a: str, b: str, assume: list[str], status: str) -> None:
    verdict = symflops.verify(a, b, assume=assume)
    assert verdict.status == status
    if status == "different":
        assert verdict.counterexample is not None
        point: dict[str, int] = dict(verdict.counterexample)
        for condition in assume:
            left, _, right = condition.partition("==") if "==" in condition else condition.partition("<=")
            x, y = brute(left.strip(), point), brute(right.strip(), point)
            assert x is not None
            assert y is not None
            assert x == y if "==" in condition else x <= y


def test_the_conditions_of_a_model_hold_at_its_counterexample() -> None:
    model = symflops.load("bert-base")  # assumes hidden_size % num_attention_heads == 0
    verdict = symflops.verify("hidden_size*num_attention_heads", model)
    assert verdict.status == "different"
    assert verdict.counterexample is not None
    assert verdict.counterexample["num_attention_heads"] >= 1
    assert verdict.counterexample["hidden_size"] % verdict.counterexample["num_attention_heads"] == 0
    assert "hidden_size % num_attention_heads == 0" in verdict.assumed


@pytest.mark.parametrize(
    ("a", "b", "point"),
    [
        ("2*N*h", "N*h", {"N": 1, "h": 1}),
        ("s**2", "s", {"s": 2}),
        ("s**2", "3*s - 2", {"s": 0}),
        ("s**3 - 3*s**2 + 2*s", "0", {"s": 3}),  # s*(s - 1)*(s - 2)
        ("min(s, 4096)", "min(s, 4097)", {"s": 4097}),
        ("ceil(s/128)", "(s + 126) // 128", {"s": 1}),
        (
            "s // 7",
            "(s + 1) // 8",
            {"s": 14},
        ),  # 2 against 1; up to 13 both agree: 6/7 and 7/8 are 0, 7..13 and 8..14 are 1
        ("a*b*(a - b)", "0", {"a": 1, "b": 2}),
        ("s // s", "s", {"s": 2}),  # has no value at 0
    ],
)
def test_the_smallest_counterexample(a: str, b: str, point: dict[str, int]) -> None:
    verdict = symflops.verify(a, b)
    assert (verdict.status, verdict.smallest) == ("different", True)
    assert verdict.counterexample == point


def test_what_has_no_value_is_outside_of_the_domain() -> None:
    assert symflops.verify("s // s", "1").status == "equal"
    assert symflops.verify("(s + 1)/(s - 3)*(s - 3)", "s + 1").status == "equal"
    assert symflops.verify("log2(s) - log2(s) + w", "w").status == "equal"


def test_irrational_numbers_differ_only_when_shown() -> None:
    near = symflops.verify("log2(3)*s", "log2(3)*s + s/10**60")
    assert near.status == "different"  # 10**-60 is far above the precision of the enclosure
    assert symflops.verify("sqrt(2)*sqrt(3)*s", "sqrt(6)*s").status == "equal"
    assert symflops.verify("sqrt(s)", "s").counterexample == {"s": 2}


@st.composite
def polynomials(draw: st.DrawFn) -> str:
    terms = draw(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=4))
    return " + ".join(f"({c})*a**{i}*b**{j}" for c, i, j in terms)


@settings(max_examples=150, deadline=None)
@given(polynomials(), polynomials(), polynomials())
def test_polynomials_are_decided_as_sympy_decides_them(p: str, q: str, r: str) -> None:
    a, b = f"({p})*({q}) - ({r})", f"({q})*({p}) + ({r})"
    x, y = sympy.symbols("a b", integer=True, nonnegative=True)
    same = sympy.expand(sympy.Add(*[sympy.S(0)]) + _in_sympy(a, x, y) - _in_sympy(b, x, y)) == 0
    verdict = symflops.verify(a, b)
    assert verdict.status == ("equal" if same else "different")


def _in_sympy(text: str, a: sympy.Symbol, b: sympy.Symbol) -> sympy.Expr:
    return sympy.sympify(eval(text, {"__builtins__": {}}, {"a": a, "b": b}))


# -------------------------------------------------------------------------------------------------------------- names


def test_names_are_taken_by_what_they_mean_and_told() -> None:
    verdict = symflops.verify("2*bsz*T*d_model*vocab", "2*batch_size*seq_len*hidden_size*vocab_size")
    assert verdict.status == "equal"
    assert verdict.renamed == {"bsz": "batch_size", "T": "seq_len", "d_model": "hidden_size", "vocab": "vocab_size"}


def test_a_letter_is_read_in_the_way_that_fits() -> None:
    """n may be heads or length, T length or layers: the reading under which the formulas are equal is taken."""
    model = symflops.load("llama-2-7b-hf:".rstrip(":"))
    text = model.total(symbolic=True).text("parameters")
    short = (
        text.replace("num_hidden_layers", "T")
        .replace("hidden_size", "d")
        .replace("intermediate_size", "m")
        .replace("vocab_size", "V")
        .replace("num_attention_heads", "a")
        .replace("num_key_value_heads", "g")
        .replace("head_dim", "k")
    )
    verdict = symflops.verify(short, model, "parameters")
    assert verdict.status == "equal"
    assert verdict.renamed is not None
    assert verdict.renamed["T"] == "num_hidden_layers"
    assert verdict.renamed["k"] == "head_dim"


def test_tokens_are_batch_times_length() -> None:
    verdict = symflops.verify("2*tokens*h*V", "2*batch_size*seq_len*hidden_size*vocab_size")
    assert verdict.status == "equal"
    assert verdict.renamed == {"tokens": "batch_size*seq_len", "h": "hidden_size", "V": "vocab_size"}


def test_names_that_mean_nothing_alike_are_not_matched() -> None:
    verdict = symflops.verify("2*foo*bar", "2*alpha*omega")
    assert (verdict.status, verdict.renamed) == ("different", {})


def test_renaming_on_request() -> None:
    verdict = symflops.verify("2*x*y", "2*seq_len*h**2", rename={"x": "seq_len", "y": "h**2"})
    assert verdict.status == "equal"
    assert verdict.renamed == {"x": "seq_len", "y": "h**2"}
    swapped = symflops.verify("a - b", "b - a", rename={"a": "b", "b": "a"})
    assert swapped.status == "equal"
    with pytest.raises(SymflopsError, match=r"the candidate has no name 'z'; valid: x, y"):
        symflops.verify("x*y", "a", rename={"z": "a"})


def test_defaults_of_a_formula_are_taken_and_told() -> None:
    linear = symflops.load_formula("linear")
    verdict = symflops.verify("2*N*in_features*out_features", linear)
    assert (verdict.status, verdict.assumed) == ("equal", ("bias = 0 (default)",))
    assert symflops.verify("2*N*in_features*out_features + N*bias*out_features", linear).assumed == ()


# ---------------------------------------------------------------------------------------------------------- diagnoses


def test_a_published_formula() -> None:
    """T(4nd^2 + 2n^2d + 2ndm): multiply-accumulates, and one of the two matrices of a gated MLP is missing; it is also
    for one sequence, ignores the mask, the cache and the logits, and takes head widths to add up to d."""
    verdict = symflops.verify(
        "T*(4*n*d**2 + 2*n**2*d + 2*n*d*m)",
        symflops.load("llama-2-7b-hf"),
        "matmul_flops",
        rename={"T": "num_hidden_layers", "n": "seq_len", "d": "hidden_size", "m": "intermediate_size"},
    )
    kinds = [finding.kind for finding in verdict.findings]
    assert kinds[0] == "multiply-accumulate"
    assert {f.layer for f in verdict.findings if f.kind == "missing"} == {"model.layers.mlp.gate_proj", "lm_head"}
    assert {"hidden for heads", "causal", "past ignored", "batch forgotten"} <= set(kinds)
    # 32*(4*n*d^2 + 2*n^2*d + 2*n*d*m) / 29,261,612,187,648 at n = 2048, d = 4096, m = 11008, by hand: 0.3939...
    assert verdict.ratios is not None
    assert verdict.ratios[1024] == pytest.approx(
        32
        * (4 * 1024 * 4096**2 + 2 * 1024**2 * 4096 + 2 * 1024 * 4096 * 11008)
        / symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=1024).matmul_flops
    )


def test_another_metric_is_recognised() -> None:
    model = symflops.load("mixtral-8x7b")
    verdict = symflops.verify(model.total(symbolic=True).text("matmul_flops"), model)
    assert verdict.diagnosis == "this is matmul_flops, not flops"


def test_what_no_edit_explains_is_listed_by_terms_and_layers() -> None:
    model = symflops.load("llama-2-7b-hf")
    verdict = symflops.verify("batch_size*seq_len*hidden_size*vocab_size*7 + vocab_size**2", model, "matmul_flops")
    assert verdict.status == "different"
    assert "vocab_size**2 is not in the reference" in verdict.diagnosis or "more terms" in verdict.diagnosis
    assert (
        "7*batch_size*seq_len*hidden_size*vocab_size instead of 2*" in verdict.diagnosis
        or "missing" in verdict.diagnosis
    )


def test_a_verdict_prints_what_matters() -> None:
    text = str(symflops.verify("B*S*h*V", "2*batch_size*seq_len*hidden_size*vocab_size"))
    assert "smallest counterexample: batch_size=1, hidden_size=1, seq_len=1, vocab_size=1" in text
    assert "candidate 1, reference 2" in text
    assert "0.5 at seq_len 128" in text
    assert "names taken: B = batch_size, S = seq_len, V = vocab_size, h = hidden_size" in text


# ---------------------------------------------------------------------------------------------------------- tolerance


def test_lower_order_terms_may_be_left_out_and_are_listed() -> None:
    right = "2*N*h*i + N*h + 3*N"
    verdict = symflops.verify("2*N*h*i + 5*N", right, tolerance="leading")
    assert verdict.status == "equal"
    assert verdict.dropped == ("N*h", "3*N") or set(verdict.dropped) == {"N*h", "-2*N"}
    assert symflops.verify("2*N*h*i + 5*N", right).status == "different"
    assert symflops.verify("3*N*h*i", right, tolerance="leading").status == "different"
    assert symflops.verify("2*N*h*i + N*k", right, tolerance="leading").status == "different"  # k may grow alone
    assert symflops.verify(right, right, tolerance="leading").dropped == ()


def test_rounding_is_of_lower_order() -> None:
    verdict = symflops.verify("2*h*s", "2*h*64*ceil(s/64)", tolerance="leading")
    assert (verdict.status, verdict.dropped) == ("equal", ("rounding: ceil(s/64)",))


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2*", "x"), "not a formula"),
        (("x", "x", "flop"), "unknown metric 'flop'; did you mean 'flops'?"),
        ((None, "x"), "expected a formula, got NoneType"),
        (("x", "y/0"), "division by zero"),
    ],
)
def test_what_cannot_be_verified_is_an_error(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SymflopsError, match=message):
        symflops.verify(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": "loose"}, "unknown tolerance 'loose'; valid: exact, leading"),
        ({"budget": 0}, "budget = 0: must be a positive number of seconds"),
        ({"budget": 10**400}, r"budget = 1000\d* … must be a positive number of seconds"),
        ({"budget": float("nan")}, "must be a positive"),
        ({"assume": ["x"]}, "expected two formulas compared by"),
        ({"assume": ["x == __import__('os')"]}, "unknown function|not part of the language"),
    ],
)
def test_wrong_options_are_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError, match=message):
        symflops.verify("x", "x + 1", **options)


# ------------------------------------------------------------------------------------------------------------- hanging

_SUM = " + ".join(f"x{i}" for i in range(40))
HARD = {
    "power of a sum": ("(a + b + c + d)**60", "(a + b + c + d)**59*(a + b + c - d)"),
    "many minima": (f"min({', '.join(f'x{i} + y{i}' for i in range(60))})", "x0"),
    "minima against each other": (
        " + ".join(f"min(a*{i}, b*{i + 1} + c, d)" for i in range(1, 12)),
        " + ".join(f"min(a*{i}, b*{i + 2} + c, d)" for i in range(1, 12)),
    ),
    "floors of many divisors": (
        " + ".join(f"((s*{i} + t) // {i + 90})*h" for i in range(1, 25)),
        " + ".join(f"((s*{i} + t) // {i + 90})*h" for i in range(1, 25)) + " + max(s - 10**9, 0)",
    ),
    "tower of rounding": (f"{'ceil(' * 25}s{'/3 + 1)' * 25}", f"{'floor(' * 25}s{'/3 + 2)' * 25}"),
    "powers": ("2**(a*b*c)*3**(a + b)", "2**(a*b*c)*3**(a + b) + max(a - 10**6, 0)"),
    "roots": ("sqrt(a + sqrt(b + sqrt(c + d)))", "sqrt(a + sqrt(b + sqrt(c + d))) + max(a - 10**12, 0)"),
    "wide product": (f"({_SUM})*({_SUM})*({_SUM})", f"({_SUM})*({_SUM})*({_SUM} - x0)"),
    "beyond any search": ("max(s - 10**30, 0)*max(t - 10**30, 0)", "0"),
    "large modulus": ("(s + t) % 1000003", "(s % 1000003 + t % 1000003) % 1000003"),
    "products that differ late": ("min(a*b*c, d*e*f)", "min(a*b*c, d*e*f + max(a - 99999, 0))"),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("budget", [0.2, 0.6])
def test_nothing_hangs(name: str, budget: float) -> None:
    """A hang takes minutes; how close to the budget it ends is what benchmarks/bench_verify.py measures."""
    verdict = symflops.verify(*HARD[name], budget=budget)
    assert verdict.status != "equal" or name == "large modulus"
    assert verdict.proof or verdict.status == "different"


def test_far_thresholds_are_found() -> None:
    """No search reaches 10**30; the case that is left open leads there."""
    verdict = symflops.verify(*HARD["beyond any search"])
    assert verdict.status == "different"
    assert verdict.counterexample == {"s": 10**30 + 1, "t": 10**30 + 1}


def test_unproven_says_what_was_tried() -> None:
    verdict = symflops.verify("2**s + 3**s", "2**s + 3**s + max(2**s - 3**s - s, 0)*min(s, 1)", budget=0.2)
    assert verdict.status in ("equal", "unproven")
    assert verdict.proof


def test_many_letters_for_the_same_things() -> None:
    """More letters than there are sensible readings: asked back, or where that is wanted each meaning at most once."""
    letters = ["n", "d", "k", "m", "h", "S", "T", "L", "E", "D", "a", "g", "V", "B", "t", "s", "b"]
    reference = "batch_size*seq_len*hidden_size*num_hidden_layers*vocab_size*head_dim*num_attention_heads*past_len"
    with pytest.raises(SymflopsError, match="'D' may mean head_dim or hidden_size: choose with --rename D=head_dim"):
        symflops.verify("D*t*B*S", reference)
    verdict = symflops.verify("*".join(letters), reference, closest=True)
    assert verdict.status == "different"
    assert verdict.renamed is not None
    assert len(set(verdict.renamed.values())) == len(verdict.renamed)
