"""Questions and their answers: by hand, by putting them in, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

import symflops
from symflops.analysis.question import question

LLAMA = "llama-2-7b-hf"
# Per layer and token: four projections of 4096 x 4096, 7/2 operations on each of 64 heads' 128 elements for rotary; and
# per token seen 2*128 for the score, 2*128 for the sum and 6 for scale and softmax in each of 32 heads.
ATTENTION, PER_KEY = 4 * 2 * 4096**2 + 64 * 128 * 7 // 2, 32 * (4 * 128 + 6)
MLP = 3 * 2 * 4096 * 11008 + (4 + 1) * 11008  # three projections; SiLU is 4, its product with the other branch 1
CACHE_PER_TOKEN = 2 * 32 * 32 * 128 * 2  # keys and values, layers, heads, width, bytes


def test_the_crossover_of_attention_and_mlp() -> None:
    answer = symflops.solve(LLAMA, "flops(self_attn) == flops(mlp)", "seq_len")
    (solution,) = answer
    by_hand = (MLP - ATTENTION) / PER_KEY  # 136,341,248 / 16,576
    assert solution.value == pytest.approx(by_hand, rel=1e-15)
    assert solution.formula == "2130332/259"
    assert solution.expression == symflops.parse("2130332/259")
    assert answer.crossings == [(8225, 8226)]
    costs = {row.path: row.total for row in symflops.load(LLAMA).rows(groups=True)}
    sides = [costs["model.layers.self_attn"], costs["model.layers.mlp"]]
    for length, sign in ((8225, -1), (8226, 1)):
        attention, mlp = (side.at(batch_size=1, seq_len=length).flops for side in sides)
        assert (attention > mlp) - (attention < mlp) == sign


def test_half_of_the_pairs_under_a_causal_mask() -> None:
    (solution,) = symflops.solve(LLAMA, "flops(self_attn) == flops(mlp)", "seq_len", causal=1)
    assert solution.value == pytest.approx(2 * (MLP - ATTENTION) / PER_KEY - 1)  # (S + 1)/2 keys on average


def test_the_curve_in_the_architecture_gives_the_same_number() -> None:
    answer = symflops.solve(LLAMA, "flops(self_attn) == flops(mlp)", "seq_len", symbolic=True)
    (solution,) = answer
    assert answer.is_curve
    assert solution.value is None
    values = {symflops.symbol(name): number for name, number in symflops.load(LLAMA).symbols.items()}
    assert solution.expression.subs(values) == symflops.parse("2130332/259")


def test_the_largest_batch_that_fits() -> None:
    answer = symflops.solve(LLAMA, "weights + cache <= 80 GiB", "batch_size", seq_len=4096)
    weights, per_sequence, room = 2 * 6_738_415_616, 4096 * CACHE_PER_TOKEN, 80 * 2**30
    assert answer[0].value == (room - weights) // per_sequence == 33
    assert weights + 33 * per_sequence <= room < weights + 34 * per_sequence
    assert (answer[0].first, answer[0].last) == (1, 33)
    curve = symflops.solve(LLAMA, "80 GiB >= weights + cache", "batch_size")
    assert curve.sentence == "batch_size <= floor(8840639/(64*seq_len))"
    assert curve[0].expression.subs(symflops.symbol("seq_len"), 4096) == 33
    strict = symflops.solve(LLAMA, "weights + cache < 80 GiB", "batch_size")[0]
    assert strict.formula == "ceil(8840639/(64*seq_len)) - 1"


def test_a_symbol_of_the_architecture() -> None:
    per_layer, rest = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096, 2 * 32000 * 4096 + 4096
    answer = symflops.solve(LLAMA, "parameters <= 70e9", "num_hidden_layers")
    assert answer[0].value == (70 * 10**9 - rest) // per_layer == 344


def test_a_question_of_second_degree() -> None:
    (solution,) = symflops.solve(LLAMA, "flops == 1 PFLOP", "seq_len", batch_size=1)
    cost = symflops.load(LLAMA).total()
    assert cost.at(batch_size=1, seq_len=32712).flops < 10**15 < cost.at(batch_size=1, seq_len=32713).flops
    length = symflops.symbol("seq_len")
    exact = cost.flops.subs({"past_len": 0, symflops.symbol("past_len"): 0, symflops.symbol("causal"): 0})
    exact = exact.subs(symflops.symbol("batch_size"), 1).subs(length, solution.expression)
    assert exact.expand() == 10**15  # put in, exactly


def test_experts_read_where_their_expectation_meets_the_cache() -> None:
    text, point = "read_bytes(experts) == read_bytes(self_attn)", {"seq_len": 1, "past_len": 8192}
    answer = symflops.solve("mixtral-8x7b", text, "batch_size", **point)
    costs = {row.path.rpartition(".")[2]: row.total for row in symflops.load("mixtral-8x7b").rows(groups=True)}

    def lead(batch: int) -> int:
        experts, attention = (costs[name].at(batch_size=batch, **point) for name in ("experts", "self_attn"))
        return experts.number("read_bytes") - attention.number("read_bytes")

    assert answer.crossings == [(81, 82)]
    assert lead(81) > 0 > lead(82)
    assert 81 < answer[0].value < 82
    assert [n for n in range(1, 300) if (lead(n) > 0) != (lead(n + 1) > 0)] == [81]


def test_a_window_keeps_the_cache_from_growing() -> None:
    # 2*32*8*128*2 = 131,072 bytes per token and sequence. A sequence keeps 4,095 tokens at most, two of them
    # 8,190*131,072 = 1,073,479,680 bytes, which is less than the 8,192*131,072 of 1 GiB.
    assert symflops.solve("mistral-7b", "cache == 1 GiB", "seq_len", batch_size=2).status == "never"
    full = symflops.solve("mistral-7b", "cache == 1073479680", "seq_len", batch_size=2)
    assert full.sentence == "seq_len >= 4,095"
    assert symflops.solve("mistral-7b", "cache <= 1 GiB", "seq_len", batch_size=2).status == "always"


@pytest.mark.parametrize(
    ("text", "symbol", "sentence"),
    [
        ("flops(q_proj) == flops(k_proj)", "seq_len", "holds for every seq_len from 1 on"),
        ("flops(q_proj) < flops(k_proj)", "seq_len", "no solution: it holds for no seq_len from 1 on"),
        ("parameters == 70e9", "seq_len", "no solution: it holds for no seq_len from 1 on"),
        ("weights + cache <= 8 GiB", "batch_size", "no solution: it holds for no batch_size from 1 on"),
        ("(seq_len - 3)*(seq_len - 7) == 0", "seq_len", "2 solutions: seq_len = 3, seq_len = 7"),
        ("(seq_len - 3)*(seq_len - 7) >= 0", "seq_len", "seq_len from 1 to 3 or >= 7"),
        ("past_len**2 <= 50", "past_len", "past_len from 0 to 7"),
        ("256*ceil(seq_len/256) == 512", "seq_len", "seq_len from 257 to 512"),
        ("256*ceil(seq_len/256) == 500", "seq_len", "no solution: it holds for no seq_len from 1 on; the two sides "
         "cross between 256 and 257"),
    ],
)  # fmt: skip
def test_none_always_and_more_than_one_are_said(text: str, symbol: str, sentence: str) -> None:
    assert (
        symflops.solve(LLAMA, text, symbol, **({} if symbol == "seq_len" else {"seq_len": 4096})).sentence == sentence
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flops(self_attn) == read_bytes(mlp)", "cannot compare flops(self_attn) in FLOP with read_bytes(mlp) in byte"),
        ("flops + weights == 3", "flops + weights: cannot add flops in FLOP and weights in byte"),
        ("flops(mlp)/weights(mlp) == 3 GiB", "cannot compare flops(mlp)/weights(mlp) in FLOP/byte with 3 GiB in byte"),
        ("flops(self_atn) == 3", f"{LLAMA} has no layer 'self_atn'; did you mean 'self_attn'?"),
        ("flops(nothing) == 3", f"{LLAMA} has no layer 'nothing'; symflops show lists them"),
        ("flop(mlp) == 3", "unknown metric 'flop'; did you mean 'flops'?"),
        ("sequence == 3", f"sequence: {LLAMA} has no symbol 'sequence'; did you mean 'seq_len'?"),
        ("flops(mlp)", "'flops(mlp)' is not an equation: two formulas with one of == <= >= < > between"),
        ("flops = 3", "'flops = 3' is not an equation: two formulas with one of == <= >= < > between; write =="),
        ("1 == flops == 2", "'1 == flops == 2' is not an equation: two formulas with one of == <= >= < > between"),
        ("80 GiX <= weights", "'80 GiX': unknown unit; did you mean 'GiB'?; such as GiB, GB, TFLOP"),
        ("weights.x == 3", "weights.x: column 1: 'weights.x': attribute access is not part of the language"),
        ("__import__('os') == 3", "unknown metric '__import__'"),
        ("flops(mlp) + == 3", "flops(mlp) +: column 1: 'flops(mlp) +': not a formula"),
        ("weights*(flops(mlp) + 2 B) == 3", "cannot add flops(mlp) in FLOP and 2 B in byte"),
        ("read_bytes == weights**seq_len", "weights in byte cannot have the exponent seq_len"),
    ],
)
def test_a_bad_question_gets_one_line(text: str, message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.solve(LLAMA, text, "seq_len")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bad_symbols_and_values() -> None:
    with pytest.raises(symflops.SymflopsError, match="has no symbol 'seq_le'; did you mean 'seq_len'"):
        symflops.solve(LLAMA, "flops == 3", "seq_le")
    with pytest.raises(symflops.SymflopsError, match="seq_len is given a value and is also what is solved for"):
        symflops.solve(LLAMA, "flops == 3", "seq_len", seq_len=4)
    with pytest.raises(symflops.SymflopsError, match="does not depend on past_len, only on seq_len"):
        symflops.solve(LLAMA, "flops(mlp) == batch_size*seq_len**2", "past_len")
    with pytest.raises(symflops.SymflopsError, match="bert-base: it was derived for a first call alone"):
        symflops.solve("bert-base", "cache == 1 GB", "batch_size")


def test_amounts_and_numbers() -> None:
    model = symflops.load(LLAMA)
    assert question(model, "weights == 1.5 GiB").right.value == 3 * 2**29
    assert question(model, "flops == 2e3 TFLOP").right.value == 2 * 10**15
    assert question(model, "flops/read_bytes >= 295").left.unit == "FLOP/byte"
    assert question(model, "flops >= 6*parameters*seq_len").right.unit == ""
    assert question(model, "flops(mlp.*_proj) == flops(self_attn.?_proj)").left.unit == "FLOP"


def test_a_pattern_means_every_layer_that_it_names_once() -> None:
    model = symflops.load(LLAMA)
    rows = {row.path: row.total.value("flops") for row in model.rows(symbolic=True)}
    four = [rows[f"model.layers.self_attn.{name}_proj"] for name in "qkvo"]
    total = symflops.Cost.of(flops=sum(map(symflops.parse, map(str, four))))
    assert question(model, "flops(self_attn.*_proj) == 1").left.value == total.value("flops")
    assert question(model, "flops(model.*) == 1").difference != question(model, "flops(layers.*) == 1").difference
    assert question(model, "flops(layers) == 1").difference == question(model, "flops(layers.*) == 1").difference


def test_the_command_line(say: Any, refuse: Any) -> None:
    command = ("solve", LLAMA, "flops(self_attn) == flops(mlp)", "--for", "seq_len")
    assert say(*command).splitlines()[0] == "seq_len = 2130332/259 = 8,225.220077"
    data = json.loads(say(*command, "--format", "json"))
    assert data["solutions"] == [{"value": 2130332 / 259, "formula": "2130332/259"}]
    assert data["crossings"] == [[8225, 8226]]
    assert r"\mathrm{seq\_len} &= \frac{2130332}{259}" in say(*command, "--format", "latex")
    fits = ("solve", LLAMA, "weights + cache <= 80 GiB", "--for", "batch_size", "--format", "json")
    assert json.loads(say(*fits, "-S", "4096"))["solutions"][0]["value"] == 33
    assert json.loads(say(*fits))["solutions"][0]["formula"] == "floor(8840639/(64*seq_len))"
    assert json.loads(say(*fits, "-S", "4096", "--free", "cache_bytes"))["solutions"][0]["value"] is None
    never = json.loads(say("solve", LLAMA, "parameters == 1", "--for", "seq_len", "--format", "json"))
    assert (never["status"], never["solutions"]) == ("never", [])
    assert refuse("solve", LLAMA, "flops == weights", "--for", "seq_len").startswith("cannot compare flops in FLOP")
    assert refuse("solve", LLAMA, "flops == 3", "--for", "x").startswith(f"{LLAMA} has no symbol 'x'")
    assert refuse("solve", LLAMA, "flops", "--for", "seq_len").startswith("'flops' is not an equation")


def test_a_stretch_that_begins_with_a_root_is_one_range() -> None:
    found = symflops.solve("gpt2", "max(0, 10 - seq_len) == 0", "seq_len")
    assert [(s.first, s.last) for s in found] == [(10, 1024)]  # GPT-2 has 1,024 positions
