"""One call of an operation of PyTorch's as the rules of its costs see it, and what a rule says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from symflops.polynomial import Value

Shape = tuple[Value, ...]


class Arithmetic(NamedTuple):
    """FLOPs of one operation, and the part of them done by matrix multiplies and convolutions."""

    flops: Value
    matmul_flops: Value = 0


class AtenCall(NamedTuple):
    """An ATen call as the rules see it: its arguments with tensors replaced by their shapes."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: Sequence[Shape]
    outputs: Sequence[Shape]
    is_float: bool
    complex_inputs: Sequence[bool] = ()  # which of the inputs are complex
    is_complex: bool = False  # the result
