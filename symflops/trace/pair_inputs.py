"""What a decoder is fed beside an encoder's result: its own cache, and the keys and values of cross-attention."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.inputs import DECODER_IDS, Input, symbols_of
from symflops.polynomial import symbol
from symflops.trace import cache
from symflops.trace.carried import plain_text_config
from symflops.trace.recorder import Recorder
from symflops.vocabulary.symbols import LENGTH

CACHE, RESULT = "past_key_values", "encoder_outputs"


def takes_steps(model_class: Any, inputs: tuple[Input, ...]) -> bool:
    """Whether a model that is fed so is an encoder and a decoder that can go on after a call of both: of the symbols
    of its inputs, one is the length of the decoder's tokens alone."""
    ids = next((one for one in inputs if one.name == DECODER_IDS and one.shape), None)
    if ids is None or not hasattr(model_class, "forward"):
        return False
    own = free_symbols(ids.shape[-1]) - set(symbols_of(one for one in inputs if one is not ids))
    accepted = inspect.signature(model_class.forward).parameters
    is_length = any(ids.shape[-1] == symbol(name) for name in own)
    return is_length and {CACHE, RESULT, "use_cache"} <= accepted.keys()


def goes_on_with_ids(model_class: Any, inputs: tuple[Input, ...]) -> bool:
    """Whether a model is fed images or sounds beside its tokens, and keeps a cache with which it goes on with these."""
    others = [one for one in inputs if not is_of_tokens(one)]
    if not others or len(others) == len(inputs) or not hasattr(model_class, "forward"):
        return False
    accepted = inspect.signature(model_class.forward).parameters
    return CACHE in accepted and DECODER_IDS not in {one.name for one in inputs}


def is_of_tokens(one: Input) -> bool:
    """Whether an input has an entry for each token of a call."""
    return any(size == symbol(LENGTH) for size in one.shape)


def tokens_alone(inputs: tuple[Input, ...], fed: dict[str, Any]) -> dict[str, Any]:
    """Of what a call is fed, what has an entry for each token, and what is no tensor."""
    others = {one.name for one in inputs if not is_of_tokens(one)}
    return {name: value for name, value in fed.items() if name not in others}


def ids_alone(inputs: tuple[Input, ...], fed: dict[str, Any]) -> dict[str, Any]:
    """Of what a call is fed, what is the same for other ids: nothing that was stated beside them."""
    return {name: value for name, value in fed.items() if name not in {one.name for one in inputs}}


def cache_of_text(original: Any, config: Any, recorder: Recorder, past: Any) -> dict[str, Any]:
    """The cache of the model of tokens inside a larger one, in which there are `past` tokens."""
    recorder.has_cache = True
    return {CACHE: cache.recorded(plain_text_config(original), plain_text_config(config), recorder, past)}


def cache_of(model: Any, recorder: Recorder, past: Any) -> dict[str, Any]:
    """The arguments of a call of both that fills a cache, in which there are `past` tokens of the decoder."""
    decoder = model.get_decoder()
    depth = max((len(m) for m in decoder.modules() if isinstance(m, nn.ModuleList)), default=0)
    if decoder is model or not depth:
        raise SymflopsError("its decoder is not a part of its own, with layers")
    across = _layers(recorder, 0, depth)
    config = decoder.config
    windows = getattr(config, "layer_types", None)
    own = cache.recorded(config, config, recorder, past) if windows else _layers(recorder, past, depth)
    recorder.past = recorder.quantities.value(past)
    return {CACHE: EncoderDecoderCache(own, across), "use_cache": True}


def _layers(recorder: Recorder, past: Any, depth: int) -> DynamicCache:
    found = DynamicCache()
    found.layers = [cache.Recorded(recorder, past, past, False) for _ in range(depth)]
    found.layer_class_to_replicate = partial(cache.Recorded, recorder, past, past, False)  # type: ignore[assignment]  # a class there
    return found


@contextmanager
def result_kept(model: Any) -> Iterator[list[Any]]:
    """What the encoder gives in calls inside, as it gives it."""
    results: list[Any] = []
    hook = model.get_encoder().register_forward_hook(lambda module, args, result: results.append(result))
    try:
        yield results
    finally:
        hook.remove()


def of_a_step(model: Any, inputs: dict[str, Any], results: list[Any]) -> dict[str, Any]:
    """The arguments of a step after a call of both, in which the encoder gave these results."""
    if len(results) != 1:
        raise SymflopsError(f"a call runs its encoder {len(results)} times: a step after it is not derived")
    for layer in inputs[CACHE].cross_attention_cache.layers:
        if layer.is_initialized:
            layer.holds(layer.keys.shape[-2])
    return {**{name: value for name, value in inputs.items() if name != model.main_input_name}, RESULT: results[0]}
