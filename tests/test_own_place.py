"""Layers that are told their own place in a list: run once where nothing is decided by it, each by itself where it is.

Expected are the FLOPs that torch counts when the same model runs on real tensors, and how often a layer ran.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig, PreTrainedModel

import symflops
from symflops.trace.own_place import decisions

pytestmark = pytest.mark.torch


class StackConfig(PreTrainedConfig):
    model_type = "stack"

    def __init__(self, vocab_size: int = 64, hidden_size: int = 32, num_hidden_layers: int = 6, **others: Any) -> None:
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        super().__init__(**others)


RAN: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


class Layer(nn.Module):
    """Keeps its place for a cache, and uses it for nothing else."""

    def __init__(self, config: StackConfig, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.rare = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        if past_key_values is not None:
            x = past_key_values[layer_idx]
        return self.proj(x)


class ByAttribute(Layer):
    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        return self.rare(self.proj(x)) if self.layer_idx % 3 == 0 else self.proj(x)


class ByArgument(Layer):
    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        if layer_idx > 3:
            x = self.rare(x)
        return self.proj(x)


class ByTest(Layer):
    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        return self.proj(self.rare(x) if layer_idx % 2 else x)


class Inside(Layer):
    """Decided by a part of the layer, in a method that its forward calls."""

    class Part(nn.Module):
        def __init__(self, config: StackConfig, layer_idx: int) -> None:
            super().__init__()
            self.layer_idx = layer_idx
            self.lists = nn.ModuleList([nn.Linear(config.hidden_size, 32), nn.Sequential()])

        def chosen(self) -> nn.Module:
            return self.lists[self.layer_idx % 2]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.chosen()(x)

    def __init__(self, config: StackConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.part = Inside.Part(config, layer_idx)

    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        return self.proj(self.part(x))


class CountedFromOne(Layer):
    def __init__(self, config: StackConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.layer_number = layer_idx + 1

    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        return self.rare(self.proj(x)) if self.layer_number == 2 else self.proj(x)


class Nested(Layer):
    """The parts stand in a list of their own, at the same places in each layer, and decide by the layer's."""

    class Part(ByAttribute):
        def forward(self, x: torch.Tensor, layer_idx: int = 0, past_key_values: Any = None) -> torch.Tensor:
            return self.rare(self.proj(x)) if self.layer_idx % 3 == 0 else self.proj(x)

    def __init__(self, config: StackConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.parts = nn.ModuleList(Nested.Part(config, layer_idx) for _ in range(2))

    def forward(self, x: torch.Tensor, layer_idx: int, past_key_values: Any = None) -> torch.Tensor:
        RAN.append(self.layer_idx)
        for part in self.parts:
            x = part(x)
        return x


class Stack(PreTrainedModel):
    config_class = StackConfig
    layer: ClassVar[type[Layer]] = Layer

    def __init__(self, config: StackConfig) -> None:
        super().__init__(config)
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(self.layer(config, i) for i in range(config.num_hidden_layers))
        self.post_init()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)
        for i, layer in enumerate(self.layers):
            x = layer(x, i)
        return x


@pytest.mark.parametrize(
    ("layer", "ran"),
    [
        (Layer, {0}),
        (ByAttribute, {*range(6)}),
        (ByArgument, {0, 3, 4}),  # below, at and above 3
        (CountedFromOne, {*range(4)}),  # before, at and behind each place that 2 may mean
        (ByTest, {*range(6)}),
        (Inside, {*range(6)}),
        (Nested, {*range(6)}),
    ],
)
def test_a_layer_that_is_told_its_place(layer: type[Layer], ran: set[int]) -> None:
    model_class = type("Stack", (Stack,), {"layer": layer})
    total = symflops.derive(model_class).total()
    assert {*RAN} == ran
    model = model_class(StackConfig()).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.ones((2, 5), dtype=torch.long))
    assert total.at(batch_size=2, seq_len=5).matmul_flops == counter.get_total_flops()
    assert total.parameters == sum(p.numel() for p in model.parameters())


def test_what_a_class_decides_by_is_seen_in_its_source() -> None:
    assert decisions(Layer) == frozenset() == decisions(nn.Linear)
    assert decisions(ByArgument) == {3}
    assert [decisions(kind) for kind in (ByAttribute, ByTest, Inside.Part)] == [None] * 3
