"""Which tensors are masks of attention: what they hide, and whether they are made from sizes alone.

A mask is followed from where it is made (transformers' own, `tril` and `triu`, comparisons of positions) to where it is
used. A constant with numbers so low that a softmax of them is 0 hides something; adding it costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from symflops.algebra import free_symbols
from symflops.polynomial import Value
from symflops.trace.internals import storage_key
from symflops.trace.record import Storage

HIDDEN = -1e4  # and below: what is added to a score that is not to count
_TRIANGLES = {"tril", "triu"}
_ORDERS = {"ge", "gt", "le", "lt"}
_KEEPING = {
    "_to_copy", "add", "all", "bitwise_and", "bitwise_not", "bitwise_or", "cat", "clone", "constant_pad_nd", "copy",
    "eq", "expand", "index", "index_put", "index_select", "logical_and", "logical_not", "logical_or", "masked_fill",
    "mul", "ne", "repeat", "rsub", "slice_scatter", "sub", "where",
}  # fmt: skip


@dataclass(frozen=True)
class Mask:
    """What a mask hides: later keys (`causal`), keys further back than `size` (a window) or before a chunk's start."""

    causal: bool
    size: Any = None
    chunked: bool = False


class Masks:
    """Follows masks through the operations of one run."""

    def __init__(self, storages: Mapping[int, Storage]) -> None:
        self.storages = storages
        self.found: dict[int, Mask] = {}  # by memory
        self.low: set[int] = set()  # constants with numbers that hide

    def of(self, tensor: Any) -> Mask | None:
        """What a tensor is known to hide."""
        return self.found.get(storage_key(tensor)) if isinstance(tensor, torch.Tensor) else None

    def note(self, tensor: torch.Tensor, mask: Mask) -> None:
        """Say what a tensor that no recorded operation made hides."""
        self.found[storage_key(tensor)] = mask
        if tensor.dtype.is_floating_point:
            self.low.add(storage_key(tensor))

    def is_constant(self, tensor: Any) -> bool:
        """Whether a tensor was computed from sizes alone or kept in a buffer: positions, masks, tables."""
        storage = self.storages.get(storage_key(tensor))
        is_buffer = (
            storage is not None and storage.role == "weight" and not isinstance(storage.kept, torch.nn.Parameter)
        )
        return storage is None or storage.role == "constant" or is_buffer

    def follow(
        self, name: str, args: Sequence[Any], inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
    ) -> None:
        """See what an operation makes of masks."""
        name, made = name.rstrip("_"), storage_key(outputs[0])
        mask = next(filter(None, map(self.of, inputs)), None)
        positions = len(inputs) == 2 and all(self._is_position(t) for t in inputs)
        if name in _TRIANGLES or (name in _ORDERS and positions and inputs[0].shape != inputs[1].shape):
            mask = Mask(causal=True)
        elif name not in _KEEPING:
            mask = None
        if mask is not None:
            self.found[made] = mask
        if outputs[0].dtype.is_floating_point and self.storages[made].role == "constant":
            low = any(storage_key(t) in self.low for t in inputs)
            if low or any(type(a) is float and a < HIDDEN for a in args):
                self.low.add(made)

    def is_attention(self, name: str, shape: Sequence[Value]) -> bool:
        """Whether an operation is the softmax of scores, as many as queries times keys, outside of what is caught."""
        return name in ("_softmax", "_safe_softmax") and all("seq_len" in free_symbols(s) for s in shape[-2:])

    def costs_nothing(self, name: str, inputs: Sequence[torch.Tensor]) -> bool:
        """Whether an operation only adds a mask that was made from sizes alone."""
        return name.rstrip("_") in ("add", "sub") and any(storage_key(t) in self.low for t in inputs)

    def _is_position(self, tensor: torch.Tensor) -> bool:
        storage = self.storages.get(storage_key(tensor))
        return storage is not None and storage.role == "constant" and not tensor.dtype.is_floating_point
