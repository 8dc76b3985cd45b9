"""Real operations of complex numbers, by hand: a product is four products, a difference and a sum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import symflops
from symflops.errors import SymflopsError
from symflops.passes.training import training

pytestmark = pytest.mark.torch

INPUTS = {"x": "float[batch_size, 3, 2]", "y": "float[batch_size, 3, 2]"}
ELEMENTS = 2 * 3  # of a batch of two
OPERATIONS = {
    "product": (lambda x, y: x * y, 6 * ELEMENTS),
    "with a real number": (lambda x, y: x * y.real, 2 * ELEMENTS),
    "with a number": (lambda x, y: x * 2.5, 2 * ELEMENTS),
    "with a complex number": (lambda x, y: x * 2.5j, 6 * ELEMENTS),
    "sum": (lambda x, y: x + y, 2 * ELEMENTS),
    "quotient": (lambda x, y: x / y, (6 + 3 + 2) * ELEMENTS),  # by the conjugate, the square of the size, two quotients
    "by a real number": (lambda x, y: x / y.real, 2 * ELEMENTS),
    "of a real number": (lambda x, y: x.real / y, (2 + 3 + 2) * ELEMENTS),
    "exponential": (lambda x, y: torch.exp(x), 5 * ELEMENTS),  # e^a*(cos b, sin b)
    "size": (lambda x, y: x.abs(), 4 * ELEMENTS),  # two squares, a sum and a root
    "mean": (lambda x, y: x.mean(-1), 2 * ELEMENTS + 2 * 2),
    # Each of 3*3 sums for a batch has 3 products: 4 products and 2 sums, and 2 sums to add them up.
    "matrix product": (lambda x, y: x.unsqueeze(-1) @ y.unsqueeze(-2), 8 * 2 * 3 * 3),
    "of matrices": (lambda x, y: (x.unsqueeze(1).expand(-1, 3, -1)) @ y.unsqueeze(-1), 8 * 2 * 3 * 3),
}


class Of(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.operation(torch.view_as_complex(x), torch.view_as_complex(y))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_on_complex_numbers(name):
    operation, flops = OPERATIONS[name]
    model = symflops.derive(Of(operation), inputs=INPUTS)
    cost = model.total().at(batch_size=2)
    assert cost.flops == flops
    is_matrix = name in ("matrix product", "of matrices")
    assert cost.matmul_flops == (flops if is_matrix else 0)
    said = ("a product of complex numbers is four real ones, and PyTorch's FlopCounterMode counts one",)
    assert model.notes == (said if is_matrix else ())


@pytest.mark.parametrize("operation", [torch.sqrt, torch.tanh, torch.sigmoid], ids=["sqrt", "tanh", "sigmoid"])
def test_what_has_no_rule_for_complex_numbers_is_refused(operation):
    with pytest.raises(SymflopsError, match=r"^Of: no cost is known for the operation"):
        symflops.derive(Of(lambda x, y: operation(x)), inputs=INPUTS)


class Turned(nn.Module):
    """Two real matrices as one complex one, times complex rows."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 5, 2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(x) @ torch.view_as_complex(self.weight))


def test_a_complex_product_has_a_complex_gradient():
    """8 operations for each of 3*5 elements and row; the gradient of the weight takes as many, the rows have none."""
    model = symflops.derive(Turned(), inputs=INPUTS, training=True)
    assert model.total().at(batch_size=2).matmul_flops == 8 * 2 * 3 * 5
    assert training(model).total().at(batch_size=2).matmul_flops == 2 * 8 * 2 * 3 * 5
