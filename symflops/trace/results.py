"""What operations gave before: where sizes are the same, a result's sizes are, too.

A source that loops over time runs the same few operations again and again, and a derivation runs it at several lengths.
Torch's rules for shapes take by far the most of that time, so each operation is handed to them once for the sizes that
it gets; what they asked about sizes then is noted again each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from symflops.trace import elementwise
from symflops.trace.internals import (
    FakeTensor,
    Sizes,
    device,
    fake,
    fake_view,
    has_known_value,
    size_key,
)
from symflops.trace.leaves import tensors
from symflops.trace.serials import storage_key

_PLAIN = (int, float, bool, str, complex, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Output:
    """One tensor of a result: a new one, or a view of an argument."""

    shape: Sequence[Any]
    stride: Sequence[Any] | None  # None: contiguous, which torch would ask about if it were told the strides
    offset: Any
    dtype: torch.dtype
    device: torch.device
    argument: int | None = None  # whose memory it is
    is_itself: bool = False


@dataclass(frozen=True)
class Result:
    """What an operation gives for some sizes; `outputs` are None where it has to be asked each time."""

    outputs: tuple[Output, ...] | None
    several: type[list[Any]] | type[tuple[Any, ...]] | None  # what holds them; None: it gives one tensor
    guards: tuple[Any, ...]


class Results:
    """What one call of a model finds known of the calls before it, and what it adds. `guards` are the conditions that
    the call has met."""

    def __init__(self, sizes: Sizes, guards: list[Any]) -> None:
        self.known: dict[Key, Result | None] = sizes.operations
        self.mode, self.guards = sizes.mode, guards

    def of(self, function: Any, args: Any, kwargs: Any) -> Any:
        """The operation's result, with what torch asks on the way."""
        key = key_of(function, args, kwargs)
        if key is None:
            return function(*args, **kwargs)
        given = tensors(args, kwargs)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._plain(function, args, kwargs, given)
        if found is None:
            before = len(self.guards)
            result = function(*args, **kwargs)
            guards = tuple(self.guards[before:])
            unchanged = not function._schema.is_mutable or key_of(function, args, kwargs) == key
            self.known[key] = _described(given, result, guards) if unchanged else Result(None, None, ())
            return result
        if found.outputs is None:
            return function(*args, **kwargs)
        self.guards += found.guards
        made = [self._made(output, given) for output in found.outputs]
        return made[0] if found.several is None else found.several(made)

    def _plain(self, function: Any, args: Any, kwargs: Any, given: Sequence[torch.Tensor]) -> Result | None:
        """What is plain to see without asking torch."""
        shape = elementwise.shape_of(function, kwargs, given)
        if shape is None:
            return None
        if function._schema.is_mutable:
            output = Output((), None, 0, given[0].dtype, device(given[0]), argument=0, is_itself=True)
        else:
            output = Output(shape, None, 0, elementwise.dtype_of(function, args, kwargs), device(given[0]))
        return Result((output,), None, ())

    def _made(self, output: Output, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        if output.argument is None:
            return fake(self.mode, output.shape, output.stride, output.dtype, output.device)
        argument = tensors[output.argument]
        return argument if output.is_itself else fake_view(argument, output.shape, output.stride, output.offset)


@cache
def gives_tensors(function: Any) -> bool:
    """Whether an operation gives nothing but tensors; the others ask for sizes, devices and values."""
    return all("Tensor" in str(given.type) for given in function._schema.returns)


def key_of(function: Any, args: Any, kwargs: Any) -> Key | None:
    """What a result's sizes depend on; None where that is more than sizes."""
    key: list[Any] = [function, *kwargs]
    places: dict[int, int] = {}
    return tuple(key) if all(_are_told(leaf, key, places) for leaf in (*args, *kwargs.values())) else None


def _are_told(leaf: Any, key: list[Any], places: dict[int, int]) -> bool:
    """Whether an argument is described by its sizes and plain values, which are added to the key. `places` numbers the
    memory of tensors, which tells what arguments share theirs."""
    if isinstance(leaf, torch.Tensor):
        if not isinstance(leaf, FakeTensor) or has_known_value(leaf):
            return False
        place = places.setdefault(storage_key(leaf), len(places))
        sizes = tuple(map(size_key, (*leaf.shape, *leaf.stride(), leaf.storage_offset())))
        key.append((place, leaf.dtype, device(leaf), sizes))
    elif isinstance(leaf, torch.SymInt | torch.SymFloat | torch.SymBool):
        key.append((type(leaf), size_key(leaf)))
    elif isinstance(leaf, _PLAIN):
        key.append((type(leaf), leaf))
    elif isinstance(leaf, list | tuple):
        key.append((list, len(leaf)))
        return all(_are_told(part, key, places) for part in leaf)
    else:
        return False
    return True


def _described(tensors: Sequence[torch.Tensor], result: Any, guards: tuple[Any, ...]) -> Result:
    several = list if isinstance(result, list) else tuple if isinstance(result, tuple) else None
    memory = {storage_key(tensor): i for i, tensor in reversed(list(enumerate(tensors)))}
    outputs: list[Output] = []
    made: set[int] = set()
    for leaf in (result,) if several is None else result:
        if not isinstance(leaf, FakeTensor) or has_known_value(leaf):
            return Result(None, None, ())
        argument = memory.get(storage_key(leaf))
        itself = next((i for i, tensor in enumerate(tensors) if tensor is leaf), None)
        offset, stride = leaf.storage_offset(), leaf.stride()
        told: Sequence[Any] | None = stride
        if argument is None:
            is_plain = type(offset) is int and offset == 0 and not any(type(s) is int and s == 0 for s in stride)
            if not is_plain or storage_key(leaf) in made:
                return Result(None, None, ())
            made.add(storage_key(leaf))
            plain = fake(leaf.fake_mode, leaf.shape, None, leaf.dtype, device(leaf)).stride()
            if tuple(map(size_key, plain)) == tuple(map(size_key, stride)):
                told = None
        elif leaf.dtype != tensors[argument].dtype:
            return Result(None, None, ())
        place = argument if itself is None else itself
        outputs.append(Output(leaf.shape, told, offset, leaf.dtype, device(leaf), place, itself is not None))
    return Result(tuple(outputs), several, guards)
