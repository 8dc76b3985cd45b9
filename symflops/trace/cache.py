"""A KV cache whose update is one recorded step, and whose length is a symbol; a window limits what a layer keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionCacheLayerMixin,
    get_layer_types_and_kwargs,
)

from symflops.function import minimum
from symflops.polynomial import Value, add, multiply
from symflops.trace.quantity import product
from symflops.trace.recorder import Recorder


class Recorded(DynamicLayer):
    """Keys and values of one layer: those `kept` of the `past` tokens before, then those of each update.

    In a call before the one that is recorded there are none of them."""

    def __init__(self, recorder: Recorder, past: Any, kept: Any, sliding: bool) -> None:
        super().__init__()
        self.recorder, self.is_sliding = recorder, sliding
        self._past, self._kept = past, kept

    @property
    def past(self) -> Any:
        return 0 if self.recorder.silent else self._past

    @property
    def kept(self) -> Any:
        return 0 if self.recorder.silent else self._kept

    def holds(self, past: Any) -> None:
        """Say how many tokens there are, all of them kept."""
        self._past = self._kept = past

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        keys = self._longer(key_states)
        is_shared = key_states is value_states  # what is read as keys and as values is kept once
        values = keys if is_shared else self._longer(value_states)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = keys, values
        self.recorder.has_cache = True
        of = self.recorder.quantities.shape
        with self.recorder.pause():
            shape, width = of(key_states.shape), 0 if is_shared else of(value_states.shape)[-1]
            heads = product(shape[1:-2])
            arguments = {"N": multiply(shape[0], shape[-2]), "num_kv_heads": heads, "head_dim": shape[-1]}
            if width != shape[-1]:
                arguments["value_dim"] = width
            new, longer = ([key_states], [keys]) if is_shared else ([key_states, value_states], [keys, values])
            step = ("kv_cache", "kv_cache_append", arguments, new, longer)
        self.recorder.call_formula(*step)
        return keys, values

    def update_indexer(self, indexer_key_states: Any) -> Any:
        """The keys of an indexer that chooses what to attend to; as `update`, of one tensor."""
        longer = self._longer(indexer_key_states)
        with self.recorder.pause():
            shape = self.recorder.quantities.shape(indexer_key_states.shape)
            arguments = {"N": product(shape[:-1]), "num_kv_heads": 1, "head_dim": shape[-1], "value_dim": 0}
            step = ("indexer_cache", "kv_cache_append", arguments, [indexer_key_states], [longer])
        self.recorder.call_formula(*step)
        return longer

    def _longer(self, new: Any) -> Any:
        with self.recorder.pause():
            shape = (*new.shape[:-2], new.shape[-2] + self.kept, new.shape[-1])
            return self.recorder.note(new.new_empty(shape), "cache")

    def get_seq_length(self) -> Any:
        return self.past

    def get_mask_sizes(self, query_length: Any) -> tuple[Any, Any]:
        return self.kept + query_length, self.past - self.kept


class _Windows:
    """How many of the `past` tokens layers keep: all, or the last `window - 1`, which is a size of its own."""

    def __init__(self, recorder: Recorder, past: Any) -> None:
        self.recorder, self.past = recorder, past
        self.kept: dict[Value, Any] = {}

    def of(self, window: Any) -> Any:
        if window is None or (type(self.past) is int and self.past == 0):
            return self.past
        sizes, quantities = self.recorder.sizes, self.recorder.quantities
        value = minimum(quantities.value(self.past), add(quantities.value(window), -1))
        if type(value) is int:
            return value
        if value not in self.kept:
            name = f"kept_{len(sizes.names)}"
            quantities.values[name] = value
            self.kept[value] = sizes.symbol(name, max(2, min(sizes.number(self.past), sizes.number(window) - 1)))
        return self.kept[value]


def recorded(original: Any, config: Any, recorder: Recorder, past: Any, kind: type[Recorded] = Recorded) -> Cache:
    """The cache that a model takes, its attention layers recorded and `past` tokens long; `config` is the original one
    with symbols for sizes."""
    recorder.past = recorder.quantities.value(past)
    cache = DynamicCache(config=original)
    kept = _Windows(recorder, past).of
    said = get_layer_types_and_kwargs(config)[1]  # or the config that says it, to a class of the model's own
    windows = [
        options.get("sliding_window", getattr(options.get("config"), "sliding_window", None)) for options in said
    ]
    cache.layers = [_recorded(c, recorder, past, kept(w), kind) for c, w in zip(cache.layers, windows, strict=True)]
    if not cache.layers:
        layer = partial(kind, recorder, past, past, False)
        cache.layer_class_to_replicate = layer  # type: ignore[assignment]  # declared as a class, and only ever called
    return cache


def keeps_more(layer: Any) -> bool:
    """Whether a layer of a cache keeps something beside keys and values that grows, by methods of its own."""
    public = {name for name in dir(type(layer)) if not name.startswith("_")}
    is_plain = isinstance(layer, DynamicLayer) and not isinstance(layer, LinearAttentionCacheLayerMixin)
    return is_plain and not public <= {*dir(Recorded), *dir(DynamicSlidingWindowLayer)}


def own_class(model_class: type) -> bool:
    """Whether a model makes a cache of a class of its own, and takes no other."""
    source = vars(sys.modules[model_class.__module__]).values()
    kinds = (c for c in source if isinstance(c, type) and c.__module__ == model_class.__module__)
    return any(issubclass(c, Cache) for c in kinds)


@contextmanager
def made_by_model(recorder: Recorder, past: Any, kind: type[Recorded] = Recorded) -> Iterator[None]:
    """Inside, the attention layers of caches that a model makes are recorded and `past` tokens long."""
    plain = DynamicCache.__init__
    recorder.past = recorder.quantities.value(past)

    def made(cache: Any, *args: Any, **kwargs: Any) -> None:
        plain(cache, *args, **kwargs)
        cache.layers = [_recorded(layer, recorder, past, past, kind) for layer in cache.layers]
        if not cache.layers:
            cache.layer_class_to_replicate = partial(kind, recorder, past, past, False)

    with patch.object(DynamicCache, "__init__", made):
        yield


def _recorded(layer: Any, recorder: Recorder, past: Any, kept: Any, kind: type[Recorded]) -> Any:
    if isinstance(layer, LinearAttentionCacheLayerMixin) or keeps_more(layer):
        if isinstance(layer, CacheLayerMixin):
            attention = kind(recorder, past, kept, bool(getattr(layer, "is_sliding", False)))
            for name in ("update", "get_seq_length", "get_mask_sizes"):
                setattr(layer, name, getattr(attention, name))
        return layer
    if isinstance(layer, DynamicLayer):
        return kind(recorder, past, kept, layer.is_sliding)
    return layer
