"""Audio of which all is heard: masks made of lengths, where the lengths follow from a mask of ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch

Mask = Callable[[int, Tensor], Tensor]


class Heard(nn.Module):
    """Halves the frames, then takes those that are there out of the batch."""

    def __init__(self, width: int, mask: Mask) -> None:
        super().__init__()
        self.halved = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.out = nn.Linear(width, 2 * width)
        self.mask = mask

    def forward(self, frames: Tensor, heard: Tensor) -> Tensor:
        seen = self.halved(frames.transpose(1, 2)).transpose(1, 2)
        lengths = (heard.sum(-1).to(torch.long) - 1) // 2 + 1
        return self.out(seen[self.mask(seen.shape[1], lengths)])


def below(number: int, lengths: Tensor) -> Tensor:
    return torch.arange(number)[None, :] < lengths[:, None]


def not_above(number: int, lengths: Tensor) -> Tensor:
    return lengths[:, None] >= torch.arange(number)[None, :] + 1


def without_the_last(number: int, lengths: Tensor) -> Tensor:
    return torch.arange(number)[None, :] < lengths[:, None] - 1


def halves(number: int, lengths: Tensor) -> Tensor:
    return torch.arange(number)[None, :] < lengths[:, None] // 2


INPUTS = {"frames": "float[batch_size, num_frames, 8]", "heard": "int64[batch_size, num_frames] = 1"}


@pytest.mark.parametrize("mask", [below, not_above])
@pytest.mark.parametrize(("batch", "frames"), [(1, 7), (3, 16), (2, 1)])
def test_all_frames_are_taken(mask: Mask, batch: int, frames: int) -> None:
    module = Heard(8, mask)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(batch, frames, 8), torch.ones(batch, frames, dtype=torch.long))
    total = symflops.derive(module, inputs=INPUTS).total()
    assert total.at(batch_size=batch, num_frames=frames).matmul_flops == counter.get_total_flops()


@pytest.mark.parametrize("mask", [without_the_last, halves])
def test_of_fewer_nobody_knows_how_many(mask: Mask) -> None:
    with pytest.raises(SymflopsError, match="depends on the values of a tensor"):
        symflops.derive(Heard(8, mask), inputs=INPUTS)
