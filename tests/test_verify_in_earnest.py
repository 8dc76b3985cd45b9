"""`verify` as it is used on published formulas: conditions, lengths, conventions, names, and what is said of faults."""

from __future__ import annotations

import json
import random
import warnings
from fractions import Fraction
from typing import Any

import pytest

import symflops
from symflops.cli import main
from symflops.errors import SymflopsError
from symflops.numeric import evaluate

LLAMA = "llama-2-7b-hf"
AT = {"past_len": 0, "causal": 0}
DENSE = "2*B*S*L*(2*h*n*d+2*h*n_kv*d)+6*B*S*L*h*i+4*B*S*S*L*n*d+2*B*S*h*V"  # all matrix products of a Llama
HALF = DENSE.replace("4*B*S*S*L*n*d", "2*B*S*S*L*n*d")
H2 = "B*S*L*h*h*(4+4*n_kv/n)+6*B*S*L*h*i+4*B*S*S*L*h+2*B*S*h*V"  # with h where n*d is meant


def verify(candidate: Any, reference: Any = LLAMA, metric: str = "matmul_flops", **options: Any) -> symflops.Verdict:
    return symflops.verify(candidate, reference, metric, **options)


def texts(verdict: symflops.Verdict) -> list[str]:
    return [finding.text for finding in verdict.findings]


# ------------------------------------------------------------------------------------------------ ratios and conditions


def flops_at(**values: int) -> int:
    """Llama-2-7B's matrix products with every pair: projections, the gated MLP, scores and values, the head."""
    v = {"L": 32, "h": 4096, "n": 32, "g": 32, "d": 128, "i": 11008, "V": 32000, "B": 1, "S": 1, "P": 0, **values}
    layer = (
        2 * v["h"] * v["d"] * (2 * v["n"] + 2 * v["g"]) + 6 * v["h"] * v["i"] + 4 * (v["S"] + v["P"]) * v["n"] * v["d"]
    )
    return v["B"] * v["S"] * (v["L"] * layer + 2 * v["h"] * v["V"])


@pytest.mark.parametrize(
    ("options", "lengths", "by_hand", "at"),
    [
        ({"set": AT}, [1, 2048], {}, {"past_len": 0, "num_hidden_layers": 32}),
        ({"set": {**AT, "past_len": 4096}}, [1, 2048], {"P": 4096}, {"past_len": 4096}),
        ({"set": {**AT, "L": 80}}, [128], {"L": 80}, {"num_hidden_layers": 80}),
        ({"set": {**AT, "batch_size": 7}}, [128], {"B": 7}, {"batch_size": 7}),
        ({"set": AT, "assume": ["num_key_value_heads == 8"]}, [64], {"g": 8}, {"num_key_value_heads": 8}),
        ({"set": AT, "assume": ["n*d == h"]}, [64], {}, {"hidden_size": 4096}),
        ({"set": AT, "numbers": True}, [64], {}, {"hidden_size": 4096}),
        ({"set": {**AT, "num_hidden_layers": 80}, "numbers": True}, [64], {"L": 80}, {"num_hidden_layers": 80}),
    ],
)  # fmt: skip
def test_ratios_are_where_the_conditions_say(options: Any, lengths: list[int], by_hand: Any, at: Any) -> None:
    verdict = verify("2*B*S*L*(2*h*n*d)", lengths=lengths, **options)
    assert verdict.ratios is not None
    assert list(verdict.ratios) == lengths
    for length, ratio in verdict.ratios.items():
        mine = 4 * 4096 * 4096 * by_hand.get("L", 32) * by_hand.get("B", 1) * length
        assert ratio == pytest.approx(Fraction(mine, flops_at(**by_hand, S=length)))
    assert verdict.ratios_at is not None
    assert at.items() <= dict(verdict.ratios_at).items()
    assert "causal" not in at or verdict.ratios_at["causal"] == at["causal"]


def test_a_length_that_is_set_is_the_only_one() -> None:
    verdict = verify("2*B*S*L*(2*h*n*d)", set={**AT, "seq_len": 1})
    assert verdict.ratios == {1: pytest.approx(4 * 4096 * 4096 * 32 / flops_at(S=1))}
    assert "at seq_len 1\n" in str(verdict)


def test_lengths_outside_of_the_conditions_have_no_ratio() -> None:
    verdict = verify("2*B*S*h*V", set=AT, assume=["seq_len <= 4096"], lengths=[128, 8192])
    assert verdict.ratios is not None
    assert list(verdict.ratios) == [128]
    none = verify("2*B*S*h*V", set=AT, assume=["seq_len <= 4096"], lengths=[8192])
    assert none.ratios == {}
    assert "no ratios: the conditions hold at none of the lengths" in str(none)


def test_conditions_in_the_candidates_names() -> None:
    """The h**2 form is right where the heads' widths add up to hidden_size, and not else."""
    assert verify(H2, set=AT).status == "different"
    for condition in ("n*d == h", "num_attention_heads*head_dim == hidden_size", "h == n*head_dim"):
        verdict = verify(H2, set=AT, assume=[condition])
        assert verdict.status == "equal", condition
        assert {"num_attention_heads*head_dim == hidden_size", "hidden_size == num_attention_heads*head_dim"} & {
            *verdict.assumed
        }
    assert verify("x*y", "6*y", assume=["z <= 9"], rename={"z": "y"}, set={"x": 6}).status == "equal"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"assume": ["foo == bar"]}, "'foo == bar': neither formula has the name 'bar'"),
        ({"assume": ["hiden_size == 4"]}, "'hiden_size == 4': neither formula has the name 'hiden_size'; did you mean"),
        ({"set": {"seq_lne": 4}}, "'seq_lne == 4': neither formula has the name 'seq_lne'; did you mean 'seq_len'?"),
        ({"rename": {"T": "seq_len"}}, "rename: the candidate has no name 'T'"),
        ({"rename": {"h": "parametrs"}}, "rename h: nothing is called 'parametrs'; did you mean 'parameters'?"),
        ({"lengths": []}, "lengths = (): must be positive integers"),
        ({"lengths": [0]}, "lengths = (0,): must be positive integers"),
        ({"training": 2}, "training = 2: 3 (forward and backward) or 4 (with full recomputation)"),
    ],
)
def test_what_nobody_has_is_an_error(options: Any, message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        verify("B*S*h", **options)
    assert message in str(refused.value)


def test_between_two_texts_a_word_that_nobody_has_is_an_error() -> None:
    with pytest.raises(SymflopsError, match="'foo == bar': neither formula has the name 'bar'"):
        symflops.verify("s", "s + 1", assume=["foo == bar"])
    assert symflops.verify("ceil(s/u)", "s // u", assume=["s % u == 0", "u % v == 0"]).status == "equal"


def test_names_without_a_meaning_are_said() -> None:
    verdict = verify("B*S*h*foo", set=AT)
    assert (verdict.status, verdict.unknown) == ("different", ("foo",))
    assert "names that the other side does not have: foo" in str(verdict)


# ------------------------------------------------------------------------------------------------------ N, D and models


def test_n_and_d_are_parameters_and_tokens() -> None:
    verdict = verify("6*N*D", training=3, set=AT, lengths=[4096])
    assert verdict.renamed == {"N": "parameters", "D": "batch_size*seq_len"} | {
        k: v for k, v in (verdict.renamed or {}).items() if k not in "ND"
    }
    assert verdict.ratios == {4096: pytest.approx(2 * 6738415616 * 4096 / flops_at(S=4096))}
    chosen = verify("6*N*T", training=3, set=AT, rename={"T": "tokens", "N": "parameters"}, lengths=[4096])
    assert chosen.ratios == verdict.ratios
    with pytest.raises(SymflopsError, match=r"'T' may mean .* or tokens: choose with --rename T=num_hidden_layers"):
        verify("6*N*T", set=AT)
    shown = symflops.compare(LLAMA, "6*N*D", "matmul_flops")  # the same ratio as the other command has
    assert shown.at(batch_size=1, seq_len=4096)["ratio"] == pytest.approx(1 / verdict.ratios[4096] / 3)


def test_parameters_are_those_of_the_reference() -> None:
    assert verify("N", metric="parameters", rename={"N": "parameters"}).status == "equal"
    assert verify("2*N", metric="weights", set={"weight_bytes": 2}).status == "equal"
    part = verify("2*B*S*N", "llama-2-7b-hf:mlp")
    assert (part.status, part.renamed) == ("equal", {"B": "batch_size", "N": "parameters", "S": "seq_len"})
    active = verify("2*B*S*N_act", "mixtral-8x7b:mlp", rename={"N_act": "active parameters"})
    assert active.status == "equal"  # router and two of eight experts
    assert verify("2*B*S*N", "mixtral-8x7b:mlp").diagnosis.startswith("all num_local_experts instead of")


def test_the_model_may_be_on_the_other_side() -> None:
    verdict = verify("llama-2-7b-hf:mlp", "2*N*D")
    assert (verdict.status, verdict.renamed) == ("equal", {"D": "batch_size*seq_len", "N": "parameters"})


def test_python_takes_names_as_the_command_does() -> None:
    assert verify(DENSE, "llama-2-7b-hf", set=AT).status == "equal"
    assert verify(DENSE, symflops.load(LLAMA), set=AT).status == "equal"
    assert symflops.verify("2*N*in_features*out_features", "linear").status == "equal"
    assert symflops.verify("LlamaMLP", "llama-2-7b-hf:mlp").status == "equal"


@pytest.mark.parametrize(
    ("candidate", "reference", "message"),
    [
        ("B*S*h", "gpt3", "no such model 'gpt3'; did you mean 'gpt2'?"),
        ("gpt3", "B*S*h", "no such model 'gpt3'; did you mean 'gpt2'?"),
        ("B*S*h", "llama-2-7b", "no such model 'llama-2-7b'; did you mean 'llama-2-7b-hf'?"),
        ("B*S*h", "gpt-3", "no such model 'gpt-3'; did you mean 'gpt2'?"),
        ("B*S*h", "widget", "no such model 'widget', and the other side has no such name"),
        ("foo", LLAMA, "no such model 'foo', and the other side has no such name"),
    ],
)
def test_a_bare_unknown_word_is_no_formula(candidate: str, reference: str, message: str, refuse: Any) -> None:
    with pytest.raises(SymflopsError) as refused:
        symflops.verify(candidate, reference)
    assert str(refused.value) == message
    assert message in refuse("verify", candidate, "--against", reference)


def test_a_bare_name_of_the_other_side_is_a_formula() -> None:
    assert symflops.verify("widget + 1", "widget").status == "different"
    assert symflops.verify("alpha-beta", "beta - alpha").status == "different"
    assert symflops.verify("seq_len", "1*seq_len").status == "equal"
    assert symflops.verify("7", "x", assume=["x == 7"]).status == "equal"


# ---------------------------------------------------------------------------------------------- conventions and metrics


def test_per_token_and_training() -> None:
    per_token = "+".join(term for term in (DENSE.replace("B*S*", "", 1).replace("+6*B*S*", "+6*").split("+4*B")[:1]))
    assert verify(f"({DENSE})/(B*S)", per_token=True, set=AT).status == "equal"
    assert verify(f"{per_token}+4*S*L*n*d+2*h*V", per_token=True, set=AT).status == "equal"
    assert verify(f"3*({DENSE})", training=3, set=AT).status == "equal"
    assert verify(f"4*({DENSE})/(B*S)", training=4, per_token=True, set=AT).status == "equal"
    without = verify(f"3*({DENSE}) - 6*B*S*h*V", set=AT)
    assert texts(without) == [
        "3 times the reference: a training step, forward and backward (--training 3)",
        "missing 6*batch_size*seq_len*hidden_size*vocab_size: lm_head",
    ]
    assert texts(verify(f"({DENSE})/(B*S)", set=AT)) == [
        "the cost of one token: the factor batch_size*seq_len is missing (--per-token)"
    ]


def test_the_kv_cache() -> None:
    right = "2*L*n_kv*d*(S+P)*B*b_kv"
    assert verify(right, metric="cache").status == "equal"
    assert verify("2*2*L*n_kv*d*(S+P)*B", metric="cache", set={"cache_bytes": 2}).status == "equal"
    assert texts(verify(f"{right}/2", metric="cache")) == ["keys or values counted, not both: a factor of 2"]
    assert texts(verify("h*L*(S+P)*B*b_kv", metric="cache")) == [  # EleutherAI's cookbook
        "keys or values counted, not both: a factor of 2",
        "hidden_size used for num_key_value_heads*head_dim (equal where num_key_value_heads*head_dim == hidden_size)",
    ]
    assert texts(verify("2*2*L*n*d*(S+P)*B", metric="cache", set={"cache_bytes": 2})) == [
        "num_attention_heads used for num_key_value_heads: grouped-query attention ignored"
    ]
    with pytest.raises(SymflopsError, match="a formula's cost says nothing of a cache"):
        verify("2*N", "linear", "cache")
    bytes_halved = symflops.verify("B*S*h*dtype_bytes", "2*B*S*h*dtype_bytes")  # no operations: bytes
    assert "multiply-accumulate" not in {f.kind for f in bytes_halved.findings}
    halved = symflops.verify("B*S*h*dtype_bytes", "2*B*S*h*dtype_bytes", set={"dtype_bytes": 2})
    assert texts(halved) == ["off by a constant factor: the candidate is 1/2 times the reference"]


# ------------------------------------------------------------------------------------------------------------- findings


def composed(verdict: symflops.Verdict, reference: str, metric: str, point: dict[str, int]) -> Fraction:
    """The reference's number with all edits made, at a point of all symbols."""
    value = symflops.load(reference).total(symbolic=True).value(metric)
    return Fraction(evaluate(value, point)) + sum(Fraction(evaluate(f.added, point)) for f in verdict.findings)


def test_a_reading_that_does_not_compose_is_not_given() -> None:
    """Query and output projections alone: the others and the attention are missing, and nothing else is said."""
    verdict = verify("4*B*S*n*d*h", "llama-3.1-8b:self_attn", set=AT)
    assert texts(verdict) == [
        "attention missing: model.layers.self_attn.attention",
        "missing 4*batch_size*seq_len*head_dim*hidden_size*num_key_value_heads: "
        "model.layers.self_attn.k_proj, model.layers.self_attn.v_proj",
    ]


@pytest.mark.parametrize(
    "candidate",
    [
        "B*S*h*V*7 + V**2", "3*B*S*L*h*i + 2*B*S*L*n*d*h - S", "2*B*S*N*h", f"({HALF})/2 + B*S*h*V", "B + S**3*i*L",
        H2.replace("4*n_kv/n", "4"), "24*B*S*L*h*h + 4*B*S*S*L*h", "2*B*S*L*(h*h + n_kv*d)//3",
    ],
)  # fmt: skip
def test_all_findings_together_make_the_candidate(candidate: str) -> None:
    """Also where nobody meant anything by it: edits, and then terms, never less than the difference."""
    verdict = verify(candidate, set=AT, rename={"N": "parameters"} if "N" in candidate else {})
    assert verdict.findings
    point = {
        "batch_size": 2, "seq_len": 5, "past_len": 0, "causal": 0, "hidden_size": 11, "num_hidden_layers": 3,
        "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 7, "intermediate_size": 13, "vocab_size": 17,
    }  # fmt: skip
    parameters = 3 * (11 * 7 * (2 * 6 + 2 * 3) + 3 * 11 * 13 + 2 * 11) + 2 * 17 * 11 + 11
    letters = {"B": 2, "S": 5, "L": 3, "h": 11, "n": 6, "n_kv": 3, "d": 7, "i": 13, "V": 17, "N": parameters}
    exact = {name: Fraction(value) for name, value in letters.items()}
    assert composed(verdict, LLAMA, "matmul_flops", point) == eval(candidate, {"__builtins__": {}}, exact)


PIECES = (
    "2*B*S*L*h*n*d", "2*B*S*L*h*n_kv*d", "2*B*S*L*h*i", "4*B*S*S*L*n*d", "2*B*S*S*L*n*d", "2*B*S*h*V", "2*B*S*L*h*h",
    "2*B*S*N", "2*B*S*h", "4*B*S*L*h", "B*S*L*(h*h*n_kv // n)", "8*B*S*L*h*h", "2*S*L*h*i", "B*S*S*n*L", "12*B*S*L*h*i",
)  # fmt: skip


@pytest.mark.slow
def test_findings_of_random_sums_add_up() -> None:
    """Sums of what people write, right or wrong: the edits that are named, made one after the other, give the text."""
    rng = random.Random(15)
    point = {
        "batch_size": 2, "seq_len": 5, "past_len": 0, "causal": 0, "hidden_size": 11, "num_hidden_layers": 3,
        "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 7, "intermediate_size": 13, "vocab_size": 17,
    }  # fmt: skip
    parameters = 3 * (11 * 7 * (2 * 6 + 2 * 3) + 3 * 11 * 13 + 2 * 11) + 2 * 17 * 11 + 11
    letters = {"B": 2, "S": 5, "L": 3, "h": 11, "n": 6, "n_kv": 3, "d": 7, "i": 13, "V": 17, "N": parameters}
    exact = {name: Fraction(value) for name, value in letters.items()}
    for _ in range(25):
        chosen = rng.sample(PIECES, rng.randrange(1, 7))
        candidate = " + ".join(f"{rng.choice((1, 1, 1, 2, 3))}*{piece}" for piece in chosen)
        verdict = verify(candidate, set=AT)
        assert verdict.status == "different"
        assert composed(verdict, LLAMA, "matmul_flops", point) == eval(candidate, {"__builtins__": {}}, exact), (
            candidate
        )


@pytest.mark.parametrize(
    ("candidate", "options", "expected"),
    [
        (HALF, {"causal": 1}, ["seq_len**2/2, half of all (query, key) pairs: its diagonal is missing"]),
        (HALF, {}, ["seq_len**2/2, half of all (query, key) pairs: its diagonal is missing"]),  # causal left open
        (HALF, {"causal": 0}, ["only half of the attention counted, as under a causal mask (seq_len**2/2"]),
        (DENSE.replace("4*B*S*S", "2*B*S*(S+1)"), {"causal": 0}, ["seq_len*(seq_len + 1)/2 for seq_len**2"]),
        (DENSE.replace("4*B*S*S", "2*B*S*(S-1)"), {"causal": 1}, ["seq_len*(seq_len - 1)/2"]),
        (DENSE, {"causal": 1}, ["causal mask ignored: seq_len**2, every (query, key) pair counted"]),
        (H2, {"causal": 0}, ["(equal where num_attention_heads*head_dim == hidden_size)"]),
        (HALF + "+2*B*S*h*V", {"causal": 1}, ["counted twice: 2*batch_size*seq_len*hidden_size*vocab_size: lm_head",
                                              "its diagonal is missing"]),
    ],
)  # fmt: skip
def test_what_people_do_has_a_name(candidate: str, options: Any, expected: list[str]) -> None:
    verdict = verify(candidate, set={"past_len": 0, **options})
    assert len(verdict.findings) == len(expected), texts(verdict)
    for finding, said in zip(verdict.findings, expected, strict=True):
        assert said in finding.text


def test_numbers_do_not_meet_by_chance() -> None:
    """With a model's numbers put in, what is said is what is said of the symbols: no 4095/4096 times a layer."""
    for options in ({"set": {"past_len": 0, "causal": 1}}, {"set": {"past_len": 0, "causal": 1}, "numbers": True}):
        assert texts(verify(HALF, **options)) == [
            "causal mask counted as seq_len**2/2, half of all (query, key) pairs: its diagonal is missing: "
            "model.layers.self_attn.attention"
        ]
    # In numbers only, a matrix of the MLP is missing: 2*4096*11008*32 FLOPs of each token.
    rest = verify(f"{DENSE} - 2*B*S*L*4096*11008", set=AT, numbers=True)
    assert rest.status == "different"
    inside = verify(
        f"B*S*({flops_at() - 4 * 32 * 128 * 32 - 2 * 4096 * 11008 * 32}) + 4*B*S*S*32*4096", set=AT, numbers=True
    )
    assert texts(inside) == [
        "missing 2885681152*batch_size*seq_len: "
        "model.layers.mlp.gate_proj or model.layers.mlp.up_proj or model.layers.mlp.down_proj"
    ]


def test_an_unproven_verdict_says_how_the_forms_differ() -> None:
    verdict = symflops.verify("2*h*s + max(2**s - 3**s - s, 0)*min(t, 1)", "2*h*s", budget=0.3)
    assert verdict.status == "unproven"
    assert "how the two differ, if they do:" in str(verdict)
    assert verdict.findings


def test_formulas_of_matrix_multiplies_against_all_operations() -> None:
    """The default metric counts elementwise operations, too; what people write does not."""
    assert texts(verify("6*N*D", metric="flops", set=AT)) == [
        "3 times the reference: a training step, forward and backward (--training 3)",
        "attention missing: model.layers.self_attn.attention",
        "embedding counted as a multiply: model.embed_tokens, or counted twice: "
        "6*batch_size*seq_len*hidden_size*vocab_size: lm_head",
        "matrix multiplies alone counted, no elementwise operations (--metric matmul_flops compares with these)",
        "norm weights counted as matrices: 6*batch_size*seq_len*hidden_size*(2*num_hidden_layers + 1): "
        "model.layers.input_layernorm, model.layers.post_attention_layernorm, model.norm",
    ]


def test_integer_division_has_a_name() -> None:
    text = "2*B*S*L*h*h*(2+2//(n//n_kv))+6*B*S*L*h*i+4*B*S*S*L*n*d+2*B*S*h*V"
    for numbers in (False, True):
        verdict = verify(text, "llama-3.1-8b", set=AT, assume=["n*d == h"], numbers=numbers)
        assert [f.kind for f in verdict.findings] == ["integer division"]


# ---------------------------------------------------------------------------------------------------- the command line


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["verify", *arguments, "--metric", "matmul_flops", "--set", "past_len=0", "--set", "c=0"])
        return stopped.value.code, capsys.readouterr().out

    code, out = run("6*N*D", "--against", LLAMA, "--training", "3", "--lengths", "1,2048", "--format", "json")
    data = json.loads(out)
    assert code == 1
    assert [r["seq_len"] for r in data["ratios"]] == [1, 2048]
    assert data["conventions"] == ["the candidate is a training step: the reference is 3 times the forward pass"]
    assert data["renamed"] == {"D": "batch_size*seq_len", "N": "parameters", "c": "causal"}
    assert data["ratios_at"]["past_len"] == 0
    assert data["diagnosis"][0]["added"].startswith("-12*batch_size")
    code, out = run(f"({DENSE})/(B*S)", "--against", LLAMA, "--per-token")
    assert (code, "the candidate is the cost of one token: multiplied by all of them" in out) == (0, True)


def test_wrong_options_on_the_command_line(refuse: Any) -> None:
    assert "--lengths: 'x' is not a number" in refuse("verify", "B", "--against", "gpt2", "--lengths", "1,x")
    assert "--lengths '1.5': expected numbers of tokens" in refuse(
        "verify", "B", "--against", "gpt2", "--lengths", "1.5"
    )
    assert "--set B: '1,2' is a list of 2 numbers" in refuse("verify", "B", "--against", "gpt2", "--set", "B=1,2")
    assert "--set S: given twice" in refuse("verify", "B", "--against", "gpt2", "--set", "S=1", "--set", "S=2")
    assert "training = 5" in refuse("verify", "B", "--against", "gpt2", "--training", "5")


def test_no_warning_of_pythons_reaches_anybody(refuse: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "column 1: '1or': not a number" in refuse("verify", "1or 2", "--against", "3")


@pytest.mark.parametrize(
    ("candidate", "reference", "metric", "settings"),
    [
        ("4*B*S*(S + P)*n*d", "mistral-7b:self_attn.attention", "matmul_flops", {"causal": 0}),
        ("4*B*n*d*(S*P + S*(S + 1)/2)", "mistral-7b:self_attn.attention", "matmul_flops", {"causal": 1}),
        ("2*(S + P)*g*d*L*B*cache_bytes", "mistral-7b", "cache", {}),
    ],
)
def test_a_window_that_was_forgotten_is_named(
    candidate: str, reference: str, metric: str, settings: dict[str, int]
) -> None:
    verdict = symflops.verify(candidate, reference, metric, set=settings)
    assert [f.kind for f in verdict.findings] == ["window ignored"]
    assert verdict.diagnosis == "sliding_window ignored: every query attends to all the keys before it"
    inside = symflops.verify(candidate, reference, metric, set=settings, assume=["S + P < sliding_window"])
    assert inside.status == "equal"
