"""When memory is made and freed in a call, as eager PyTorch does it: the recorder's events in their order.

A call that is recorded for this runs the source's own attention and cache, since what they keep in between is memory,
too. Memory ends when Python holds it no more, so what the source's variables and PyTorch's modules hold on to counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from symflops.program.block import Freed, Made
from symflops.trace.record import Execution, Operation


@dataclass(eq=False)
class Enter:
    execution: Execution


@dataclass(eq=False)
class Leave:
    execution: Execution


@dataclass(eq=False)
class EnterBackward:
    """The gradient of a layer's result is there, in this memory."""

    execution: Execution
    gradient: int


@dataclass(eq=False)
class LeaveBackward:
    """The gradient of what a layer was given is there, in this memory."""

    execution: Execution
    gradient: int


@dataclass(eq=False)
class Turned:
    """The forward is done, and what follows is the backward."""


Event = Made | Freed | Enter | Leave | EnterBackward | LeaveBackward | Turned | Operation


@dataclass
class Lifetimes:
    """The events of one call."""

    events: list[Event] = field(default_factory=list)
    held: dict[int, None] = field(default_factory=dict)

    def begin(self, storage: int) -> None:
        if storage not in self.held:
            self.held[storage] = None
            self.events.append(Made(storage))

    def end(self, storage: int) -> None:
        if storage in self.held:
            del self.held[storage]
            self.events.append(Freed(storage))

    def was_there(self, storage: int) -> None:
        """Some memory that the call was given, though it is made known only where it is used."""
        self.events.remove(Made(storage))
        self.events.insert(0, Made(storage))

    def restart(self) -> None:
        """What came before is no part of the call; what it left is held from the beginning."""
        self.events[:] = [Made(storage) for storage in self.held]
