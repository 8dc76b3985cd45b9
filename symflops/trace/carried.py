"""What a call leaves for the next one: a KV cache, and the states of recurrent layers."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, LinearAttentionCacheLayerMixin

from symflops.polynomial import Value, add
from symflops.trace import cache
from symflops.trace.cache import Recorded
from symflops.trace.record import Operation
from symflops.trace.recorder import Recorder


def cache_argument(model_class: type[nn.Module]) -> str:
    """The argument of a model's forward that takes transformers' own cache; "" if there is none."""
    accepted = inspect.signature(model_class.forward).parameters
    if "past_key_values" in accepted:
        return "past_key_values"
    return next((name for name, p in accepted.items() if Cache in (p.annotation, *typing.get_args(p.annotation))), "")


def keeps_states(model_class: type[nn.Module], config: Any) -> bool:
    """Whether a model takes a cache in which some layer keeps a recurrent state, which a first call fills so that later
    calls run otherwise."""
    layers = _cache_layers(model_class, config)
    return any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers) or _makes_cache(model_class)


def keeps_more(model_class: type[nn.Module], config: Any) -> bool:
    """Whether a model takes a cache in which some layer keeps something beside keys and values that grows."""
    return any(map(cache.keeps_more, _cache_layers(model_class, config)))


def _makes_cache(model_class: type[nn.Module]) -> bool:
    return bool(cache_argument(model_class)) and cache.own_class(model_class)


def _cache_layers(model_class: type[nn.Module], config: Any) -> list[Any]:
    if not cache_argument(model_class):
        return []
    try:
        return list(DynamicCache(config=plain_text_config(config)).layers)
    except Exception:  # a config without layers of its own, or that cannot list them: the call with a cache says so
        return []


def plain_text_config(config: Any) -> Any:
    """The part of a config that describes the decoder."""
    return config.get_text_config(decoder=True)


def carried(model: nn.Module, returned: Any) -> dict[str, Any]:
    """What the next call takes of what a call returned: whatever has the name of one of its arguments."""
    if not isinstance(returned, Mapping):  # a tensor, or a tuple without names
        return {}
    accepted = inspect.signature(type(model).forward).parameters
    return {name: returned[name] for name in accepted if returned.get(name) is not None}


def states(thing: Any) -> list[torch.Tensor]:
    """The tensors that are kept for the next call, but for keys and values: those are said where they are appended."""
    if isinstance(thing, torch.Tensor):
        return [thing] if thing.is_floating_point() else []
    if isinstance(thing, dict):
        return _all_states(thing.values())
    if isinstance(thing, list | tuple):
        return _all_states(thing)
    if isinstance(thing, Recorded) or not _is_cache(thing):
        return []
    return _all_states(v for name, v in vars(thing).items() if name not in ("keys", "values"))


def _all_states(things: Iterable[Any]) -> list[torch.Tensor]:
    return [tensor for thing in things for tensor in states(thing)]


def _is_cache(thing: Any) -> bool:
    kinds = Cache, CacheLayerMixin, LinearAttentionCacheLayerMixin
    return isinstance(thing, kinds) or type(thing).__name__.endswith("Cache")


def attributes(model: nn.Module) -> dict[tuple[nn.Module, str], torch.Tensor]:
    """The tensors that modules keep beside their weights, as recurrent layers do whose states are their own."""
    found: dict[tuple[nn.Module, str], torch.Tensor] = {}
    for module in model.modules():
        found |= {(module, name): v for name, v in vars(module).items() if isinstance(v, torch.Tensor)}
    return found


def states_by_operation(recorder: Recorder) -> dict[Operation, Value]:
    """How many elements of what is kept for the next call each operation wrote: the last one that did, or where several
    modules write parts of one tensor each of them."""
    found: dict[Operation, Value] = {}
    for key, elements in recorder.kept.items():
        writers = recorder.storages[key].writers
        parts = {v.place: (o, v.elements) for o in writers for v in o.writes if v.storage == key}
        if len({o.owner for o, _ in parts.values()}) < 2 or any(size == elements for _, size in parts.values()):
            parts = {v.place: (o, elements) for o in writers[-1:] for v in o.writes[:1]}
        for o, size in parts.values():
            found[o] = add(found.get(o, 0), size)
    return found


def notes(model: nn.Module) -> list[Any]:
    """What the modules of a model note for themselves as true or false, and the formats of their weights."""
    noted = [value for module in model.modules() for value in vars(module).values() if type(value) is bool]
    return [*noted, *(weight.dtype for weight in model.parameters())]
