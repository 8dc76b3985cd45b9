"""Peaks of a step of training in closed form, against PyTorch's tracker and against sums made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("transformers")

from peak_memory import tracked_step, without_fused_dropout
from small_configs import small_config
from torch import nn

from symflops import derive, load, memory, training

pytestmark = pytest.mark.torch
BYTES = {"dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2}
# Grouped heads and a tied head with fused attention; dropout, and attention that is written out; two kinds of layers;
# heads that are contiguous, so that the kernel's result is; a layer that gives probabilities that its backward reads;
# lengths on either side of a window; constants of lists that a source indexes by.
CASES = [("llama", "fused"), ("gpt2", "eager"), ("gemma2", "eager"), ("phi", "fused"), ("gptj", "eager"),
         ("mistral", "fused"), ("falcon", "eager")]  # fmt: skip


@pytest.mark.parametrize(("kind", "attention"), CASES)
def test_a_step_holds_what_the_tracker_sees(kind: str, attention: str) -> None:
    config = without_fused_dropout(small_config(kind, 0), attention)
    model = derive(config, attention=attention, training=True, peak=True)
    for foreach in (True, False):
        step = training(model, mixed=False, foreach=foreach)
        for batch, length in ((2, 33), (1, 1)):
            found = memory(step, batch_size=batch, seq_len=length, **BYTES)
            assert found.has_peak
            # Up to the counters of steps, 4 bytes for each tensor of weights.
            assert found.peak_eager == pytest.approx(tracked_step(config, attention, batch, length, foreach), rel=3e-4)


def test_a_peak_of_a_step_holds_at_other_depths() -> None:
    model = derive(small_config("llama", 0), training=True, peak=True)
    deeper = small_config("llama", 0)
    deeper.num_hidden_layers = 11
    step = training(model.with_symbols({"num_hidden_layers": 11}), mixed=False)
    found = memory(step, batch_size=3, seq_len=21, **BYTES)
    assert found.peak_eager == pytest.approx(tracked_step(deeper, "fused", 3, 21, True), rel=3e-4)


def test_a_peak_of_a_step_is_kept_in_the_file_and_is_none_of_inference() -> None:
    model = derive(small_config("gpt2", 0), training=True, peak=True)
    again = load(json.loads(model.dumps()))
    assert again.dumps() == model.dumps()
    at = {"batch_size": 1, "seq_len": 9, **BYTES}
    assert memory(training(again), **at).peak_eager == memory(training(model), **at).peak_eager
    assert not memory(model, **at).has_peak


@pytest.mark.parametrize("plan", [{"recompute": "layers"}, {"accumulate": 2}, {"optimizer": "muon"}, {"lora": 2}])
def test_other_steps_are_bounded_from_above_and_it_is_said(plan: dict[str, Any]) -> None:
    step = training(derive(small_config("gpt2", 0), training=True, peak=True), **plan)
    found = memory(step, batch_size=1, seq_len=9, **BYTES)
    assert not found.has_peak
    assert sum(note.startswith("peak_eager is a bound from above") for note in found.notes) == 1


class Two(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, x: Any) -> Any:
        return self.two(self.one(x))


def test_a_step_of_two_layers_by_hand() -> None:
    """What is fed, what is between and the result are rows. In the backward of the second layer there are all three,
    the gradient of the result, that of its weight, and then that of what is between."""
    model = derive(Two, inputs={"x": "float[batch_size, width]"}, width=8, training=True, peak=True)
    found = memory(training(model, mixed=False), batch_size=500, dtype_bytes=2, weight_bytes=2)
    row, weight = 500 * 8 * 2, 8 * 8 * 2
    assert found.peak_eager == 2 * weight + 4 * weight + 5 * row + weight
    # With few rows the optimizer's step: what is fed, the result, weights, gradients, two moments, roots of one.
    few = memory(training(model, mixed=False), batch_size=1, dtype_bytes=2, weight_bytes=2)
    assert few.peak_eager == 2 * (1 + 1 + 2 + 1) * weight + 2 * 8 * 2


def test_moments_have_the_weights_format_without_a_copy() -> None:
    model = load("gpt2")
    weights = model.total().at(batch_size=1, seq_len=1).parameters
    for size, each in ((2, 4), (4, 8)):
        found = memory(training(model, mixed=False), batch_size=1, seq_len=1, dtype_bytes=size, weight_bytes=size)
        assert found.optimizer == each * weights
    mixed = memory(training(model), batch_size=1, seq_len=1, dtype_bytes=2, weight_bytes=2)
    assert mixed.optimizer == 12 * weights


def test_adapters_beside_weights_in_a_format_of_a_config() -> None:
    """What is kept for the backward does not depend on the format of weights."""
    from symflops import formats

    model = derive(small_config("llama", 0), training=True)
    at = {"batch_size": 2, "seq_len": 5, **BYTES}
    plan = {"lora": 2, "lora_on": "*q_proj"}
    plain, packed = (memory(training(one, **plan), **at) for one in (model, formats(model, "bnb-4bit")))
    assert packed.saved == plain.saved
    assert packed.weights < plain.weights
