"""Recurrent models against an independent count: prompts, one token and several after others, and what they keep.

What is expected is counted on real tensors, operation by operation (benchmarks/operation_count.py), and measured in the
model's own cache.
"""

from __future__ import annotations

from functools import cache

import coverage_counts
import derive_coverage
import independent_count
import operation_count
import pytest
from small_configs import small_config

import symflops
from symflops import numeric, storage
from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, multiply, symbol
from symflops.trace import layer_data
from symflops.trace.combine import switched, with_short
from symflops.trace.derive import derive

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("recurrent")]

TYPES = ("lfm2", "bamba", "nemotron_h", "inkling_text", "recurrent_gemma", "xlnet")
MORE = ((2, 1, 0), (1, 2, 0), (1, 16, 0), (2, 24, 9))
"""(batch, length, past) that are counted here, beside those of which the counts are kept with the table of coverage."""


@cache
def derived(model_type: str) -> symflops.Model:
    return derive(small_config(model_type, 0))


@pytest.mark.parametrize("model_type", TYPES)
def test_flops_and_state_are_those_of_a_real_run(model_type):
    model, config = derived(model_type), small_config(model_type, 0)
    kept = substitute(storage.cache(model), model.symbols)
    runs = coverage_counts.counted(config, derive_coverage.read_results()[model_type]["counts"])["runs"]
    known = [(run["flops"], run["matmul_flops"], run["state"]) for run in runs]
    real = independent_count.build(config, fake=False)
    for batch, length, past in MORE:
        if model_type == "recurrent_gemma" and (length, past) == (1, 0):
            known.append(None)  # its source cannot: without a state it makes one of another size than it reads
        else:
            counted = operation_count.counted(real, batch, length, past)
            known.append((counted.flops, counted.matmul_flops, counted.state))
    for (batch, length, past), expected in zip((*coverage_counts.RUNS, *MORE), known, strict=True):
        point = {"batch_size": batch, "seq_len": length, "past_len": past}
        cost = model.total().at(**point)
        elements = numeric.evaluate(kept, numeric.with_defaults(point | {"cache_bytes": 1}))
        assert expected in (None, (cost.flops, cost.matmul_flops, elements)), point


def test_the_state_is_in_the_file_and_generation_answers():
    model = derived("bamba")
    mixer = model.to_dict()["layers"]["model"]["sub_layers"]["layers"]["sub_layers"]["linear_attention"]
    assert "cache_bytes*batch_size" in mixer["sub_layers"]["mamba"]["state"]
    again = symflops.load(model.to_dict())
    assert symflops.kv_cache(again) == symflops.kv_cache(model)
    prompt, first, second = (
        model.total().at(batch_size=1, seq_len=s, past_len=p).flops for s, p in ((9, 0), (1, 9), (1, 10))
    )
    answer = symflops.generation(again).at(batch_size=1, prompt_len=9, new_tokens=3)
    assert answer.flops == prompt + first + second


def test_a_file_that_says_no_state_is_refused():
    data = derived("bamba").to_dict()

    def without_state(layers):
        for layer in layers.values():
            layer.pop("state", None)
            without_state(layer.get("sub_layers", {}))

    without_state(data["layers"])
    with pytest.raises(SymflopsError, match="the file does not say how large its recurrent state is; derive it anew"):
        symflops.kv_cache(data)


def leaf(flops: Value) -> dict:
    cost = {
        "flops": layer_data.text(flops),
        "matmul_flops": 0,
        "read_bytes": 0,
        "write_bytes": 0,
        "intermediate_bytes": 0,
    }
    return {"cost": cost | {"parameters": 0}}


def flops_at(layers: dict, **point: int) -> int:
    data = {"name": "t", "symbols": {"kernel": 4}, "layers": layer_data.readable(layers)}
    return symflops.load(data).total().at(**point).flops


def module(**leaves: Value) -> dict:
    return {"block": {"sub_layers": {name: leaf(value) for name, value in leaves.items()}}}


def test_one_token_is_a_case_where_its_arithmetic_differs():
    length = symbol("seq_len")
    many = module(scan=multiply(64, length), norm=multiply(3, length))
    joined = with_short(many, module(step=7, norm=3))
    assert [flops_at(joined, batch_size=1, seq_len=s) for s in (1, 2, 5)] == [7 + 3, 134, 335]
    assert joined["block"]["sub_layers"]["norm"] == many["block"]["sub_layers"]["norm"]
    assert with_short(many, module(scan=64, norm=3)) is many


def test_what_is_filled_up_to_a_limit():
    # a convolution of kernel 4 wants 4 positions: 10*max(seq_len, 4) + 2*seq_len
    many = module(conv=multiply(12, symbol("seq_len")))
    one, two = (add(multiply(10, symbol("kernel")), 2 * n) for n in (1, 2))
    joined = with_short(many, module(conv=one), module(conv=two), symbol("kernel"))
    expected = [10 * max(s, 4) + 2 * s for s in range(1, 9)]
    assert [flops_at(joined, batch_size=1, seq_len=s) for s in range(1, 9)] == expected


def test_an_empty_and_a_filled_state():
    joined = switched(module(scan=5), module(scan=9))
    assert [flops_at(joined, batch_size=1, seq_len=3, past_len=p) for p in (0, 1, 7)] == [5, 9, 9]


def test_values_are_made_readable_once_when_all_records_are_one(monkeypatch):
    searched = []
    plain = layer_data.grouped
    monkeypatch.setattr(layer_data, "grouped", lambda value: searched.append(value) or plain(value))
    cost = multiply(add(symbol("a"), symbol("b")), symbol("seq_len"))
    joined = switched(module(scan=cost), module(scan=add(cost, 1)))
    assert searched == []
    joined["block"]["state"] = layer_data.text(cost)
    joined["block"]["sub_layers"]["call"] = {"formula": "linear", "args": {"n": layer_data.text(cost)}, "repeat": "2"}
    # (a + b)*S for an empty state, and 1 more for a filled one
    assert layer_data.readable(joined)["block"] == {
        "state": "seq_len*(a + b)",
        "sub_layers": {
            "scan": {"cost": joined["block"]["sub_layers"]["scan"]["cost"] | {
                "flops": "seq_len*(a + b) + min(1, past_len)"}},
            "call": {"formula": "linear", "args": {"n": "seq_len*(a + b)"}, "repeat": "2"},
        },
    }  # fmt: skip
    assert len(searched) == 3
