"""Which layer each operation belongs to that a composite module computes between the layers it calls, by hand."""

from __future__ import annotations

import pytest
from torch import nn

from symflops.trace.aten import Arithmetic
from symflops.trace.internals import Sizes
from symflops.trace.quantity import Quantities
from symflops.trace.record import Execution, Operation
from symflops.trace.recorder import Recorder
from symflops.trace.steps import layer_of_each_operation

pytestmark = pytest.mark.torch


def turns_in(*parts: str) -> list[int | None]:
    """The turn of each operation in a record: "cross.0" is a call of that module, "+" or "*" an operation."""
    owner = Execution(nn.Module(), "decoder")
    for name in parts:
        if name in "+*":
            owner.parts.append(Operation(name, Arithmetic(1), [], [], "forward", 0, owner))
        else:
            owner.parts.append(Execution(nn.Module(), f"decoder.{name}"))
    found = layer_of_each_operation(owner)
    return [found.get(id(part)) for part in owner.parts if isinstance(part, Operation)]


def test_between_layers_of_one_list() -> None:
    assert turns_in("+", "layers.0", "+", "layers.1", "+", "layers.2", "+") == [None, 0, 1, 2]


def test_between_layers_of_two_lists() -> None:
    """An addition after each cross attention; what comes before the first and after the last is no layer's."""
    pairs = ["cross.0", "+", "layers.0", "cross.1", "+", "layers.1", "cross.2", "+", "layers.2"]
    assert turns_in("+", *pairs) == [None, 0, 1, 2]


def test_as_much_after_the_last_layer_is_a_part_of_it() -> None:
    """Parts of layers in two lists, as of XLM: additions within a layer, a product with the mask after it."""
    assert turns_in("a.0", "+", "b.0", "*", "a.1", "+", "b.1", "*", "+") == [0, 0, 1, 1, None]
    assert turns_in("a.0", "+", "b.0", "*", "a.1", "+", "b.1", "+") == [0, 0, 1, None]


def test_around_all_layers_only() -> None:
    assert turns_in("embed", "+", "layers.0", "layers.1", "norm", "+") == [None, None]


def compute(recorder: Recorder) -> None:
    recorder.record("add", Arithmetic(1), [], [])


class Repeating(nn.Module):
    def forward(self, recorder: Recorder) -> None:
        for _ in range(20):
            compute(recorder)


def test_each_call_of_a_function_is_another_one() -> None:
    """Python puts the frame of a call where that of the last one was."""
    sizes, model = Sizes(), Repeating()
    recorder = Recorder(sizes, Quantities(sizes.names, {}), model)
    model(recorder)
    calls = [part.call for part in recorder.root.parts if isinstance(part, Operation)]
    assert len(set(calls)) == 20
