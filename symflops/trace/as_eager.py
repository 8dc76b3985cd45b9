"""A call as eager PyTorch runs it: the source's own attention and a cache that is concatenated, so that what these hold
in between is seen.

The other calls catch attention and the cache above their operations, since a closed form of their cost is read more
easily so; what is caught makes no temporaries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from symflops.trace import attention, cache, experts
from symflops.trace.aten import Arithmetic
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.settings import Settings
from symflops.trace.whole_step import Caught


def implementation(model_class: type, settings: Settings) -> str:
    """What transformers calls the attention that a call runs: that of PyTorch's fused kernel for a class that has it,
    as transformers chooses by itself, where it is asked for."""
    fused = settings.as_eager and not settings.eager and getattr(model_class, "_supports_sdpa", False)
    return "sdpa" if fused else "eager"


@contextmanager
def own_attention(recorder: Recorder, name: str) -> Iterator[None]:
    """Inside, attention is the source's own: scores and probabilities by themselves, or around PyTorch's fused kernel,
    which is one step."""
    configs = {id(c): c for m in recorder.root.module.modules() if (c := getattr(m, "config", None)) is not None}

    def choose(name: str) -> None:
        for config in configs.values():
            experts.set_implementation(config, name, experts.NAME)

    def kernel(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
               scale: Any = None, enable_gqa: bool = False) -> Any:  # fmt: skip
        if recorder.paused:
            return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        if not enable_gqa and query.dim() > 3 and query.shape[-3] != key.shape[-3]:  # no kernel is for shared keys
            return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale)
        tensors = [t for t in (query, key, value, attn_mask) if t is not None]

        def run() -> tuple[Any, list[Any]]:
            result = _result(recorder, query, value.shape[-1])
            # Held meanwhile: the logarithm of each sum of the softmax, and a mask of booleans as one that is added.
            meanwhile = [query.new_empty(query.shape[:-1], dtype=torch.float32)]
            if attn_mask is not None and attn_mask.dtype == torch.bool:
                meanwhile.append(query.new_empty(attn_mask.shape))
            for made in (*meanwhile, result):
                recorder.note(made, "temporary")
            recorder.record("attention", Arithmetic(0), [recorder.view(t) for t in tensors], [recorder.view(result)])
            return result, meanwhile

        with recorder.pause():
            if recorder.step is None:
                return run()[0]
            keeps = range(4 if attn_mask is not None and attn_mask.dtype != torch.bool else 3)
            return Caught.apply(recorder.step, run, keeps, *tensors)

    plain = torch.nn.functional.scaled_dot_product_attention
    choose(name)
    try:
        with patch.object(torch.nn.functional, "scaled_dot_product_attention", kernel):
            yield
    finally:
        choose(attention.NAME)


def _result(recorder: Recorder, query: torch.Tensor, width: Any) -> torch.Tensor:
    """The result of PyTorch's kernels: it lies in memory as the query does, so that heads that come of rows side by
    side are rows again, and where a source has made them contiguous it has to copy the result. A kernel for values of
    another width than keys have writes heads side by side."""
    size = recorder.quantities.value
    if size(width) == size(query.shape[-1]):
        return torch.empty_like(query)
    *batch, heads, length, _ = query.shape
    return query.new_empty((*batch, length, heads, width)).transpose(-3, -2)


class Concatenated(cache.Recorded):
    """Keys and values of one layer as transformers' own cache has them: those that were there and the new ones are
    copied into new memory. A window keeps a part of that, and so all of its memory."""

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        before = (self.keys, self.values) if self.is_initialized else map(self._before, (key_states, value_states))
        if self.is_sliding:  # it lets go of keys and values that were there when both of the new ones are
            before = tuple(before)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = (
            self._cached(torch.cat([old, new], dim=-2))
            for old, new in zip(before, (key_states, value_states), strict=True)
        )
        self.recorder.has_cache = True
        return self.keys, self.values

    def _before(self, new: Any) -> Any:
        with self.recorder.pause():
            made = new.new_empty((*new.shape[:-2], self.kept, new.shape[-1]))
            self.recorder.note(made, "cache")
            self.recorder.lifetimes.was_there(storage_key(made))
        return made

    def _cached(self, made: Any) -> Any:
        with self.recorder.pause():
            storage = self.recorder.storages[storage_key(made)]
            storage.role, storage.unit = "cache", self.recorder.unit(made.dtype, "cache")
        return made
