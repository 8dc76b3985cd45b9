"""What PyTorch's autograd does for one recorded operation: what it computes, what it keeps, which gradients there are.

Each operation is handed to autograd by itself, on fake tensors of the sizes that it had, and what the backward computes
is counted as a forward is. Operations of the same sizes are tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch

from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, multiply
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.derivatives import derivative
from symflops.trace.internals import TorchDispatchMode, like, tree_flatten, tree_map_only, tree_unflatten
from symflops.trace.quantity import Quantities, product
from symflops.trace.record import AutogradStep, tensors_of
from symflops.trace.results import key_of
from symflops.trace.serials import storage_key

NOTHING = Arithmetic(0)
# What torch calls where a weight has a gradient, as the one that stands for it has none while a forward is recorded.
WITH_GRADIENTS = {torch.ops.aten._embedding_bag_forward_only.default: torch.ops.aten._embedding_bag.default}


class Gradient(NamedTuple):
    """What autograd does for one operation: what that computes, which of its tensors it keeps (arguments by their
    place, results after them), which arguments get gradients and which results have some."""

    work: Arithmetic
    kept: frozenset[int]
    given: tuple[bool, ...]
    taken: tuple[bool, ...]
    copied: Value = 0  # bytes that are kept of what is overwritten


class Autograd:
    """Gradients of the steps of one run."""

    def __init__(self, quantities: Quantities, unit: Callable[[torch.dtype], Value]) -> None:
        self.quantities = quantities
        self.unit = unit  # bytes per element
        self.known: dict[Any, Gradient] = {}

    def gradient(self, step: AutogradStep, needs: Sequence[bool], used: Sequence[bool] = ()) -> Gradient:
        """What is done for a step where those of its arguments that it `needs` get gradients, and those of its results
        that are `used` have them; all unless it is said.

        Raises SymflopsError for an operation of the backward that no table knows.
        """
        if step.function is None:
            if step.backward is None:
                raise SymflopsError(f"the cost of the backward of {step.name!r} is not known")
            return step.backward(tuple(needs))  # type: ignore[no-any-return] # a function of the step's own
        leaves, structure = tree_flatten((step.args, step.kwargs))
        key = key_of(step.function, step.args, step.kwargs)
        if key is None:
            return self._tried(step, leaves, structure, needs, used)
        key = (*key, tuple(needs), tuple(used), tuple(map(step.reads.index, step.reads)))
        if key not in self.known:
            self.known[key] = self._tried(step, leaves, structure, needs, used)
        return self.known[key]

    def _tried(
        self, step: AutogradStep, leaves: list[Any], structure: Any, needs: Sequence[bool], used: Sequence[bool]
    ) -> Gradient:
        places = iter(range(len(step.reads)))
        made: dict[int, torch.Tensor] = {}  # by serial number: an argument that is given twice is one tensor
        fed: dict[int, torch.Tensor] = {}
        given: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                place = next(places)
                serial = step.reads[place]
                if serial not in made:
                    made[serial] = like(leaf).requires_grad_(needs[place])
                    fed[serial] = _Same.apply(made[serial]) if needs[place] else made[serial]
                given.append(fed[serial])
            else:
                given.append(leaf)
        packed: list[torch.Tensor] = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            packed.append(tensor)
            return tensor

        args, kwargs = tree_unflatten(given, structure)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            outs = tensors_of(self._called(step, args, kwargs))
        memory = {storage_key(t): len(step.reads) + i for i, t in reversed(list(enumerate(outs)))}
        memory |= {storage_key(fed[s]): i for i, s in reversed(list(enumerate(step.reads)))}
        taken = tuple(t.requires_grad for t in outs)
        wanted = [s for s, t in made.items() if t.requires_grad]
        if not any(taken) or not wanted:
            return Gradient(NOTHING, frozenset(), (False,) * len(step.reads), taken)
        copies = {storage_key(t): t for t in packed if storage_key(t) not in memory}
        copied = add(0, *(self._bytes(t) for t in copies.values()))
        ends = [t for i, t in enumerate(outs) if t.requires_grad and (not used or used[i])]
        with _Counter(self.quantities) as counter:
            found = torch.autograd.grad(ends, [made[s] for s in wanted], [like(t) for t in ends], allow_unused=True)
        got = {s for s, g in zip(wanted, found, strict=True) if g is not None}
        kept = frozenset(memory[storage_key(t)] for t in packed if storage_key(t) in memory)
        return Gradient(counter.work, kept, tuple(s in got for s in step.reads), taken, copied)

    def _called(self, step: AutogradStep, args: Any, kwargs: Any) -> Any:
        function = WITH_GRADIENTS.get(step.function, step.function)
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:  # of an operation that autograd does not know
            why = str(error).splitlines()[0]
            raise SymflopsError(f"PyTorch has no backward of the operation {step.name!r}: {why}") from None

    def _bytes(self, tensor: torch.Tensor) -> Value:
        return multiply(self.unit(tensor.dtype), product(self.quantities.shape(tensor.shape)))


class _Same(torch.autograd.Function):
    """A tensor that is no leaf, so that it may be written into, and whose gradient is that of the leaf."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        return like(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0]


class _Counter(TorchDispatchMode):
    """Adds up what operations compute."""

    def __init__(self, quantities: Quantities) -> None:
        super().__init__()
        self.quantities, self.work = quantities, NOTHING

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        inputs, outputs = tensors_of((args, kwargs)), tensors_of(result)
        memory = {storage_key(t) for t in inputs}
        if outputs and (function._schema.is_mutable or any(storage_key(t) not in memory for t in outputs)):
            name = function._schema.name.partition("::")[2]
            self._count(name, args, kwargs, inputs, outputs)
        return result

    def _count(self, name: str, args: Any, kwargs: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        def shapes(tensors: Iterable[Any]) -> list[Any]:
            return [self.quantities.shape(t.shape) for t in tensors]

        def plain(tree: Any) -> Any:
            tree = tree_map_only(torch.SymInt, self.quantities.value, tree)
            return tree_map_only(torch.Tensor, lambda t: self.quantities.shape(t.shape), tree)

        is_complex = outputs[0].is_complex()
        is_float = outputs[0].is_floating_point() or is_complex
        given = plain(args), plain(kwargs), shapes(inputs), shapes(outputs)
        found = derivative(AtenCall(name, *given, is_float, [t.is_complex() for t in inputs], is_complex))
        if found is None:
            raise SymflopsError(f"no cost is known for the operation {name!r}, which a backward takes")
        self.work = sum_of(self.work, found)


def sum_of(*works: Arithmetic) -> Arithmetic:
    return Arithmetic(add(0, *(w.flops for w in works)), add(0, *(w.matmul_flops for w in works)))
