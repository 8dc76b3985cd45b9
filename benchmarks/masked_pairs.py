"""Which (query, key) pairs of an attention are masked, taken from the masks that transformers builds.

Every attention that goes through transformers' interface is watched while it runs. What it computes for each pair
(scores, their scale, a softmax, what they weigh) is found by its shape, and the share of the masked pairs is exact.
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


def pairs(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, has_sink: bool = False) -> Pairs:
    """The pairs of queries and keys, (batch, heads, length, width) each, and how many of them a mask forbids."""
    batch, heads, queries = query.shape[:3]
    keys = key.shape[-2]
    masked = 0
    if mask is not None:
        forbids = mask.logical_not() if mask.dtype == torch.bool else mask < HIDDEN
        masked = int(torch.broadcast_to(forbids[..., :keys], (batch, heads, queries, keys)).sum())
    return Pairs(queries, keys, batch * heads * queries * keys, masked, has_sink)


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
            enter(pairs(query, key, known, options.get("s_aux") is not None))
            try:
                return function(module, query, key, value, attention_mask, *args, **options)
            finally:
                enter(None)

        return attention

    with patch.object(AttentionInterface, "get_interface", get_interface):
        yield
