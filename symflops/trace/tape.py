"""The steps of a forward in training mode, as autograd sees them: views are steps, and tensors have serial numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from symflops.trace.record import AutogradStep, Execution, Operation, tensors_of
from symflops.trace.serials import storage_key

_WITH_GRADIENTS = (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128)


class Tape:
    """All steps of one call of a model, in order."""

    def __init__(self, weights: Mapping[int, torch.Tensor]) -> None:
        self.weights = weights  # and buffers, by their memory
        self.steps: list[AutogradStep] = []
        self.returned: list[torch.Tensor] = []  # by the model
        self._serials: dict[int, int] = {}  # by identity
        self._alive: list[torch.Tensor] = []  # so that the identity is not given to another one
        self._last = 0
        self._within = 0  # functions that have a backward of their own
        self._with_gradient: set[int] = set()  # serial numbers of what comes of weights while gradients are on

    def serial(self, tensor: torch.Tensor, anew: bool = False) -> int:
        """The number of a tensor; `anew` a new one, as it was made or written into."""
        if id(tensor) not in self._serials:
            self._alive.append(tensor)
            anew = True
        if anew:
            self._last += 1
            self._serials[id(tensor)] = self._last
        return self._serials[id(tensor)]

    def has_gradient(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor requires a gradient, where all weights do."""
        is_weight = isinstance(self.weights.get(storage_key(tensor)), torch.nn.Parameter)
        return is_weight or self._serials.get(id(tensor)) in self._with_gradient

    def has_as(self, serials: Sequence[int], others: Sequence[int]) -> None:
        """Note that of these tensors those have gradients of which the others do, as of layers that are equal."""
        for serial, other in zip(serials, others, strict=True):
            (self._with_gradient.add if other in self._with_gradient else self._with_gradient.discard)(serial)

    def step(
        self, name: str, function: Any, args: Any, kwargs: Any, result: Any, operation: Operation | None = None,
        owner: Execution | None = None,
    ) -> AutogradStep:  # fmt: skip
        """Write down a call of an operation of PyTorch's, or of what was caught above them, which has no `function`."""
        tensors, results = tensors_of((args, kwargs)), tensors_of(result)
        is_followed = torch.is_grad_enabled() and name != "detach" and any(map(self.has_gradient, tensors))
        reads = [self.serial(t) for t in tensors]
        writes = [self.serial(t, anew=True) for t in results]
        if is_followed:
            self._with_gradient |= {s for s, t in zip(writes, results, strict=True) if t.dtype in _WITH_GRADIENTS}
        step = AutogradStep(name, function, args, kwargs, tensors, results, reads, writes, torch.is_grad_enabled())
        step.owner = owner
        step.is_in_place = isinstance(function, torch._ops.OpOverload) and function._schema.is_mutable
        step.operation = operation
        if self._within == 0:
            self.steps.append(step)
        return step

    @contextmanager
    def own_backwards(
        self, pause: Callable[[], AbstractContextManager[bool]], last: Callable[[], Operation | None]
    ) -> Iterator[None]:
        """Every call inside of a function that has a backward of its own (`torch.autograd.Function`) becomes one step,
        whatever it is made of; `last` is the operation that the record ends with, and `pause` tells whether it is."""
        plain = vars(torch.autograd.Function)["apply"].__func__

        def applied(kind: Any, *args: Any) -> Any:
            self._within += 1
            try:
                result = plain(kind, *args)
            finally:
                self._within -= 1
            with pause() as was_paused:
                if self._within == 0 and not was_paused:
                    self.step(kind.__name__, partial(plain, kind), args, {}, result, last())
            return result

        with patch.object(torch.autograd.Function, "apply", classmethod(applied)):
            yield
