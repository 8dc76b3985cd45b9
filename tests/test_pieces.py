"""Pieces that are cut from tables: torch cuts them short at the end of the table without a word, and closed forms say
so. PyTorch's counter says what is expected, at sizes and lengths on both sides."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch


class Table(nn.Module):
    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        self.table, self.inner = nn.Embedding(rows, width), nn.Linear(width, width)

    def piece(self, length: int) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(self.piece(x.shape[1])).sum()  # type: ignore[no-any-return]  # a Module has no types


class AsLong(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[:length]


class TheLast(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[-length:]


class SoMany(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[:24]


class FromThere(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[24:]


class SoManyFromTheEnd(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[-24:]


class TheLesser(Table):
    def piece(self, length: int) -> Tensor:
        return self.table.weight[: min(length, 24)]


class Around(Table):
    """As relative positions are cut from a table: the number is in a tensor."""

    def piece(self, length: int) -> Tensor:
        span = torch.tensor(min(length, 24))
        return self.table.weight[30 - span : 30 + span]


KINDS = [AsLong, TheLast, SoMany, FromThere, SoManyFromTheEnd, TheLesser, Around]


def derived(kind: Any, rows: int) -> symflops.Model:
    return symflops.derive(kind, inputs={"x": "float[batch_size, seq_len, width]"}, width=8, rows=rows)


def counted(kind: Any, rows: int, length: int) -> int:
    real = kind(8, rows).requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        real(torch.zeros(1, length, 8))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("rows", [2000, 100, 11])
@pytest.mark.parametrize("kind", KINDS)
def test_a_piece_is_as_long_as_torch_cuts_it(kind: Any, rows: int) -> None:
    model = derived(kind, rows)
    for length in (5, 30, 300):
        if kind in (AsLong, TheLast) and length > rows:
            with pytest.raises(SymflopsError, match="seq_len <= rows"):
                model.total().at(batch_size=1, seq_len=length)
        else:
            assert model.total().at(batch_size=1, seq_len=length).matmul_flops == counted(kind, rows, length)


@pytest.mark.parametrize("kind", [SoMany, FromThere, SoManyFromTheEnd, TheLesser, Around])
def test_a_table_that_is_cut_otherwise_is_refused(kind: Any) -> None:
    model = derived(kind, 2000)
    assert any("rows" in assumed for assumed in model.assumes)
    with pytest.raises(SymflopsError, match="rows"):
        model.with_symbols({"rows": 11})
