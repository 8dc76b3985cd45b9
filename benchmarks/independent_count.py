"""Matmul FLOPs and parameters of any causal LM of transformers, counted by PyTorch and by nothing of this project.

The model is built on fake tensors, so a full-size config costs no memory, and one forward runs under
`FlopCounterMode`. That counts nothing for a fused attention on the CPU or for a grouped matmul, hence eager attention
and batched experts; a matmul that it would still pass over is an error here, never a smaller number.
"""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

T = TypeVar("T")

DATA_DEPENDENT = (DataDependentOutputException, DynamicOutputShapeException, GuardOnDataDependentSymNode)
"""What a fake tensor raises when the model looks at a value that is not there."""

MAX_REAL_PARAMETERS = 10**9
"""The largest model that is built on real tensors, in 4 bytes a parameter."""

_MATMUL = re.compile(r"(mm|mv|dot|addr|matmul|einsum|attention|convolution|lstm|gru|rnn_tanh|rnn_relu)(_|\d|$)")
"""Names of ATen operations that multiply matrices, counted or not."""


class UncountedMatmulError(RuntimeError):
    """The forward ran a matrix multiply that `FlopCounterMode` has no formula for."""


class _RefuseUncounted(TorchDispatchMode):
    """Raises at a matmul-like operation that the FLOP counter passes over; enter it before the counter."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket not in flop_registry and _MATMUL.search(func.overloadpacket.__name__):
            raise UncountedMatmulError(f"{func} is not counted")
        return func(*args, **kwargs or {})


def build(config: PreTrainedConfig, *, fake: bool = True) -> PreTrainedModel:
    """The config's causal LM in eval mode, eager attention, batched experts; on fake tensors unless `fake` is False."""
    model_class = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    config = _part_for(model_class, copy.deepcopy(config))  # constructors of decoder-only halves write to it
    with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext(), no_init_weights():
        model = model_class._from_config(config, attn_implementation="eager", dtype=torch.float32)
        model.tie_weights()
    if model._can_set_experts_implementation():
        model.set_experts_implementation("batched_mm")
    if not fake:
        _fill(model)
    return model.eval().requires_grad_(False)


def _part_for(model_class: type[PreTrainedModel], config: PreTrainedConfig) -> PreTrainedConfig:
    """The part of a composite config that the class is built from: the text model's, the decoder's, or all of it."""
    parts = [getattr(config, name) for name in config.sub_configs]
    return next((part for part in parts if type(part) is model_class.config_class), config)


def parameters(config: PreTrainedConfig) -> int:
    """The number of parameters, tied ones once."""
    return sum(p.numel() for p in build(config).parameters())


def count(config: PreTrainedConfig, batch: int, length: int, past: int = 0) -> int:
    """Matmul FLOPs of one forward of `length` tokens with all logits, after `past` cached ones."""
    return _on_either(config, lambda model: _count(model, batch, length, past))


def counts(config: PreTrainedConfig, points: Sequence[tuple[int, int]]) -> list[int]:
    """The same for several calls of (batch, length), of one model."""
    return _on_either(config, lambda model: [_count(model, *point, 0) for point in points])


def matmul_flops(call: Callable[..., object], *args: object) -> int:
    """Matmul FLOPs of any call on real tensors."""
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), _RefuseUncounted(), counter:
        call(*args)
    return counter.get_total_flops()


def takes_cache(config: PreTrainedConfig) -> bool:
    """Whether a second call can attend to the keys of a first: not so for recurrent and for encoder-only types."""
    return cache_refusal(config) is None


def cache_refusal(config: PreTrainedConfig) -> str | None:
    """Why the type has no use for a key-value cache; None if a cached call works."""
    return _on_either(config, _cache_refusal)


def _on_either(config: PreTrainedConfig, use: Callable[[PreTrainedModel], T]) -> T:
    """Use the model on fake tensors, or on real ones if its control flow depends on values."""
    try:
        return _use(build(config), use)
    except DATA_DEPENDENT as error:
        if parameters(config) > MAX_REAL_PARAMETERS:
            error.add_note(f"{config.model_type} depends on values, and this config is too large for real tensors")
            raise
        return _use(build(config, fake=False), use)


def _use(model: PreTrainedModel, use: Callable[[PreTrainedModel], T]) -> T:
    """Without gradients, in the model's own fake mode if it has one, and with attention called by name as matmuls."""
    mode = getattr(next(model.parameters()), "fake_mode", None)
    with mode or nullcontext(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        return use(model)


def _fill(model: PreTrainedModel) -> None:
    """Small random weights (uninitialised memory may hold NaNs), and no token routed to an expert that does nothing.

    Where a type has such experts its cost depends on the tokens; what is counted is all top-k going to real experts.
    """
    generator = torch.Generator().manual_seed(0)
    idle = getattr(model.config, "zero_expert_num", None) or 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.1, 0.1, generator=generator)
        for name, buffer in model.named_buffers():
            if idle and name.endswith("e_score_correction_bias"):
                buffer[-idle:] = -math.inf


def _count(model: PreTrainedModel, batch: int, length: int, past: int) -> int:
    if past and (refusal := _cache_refusal(model)):
        raise ValueError(f"{model.config.model_type} cannot follow {past} cached tokens: {refusal}")
    cache = _prefill(model, batch, past) if past else None
    counter = FlopCounterMode(display=False)
    with _RefuseUncounted(), counter:
        _forward(model, batch, length, cache=cache, past=past)
    return counter.get_total_flops()


def _cache_refusal(model: PreTrainedModel) -> str | None:
    past, length = 5, 3
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        return "its forward takes no past_key_values"
    try:
        cache = _prefill(model, 2, past)
        if cache is None:
            return "it returns no cache"
        if _cached_length(cache) != past:
            return f"after {past} tokens its cache holds the keys of {_cached_length(cache)}"
        _forward(model, 2, length, cache=cache, past=past)
    except DATA_DEPENDENT:
        raise
    except Exception as error:  # whatever a type raises, it does not take the call
        return f"a cached call raises {type(error).__name__}: {error}"
    if _cached_length(cache) != past + length:
        return f"after {past} and {length} tokens its cache holds the keys of {_cached_length(cache)}"
    return None


def _prefill(model: PreTrainedModel, batch: int, past: int) -> Any:
    """The cache after a first call: the one the model returns, or where a decoder returns none, one handed to it."""
    returned = getattr(_forward(model, batch, past, use_cache=True), "past_key_values", None)
    if returned is not None or not getattr(model.config, "is_decoder", True):
        return returned
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    _forward(model, batch, past, cache=cache)
    return cache


def _cached_length(cache: Any) -> int:
    """The number of positions whose keys a cache was given; 0 for a cache of recurrent states only.

    A sliding layer holds no more than its window, and knows how many it was given.
    """
    cache = getattr(cache, "self_attention_cache", cache)
    layers = [(layer, getattr(layer, "keys", None)) for layer in getattr(cache, "layers", ())]
    filled = [(layer, keys) for layer, keys in layers if isinstance(keys, torch.Tensor) and keys.numel()]
    return max((getattr(layer, "cumulative_length", keys.shape[-2]) for layer, keys in filled), default=0)


def _forward(
    model: PreTrainedModel, batch: int, length: int, *, cache: Any = None, past: int = 0, use_cache: bool = False
) -> Any:
    streams = getattr(model, "num_codebooks", 1)  # of audio tokens, which the batch dimension holds one after another
    inputs: dict[str, Any] = {
        "input_ids": torch.zeros(batch * streams, length, dtype=torch.long),
        "attention_mask": torch.ones(batch, past + length, dtype=torch.long),
        "past_key_values": cache,
        "use_cache": use_cache or cache is not None,
    }
    accepted = inspect.signature(model.forward).parameters
    return model(**{name: value for name, value in inputs.items() if name in accepted and value is not None})
