"""Positions that are compared with lengths, as of what is no padding: all below them, or not known to be.

Expected are the FLOPs that torch counts when the same model runs on real tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_known_values import Masked, MaskedConfig, counted

import symflops

pytestmark = pytest.mark.torch

Compare = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def heard(compare: Compare) -> type[Masked]:
    """A model that keeps what a comparison of the places of its rows with the lengths of its sequences says."""

    def forward(self: Any, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)[:, ::2]
        lengths = (torch.ones_like(input_ids).sum(-1) - 1) // 2 + 1
        return self.proj(x[compare(torch.arange(x.shape[1])[None], lengths[:, None])])

    return type("Heard", (Masked,), {"forward": forward})


PROVED: dict[str, Compare] = {
    "below": lambda places, lengths: places < lengths,
    "lengths above": lambda places, lengths: lengths > places,
    "at most": lambda places, lengths: places <= lengths - 1,
    "lengths at least": lambda places, lengths: lengths - 1 >= places,
    "unequal": lambda places, lengths: places != lengths,
    "not beyond": lambda places, lengths: ~(places >= lengths),
    "none at": lambda places, lengths: (places == lengths) == 0,
    "none above": lambda places, lengths: (places > lengths - 1) | (places >= lengths),
    "both": lambda places, lengths: (places < lengths) & (places < 2 * lengths),
    "shifted": lambda places, lengths: places - 2 < lengths - 2,
    "by the rest": lambda places, lengths: places < lengths + lengths % 1,
}
UNPROVED: dict[str, Compare] = {
    "but the last": lambda places, lengths: places < lengths - 1,
    "from the second": lambda places, lengths: places >= lengths * 0 + 1,
    "a few": lambda places, lengths: places < lengths * 0 + 4,
    "of every other": lambda places, lengths: 2 * places < lengths,
    "one more": lambda places, lengths: places + 1 < lengths,
    "up to a third": lambda places, lengths: places < lengths // 3,
    "of halves": lambda places, lengths: places < lengths * 0.5,
}


@pytest.mark.parametrize("name", PROVED)
def test_places_that_are_all_below_a_length_are_compared(name: str) -> None:
    """All rows are kept or none, as on real tensors."""
    model = heard(PROVED[name])
    total = symflops.derive(model).total()
    for batch, length in ((1, 1), (2, 7), (3, 8), (5, 400)):
        at = total.at(batch_size=batch, seq_len=length)
        assert at.matmul_flops == counted(model(MaskedConfig()), batch, length), length


@pytest.mark.parametrize("name", UNPROVED)
def test_a_comparison_that_some_places_may_pass_is_not_known(name: str) -> None:
    with pytest.raises(symflops.SymflopsError, match="depends on the values of"):
        symflops.derive(heard(UNPROVED[name]))


class Attending(Masked):
    """Attention with a mask of the keys that are below the length of their sequence: all of them."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)
        lengths = torch.ones_like(input_ids).sum(-1)
        mask = torch.arange(x.shape[1])[None] < lengths[:, None]
        scores = (x @ x.transpose(1, 2)).masked_fill(~mask[:, None], -1e9)
        return self.proj(scores.softmax(-1) @ x)


def test_what_hides_nothing_is_no_causal_mask() -> None:
    """All pairs are counted whatever `causal` is: two products of 5*5 pairs by 32, and a Linear from 32 to 96."""
    model = symflops.derive(Attending)
    for causal in (0, 1):
        at = model.total().at(batch_size=3, seq_len=5, causal=causal)
        assert at.matmul_flops == 3 * (2 * 2 * 5 * 5 * 32 + 5 * 2 * 32 * 96)
