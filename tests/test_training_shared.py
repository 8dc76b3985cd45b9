"""What equal layers share in training, against real steps on small tensors: weights called again, tensors that several
layers and what stands between them read, views that are handed to layers, matrices on the left, complex numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_configs import small_config
from test_training_derived import made, numbers, real, sums
from torch import nn
from trained import count

import symflops
from symflops.errors import SymflopsError

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("training_derived")]


class Block(nn.Module):
    """Two readers of what it is given, and of what it is given beside that."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Linear(width, width)
        self.two = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, beside: torch.Tensor | None = None) -> torch.Tensor:
        y = self.one(x) * self.two(x)
        return y if beside is None else y * beside


class Other(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        return x * self.weight + beside


class Cycles(nn.Module):
    """The same layers three times, the first time without gradients."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(width) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for cycle in range(3):
            with torch.set_grad_enabled(cycle > 0):
                for layer in self.layers:
                    x = layer(x)
        return x


class Handed(nn.Module):
    """A piece of one tensor for each layer, of which the last is another one."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.wide = nn.Linear(width, 4 * width)
        self.layers = nn.ModuleList([*(Block(width) for _ in range(3)), Other(width)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces = self.wide(x).unflatten(-1, (4, -1))
        for i, layer in enumerate(self.layers):
            x = layer(x, pieces[:, :, i, :])
        return x


class Around(nn.Module):
    """What goes into each layer is read by a sum beside it, too, and one tensor by all layers."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.layers = nn.ModuleList([Block(width) for _ in range(4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        x = torch.tanh(first)
        for layer in self.layers:
            x = x + layer(x, first)
        return x


class Left(nn.Module):
    """Matrices with a gradient on the left of many, a weight and what is made of one."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, width))
        self.inner = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner(x).transpose(1, 2)
        return (self.weight @ x) * (torch.exp(self.weight) @ x)


class Rotated(nn.Module):
    """Pairs as complex numbers, times complex numbers of which one has a gradient, and times real ones."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.angles = nn.Parameter(torch.ones(width // 2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(self.inner(x).float().unflatten(-1, (-1, 2)))
        turned = pairs * torch.view_as_complex(self.angles.float())
        return torch.view_as_real(turned + pairs * 3.0)


@pytest.mark.parametrize("kind", [Cycles, Handed, Around, Left, Rotated])
def test_a_backward_adds_up_what_a_real_one_does(kind: Callable[[], nn.Module]) -> None:
    network = kind()
    model = symflops.derive(network, inputs=["x: float[batch_size, seq_len, 8]"], training=True)
    network = copy.deepcopy(network).to(torch.bfloat16).train()
    costs: dict[str, Any] = sums(model)
    for batch, length in ((2, 7), (3, 11)):
        x = torch.randn(batch, length, 8, dtype=torch.bfloat16)
        there = count(lambda x=x: network(x), [*network.parameters()])
        got = numbers(model, costs, batch_size=batch, seq_len=length)
        assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]


def test_a_length_at_which_the_backward_keeps_something_else_is_refused() -> None:
    """Doge masks all but the largest keys of long sequences, which costs its forward nothing, and keeps that mask."""
    config = small_config("doge", 0)
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    costs, network = sums(model), made(config)
    answered, refused = [], []
    for length in (config.keep_window_size - 5, config.keep_window_size + 8):
        try:
            model.total().at(batch_size=2, seq_len=length)
        except SymflopsError as error:
            refused.append(str(error))
            continue
        answered.append(length)
        got, there = numbers(model, costs, batch_size=2, seq_len=length), real(network, 2, length)
        assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]
    assert answered
    assert all("keep_window_size" in line for line in refused)
