"""Torch's expressions of sizes as values: what a stride is, which torch asks for as max(1, size)."""

from __future__ import annotations

import pytest
import sympy
from torch.utils._sympy.functions import CeilDiv, FloorDiv, Max

from symflops.grouping import grouped
from symflops.polynomial import symbol
from symflops.trace.quantity import Quantities
from symflops.tree import write

pytestmark = pytest.mark.torch

HEADS, LENGTH, PAST = sympy.symbols("h s p", integer=True, positive=True)
NAMES = {HEADS: "num_heads", LENGTH: "seq_len", PAST: "past_len"}


def read(expression: sympy.Expr) -> str:
    values = {name: symbol(name) for name in NAMES.values()}
    return write(grouped(Quantities(NAMES, values).read(expression)))


def test_a_size_of_at_least_1_is_its_own_stride() -> None:
    assert read(Max(1, HEADS * LENGTH, evaluate=False)) == "seq_len*num_heads"
    assert read(Max(1, 8 * CeilDiv(LENGTH, 8), evaluate=False)) == "8*ceil(seq_len/8)"


def test_a_size_that_may_be_0_is_not() -> None:
    assert read(Max(1, FloorDiv(LENGTH, 4), evaluate=False)) == "max(1, floor(seq_len/4))"
    assert read(Max(1, PAST, evaluate=False)) == "max(1, past_len)"
