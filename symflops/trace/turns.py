"""The events of a step of training as a tree: runs of layers that are repeated, forward and backward."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from symflops.program.block import Freed, Made
from symflops.trace.lifetimes import Enter, EnterBackward, Event, Leave, LeaveBackward, Turned
from symflops.trace.record import Execution

__all__ = ["At", "Item", "RepeatedLayer", "Turn", "layers_of", "tree_of"]


class RepeatedLayer(NamedTuple):
    """What is repeated: the layer that was run in place of its equals, forward or backward."""

    first: Execution
    is_backward: bool


class At(NamedTuple):
    """An event outside of what is repeated, or None for an operation, and the module that it is in."""

    event: Made | Freed | None
    path: str


@dataclass(eq=False)
class Turn:
    """One run of a layer, forward or backward; of the whole step where it is of the model."""

    execution: Execution
    is_backward: bool
    items: list[Item] = field(default_factory=list)
    gradients: set[int] = field(default_factory=set)  # the memory of those that it is given

    @property
    def kind(self) -> RepeatedLayer:
        return RepeatedLayer(self.execution.repeated or self.execution, self.is_backward)

    @property
    def is_first(self) -> bool:
        return self.execution.repeated is None

    @property
    def path(self) -> str:
        return f"the backward of {self.execution.path}" if self.is_backward else self.execution.path


Item: TypeAlias = At | Turn


def layers_of(root: Execution) -> dict[Execution, list[Execution]]:
    """The layers that were run in place of equal ones, with these."""
    found: dict[Execution, list[Execution]] = {}
    for execution in _executions(root):
        if execution.repeated is not None:
            found.setdefault(execution.repeated, []).append(execution)
    return found


def _executions(execution: Execution) -> Iterator[Execution]:
    yield execution
    for part in execution.parts:
        if isinstance(part, Execution):
            yield from _executions(part)


def tree_of(events: Sequence[Event], root: Execution, layers: Collection[Execution]) -> Turn:
    """The runs of these layers inside of one another and one after the other."""
    tree = Turn(root, False)
    stack = [tree]
    paths = [""]
    ends = _ends(events, layers)
    for place, event in enumerate(events):
        if isinstance(event, Enter):
            paths.append(event.execution.path)
            if event.execution in layers:
                stack.append(Turn(event.execution, False))
                stack[-2].items.append(stack[-1])
        elif isinstance(event, Leave):
            paths.pop()
            if event.execution in layers:
                stack.pop()
        elif isinstance(event, Turned):
            paths = ["the backward"]
        elif isinstance(event, EnterBackward):
            if event.execution not in layers:
                continue
            if not any(turn.execution is event.execution for turn in stack[1:]):
                del stack[_depth(stack, event.execution) :]
                stack.append(Turn(event.execution, True))
                stack[-2].items.append(stack[-1])
            stack[-1].gradients.add(event.gradient)
        elif isinstance(event, LeaveBackward):
            if place in ends:
                del stack[[turn.execution for turn in stack].index(event.execution) :]
        else:
            path = stack[-1].path if stack[-1].is_backward else paths[-1]
            stack[-1].items.append(At(event if isinstance(event, Made | Freed) else None, path))
    return tree


def _depth(stack: Sequence[Turn], execution: Execution) -> int:
    """How many of the runs that are open another one is inside of."""
    inside = [i for i, turn in enumerate(stack) if i and f"{execution.path}.".startswith(f"{turn.execution.path}.")]
    return max(inside, default=0) + 1


def _ends(events: Iterable[Event], layers: Collection[Execution]) -> set[int]:
    """The places at which the backward of a layer ends: the last gradient of what it was given before another one
    begins."""
    ends: dict[Execution, int] = {}
    open_: list[Execution] = []
    for place, event in enumerate(events):
        if isinstance(event, EnterBackward) and event.execution in layers and event.execution not in open_:
            path = f"{event.execution.path}."
            open_ = [other for other in open_ if path.startswith(f"{other.path}.")] + [event.execution]
        elif isinstance(event, LeaveBackward) and event.execution in open_:
            ends[event.execution] = place
    return set(ends.values())
