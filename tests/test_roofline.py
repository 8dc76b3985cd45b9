"""Time bounds by hand on a machine with round numbers, and on real ones from parameters counted otherwise."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.algebra import from_text
from symflops.analysis.display import roofline_columns
from symflops.analysis.traffic import traffic

TOY = """
[toy]
about          = "a machine with round numbers: 100 operations in the time of a byte"
peak_tflops    = { bf16 = 1, fp8 = 2 }
vector_tflops  = { fp32 = 0.1 }
memory_gb      = 0.01
bandwidth_gb_s = 10
link_gb_s      = 1
source         = "made up"
"""
PARAMETERS, EMBEDDING, NORMS = 8_030_261_248, 128256 * 4096, 65 * 4096  # Llama 3.1 8B


@pytest.fixture
def toy(tmp_path: Path) -> str:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    return str(path)


def linear(width: int) -> symflops.Model:
    args = {"N": "batch_size*seq_len", "in_features": "h", "out_features": "h"}
    layers: dict[str, Any] = {"proj": {"formula": "linear", "args": args}}
    layers["act"] = {"formula": "silu", "args": {"n": "batch_size*seq_len*h"}}
    return symflops.load({"name": "linear", "symbols": {"h": width}, "layers": layers})


def test_times_of_two_layers_by_hand(toy: str) -> None:
    found = symflops.roofline(linear(1000), toy, batch_size=2, seq_len=50)
    proj, act = found.layers
    assert proj.matmul == Fraction(2 * 100 * 1000 * 1000, 10**12)  # 200 us
    assert proj.vector == 0
    assert proj.memory == Fraction(2 * (100 * 1000 + 1000 * 1000 + 100 * 1000), 10**10)  # 240 us
    assert act.vector == Fraction(4 * 100 * 1000, 10**11)  # SiLU is 4 per element: 4 us
    assert act.memory == Fraction(2 * (100 * 1000 + 100 * 1000), 10**10)  # 40 us
    assert (proj.binds, act.binds, found.total.binds) == ("memory", "memory", "memory")
    assert found.total.seconds == proj.memory + act.memory == found.layer_by_layer
    assert found.tokens_per_second == pytest.approx(100 / 280e-6)
    assert found.ridge == 100
    # 2*h^2 + 4*h operations per token; 8*h bytes per token, and 2*h^2 once
    at_point = found.intensity.subs({symflops.symbol("batch_size"): 2, symflops.symbol("seq_len"): 50})
    assert Fraction(str(at_point)) == Fraction(100 * (2 * 1000**2 + 4000), 100 * 8000 + 2 * 1000**2)


def test_many_tokens_make_it_compute_bound(toy: str) -> None:
    found = symflops.roofline(linear(1000), toy, batch_size=2, seq_len=500)
    assert found.layers[0].binds == "matmul"  # 2 ms against 0.6 ms
    assert found.layer_by_layer == found.layers[0].matmul + found.layers[1].memory
    assert found.total.seconds == found.layers[0].matmul  # everything else can overlap
    narrow = symflops.roofline(linear(1000), toy, batch_size=2, seq_len=500, dtype_bytes=1)
    assert narrow.dtype == "fp8"
    assert narrow.layers[0].matmul == found.layers[0].matmul / 2
    two = symflops.roofline(linear(1000), toy, batch_size=2, seq_len=500, devices=2)
    assert two.total.seconds == found.total.seconds / 2


def test_where_decoding_turns_compute_bound_by_hand(toy: str) -> None:
    # 2*B*h^2 operations in a 10^-12 s each, 2*h^2 + 8*B*h bytes in 10^-10 s each: B*h = 100*h + 400*B.
    turning, *_ = symflops.roofline(linear(1000), toy, seq_len=1).turnings
    assert turning.closed == Fraction(100 * 1000, 1000 - 400)
    assert turning.first == 167  # 166.67
    by_search = [
        b
        for b in (165, 166, 167, 168)
        if symflops.roofline(linear(1000), toy, batch_size=b, seq_len=1).total.binds == "matmul"
    ]
    assert by_search == [167, 168]
    assert symflops.roofline(linear(400), toy, seq_len=1).turnings[0].ranges == ()


def test_llama_decodes_as_fast_as_its_bytes_allow() -> None:
    found = symflops.roofline("llama-3.1-8b", "h100-sxm", batch_size=64, seq_len=1, past_len=100, measured="3120tok/s")
    # Every weight but the embedding once, of which a row per sequence; 131,072 bytes of cache per token.
    weights = 2 * (PARAMETERS - EMBEDDING + 64 * 4096)
    cache = 64 * 131072 * (101 + 1)  # 101 tokens read, 1 written
    assert found.weight_bytes == 2 * PARAMETERS
    point = {"batch_size": 64, "seq_len": 1, "past_len": 100}
    bytes_of = {name: symflops.Cost.of(flops=value).at(**point).flops for name, value in found.bytes.items()}
    assert (bytes_of["weights"], bytes_of["cache"]) == (weights, cache)
    assert sum(bytes_of.values()) == found.total.cost.read_bytes + found.total.cost.write_bytes
    # Two operations per weight that multiplies, and 4*4096 per layer for each of 101 keys.
    per_token = 2 * (PARAMETERS - EMBEDDING - NORMS) + 4 * 4096 * 32 * 101
    assert found.mfu == pytest.approx(3120 * per_token / 989.4e12, rel=1e-12)
    assert found.of_bound == pytest.approx(3120 / found.tokens_per_second)
    assert found.fits
    assert not symflops.roofline("llama-3.1-8b", "rtx-4090", batch_size=64, seq_len=1, past_len=8192).fits


def test_the_turning_point_is_where_the_bounds_say() -> None:
    found = symflops.roofline("llama-3.1-8b", "h100-sxm", seq_len=1, past_len=100)
    turning, _, large = found.turnings
    assert turning.first is not None
    for batch, bound in ((turning.first - 1, "memory"), (turning.first, "matmul")):
        assert (
            symflops.roofline("llama-3.1-8b", "h100-sxm", batch_size=batch, seq_len=1, past_len=100).total.binds
            == bound
        )
    assert turning.curve is not None
    at_100 = symflops.Cost.of(flops=turning.curve).bind(past_len=100).value("flops")
    assert at_100 == turning.closed
    limit = large.ranges[0][1]
    assert limit is not None
    for past, binds in ((limit, "matmul"), (limit + 1, "memory")):
        huge = symflops.roofline("llama-3.1-8b", "h100-sxm", batch_size=10**9, seq_len=1, past_len=past)
        assert huge.total.binds == binds
    experts = symflops.roofline("mixtral-8x7b", "a100-sxm-80gb", seq_len=1, past_len=100).turnings[0]
    assert experts.first is not None
    for batch, bound in ((experts.first - 1, "memory"), (experts.first, "matmul")):
        point = {"batch_size": batch, "seq_len": 1, "past_len": 100}
        assert symflops.roofline("mixtral-8x7b", "a100-sxm-80gb", **point).total.binds == bound


def test_intermediates_count_when_unfused() -> None:
    fused, unfused = (symflops.roofline("mixtral-8x7b", "h100-sxm", seq_len=128, unfused=u) for u in (False, True))
    more = 2 * fused.total.cost.intermediate_bytes  # written, and read back
    assert unfused.total.traffic - fused.total.traffic == Fraction(more, 3350 * 10**9)


def test_a_model_without_a_length_counts_sequences() -> None:
    found = symflops.roofline("vit-base-16", "h100-sxm", batch_size=64)
    assert (found.unit, found.tokens, found.turnings, found.kept) == ("sequences", 64, (), 0)
    assert symflops.roofline("bert-base", "h100-sxm").turnings == ()


def test_bad_requests_get_one_line(toy: str) -> None:
    for options, message in (
        ({"hardware": "h10"}, "unknown machine 'h10'; did you mean"),
        ({"hardware": "h100-sxm", "dtype": "fp4"}, "h100-sxm states no 'fp4' peak; valid: bf16, fp16"),
        ({"hardware": "h100-sxm", "dtype_bytes": 8}, "h100-sxm has no data type of 8 bytes"),
        ({"hardware": "h100-sxm", "devices": 0}, "devices = '0': expected a positive integer"),
        ({"hardware": "h100-sxm", "measured": "fast"}, "measured = 'fast': expected tokens per second"),
        ({"hardware": "h100-sxm", "seqlen": 4}, "has no symbol 'seqlen'; write seq_len"),
        ({"hardware": toy + ":other"}, "name one of its machines"),
        ({"hardware": "none.toml"}, "none.toml: cannot read: No such file"),
    ):
        with pytest.raises(symflops.SymflopsError) as refused:
            symflops.roofline("llama-2-7b-hf", **options)
        assert message in str(refused.value)


def test_the_command_line(say: Any, refuse: Any, toy: str) -> None:
    command = ("roofline", "llama-3.1-8b", "--hardware", "h100-sxm", "-B", "64", "-S", "1", "-P", "100")
    shown = say(*command, "--measured", "3120tok/s")
    assert "memory-bound, at most 12,788.3 tokens/s" in shown
    assert "measured: MFU 4.75%" in shown
    data = json.loads(say(*command, "--format", "json"))
    assert data["total"]["binds"] == "memory"
    assert data["compute_bound"][0]["value"] == 637
    assert data["hardware"]["sources"]["bandwidth_gb_s"].startswith("NVIDIA H100")
    assert len(data["layers"]) == 20
    assert r"\mathrm{batch\_size} &\ge \frac{" in say(*command, "--format", "latex")
    assert "toy: memory-bound" in say("roofline", "llama-3.1-8b", "--hardware", toy, "-S", "1")
    assert refuse("roofline", "llama-3.1-8b", "--hardware", "h10").startswith("unknown machine 'h10'")


def test_a_layer_that_moves_nothing_and_one_that_computes_nothing() -> None:
    cost = dict.fromkeys(symflops.METRICS, "0")
    layers = {"work": {"cost": cost | {"flops": "3*seq_len"}}, "nothing": {"cost": cost}}
    found = symflops.roofline(symflops.load({"name": "odd", "symbols": {}, "layers": layers}), "h100-sxm", seq_len=5)
    assert found.intensity is None
    assert (found.total.binds, found.total.seconds) == ("vector", Fraction(15, 1338 * 10**11))  # 133.8 TFLOP/s in bf16
    with pytest.raises(
        symflops.SymflopsError, match=r"^llama-2-7b-hf: assumption broken: batch_size >= 1 \(with batch_size=0\)$"
    ):
        symflops.roofline("llama-2-7b-hf", "h100-sxm", batch_size=0)


def test_decoding_is_spoken_of_where_the_model_has_a_step() -> None:
    """GPT-2 has 1024 positions: the last step of one token comes after 1023 others."""
    for values in ({}, {"seq_len": 1024}, {"seq_len": 1000, "past_len": 24}, {"seq_len": 1, "past_len": 1023}):
        first, *_ = symflops.roofline("gpt2", "h100-sxm", **values).turnings
        assert first.at == "past_len = 1023"
        named = int(first.at.rpartition(" ")[2])
        symflops.load("gpt2").total().at(batch_size=1, seq_len=1, past_len=named)  # there is such a step
    assert symflops.roofline("gpt2", "h100-sxm", seq_len=1000).turnings[0].at == "past_len = 1000"


def test_a_model_without_a_step_of_one_token_has_no_turning(toy: str) -> None:
    zero = dict.fromkeys(symflops.METRICS, "0")
    layers = {"mix": {"cost": {**zero, "flops": "seq_len*(seq_len + past_len)", "read_bytes": "seq_len"}}}
    model = symflops.load({"name": "chunks", "symbols": {}, "assumes": ["seq_len % 64 == 0"], "layers": layers})
    assert symflops.roofline(model, toy, seq_len=128).turnings == ()


def costing(**metrics: str) -> symflops.Model:
    layers = {"a": {"cost": {**dict.fromkeys(symflops.METRICS, "0"), **metrics}}}
    return symflops.load({"name": "m", "symbols": {}, "layers": layers})


def test_intermediates_move_twice_where_decoding_turns(toy: str) -> None:
    """A byte takes as long as 100 operations: 1000*B >= 100*200 from B = 20 on; with B bytes written and read back,
    1000*B >= 100*(200 + 2*B) from 25 on."""
    flops = "1000*batch_size*seq_len"
    model = costing(flops=flops, matmul_flops=flops, read_bytes="200", intermediate_bytes="batch_size")
    for unfused, first in ((False, 20), (True, 25)):
        turning = symflops.roofline(model, toy, seq_len=1, unfused=unfused).turnings[0]
        assert (turning.ranges, turning.closed) == (((first, None),), first)


def test_the_edge_of_what_is_compute_bound_from_the_start(toy: str) -> None:
    """1000*B >= 100*B*(4 + P) up to P = 6."""
    flops = "1000*batch_size*seq_len"
    model = costing(flops=flops, matmul_flops=flops, read_bytes="batch_size*(4 + past_len)")
    turning = symflops.roofline(model, toy, seq_len=1).turnings[1]
    assert (turning.symbol, turning.ranges, turning.closed) == ("past_len", ((0, 6),), 6)


@pytest.mark.parametrize("machine", symflops.hardware_names()[:3])
def test_columns_and_html_have_the_bounds_of_each_layer(machine: str) -> None:
    found = symflops.roofline("gpt2", machine, batch_size=2, seq_len=5)
    columns = roofline_columns(found)
    for i, bound in enumerate(found.layers):
        line = {name: column[i] for name, column in columns.items()}
        assert (line["path"], line["binds"]) == (bound.path, bound.binds)
        times = (bound.matmul, bound.vector, bound.memory, bound.memory_unfused, bound.seconds)
        names = ("matmul_seconds", "vector_seconds", "memory_seconds", "unfused_memory_seconds", "seconds")
        for name, time in zip(names, times, strict=True):
            assert line[name] == (None if time is None else float(time))
        html = found._repr_html_()
        assert (f"×{bound.repeat}<" in html) is (bound.repeat != 1)
        assert bound.intensity is None or f"{bound.intensity:,.4g}" in html
    at = "batch_size = 2, causal = 0, past_len = 0, seq_len = 5"  # the call, without gpt2's sizes and bytes
    assert (found.total.repeat, f">{at}<" in html) == (1, True)
    assert "measured" not in html
    measured = symflops.roofline("gpt2", machine, batch_size=2, seq_len=5, measured=100)
    assert "measured" in measured._repr_html_()


def test_bytes_by_what_they_are_of() -> None:
    moved = from_text("weight_bytes*h + 3*cache_bytes*s*min(s, 4) + dtype_bytes*s + 8*s + 5")
    assert traffic(moved) == {
        "weights": from_text("weight_bytes*h"), "cache": from_text("3*cache_bytes*s*min(s, 4)"),
        "activations": from_text("dtype_bytes*s + 8*s + 5"),
    }  # fmt: skip


def test_a_high_throughput_has_all_digits_before_the_point() -> None:
    found = symflops.roofline("gpt2", "h100-sxm", batch_size=1, seq_len=1000)
    # Bytes read and written, as `total` has them, by 3.35 TB/s.
    speed = 1000 * 3.35e12 / (662_042_752 + 475_298_000)
    assert found.sentence == f"gpt2 on h100-sxm: memory-bound, at most {speed:,.0f} tokens/s"
