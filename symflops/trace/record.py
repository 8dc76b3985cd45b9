"""The record of a run: what ran inside what, what each operation computed, and which memory it read and wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from symflops.algebra import free_symbols
from symflops.numeric import evaluate
from symflops.polynomial import Number, Value, add
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.internals import tree_flatten


class Slice(NamedTuple):
    """A part of some memory: which, how many of its elements, and where it lies."""

    storage: int
    elements: Value
    place: tuple[Value, ...]


@dataclass
class Storage:
    """A piece of memory: bytes per element, elements, and what it holds.

    `role` is "input", "weight", "constant" (computed from sizes alone), "cache" or "temporary"."""

    unit: Value
    elements: Value
    role: str
    value: Any = None  # of all its elements, where it was made from constants alone: a number or a torch size
    largest: Any = None  # its largest element, of positions 0, 1, …: a number or a torch size
    classes: Value = 0  # of how many things its elements each choose one
    maker: Execution | None = None  # the module that made a constant from nothing, as arange and zeros do
    hits: Any = None  # how many elements of a mask are true, where that is known: a number or a torch size
    is_hits: bool = False  # the experts that some token chose, in order
    finder: Execution | None = None  # the module that asked for these places of a mask's true elements
    readers: list[Operation] = field(default_factory=list)
    writers: list[Operation] = field(default_factory=list)
    dtype: torch.dtype = torch.bfloat16
    weight: torch.Tensor | None = None  # or buffer, where it is one

    @property
    def is_parameter(self) -> bool:
        """Whether it is a weight that is trained, and no buffer."""
        return isinstance(self.weight, torch.nn.Parameter)


@dataclass(eq=False)
class Operation:
    """One operation: what it computes, reads and writes, and the function of the model's source that it stands in."""

    name: str
    work: Arithmetic
    reads: list[Slice]
    writes: list[Slice]
    function: str
    call: int  # which call of it; 0 in a module's own forward
    owner: Execution
    formula: str = ""
    args: dict[str, Value] = field(default_factory=dict)
    same_shape: bool = False
    is_constant: bool = False  # computed from sizes alone: positions, masks, tables that are made once
    gathered: dict[int, Value] = field(default_factory=dict)  # storages of which only some elements are read
    aten: AtenCall | None = None  # what PyTorch was asked; None for what was caught above its operations


@dataclass(eq=False)
class AutogradStep:
    """One call of an operation as autograd sees it: views are steps, too, and tensors have serial numbers, new ones
    where they are written into."""

    name: str
    function: Any  # of PyTorch; None for what was caught above its operations, and for a layer that is run again
    args: Any
    kwargs: Any
    tensors: list[torch.Tensor]  # among the arguments
    results: list[torch.Tensor]
    reads: list[int]
    writes: list[int]
    differentiable: bool  # whether the source has not switched gradients off
    is_in_place: bool = False
    operation: Operation | None = None  # None for views
    owner: Execution | None = None  # the module that called it
    backward: Any = None  # of what was caught: what it says of its backward
    repeated: Execution | None = None  # a layer that equals one that was run


@dataclass(eq=False)
class Execution:
    """One call of a module."""

    module: torch.nn.Module
    path: str
    parts: list[Operation | Execution] = field(default_factory=list)
    inputs: list[Slice] = field(default_factory=list)
    outputs: list[Slice] = field(default_factory=list)
    input_tensors: list[int] = field(default_factory=list)  # serial numbers, where steps are written down
    output_tensors: list[int] = field(default_factory=list)
    steps_before_end: int = 0  # how many steps were written down when it returned
    input_shapes: list[tuple[Value, ...]] = field(default_factory=list)
    output_shapes: list[tuple[Value, ...]] = field(default_factory=list)
    repeated: Execution | None = None  # the earlier execution that this one equals
    ordinal: int = 1  # of the calls of this module
    is_rerun: bool = False  # the same module as before, so that its weights are counted already

    def repeated_parameters(self) -> Iterator[tuple[torch.nn.Parameter, torch.nn.Parameter]]:
        """The weights of the earlier execution, each with the one of the same name here."""
        assert self.repeated is not None
        own = dict(self.repeated.module.named_parameters(remove_duplicate=False))
        for name, parameter in self.module.named_parameters(remove_duplicate=False):
            yield own[name], parameter


def own_operations(execution: Execution) -> list[Operation]:
    return [part for part in execution.parts if isinstance(part, Operation)]


def every_operation(execution: Execution) -> Iterator[Operation]:
    for part in execution.parts:
        if isinstance(part, Operation):
            yield part
        else:
            yield from every_operation(part)


def every_execution(execution: Execution) -> Iterator[Execution]:
    """A call of a module and all calls in it."""
    yield execution
    for part in execution.parts:
        if isinstance(part, Execution):
            yield from every_execution(part)


def covered(views: list[Slice], whole: Value) -> Value:
    """How many elements of some memory these views touch: each distinct part once, never more than there are."""
    distinct = {v.place: v.elements for v in views}
    total = add(0, *distinct.values())
    if whole in distinct.values() or len(distinct) == 1:
        return whole if whole in distinct.values() else total
    starts: dict[Value, list[Value]] = {}
    for v in views:  # of parts that begin at the same place, the largest holds the others
        starts.setdefault(v.place[-1], []).append(v.elements)
    return add(0, *(max(sizes, key=_size_somewhere) for sizes in starts.values()))


def _size_somewhere(elements: Value) -> Number:
    """The size of a part where every symbol is 97: which of two is larger does not depend on where one looks."""
    return evaluate(elements, dict.fromkeys(free_symbols(elements), 97))


def tensors_of(tree: Any) -> list[torch.Tensor]:
    """The tensors in nested arguments or results, in order; in records of a user's own, too."""
    if hasattr(tree, "to_tuple"):
        tree = tree.to_tuple()
    found: list[torch.Tensor] = []
    for leaf in tree_flatten(tree)[0]:
        if isinstance(leaf, torch.Tensor):
            found.append(leaf)
        elif isinstance(leaf, dict):  # one of a class of its own, such as what a tokenizer gives
            found += tensors_of(list(leaf.values()))
        elif dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            found += tensors_of([vars(leaf).get(field.name) for field in dataclasses.fields(leaf)])
    return found


def is_empty(tensor: torch.Tensor) -> bool:
    return any(type(size) is int and size == 0 for size in tensor.shape)


def base_elements(tensor: torch.Tensor) -> Any:
    """How many elements the memory has that a tensor is in."""
    return tensor.untyped_storage().nbytes() // tensor.dtype.itemsize
