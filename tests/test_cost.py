"""Costs, totals and sweeps: exact at any size, never overflowing silently, equal to plain loops."""

import itertools
import json
import math
import random
from fractions import Fraction

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symflops
from symflops import Cost, SymflopsError
from symflops.polynomial import symbol


def test_at_is_exact_beyond_64_bits() -> None:
    cost = Cost.of(flops="2*batch_size*h**3")
    assert cost.at(batch_size=3, h=10**30).flops == 6 * 10**90
    assert type(cost.at(batch_size=1, h=1).flops) is int


def test_defaults_of_the_run_symbols() -> None:
    cost = Cost.of(read_bytes="dtype_bytes + 10*weight_bytes + 100*cache_bytes", flops="past_len + causal")
    assert cost.at().read_bytes == 222
    assert cost.at(dtype_bytes=4).read_bytes == 444
    assert cost.at(dtype_bytes=4, cache_bytes=1).read_bytes == 144
    assert cost.at(weight_bytes=0.5).read_bytes == 2 + 5 + 200
    assert cost.at(past_len=7, causal=1).flops == 8


def test_what_is_not_whole_is_rounded_to_the_nearest() -> None:
    experts = Cost.of(read_bytes="E*(1 - (1 - k/E)**N)")
    exact = [8 * (1 - Fraction(3, 4) ** n) for n in range(40)]
    assert [experts.at(E=8, k=2, N=n).read_bytes for n in range(40)] == [math.floor(x + Fraction(1, 2)) for x in exact]
    assert experts.at(E=256, k=8, N=10**9).read_bytes == 256  # at once, although the exact fraction has 10^10 digits


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seq_len": 2}, "no value for batch_size; give batch_size="),
        ({"batch_size": -1, "seq_len": 2}, "batch_size = -1: must be a nonnegative integer"),
        ({"batch_size": 1.5, "seq_len": 2}, "batch_size = 1.5: must be a nonnegative integer"),
        ({"batch_size": "2", "seq_len": 2}, "batch_size = '2': must be a nonnegative integer"),
        ({"batch_size": float("nan"), "seq_len": 2}, "batch_size = 'nan': must be a nonnegative integer"),
        ({"batch_size": 1, "seq_len": 2, "causal": 2}, "causal = 2: must be 0 or 1"),
        ({"batch_size": 1, "seqlen": 2}, "unknown symbol 'seqlen'; did you mean 'seq_len'?"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        Cost.of(flops="batch_size*seq_len").at(**values)
    assert message in str(caught.value)


def test_division_by_zero_when_evaluated() -> None:
    for text in ("h/n", "h//n", "h/(n + m)"):
        with pytest.raises(SymflopsError, match="division by zero"):
            Cost.of(flops=text).at(h=4, n=0, m=0) if "m" in text else Cost.of(flops=text).at(h=4, n=0)


# --------------------------------------------------------------------------------------------------------------- sweeps

SWEPT = [
    "2*batch_size*seq_len**2 + 7*seq_len",
    "batch_size*seq_len*(seq_len - 1)/2",
    "64*ceil(seq_len/64)*batch_size",
    "floor((3*seq_len + 2)/7) + seq_len % 5",
    "min(seq_len, 16*batch_size) + max(seq_len - 9, 0)",
    "10**17*seq_len*batch_size",
    "10**40*seq_len",
    "batch_size*(1 - (1 - 1/4)**seq_len)",
    "seq_len // (batch_size + 1)",
    "sqrt(seq_len)*batch_size + log2(seq_len + 1)",
    "5",
]


@pytest.mark.parametrize("text", SWEPT)
def test_a_sweep_equals_at_everywhere(text: str) -> None:
    cost = Cost.of(flops=text)
    axes = {"batch_size": [0, 1, 3, 64], "seq_len": [0, 1, 2, 63, 64, 65, 1000]}
    swept = cost.sweep(**axes)
    points = list(itertools.product(*axes.values()))
    assert list(zip(swept["batch_size"].tolist(), swept["seq_len"].tolist(), strict=True)) == points
    column = swept["flops"]
    assert column.dtype == np.dtype(swept.dtypes["flops"])
    for (batch, length), value in zip(points, column.tolist(), strict=True):
        exact = cost.at(batch_size=batch, seq_len=length).flops
        if column.dtype == np.int64:
            assert value == exact
        else:
            assert value == pytest.approx(exact, rel=1e-12, abs=0.5)  # `at` rounds to whole numbers, floats do not


def test_a_sweep_never_overflows_silently() -> None:
    cost = Cost.of(flops="seq_len**3")
    assert cost.sweep(seq_len=[2**20]).dtypes["flops"] == "int64"
    large = cost.sweep(seq_len=[2**21, 2**26])
    assert large.dtypes["flops"] == "float64"
    assert large["flops"].tolist() == [float(2**63), float(2**78)]
    beyond = Cost.of(flops="seq_len").sweep(seq_len=[2**70])
    assert (beyond.dtypes["seq_len"], beyond["flops"].tolist()) == ("float64", [float(2**70)])


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"seq_len": [1, -2]}, "seq_len = -2: must be a nonnegative integer"),
        ({"seq_len": []}, "seq_len: no points to sweep"),
        ({"seq_len": [1.5]}, "seq_len = 1.5: must be a nonnegative integer"),
        ({"seq_len": [[1], [2]]}, "seq_len: expected a number or a list of numbers"),
        ({"past_len": [1]}, "no value for seq_len"),
        ({"seq_lens": [1]}, "unknown symbol 'seq_lens'; did you mean 'seq_len'?"),
    ],
)
def test_wrong_axes_are_named(axes: dict[str, object], message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        Cost.of(flops="seq_len**2").sweep(**axes)["flops"]
    assert message in str(caught.value)


def test_sweeping_the_bytes_moves_what_follows_them() -> None:
    cost = symflops.load("llama-3.1-8b").total()
    swept = cost.sweep(dtype_bytes=[1, 2, 4], batch_size=2, seq_len=5)
    assert swept["read_bytes"].tolist() == [
        cost.at(dtype_bytes=n, batch_size=2, seq_len=5).read_bytes for n in (1, 2, 4)
    ]


# ----------------------------------------------------------------------------------------------------- graph and totals


def inline(flops: str) -> dict[str, object]:
    zero = dict.fromkeys(symflops.METRICS, 0)
    return {"cost": {**zero, "flops": flops, "matmul_flops": flops}}


def test_equal_subtrees_are_one_node_and_repeats_multiply() -> None:
    block = {"repeat": "L", "sub_layers": {"a": inline("seq_len"), "b": inline("seq_len"), "c": inline("h")}}
    model = symflops.load({"name": "m", "symbols": {"L": 3, "h": 5}, "layers": {"one": block, "two": block}})
    assert isinstance(model.graph, networkx.DiGraph)
    assert len(model.graph) == 4  # the root, the block, two distinct layers
    assert model.total(symbolic=True).text("flops") == "2*L*(2*seq_len + h)"
    assert model.total().at(seq_len=7).flops == 2 * 3 * (2 * 7 + 5)


def test_nested_repeats_cost_nothing() -> None:
    layer: dict[str, object] = inline("seq_len")
    for _ in range(18):
        layer = {"repeat": 10, "sub_layers": {"x": layer}}
    model = symflops.load({"name": "deep", "layers": {"x": layer}})
    assert model.total().text("flops") == f"{10**18}*seq_len"


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_totals_of_random_trees_equal_a_recursive_walk(seed: int) -> None:
    rng = random.Random(seed)

    def tree(depth: int) -> tuple[dict[str, object], int]:
        """A layer and its cost at seq_len = 3, h = 2, by plain recursion."""
        repeat = rng.choice([1, 2, "h"])
        times = 2 if repeat == "h" else repeat
        if depth == 0 or rng.random() < 0.3:
            n = rng.randint(0, 4)
            return {"repeat": repeat, **inline(f"{n}*seq_len*h + 1")}, times * (n * 6 + 1)
        parts = [tree(depth - 1) for _ in range(rng.randint(1, 3))]
        layers = {f"l{i}": part for i, (part, _) in enumerate(parts)}
        return {"repeat": repeat, "sub_layers": layers}, times * sum(cost for _, cost in parts)

    layer, expected = tree(4)
    model = symflops.load({"name": "random", "symbols": {"h": 2}, "layers": {"top": layer}})
    assert model.total().at(seq_len=3).flops == expected
    assert sum(row.total.at(seq_len=3).flops for row in model.rows()) == expected
    assert symflops.load(json.loads(model.dumps())).dumps() == model.dumps()


def test_other_symbol_values_do_not_build_the_graph_again() -> None:
    model = symflops.load("llama-2-7b-hf")
    before = model.graph
    wider = model.with_symbols({"hidden_size": 8192, "num_hidden_layers": 80})
    assert wider.graph is before
    # By hand: embeddings and head 2*32000*8192, per layer 4*8192*4096 + 3*8192*11008 + 2*8192, a last norm of 8192.
    per_layer = 4 * 8192 * 4096 + 3 * 8192 * 11008 + 2 * 8192
    assert wider.total().parameters == 2 * 32000 * 8192 + 80 * per_layer + 8192
    with pytest.raises(SymflopsError, match="num_attention_heads % num_key_value_heads == 0"):
        model.with_symbols({"num_key_value_heads": 5})


def test_symbols_defined_by_other_symbols() -> None:
    vit = symflops.load("vit-base-16")
    assert vit.symbols["num_patches"] == 196
    assert vit.with_symbols({"image_size": 384}).symbols["num_patches"] == 576


def test_a_tied_layer_reads_but_owns_nothing() -> None:
    gpt2 = {row.path: row for row in symflops.load("gpt2").rows()}
    head = gpt2["lm_head"].total.at(batch_size=1, seq_len=1, dtype_bytes=0, weight_bytes=1)
    assert (head.parameters, head.read_bytes) == (0, 50257 * 768)


def test_costs_add_and_multiply() -> None:
    one, two = Cost.of(flops="N*h", parameters="h"), Cost.of(flops=symbol("N"), parameters=3)
    assert (one + two).text("flops") == "N*(h + 1)"
    assert ("L" * one).text("parameters") == "L*h"
    assert (one * 3).at(N=2, h=5).parameters == 15
    assert repr(two.at(N=4)).startswith("Cost(flops=4, ")


@pytest.mark.slow
def test_a_hundred_thousand_distinct_layers_are_added_up() -> None:
    """Where time grew with their square, this would take a day; benchmarks/bench.py measures it."""
    args = {"N": "batch_size*seq_len", "in_features": 3}
    layers = {f"l{i}": {"formula": "linear", "args": {**args, "out_features": i}} for i in range(1, 100_001)}
    total = symflops.load({"name": "wide", "layers": layers}).total()
    assert total.at(batch_size=1, seq_len=1).matmul_flops == 2 * 3 * 100_000 * 100_001 // 2


@pytest.mark.parametrize(
    ("formula", "values", "number"),
    [
        ("sqrt((1 - 1/(2 + n))**(2*n) + 1)", {"n": 748}, 1),  # sqrt(exp(-2) + 1) = 1.07
        ("8*(1 - 1/(2 + n))**(m/n)", {"n": 2, "m": 1}, 7),  # 8*sqrt(3/4) = 6.9
        ("1000*n**(m/3)", {"n": 2, "m": 1}, 1260),  # the cube root of 2 is 1.25992
        ("n**(m/2)", {"n": 9, "m": 3}, 27),
        ("10*log2(n)", {"n": 10}, 33),  # log2(10) = 3.32
        ("log2(n) + sqrt(m)", {"n": 2**70, "m": 49 * 10**200}, 70 + 7 * 10**100),
    ],
)
def test_roots_logarithms_and_broken_powers_of_numbers(formula: str, values: dict[str, int], number: int) -> None:
    assert Cost.of(flops=formula).at(**values).flops == number


def test_what_is_no_real_number_is_one_clear_line() -> None:
    with pytest.raises(SymflopsError, match="no real number: log2 of 0"):
        Cost.of(flops="log2(n)").at(n=0)
    with pytest.raises(SymflopsError, match="no real number: sqrt of a negative number"):
        Cost.of(flops="sqrt(n - 5)").at(n=1)
