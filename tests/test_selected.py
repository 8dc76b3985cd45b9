"""Elements that a mask selects whose number nobody knows: they may be counted, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch

UNKNOWN = "a size depends on the values of a tensor, not on sizes alone"


class Selecting(nn.Module):
    """What it does with the selected elements is said by the classes below."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, width)
        self.kept: Tensor | None = None

    def forward(self, x: Tensor, marks: Tensor) -> Tensor | dict[str, Tensor]:
        return self.used(self.out(x), x[marks])

    def used(self, result: Tensor, selected: Tensor) -> Tensor | dict[str, Tensor]:
        raise NotImplementedError


class Counted(Selecting):
    """As sources do that compare the places for images with the images that there are."""

    def used(self, result: Tensor, selected: Tensor) -> Tensor:
        torch._check(selected.numel() >= 0)
        return result


class Returned(Selecting):
    def used(self, result: Tensor, selected: Tensor) -> dict[str, Tensor]:
        return {"out": result, "selected": selected}


class Summed(Selecting):
    def used(self, result: Tensor, selected: Tensor) -> Tensor:
        return result + selected.sum()


class Kept(Selecting):
    def used(self, result: Tensor, selected: Tensor) -> Tensor:
        self.kept = selected
        return result


class SummedInPart(Selecting):
    def used(self, result: Tensor, selected: Tensor) -> Tensor:
        return result + selected[:1].sum()


INPUTS = {"x": "float[batch_size, width]", "marks": "bool[batch_size, width]"}


def test_what_is_only_counted_is_no_obstacle_and_its_reading_is() -> None:
    """The layer reads and writes its own, and the selection reads the elements and a byte of mask for each."""
    model = symflops.derive(Counted, width=6, inputs=INPUTS)
    cost = model.total().at(batch_size=5, dtype_bytes=2)
    assert cost.flops == 2 * 5 * 6 * 6 + 5 * 6  # the product and the bias: a selection computes nothing
    layer = 2 * (5 * 6 + 6 * 6 + 6)
    assert cost.read_bytes - layer >= 5 * 6  # at least the mask
    assert cost.read_bytes - layer <= 5 * 6 * (2 + 1)  # at most all elements and the mask


@pytest.mark.parametrize("kind", [Returned, Summed, Kept, SummedInPart])
def test_what_is_used_is_refused(kind: type[Selecting]) -> None:
    with pytest.raises(SymflopsError) as refused:
        symflops.derive(kind, width=6, inputs=INPUTS)
    assert UNKNOWN in str(refused.value)
