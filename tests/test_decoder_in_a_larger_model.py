"""A decoder as one part of a model that also sees or hears, as in multimodal models: the outer model calls the
decoder's embedding itself, and a tower for other inputs does not run.

Expected are the module tree's own names and the parameters that torch counts.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

import symflops
from symflops.trace.binding import bind

pytestmark = pytest.mark.torch


class Seeing(PreTrainedConfig):
    model_type = "seeing"

    def __init__(self, vocab_size: int = 64, hidden_size: int = 32, num_hidden_layers: int = 3, **others: Any) -> None:
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        super().__init__(**others)


class Router(nn.Module):
    """Run twice in each layer."""

    def __init__(self, config: Seeing) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 4)


class Layer(nn.Module):
    def __init__(self, config: Seeing) -> None:
        super().__init__()
        self.router = Router(config)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.router.gate(x)
        x = self.proj(x)
        return x * (before + self.router.gate(x)).sum(-1, keepdim=True)


class Decoder(nn.Module):
    def __init__(self, config: Seeing) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def stage(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(8, width, 1), nn.Conv2d(width, 8, 1))


class Around(PreTrainedModel):
    config_class = Seeing

    def __init__(self, config: Seeing) -> None:
        super().__init__(config)
        self.tower = nn.Sequential(stage(8), stage(16), stage(16))
        self.decoder = Decoder(config)
        self.post_init()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.decoder.embed(input_ids))


def test_a_part_that_ran_before_its_module_stands_in_it() -> None:
    model = symflops.derive(Around)
    paths = [row.path for row in model.rows()]
    assert {path.partition(".")[0] for path in paths} == {"decoder", "tower"}
    assert paths[0] == "decoder.embed"
    assert "decoder.layers.router.gate_2" in paths  # its weights are those of the first call
    assert model.total().parameters == sum(p.numel() for p in Around(Seeing()).parameters())


def test_layers_of_a_tower_that_never_runs_may_differ() -> None:
    model = symflops.derive(Around)
    assert bind(model, Around).total().matmul_flops == model.total().matmul_flops
