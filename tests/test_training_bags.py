"""The backward of sums of rows of a table: expected values by hand, 4 rows of width 8 in each bag."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import symflops
from symflops.errors import SymflopsError
from symflops.passes.training import training

pytestmark = pytest.mark.torch


class Bag(nn.Module):
    def __init__(self, mode="sum", is_weighted=False):
        super().__init__()
        self.bags = nn.EmbeddingBag(50, 8, mode=mode)
        self.weights = nn.Linear(4, 4) if is_weighted else None
        self.last = nn.Linear(8, 3)

    def forward(self, rows, features):
        weights = None if self.weights is None else self.weights(features)
        return self.last(self.bags(rows, per_sample_weights=weights))


@pytest.mark.parametrize(
    ("mode", "is_weighted", "flops"),
    [
        ("sum", False, 4 * 8),  # each row of the table gets the gradient added
        ("mean", False, 4 * 8 + 8),  # which is divided first
        ("max", False, 8),  # one row has it
        ("sum", True, 2 * 4 * 8 + 4 * (2 * 8 - 1)),  # weighted; and a product of two vectors for each weight
    ],
)
def test_the_gradient_of_a_bag(mode, is_weighted, flops):
    inputs = {"rows": "int64[batch_size, 4]", "features": "float[batch_size, 4]"}
    step = training(symflops.derive(Bag(mode, is_weighted), inputs=inputs, training=True))
    (backward,) = [row.cost for row in step.rows() if row.path == "backward.bags"]
    assert backward.at(batch_size=5).flops == 5 * flops
    assert backward.at(batch_size=5).matmul_flops == 0


class Histogram(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6)

    def forward(self, x):
        return torch.ops.aten._embedding_bag_forward_only(
            self.first(x), torch.zeros(3, dtype=torch.long), torch.zeros(1, dtype=torch.long)
        )[0]


def test_what_autograd_refuses_is_one_line(monkeypatch):
    monkeypatch.setattr("symflops.trace.autograd.WITH_GRADIENTS", {})
    with pytest.raises(SymflopsError, match="PyTorch has no backward of the operation '_embedding_bag_forward_only'"):
        symflops.derive(Histogram(), inputs={"x": "float[rows, 6]"}, training=True)
