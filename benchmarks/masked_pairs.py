"""Which (query, key) pairs of an attention are masked, taken from the masks that transformers builds.

Every attention that goes through transformers' interface is watched while it runs. What it computes for each pair
(scores, their scale, a softmax, what they weigh) is found by its shape, and the share of the masked pairs is exact.
Where values decide what is masked, too, the pairs are those that sizes alone forbid, whatever the values are.
Attention that a model's source writes out is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from transformers.modeling_utils import AttentionInterface

HIDDEN = -1e8  # and below: what is added to a score that is not to count


@dataclass(frozen=True)
class Pairs:
    """The pairs of one attention, those of all sequences and heads together."""

    queries: int
    keys: int
    every: int
    masked: int
    has_sink: bool = False  # a weight that takes its part of each query's softmax

    def of(self, name: str, flops: int, matmul: int, involved: Sequence[torch.Tensor]) -> tuple[int, int]:
        """What an operation inside the attention costs, and how much of it is spent on masked pairs.

        A sink is one more column of the softmax, as fused attention has it, however the source writes it out: beside
        products and what is done to the scores nothing else is counted. Without one, a maximum that is subtracted
        before the softmax is its own.
        """
        if not self.has_sink:
            written_out = name in ("max", "sub") and self._is_of_row_maximum(involved)
            return (0, 0) if written_out else (flops, self.share(flops, involved))
        if name == "_softmax":
            return 5 * (self.every + self.every // self.keys), 5 * self.masked
        if matmul or (name in ("add", "div", "mul") and self._is_of_pairs(involved[0])):
            return flops, self.share(flops, involved)
        return 0, 0

    def share(self, flops: int, involved: Iterable[torch.Tensor]) -> int:
        """What of an operation's FLOPs is spent on masked pairs: those of one that reads or makes a number a pair."""
        if any(self._is_of_pairs(tensor) for tensor in involved):
            return flops * self.masked // self.every
        return 0

    def _is_of_row_maximum(self, involved: Sequence[torch.Tensor]) -> bool:
        """Whether scores become or lose one number a query: the maximum, which the softmax subtracts once more."""
        rows = [t for t in involved if t.shape[-2:] == (self.queries, 1) and t.numel() == self.every // self.keys]
        return self.keys > 1 and bool(rows) and any(map(self._is_of_pairs, involved))

    def _is_of_pairs(self, tensor: torch.Tensor) -> bool:
        return tensor.shape[-2:] == (self.queries, self.keys) and tensor.numel() == self.every


def forbidden(mask: torch.Tensor) -> torch.Tensor:
    """Which pairs a mask forbids: those that it does not allow, or gives a score that is hugely negative."""
    return mask.logical_not() if mask.dtype == torch.bool else mask < HIDDEN


def pairs(query: torch.Tensor, key: torch.Tensor, forbids: torch.Tensor | None, has_sink: bool = False) -> Pairs:
    """The pairs of queries and keys, (batch, heads, length, width) each, and how many of them are forbidden."""
    batch, heads, queries = query.shape[:3]
    keys = key.shape[-2]
    masked = 0
    if forbids is not None:
        masked = int(torch.broadcast_to(forbids[..., :keys], (batch, heads, queries, keys)).sum())
    return Pairs(queries, keys, batch * heads * queries * keys, masked, has_sink)


class Forbidden:
    """Which pairs sizes alone forbid in a mask, though it depends on values: followed from the constants in it."""

    def __init__(self, is_constant: Callable[[torch.Tensor], bool]) -> None:
        self.is_constant = is_constant
        self.found: dict[int, torch.Tensor] = {}  # by memory; one address is one tensor as long as the call runs

    def of(self, mask: torch.Tensor | None) -> torch.Tensor | None:
        """Of a mask, a constant or not; None where nothing is known to be forbidden."""
        if mask is None or not self.is_constant(mask):
            return None if mask is None else self.found.get(mask.untyped_storage()._cdata)
        return forbidden(mask)

    def follow(self, name: str, inputs: Sequence[torch.Tensor], result: torch.Tensor) -> None:
        """See what an operation on values makes of constants: each that forbids goes on forbidding."""
        name = name.rstrip("_")
        for place, tensor in enumerate(inputs):
            if not self.is_constant(tensor):
                forbids = self.found.get(tensor.untyped_storage()._cdata)
            elif tensor.is_floating_point():
                forbids = forbidden(tensor)
            elif name == "masked_fill" and place == 1:
                forbids = tensor  # it says where to fill, not what is allowed
            else:
                forbids = forbidden(tensor) if name in ("bitwise_and", "logical_and") else None
            if forbids is not None and forbids.shape[-2:] == result.shape[-2:] and bool(forbids.any()):
                self.found[result.untyped_storage()._cdata] = forbids


@contextmanager
def watched(
    enter: Callable[[Pairs | None], None], forbids: Callable[[torch.Tensor | None], torch.Tensor | None]
) -> Iterator[None]:
    """Inside, `enter` gets the pairs of each attention before it runs, and None after it."""
    plain = AttentionInterface.get_interface

    def get_interface(self: Any, name: str, default: Any) -> Any:
        function = plain(self, name, default)

        def attention(
            module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, *args: Any, **options: Any
        ) -> Any:
            has_sink = any(options.get(name) is not None for name in ("s_aux", "sinks"))
            enter(pairs(query, key, forbids(attention_mask), has_sink))
            try:
                return function(module, query, key, value, attention_mask, *args, **options)
            finally:
                enter(None)

        return attention

    with patch.object(AttentionInterface, "get_interface", get_interface):
        yield
