"""What elementwise operations give: the sizes of their arguments, as these broadcast, in the same order in memory.

Torch's rules for shapes find the same, and ask on the way which of two strides is larger and whether a size is 1. With
sizes that are symbols that takes milliseconds for each operation, and where a source loops over time nearly every
operation has sizes of its own. What is not plain to see here is left to torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from symflops.trace.internals import device, no_dispatch, size_key
from symflops.trace.leaves import mapped

# The tags of torch leave these out.
_ELEMENTWISE = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


def shape_of(function: Any, kwargs: Any, given: Sequence[torch.Tensor]) -> Sequence[Any] | None:
    """The sizes of the result of an operation on the `given` tensors, which lies in memory row by row; None where that
    is not plain to see. An operation in place has to leave its first tensor as it is."""
    if not is_elementwise(function) or not given:
        return None
    if kwargs.get("memory_format") not in (None, torch.preserve_format, torch.contiguous_format):
        return None
    if {device(tensor) for tensor in given} | {kwargs.get("device")} - {None} != {device(given[0])}:
        return None
    if function._schema.is_mutable:
        shape = _broadcast([tensor.shape for tensor in given])
        return shape if shape is not None and _keys(shape) == _keys(given[0].shape) else None
    if kwargs.get("memory_format") is not torch.contiguous_format and not all(map(_lies_in_rows, given)):
        return None
    return _broadcast([tensor.shape for tensor in given])


@cache
def is_elementwise(function: Any) -> bool:
    """Whether an operation computes one tensor, a new one or in place of its first, each element of it from the
    elements at that place."""
    written = [i for i, given in enumerate(function._schema.arguments) if given.alias_info is not None]
    is_plain = written in ([], [0]) and [str(returned.type) for returned in function._schema.returns] == ["Tensor"]
    return is_plain and (torch.Tag.pointwise in function.tags or function in _ELEMENTWISE)


def dtype_of(function: Any, args: Any, kwargs: Any) -> torch.dtype:
    """The type of an elementwise operation's result, which torch tells of small tensors of the same types."""
    plain = {name: value for name, value in kwargs.items() if name != "device"}  # the small ones have no values
    small = mapped((torch.Tensor, torch.SymInt, torch.SymFloat), _small, (args, plain))
    with no_dispatch():
        found: torch.dtype = function(*small[0], **small[1]).dtype
    return found


def _small(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        with no_dispatch():
            return torch.empty((2,) * leaf.dim(), dtype=leaf.dtype, device="meta")
    return 2 if isinstance(leaf, torch.SymInt) else 2.0


def _keys(sizes: Sequence[Any]) -> list[Any]:
    return [size_key(size) for size in sizes]


def _broadcast(shapes: Sequence[Sequence[Any]]) -> Sequence[Any] | None:
    """The sizes to which all of these broadcast; None where two that are not 1 are written in different ways."""
    found: list[Any] = []
    for place in range(1, max(map(len, shapes)) + 1):
        sizes = {size_key(shape[-place]): shape[-place] for shape in shapes if len(shape) >= place}
        others = [size for key, size in sizes.items() if not (type(key) is int and key == 1)]
        if len(others) > 1:
            return None
        found.append(others[0] if others else 1)
    return found[::-1]


def _lies_in_rows(tensor: torch.Tensor) -> bool:
    """Whether later dimensions lie closer together in memory for certain, as in a row by row order and in parts of it,
    so that no two dimensions of a result would change places."""
    shape, stride = tensor.shape, tensor.stride()
    behind: Any = 1  # the stride of a dimension that is as close as it can be
    for size, step in zip(reversed(shape), reversed(stride), strict=True):
        if size_key(step) != size_key(behind):
            is_further = type(step) is int and type(behind) is int and step > behind
            if not is_further or (type(size) is int and size == 1):  # whose distance torch may keep
                return False
        behind = step * (size if type(size) is int else torch.sym_max(size, 1))  # as torch writes it
    return True
