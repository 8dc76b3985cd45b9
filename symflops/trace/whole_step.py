"""Forward, loss and backward of one step of training, run by PyTorch's own autograd, so that it is seen what is held.

Of equal layers one is run, here too. The others are one node of autograd's graph each: it holds of its inputs what the
layer that was run holds of them, and gives gradients of their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from symflops.errors import SymflopsError
from symflops.polynomial import Value
from symflops.trace.internals import like, tree_flatten, tree_unflatten
from symflops.trace.lifetimes import EnterBackward, Event, LeaveBackward, Lifetimes
from symflops.trace.record import Execution, Storage, tensors_of
from symflops.trace.serials import storage_key


@dataclass(frozen=True)
class Pattern:
    """What a result is made like, without holding the memory of the first one."""

    tensor: torch.Tensor
    role: str
    has_gradient: bool


class WholeStep:
    """What is known of a step while it runs."""

    def __init__(self, lifetimes: Lifetimes, stack: list[Execution], note: Callable[[torch.Tensor, str], Any]) -> None:
        self.lifetimes, self.stack, self.note = lifetimes, stack, note
        self.kept: dict[Execution, set[int]] = {}  # the memory that each module keeps for its backward
        self.is_backward = False
        self.events: tuple[Event, ...] = ()  # of all of it, when it is done
        self.gradients: dict[int, int] = {}  # the memory of a parameter's gradient, by that of the parameter

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, it is noted which module keeps what."""

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            key = storage_key(tensor)
            for execution in self.stack:
                self.kept.setdefault(execution, set()).add(key)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            yield

    def backward(self, loss: torch.Tensor) -> None:
        """The backward of a loss, or of the sum of a result that is none."""
        if not loss.requires_grad:
            raise SymflopsError("its first result has no gradient")
        self.is_backward = True
        try:
            loss.backward(None if loss.dim() == 0 else torch.ones_like(loss))
        finally:
            self.is_backward = False

    def done(
        self, weights: Iterable[torch.nn.Parameter], storages: Mapping[int, Storage], unit: Callable[..., Value]
    ) -> None:
        """Say that the backward is done; a weight's gradient has its number format."""
        self.events = tuple(self.lifetimes.events)
        for weight in weights:
            if weight.grad is not None:
                key = self.gradients[storage_key(weight)] = storage_key(weight.grad)
                storages[key].unit = unit(weight.dtype, "weight")

    def bound(self, execution: Execution, given: Any, results: Any) -> None:
        """Note where the backward of a layer begins and ends, which is when the gradients of its results and of what it
        was given are there."""
        events = self.lifetimes.events

        def at(event: type[EnterBackward] | type[LeaveBackward], gradient: torch.Tensor) -> None:
            events.append(event(execution, storage_key(gradient)))

        for tensor in _with_gradients(results):
            tensor.register_hook(partial(at, EnterBackward))
        for tensor in _with_gradients(given):
            tensor.register_hook(partial(at, LeaveBackward))

    def again(self, execution: Execution, given: Sequence[torch.Tensor], made: Any) -> Any:
        """The results of a layer that was not run, of which `made` has patterns."""
        leaves, structure = tree_flatten(made)
        patterns = [leaf for leaf in leaves if isinstance(leaf, Pattern)]
        first = execution.repeated
        assert first is not None
        kept = self.kept.get(first, ())
        places = [i for i, view in enumerate(first.inputs) if view.storage in kept]
        own = [i for i, view in enumerate(first.outputs) if view.storage in kept]
        results = iter(_Skipped.apply(self, execution, patterns, places, own, *given))
        return tree_unflatten([next(results) if isinstance(leaf, Pattern) else leaf for leaf in leaves], structure)


def _with_gradients(tree: Any) -> list[torch.Tensor]:
    return [tensor for tensor in tensors_of(tree) if tensor.requires_grad]


class _Skipped(torch.autograd.Function):
    """A layer that equals one that was run."""

    @staticmethod
    def forward(
        ctx: Any, step: WholeStep, execution: Execution, patterns: list[Pattern], kept: list[int], own: list[int],
        *given: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:  # fmt: skip
        results = tuple(step.note(like(pattern.tensor), pattern.role) for pattern in patterns)
        ctx.save_for_backward(*(given[place] for place in kept), *(results[place] for place in own))
        ctx.mark_non_differentiable(*(r for r, p in zip(results, patterns, strict=True) if not p.has_gradient))
        ctx.set_materialize_grads(False)
        ctx.told = step, execution, [like(t) if t.requires_grad else None for t in given]
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        step, execution, given = ctx.told
        events = step.lifetimes.events
        for gradient in gradients:
            if gradient is not None:
                events.append(EnterBackward(execution, storage_key(gradient)))
        made = [None if pattern is None else step.note(like(pattern), "temporary") for pattern in given]
        for tensor in made:
            if tensor is not None:
                events.append(LeaveBackward(execution, storage_key(tensor)))
        return None, None, None, None, None, *made


class Caught(torch.autograd.Function):
    """An operation that is caught above those that it is made of: one operation forward and one backward, which makes a
    gradient for each of its arguments that have one. `keeps` are the places of the arguments that it keeps."""

    @staticmethod
    def forward(
        ctx: Any, step: WholeStep, run: Callable[[], tuple[torch.Tensor, Sequence[torch.Tensor]]],
        keeps: Sequence[int], *given: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        result, meanwhile = run()
        ctx.save_for_backward(*(given[place] for place in keeps), *meanwhile, result)
        ctx.told = step, [like(t) if t.requires_grad else None for t in given]
        return result

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> Any:
        step, given = ctx.told
        made = [None if pattern is None else step.note(like(pattern), "temporary") for pattern in given]
        return None, None, None, *made
