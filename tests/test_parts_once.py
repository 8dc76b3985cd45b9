"""What is made once in a derivation: parts of layers that equal one another, and the call that fills states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_configs import small_config
from torch import nn
from transformers import JambaConfig

import symflops
from symflops.trace import earlier
from symflops.trace.assembly import Assembly
from symflops.trace.configs import find
from symflops.trace.layer_lists import computed_lists
from symflops.trace.settings import Settings
from symflops.trace.work import Work

pytestmark = pytest.mark.torch

METRICS = ("flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes", "parameters")


class Mixer(nn.Module):
    runs = 0

    def __init__(self, width: int, mark: int) -> None:
        super().__init__()
        self.inner, self.mark = nn.Linear(width, width), mark

    def forward(self, x: torch.Tensor, unused: torch.Tensor) -> torch.Tensor:
        type(self).runs += 1
        return self.inner(x).exp()


class Plain(nn.Module):
    def __init__(self, width: int, mark: int) -> None:
        super().__init__()
        self.mixer = Mixer(width, mark)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mixer(x, x * 2)


class Doubled(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mixer(x, x * 2) * 2


class Stack(nn.Module):
    def __init__(self, width: int, told_apart: bool) -> None:
        super().__init__()
        kinds = [Plain, Doubled]
        self.layers = nn.ModuleList([kind(width, i * told_apart) for i, kind in enumerate(kinds)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 3  # what a model is given is told apart from what it computes
        for layer in self.layers:
            x = layer(x)
        return x


def derived(told_apart: bool) -> tuple[Any, int]:
    Mixer.runs = 0
    inputs = {"x": "float[batch_size, seq_len, width]"}
    return symflops.derive(Stack, inputs=inputs, width=8, told_apart=told_apart), Mixer.runs


def test_a_part_that_layers_of_two_kinds_share_is_run_once() -> None:
    once, runs = derived(told_apart=False)
    twice, more_runs = derived(told_apart=True)
    assert more_runs == 2 * runs
    rows = [[(row.path, *(row.cost.text(metric) for metric in METRICS)) for row in of.rows()] for of in (once, twice)]
    assert rows[0] == rows[1]  # and so the bytes of what the mixer is given and does not read
    # Two matrix products with 2 * 3 rows; 8 * 8 weights and 8 biases in each of two layers.
    total = once.total().at(batch_size=2, seq_len=3)
    assert (total.matmul_flops, total.parameters) == (2 * 2 * 6 * 8 * 8, 2 * (64 + 8))


def test_an_earlier_call_is_made_once_for_all_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = earlier.silent
    monkeypatch.setattr(earlier, "silent", lambda recorder: calls.append(1) or plain(recorder))

    def layers(work: Work, length: int) -> Any:
        run, _ = work.run(Settings(continued=True, lengths={"seq_len": length}))
        return Assembly(run.recorder).layers(), run.states

    config = type(mamba := small_config("mamba", 0))(**mamba.to_dict() | {"num_hidden_layers": 1})
    work = Work(find(config))
    layers(work, 1)
    made = len(calls)
    again = layers(work, 2)
    assert len(calls) == made
    assert layers(Work(find(config)), 2) == again
    assert len(calls) > made


def test_lists_that_a_config_computes_are_in_one_order() -> None:
    """Names of layers follow from the first that tells them apart, and not from how strings are hashed."""
    assert list(computed_lists(JambaConfig)) == sorted(computed_lists(JambaConfig))
    assert "layers_block_type" in computed_lists(JambaConfig)
