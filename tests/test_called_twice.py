"""A module that is called twice on one's own: its weights are counted once, whatever they are listed as."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import symflops

pytestmark = pytest.mark.torch


class Twins(nn.Module):
    """Two inputs through the same parts, as of a model that compares them."""

    def __init__(self, parts: nn.Sequential) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.parts(left) @ self.parts(right).T


def alternating() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU())


def of_two_kinds() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 5))


def nested() -> nn.Sequential:
    return nn.Sequential(*(nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(3)))


@pytest.mark.parametrize("parts", [alternating, of_two_kinds, nested])
def test_the_second_call_computes_and_owns_nothing(parts) -> None:
    module = Twins(parts())
    model = symflops.derive(module, inputs={"left": "float[many, 6]", "right": "float[few, 6]"})
    for many, few in ((4, 3), (9, 2)):
        with FlopCounterMode(display=False) as counter:
            module(torch.zeros(many, 6), torch.zeros(few, 6))
        assert model.total().at(many=many, few=few).matmul_flops == counter.get_total_flops()
    assert model.total().parameters == sum(p.numel() for p in module.parameters())
    owners = {row.path: row.class_name for row in model.rows()}
    for place in model.places():
        if place.layer.tied:
            assert owners[place.layer.tied] == place.layer.class_name


class Quantizer(nn.Module):
    """The rows of a table that are next to what it is given: it computes with the table, and looks rows up in it."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(16, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.codes((x @ self.codes.weight.T).argmax(-1))


def test_a_module_that_computes_with_the_weight_of_one_that_it_calls() -> None:
    module = nn.Sequential(nn.Linear(6, 6), Quantizer(), nn.Linear(6, 6))
    model = symflops.derive(module, inputs={"input": "float[many, 6]"})
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(9, 6))
    assert model.total().at(many=9).matmul_flops == counter.get_total_flops()
    assert model.total().parameters == sum(p.numel() for p in module.parameters())
    owners = {place.path: place.layer for place in model.places()}
    (tied,) = (layer.tied for layer in owners.values() if layer.tied)
    assert "Embedding" not in owners[tied].class_name  # the step, which comes first
