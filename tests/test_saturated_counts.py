"""Numbers of turns that are the same for all small sizes, and others for large ones, as quantizers for a bandwidth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch


class Quantizing(nn.Module):
    """How many of its layers run depends on how many samples there are a second, as in EnCodec."""

    def __init__(self, width: int, sampling_rate: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(200)])
        self.rate = math.ceil(sampling_rate / 320)

    def forward(self, x: Tensor) -> Tensor:
        number = int(max(1, math.floor(1500 / (10 * self.rate))))
        for layer in self.layers[:number]:
            x = layer(x)
        return x


@pytest.mark.parametrize("rate", [24000, 16000, 300, 48000])
def test_as_many_layers_as_the_config_itself_runs(rate: int) -> None:
    model = symflops.derive(Quantizing, width=6, sampling_rate=rate, inputs={"x": "float[batch_size, width]"})
    with FlopCounterMode(display=False) as counter:
        Quantizing(6, rate)(torch.zeros(5, 6))
    assert model.total().at(batch_size=5).matmul_flops == counter.get_total_flops()


class AtOneWidth(nn.Module):
    """Four layers run at a width of 960, and one at any other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[: 1 + torch.sym_max(0, 3 - (self.width - 960) ** 2)]:
            x = layer(x)
        return x


@pytest.mark.parametrize(("width", "layers"), [(960, 4), (961, 3), (512, 1)])
def test_a_number_that_the_config_alone_has(width: int, layers: int) -> None:
    model = symflops.derive(AtOneWidth, width=width, inputs={"x": "float[batch_size, width]"})
    assert model.total().at(batch_size=1).matmul_flops == layers * 2 * width * width


class Shifted(nn.Module):
    """Its convolution gives as much as it gets where the window is odd, and one more where it is even."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


def test_a_config_whose_own_sizes_do_not_fit_is_refused() -> None:
    inputs = {"x": "float[batch_size, width, seq_len]"}
    model = symflops.derive(Shifted, width=6, kernel=5, inputs=inputs)
    assert model.total().at(batch_size=1, seq_len=8).matmul_flops == 2 * 6 * 6 * 5 * 8
    with pytest.raises(SymflopsError, match=r"kernel"):
        symflops.derive(Shifted, width=6, kernel=4, inputs=inputs)
