"""The independent counter against hand counts on tensors of a few elements."""

from __future__ import annotations

import pytest
import torch
from operation_count import Counter, UnknownOperationError
from torch import nn

pytestmark = pytest.mark.torch


def counted(function, *given):
    with torch.no_grad(), Counter(given) as counter:
        function(*given)
    return counter.flops, counter.matmul_flops


X = torch.linspace(-1, 1, 12).reshape(3, 4)
MASK = torch.tensor([0.0, torch.finfo(torch.float32).min, 0.0, 0.0])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + 1.5, (12, 0)),
        (lambda x: x * 1.0, (0, 0)),
        (lambda x: x + MASK, (0, 0)),  # forbids or does nothing
        (lambda x: x + torch.arange(4.0), (12, 0)),  # a constant that is no mask
        (lambda x: x + torch.full((4,), -1e38), (12, 0)),  # a maximum so far, before there is any
        (lambda x: torch.arange(4.0) * 2 + 1, (0, 0)),  # from sizes alone
        (lambda x: x @ x.T, (2 * 3 * 3 * 4, 2 * 3 * 3 * 4)),
        (lambda x: nn.functional.linear(x, x, x[:, 0]), (2 * 3 * 3 * 4 + 9, 72)),
        (lambda x: x.softmax(-1), (60, 0)),
        (lambda x: nn.functional.silu(x), (48, 0)),
        (lambda x: x.mean(-1), (12, 0)),
        (lambda x: x.max(), (12, 0)),
        (lambda x: torch.maximum(x, x) + x.argmax(), (12, 0)),
        (lambda x: (x > 0).sum(), (0, 0)),
        (lambda x: x.pow(2).mean(-1, keepdim=True), (24, 0)),
        (lambda x: nn.functional.conv1d(x[None], x[:, None, :2], groups=3), (2 * 3 * 3 * 2, 36)),
        (lambda x: torch.complex(x, x) * torch.complex(x, x), (72, 0)),  # (a + ib)(c + id): 4 products, 2 sums
        (lambda x: torch.complex(x, x) * x, (24, 0)),
        (lambda x: torch.zeros_like(x) * 2 + 1, (0, 0)),  # of a size, not of values
        (lambda x: torch.zeros(3, 4).index_add(0, torch.tensor([0, 0, 1]), x), (12, 0)),
    ],
)
def test_counts_by_hand(function, expected):
    assert counted(function, X) == expected


def test_what_was_given_keeps_its_address_while_operations_are_counted():
    """What takes the place of a state that is dropped is no data for lying where the state lay."""
    with torch.no_grad(), Counter([state := torch.ones(50)]) as counter:
        del state
        made = [torch.zeros(50) for _ in range(20)]
    assert all(map(counter.is_constant, made))


def test_an_operation_without_a_rule_is_an_error():
    with pytest.raises(UnknownOperationError, match="no rule for linalg_inv_ex"):
        counted(torch.linalg.inv, X[:, :3])


def test_the_pairs_that_a_softmax_forbids_are_those_of_queries_and_keys_and_no_choice_of_experts():
    """Three queries and keys of width 4 leave out 3 of 9 pairs: of 2*4 FLOPs each of the product, and 5 of the softmax.
    Scores of experts are products with a weight, and that some are left out of their softmax leaves out no work."""
    weight = torch.ones(4, 3)
    hidden = torch.ones(3, 3).triu(1).bool()
    for other, masked in ((X.T, 3 * (2 * 4 + 5)), (weight, 0)):
        with torch.no_grad(), Counter([X, weight], weights=[weight]) as counter:
            (X @ other).masked_fill(hidden, -torch.inf).softmax(-1)
        assert counter.masked_flops == masked
