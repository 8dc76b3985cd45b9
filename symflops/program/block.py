"""The program of a call: steps that read and write tensors, in the modules that they stand in.

Steps follow one another as they were recorded. A module that equals an earlier one was not run, so its block is
`Again` that one on tensors of its own. A tensor is a piece of memory with a number of its own, whatever views there are
of it; `Made` and `Freed` say where eager PyTorch takes its memory and gives it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from symflops.polynomial import Value, multiply

__all__ = ["Again", "Block", "Freed", "Item", "Made", "Program", "Step", "Tensor", "View", "blocks", "numbered"]


@dataclass(frozen=True)
class Tensor:
    """A piece of memory: how many elements, of how many bytes each, and what it is for: "input", "weight", "constant"
    (computed from sizes alone), "cache" or "temporary"."""

    number: int
    elements: Value
    element: Value
    role: str
    name: str = ""  # of a parameter or a buffer

    @property
    def bytes(self) -> Value:
        return multiply(self.element, self.elements)


@dataclass(frozen=True)
class View:
    """Some elements of a tensor."""

    tensor: int
    elements: Value


@dataclass(frozen=True)
class Made:
    """From here on a tensor is held."""

    tensor: int


@dataclass(frozen=True)
class Freed:
    """Nobody holds a tensor any more."""

    tensor: int


@dataclass(frozen=True)
class Step:
    """One operation: of PyTorch, or a formula of the library with its arguments, in a function of the source."""

    name: str
    reads: tuple[View, ...]
    writes: tuple[View, ...]
    source: str = ""
    formula: str = ""
    arguments: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, eq=False)
class Block:
    """One call of a module."""

    path: str
    class_name: str
    items: tuple[Item, ...]
    inputs: tuple[View, ...] = ()
    outputs: tuple[View, ...] = ()


@dataclass(frozen=True, eq=False)
class Again:
    """One call of a module that does what `block` does."""

    path: str
    block: Block
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]
    items: tuple[Made, ...]  # what it returns


Item: TypeAlias = Made | Freed | Step | Block | Again


@dataclass(frozen=True, eq=False)
class Program:
    """One call of a model. `tensors` are those of the program, its inputs and its weights among them; `body` is what
    the model's own module does; `symbols` are the sizes that it was recorded with, at their values there."""

    name: str
    tensors: dict[int, Tensor]
    given: tuple[Made, ...]
    body: Block
    after: tuple[Freed, ...]
    conditions: tuple[str, ...] = ()


def blocks(block: Block) -> Iterator[Block]:
    """A block and all that are in it, in the order in which they end."""
    for item in block.items:
        if isinstance(item, Block):
            yield from blocks(item)
    yield block


def numbered(program: Program, numbers: Mapping[int, int]) -> Program:
    """The same program with other numbers of its tensors."""
    again: dict[Block, Block] = {}

    def views(of: tuple[View, ...]) -> tuple[View, ...]:
        return tuple(View(numbers[view.tensor], view.elements) for view in of)

    def item(one: Item) -> Item:
        if isinstance(one, Made | Freed):
            return type(one)(numbers[one.tensor])
        if isinstance(one, Step):
            return replace(one, reads=views(one.reads), writes=views(one.writes))
        inputs, outputs = views(one.inputs), views(one.outputs)
        if isinstance(one, Again):
            made = tuple(Made(numbers[m.tensor]) for m in one.items)
            return Again(one.path, again[one.block], inputs, outputs, made)
        again[one] = Block(one.path, one.class_name, tuple(map(item, one.items)), inputs, outputs)
        return again[one]

    body = item(program.body)
    assert isinstance(body, Block)
    tensors = {numbers[n]: replace(t, number=numbers[n]) for n, t in program.tensors.items()}
    given = tuple(Made(numbers[m.tensor]) for m in program.given)
    after = tuple(Freed(numbers[f.tensor]) for f in program.after)
    return replace(program, tensors=dict(sorted(tensors.items())), given=given, body=body, after=after)
