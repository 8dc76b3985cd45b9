"""Convolutions whose result is as long as their input: of a window of an odd size, and of an even one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch


class InModules(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation, groups=channels)
        self.out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.conv(x))


class InFunctions(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, channels, kernel))
        self.out = nn.Parameter(torch.zeros(channels, channels, 1))
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        return torch.conv1d(nn.functional.conv1d(x, self.weight, padding="same", dilation=self.dilation), self.out)


class OfImages(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (kernel, 3), padding="same", dilation=(dilation, 1))
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x))


def counted(module: nn.Module, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops()


@pytest.mark.parametrize("made", [InModules, InFunctions, OfImages])
@pytest.mark.parametrize(("kernel", "dilation"), [(4, 1), (5, 1), (4, 2), (2, 3), (3, 3)])
def test_the_result_is_as_long_as_the_input(made: Callable[..., nn.Module], kernel: int, dilation: int) -> None:
    text = "float[batch_size, channels, height, width]" if made is OfImages else "float[batch_size, channels, length]"
    stated = {"channels": 6, "kernel": kernel, "dilation": dilation}
    model = symflops.derive(made, **stated, inputs={"x": text})
    module = made(**stated)
    for batch, length, width in ((1, 11, 7), (3, 16, 9)):
        shape = (batch, 6, length, width) if made is OfImages else (batch, 6, length)
        names = {"height": length, "width": width} if made is OfImages else {"length": length}
        total = model.total().at(batch_size=batch, **names)
        assert total.matmul_flops == counted(module, torch.zeros(shape))
    assert model.total().parameters == sum(p.numel() for p in module.parameters())


def test_a_closed_form_of_odd_windows_refuses_even_ones() -> None:
    stated = {"channels": 6, "kernel": 5, "dilation": 1}
    model = symflops.derive(InModules, **stated, inputs={"x": "float[batch_size, channels, length]"})
    wider = model.with_symbols({"kernel": 7}).total().at(batch_size=2, length=13)
    assert wider.matmul_flops == counted(InModules(6, 7, 1), torch.zeros(2, 6, 13))
    with pytest.raises(SymflopsError, match=r"assumption broken: .* \(with .*kernel=4"):
        model.with_symbols({"kernel": 4}).total().at(batch_size=2, length=13)
