"""Which tensors are masks of attention: what they hide, and whether they are made from sizes alone.

A mask is followed from where it is made (transformers' own, `tril` and `triu`, comparisons of positions) to where it is
used. A triangle is causal if its diagonal is that of the last queries, and so is a part of it that is cut out for the
last rows. A constant with numbers so low that a softmax of them is 0 hides something; adding it costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from symflops.polynomial import Value, add, multiply, negate
from symflops.trace.internals import TorchDispatchMode
from symflops.trace.quantity import Quantities
from symflops.trace.record import Slice, Storage, tensors_of
from symflops.trace.serials import storage_key

HIDDEN = -1e4  # and below: what is added to a score that is not to count
_TRIANGLES = {"tril": 0, "triu": 1}  # and the diagonal with which a square one is causal
_TURNING = {"bitwise_not", "eq", "logical_not"}  # `mask == 0`, too
_ORDERS = {"ge", "gt", "le", "lt"}
_KEEPING = {
    "_to_copy", "add", "all", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cat", "clone",
    "constant_pad_nd", "copy", "eq", "expand", "index", "index_put", "index_select", "logical_and", "logical_not",
    "logical_or", "masked_fill", "mul", "ne", "repeat", "rsub", "slice_scatter", "sub", "where",
}  # fmt: skip


@dataclass(frozen=True)
class Mask:
    """What a mask hides: later keys (`causal`), keys further back than `size` (a window) or before a chunk's start."""

    causal: bool
    size: Value | None = None
    chunked: bool = False


class Masks:
    """Follows masks through the operations of one run."""

    def __init__(self, storages: Mapping[int, Storage], quantities: Quantities) -> None:
        self.storages, self.quantities = storages, quantities
        self.found: dict[int, Mask] = {}  # by memory
        self.low: set[int] = set()  # constants with numbers that hide
        self.sides: dict[int, Value] = {}  # of square triangles, of which the last rows may be cut out
        self.upper: set[int] = set()  # squares without what is below the diagonal: causal when they are transposed
        self.allows: dict[int, bool] = {}  # whether what is true in a causal mask is seen, or hidden
        self.before: dict[int, Value] = {}  # triangles of what is so far back that a window does not reach it

    def of(self, tensor: Any) -> Mask | None:
        """What a tensor is known to hide."""
        if not isinstance(tensor, torch.Tensor):
            return None
        key, of = storage_key(tensor), self.quantities.value
        if key not in self.sides:
            return self.found.get(key)
        rows = [*map(of, tensor.shape)], [*map(of, tensor.stride())], of(tensor.storage_offset())
        return self._of_rows(key, *rows)

    def of_view(self, view: Slice) -> Mask | None:
        """The same of a tensor that an operation has read."""
        if view.storage not in self.sides:
            return self.found.get(view.storage)
        dimensions = len(view.place) // 2
        return self._of_rows(
            view.storage, view.place[:dimensions], view.place[dimensions : 2 * dimensions], view.place[-1]
        )

    def _of_rows(self, key: int, sizes: Sequence[Value], strides: Sequence[Value], offset: Value) -> Mask | None:
        """Of a square triangle, the rows have to be those of the last of the columns."""
        if len(sizes) < 2:
            return None
        if key in self.upper and strides[-2] == 1:
            return Mask(causal=True)
        start = multiply(add(sizes[-1], negate(sizes[-2])), self.sides[key])
        return self.found.get(key) if offset == start else None

    def knows(self, tensor: torch.Tensor) -> bool:
        return any(storage_key(tensor) in known for known in (self.found, self.sides))

    def begin_with(self, made: MasksMade | None) -> None:
        """Take over what is known of masks that were made before."""
        if made is None:
            return
        others = made.masks
        self.found |= others.found
        self.low |= others.low
        self.sides |= others.sides
        self.upper |= others.upper
        self.before |= others.before
        self.allows |= others.allows

    def note(self, tensor: torch.Tensor, mask: Mask) -> None:
        """Say what a tensor that no recorded operation made hides."""
        self.found[storage_key(tensor)] = mask
        if tensor.dtype.is_floating_point:
            self.low.add(storage_key(tensor))

    def is_constant(self, tensor: Any) -> bool:
        """Whether a tensor was computed from sizes alone or kept in a buffer: positions, masks, tables."""
        return self.is_constant_memory(storage_key(tensor))

    def is_constant_memory(self, key: int) -> bool:
        storage = self.storages.get(key)
        is_buffer = storage is not None and storage.role == "weight" and not storage.is_parameter
        return storage is None or storage.role == "constant" or is_buffer

    def follow(
        self, name: str, args: Sequence[Any], inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
    ) -> None:
        """See what an operation makes of masks."""
        name, made = name.rstrip("_"), storage_key(outputs[0])
        positions = len(inputs) == 2 and all(self._is_position(t) for t in inputs)
        if name in _TRIANGLES:
            mask = self._triangle(name, args, inputs[0], made)
        elif name in _ORDERS and positions and inputs[0].shape != inputs[1].shape and not self._is_uniform(made):
            mask = Mask(causal=True)
            queries_first = inputs[0].dim() > 1 and type(inputs[0].shape[-1]) is int
            self.allows[made] = queries_first == (name in ("ge", "gt"))
        elif name not in _KEEPING and not (name in _ORDERS and len(inputs) == 1):
            mask = None
        else:
            mask = self._windowed(inputs) if name == "bitwise_xor" else next(filter(None, map(self.of, inputs)), None)
            self._keep_sides(inputs, outputs[0])
            mask = None if self._is_opened(name, inputs, made) else mask
        if mask is not None:
            self.found[made] = mask
        elif made in {storage_key(t) for t in inputs}:  # written over
            self.found.pop(made, None)
        if outputs[0].dtype.is_floating_point and self._is_made_of_sizes(made):
            low = any(storage_key(t) in self.low for t in inputs)
            if low or any(type(a) is float and a < HIDDEN for a in args):
                self.low.add(made)

    def _is_uniform(self, key: int) -> bool:
        """Whether all elements are known to be one value, so that nothing is hidden from some queries alone."""
        return key in self.storages and self.storages[key].value is not None

    def _is_made_of_sizes(self, key: int) -> bool:
        return key not in self.storages or self.storages[key].role == "constant"

    def _triangle(self, name: str, args: Sequence[Any], of: torch.Tensor, made: int) -> Mask | None:
        """Of queries that are the last ones of the keys, the diagonal of a causal triangle ends in the last corner."""
        rows, columns = map(self.quantities.value, of.shape[-2:])
        diagonal: Value = self.quantities.value(args[1]) if len(args) > 1 else 0
        causal = add(columns, negate(rows), _TRIANGLES[name])
        self.allows[made] = name == "tril"
        if rows == columns:
            self.sides[made] = columns
            if name == "tril" and diagonal != 0:
                self.before[made] = negate(diagonal)
            if name == "triu" and diagonal == 0:
                self.upper.add(made)
        return Mask(causal=True) if diagonal == causal else None

    def _is_opened(self, name: str, inputs: Sequence[torch.Tensor], made: int) -> bool:
        """Whether more pairs are allowed than by a causal mask, as to a prefix that all tokens see."""
        causal = [t for t in inputs if (found := self.of(t)) is not None and found.causal]
        allows = next((self.allows[key] for key in map(storage_key, causal) if key in self.allows), None)
        if allows is None:
            return False
        self.allows[made] = allows != (name in _TURNING)
        opening = ("bitwise_or", "logical_or") if allows else ("bitwise_and", "logical_and")
        return name in opening and len(causal) < len(inputs)

    def _windowed(self, inputs: Sequence[torch.Tensor]) -> Mask | None:
        """A causal triangle without what is further back than a window, as an exclusive or of the two."""
        back = [self.before[key] for key in map(storage_key, inputs) if key in self.before]
        causal = [mask for t in inputs if (mask := self.of(t)) is not None and mask.causal and mask.size is None]
        return replace(causal[0], size=back[0]) if back and causal else None

    def _keep_sides(self, inputs: Sequence[torch.Tensor], output: torch.Tensor) -> None:
        for key, known in ((storage_key(t), k) for t in inputs for k in (self.sides, self.before)):
            side, last = self.sides.get(key), tuple(map(self.quantities.value, output.shape[-2:]))
            if key in known and side is not None and last == (side, side):
                known[storage_key(output)] = known[key]

    def costs_nothing(self, name: str, inputs: Sequence[torch.Tensor]) -> bool:
        """Whether an operation only adds a mask that was made from sizes alone."""
        return name.rstrip("_") in ("add", "sub") and any(storage_key(t) in self.low for t in inputs)

    def is_added_to_product(self, name: str, inputs: Sequence[torch.Tensor]) -> bool:
        """Whether the first operand of a product with an addition is such a mask."""
        return name.rstrip("_") in ("addmm", "baddbmm") and storage_key(inputs[0]) in self.low

    def _is_position(self, tensor: torch.Tensor) -> bool:
        storage = self.storages.get(storage_key(tensor))
        return storage is not None and storage.role == "constant" and not tensor.dtype.is_floating_point


class MasksMade(TorchDispatchMode):
    """Follows masks that a model makes while it is built, to keep them for its calls."""

    def __init__(self, quantities: Quantities) -> None:
        super().__init__()
        self.masks = Masks({}, quantities)
        self.kept: list[torch.Tensor] = []  # so that a memory's address is not given to another one

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.partition("::")[2]
        if name.rstrip("_") in _TRIANGLES or self.kept:
            inputs, outputs = tensors_of((args, kwargs or {})), tensors_of(result)
            if inputs and outputs and storage_key(inputs[0]) != storage_key(outputs[0]):
                self.masks.follow(name, args, inputs, outputs)
                self.kept += [t for t in outputs if self.masks.knows(t)]
        return result


def triangle_of(values: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """What makes a tensor the triangle that another one with values is, so that it is followed as one."""
    is_square = values.dim() >= 2 and values.shape[-1] == values.shape[-2] > 1
    if not is_square or values.is_meta or type(values) is not torch.Tensor:  # a fake tensor has no values
        return None
    low = bool((values <= HIDDEN).any())
    lower = (values > HIDDEN) if low else values != 0
    if torch.equal(lower, torch.ones_like(lower).tril()):
        return (lambda made: made.fill_(-math.inf).triu(1)) if low else torch.tril
    return (lambda made: made.triu(1)) if torch.equal(lower, torch.ones_like(lower).triu(1)) else None
