"""Which (query, key) pairs of an attention are masked, taken from the masks that transformers builds.

Every attention that goes through transformers' interface is watched while it runs. What it computes for each pair
(scores, their scale, a softmax, what they weigh) is found by its shape, and the share of the masked pairs is exact.
Attention that a model's source writes out is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

    def share(self, flops: int, involved: Iterable[torch.Tensor]) -> int:
        """What of an operation's FLOPs is spent on masked pairs: those of one that reads or makes a number a pair.

        Beside the keys there may be one more column, of a sink.
        """
        for tensor in involved:
            for columns in (self.keys, self.keys + 1):
                if self._has_columns(tensor, columns):
                    return flops * self.masked // tensor.numel()
        return 0

    def repeats_softmax(self, name: str, tensor: torch.Tensor) -> bool:
        """Whether an operation is the maximum of scores beside a sink, or its subtraction: sources write these out
        before a softmax that does the same once more, and a fused attention does it once."""
        return name in ("max", "amax", "sub") and self._has_columns(tensor, self.keys + 1)

    def _has_columns(self, tensor: torch.Tensor, columns: int) -> bool:
        size = self.every // self.keys * columns
        return tensor.shape[-2:] == (self.queries, columns) and tensor.numel() == size


def pairs(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> Pairs:
    """The pairs of queries and keys, (batch, heads, length, width) each, and how many of them a mask forbids."""
    batch, heads, queries = query.shape[:3]
    keys = key.shape[-2]
    masked = 0
    if mask is not None:
        forbids = mask.logical_not() if mask.dtype == torch.bool else mask < HIDDEN
        masked = int(torch.broadcast_to(forbids[..., :keys], (batch, heads, queries, keys)).sum())
    return Pairs(queries, keys, batch * heads * queries * keys, masked)


@contextmanager
def watched(enter: Callable[[Pairs | None], None], is_constant: Callable[[torch.Tensor], bool]) -> Iterator[None]:
    """Inside, `enter` gets the pairs of each attention before it runs, and None after it.

    A mask that is not made from sizes alone forbids nothing as far as is known from sizes.
    """
    plain = AttentionInterface.get_interface

    def get_interface(self: Any, name: str, default: Any) -> Any:
        function = plain(self, name, default)

        def attention(
            module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, *args: Any, **options: Any
        ) -> Any:
            known = attention_mask if attention_mask is not None and is_constant(attention_mask) else None
            enter(pairs(query, key, known))
            try:
                return function(module, query, key, value, attention_mask, *args, **options)
            finally:
                enter(None)

        return attention

    with patch.object(AttentionInterface, "get_interface", get_interface):
        yield
