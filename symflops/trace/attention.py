"""Attention, caught above the operations that it is made of, where window and causality are still known.

transformers lets anybody register an attention function and a mask function under a name; models whose config carries
that name call them. Ours compute nothing: they write down one step of the library's `sdpa` or `sdpa_eager` formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface

from symflops.function import divide_floor, minimum, modulo
from symflops.polynomial import Value, add, divide, multiply, negate, symbol
from symflops.trace.recorder import Recorder

NAME = "symflops"


@dataclass(frozen=True)
class Mask:
    """What a mask hides: later keys (`causal`), keys further back than `size` (a window) or before a chunk's start."""

    causal: bool
    size: Any = None
    chunked: bool = False


@contextmanager
def caught(recorder: Recorder, eager: bool) -> Iterator[None]:
    """Attention inside is one recorded step: fused, or with scores and probabilities materialised."""
    formula = "sdpa_eager" if eager else "sdpa"

    def attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **options: Any) -> Any:
        with recorder.pause():
            result = query.new_empty((query.shape[0], query.shape[2], query.shape[1], value.shape[-1]))
            mask = getattr(attention_mask, "symflops_mask", None)
            if mask is None:
                causal = options.get("is_causal")
                causal = getattr(module, "is_causal", True) if causal is None else causal
                mask = Mask(bool(causal), options.get("sliding_window"))
            elif mask.size is None and options.get("sliding_window") is not None and mask.causal:
                mask = Mask(True, options["sliding_window"])
            args = arguments(recorder, query, key, value, mask, not eager)
            ops = 3 * (options.get("softcap") is not None)
            reads = [query, key, value]
            for name in ("s_aux", "position_bias", "attention_bias"):
                if isinstance(options.get(name), torch.Tensor):
                    ops += name != "s_aux"
                    reads.append(options[name])
            if ops:
                args["pair_ops"] = ops
            if isinstance(options.get("s_aux"), torch.Tensor):
                args["sinks"] = 1
            recorder.call_formula("attention", formula, args, reads, [result])
        return result, None

    def sdpa(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
             scale: Any = None, enable_gqa: bool = False) -> Any:  # fmt: skip
        if query.dim() != 4 or recorder.paused:
            return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        result, _ = attention(None, query, key, value, attn_mask, is_causal=is_causal or attn_mask is not None)
        return result.transpose(1, 2)

    def mask(batch_size: Any, q_length: Any, kv_length: Any, mask_function: Any = None, local_size: Any = None,
             dtype: Any = torch.bfloat16, **options: Any) -> torch.Tensor:  # fmt: skip
        with recorder.pause():
            made = torch.empty((1, 1, q_length, kv_length), dtype=dtype).expand(batch_size, 1, q_length, kv_length)
            recorder.note(made, "constant")
        words = set(_function_names(mask_function))
        causal = any("causal" in w for w in words)
        mask = Mask(causal, local_size, any("chunked" in w for w in words))
        # It travels with the tensor to where attention is caught.
        made.symflops_mask = mask  # type: ignore[attr-defined]  # an attribute of our own on a tensor
        return made

    plain = torch.nn.functional.scaled_dot_product_attention
    masks, attentions = AttentionMaskInterface._global_mapping, AttentionInterface._global_mapping
    with (
        patch.dict(masks, {NAME: mask}),
        patch.dict(attentions, {NAME: attention}),
        patch.object(torch.nn.functional, "scaled_dot_product_attention", sdpa),
    ):
        yield


def arguments(recorder: Recorder, query: Any, key: Any, value: Any, mask: Mask, is_fused: bool) -> dict[str, Value]:
    """The arguments of the `sdpa` formula for these tensors, (batch, heads, length, width) each."""
    of = recorder.quantities.value
    q_len, keys = of(query.shape[2]), of(key.shape[2])
    args = {
        "batch": of(query.shape[0]), "q_len": q_len, "kv_len": keys, "num_heads": of(query.shape[1]),
        "num_kv_heads": of(key.shape[1]), "head_dim": of(query.shape[3]),
    }  # fmt: skip
    if (width := of(value.shape[3])) != args["head_dim"]:
        args["value_dim"] = width
    if not recorder.has_cache:
        args["kv_bytes"] = symbol("dtype_bytes")
    if not mask.causal:
        args["masked"] = 0
    elif mask.size is not None:
        size, past = of(mask.size), recorder.past if keys != q_len else 0
        args |= {"kv_len": add(q_len, past), "window": size}
        if keys != add(q_len, minimum(past, add(size, -1))):
            args["kv_read"] = keys  # a cache that keeps all of them, or none at all
        if mask.chunked:
            args |= _chunked(q_len, past, keys, size, is_fused)
    return args


def _chunked(q_len: Value, past: Value, keys: Value, size: Value, is_fused: bool) -> dict[str, Value]:
    """Which pairs a mask of chunks leaves, and which keys they are of: a fused kernel reads those from the start of the
    first query's chunk on."""
    causal = symbol("causal")
    seen = add(chunked_pairs(add(past, q_len), size), negate(chunked_pairs(past, size)))
    every = add(1, negate(causal))
    args = {"pairs": add(multiply(q_len, keys, every), multiply(causal, seen))}
    if is_fused:
        args["kv_read"] = add(multiply(keys, every), multiply(causal, add(q_len, modulo(past, size))))
    return args


def chunked_pairs(positions: Value, chunk: Value) -> Value:
    """Pairs of the first `positions` queries, each seeing its own chunk up to itself: C(C + 1)/2 for each whole chunk
    of C, and r(r + 1)/2 for the rest r."""
    rest = modulo(positions, chunk)
    whole = multiply(divide_floor(positions, chunk), chunk, add(chunk, 1))
    return divide(add(whole, multiply(rest, add(rest, 1))), 2)


def _function_names(function: Any, depth: int = 0) -> Iterator[str]:
    """The names of a mask function and of those that it combines, which are held in its closure."""
    if depth > 6:
        return
    if isinstance(function, tuple | list):
        for part in function:
            yield from _function_names(part, depth + 1)
    elif callable(function):
        yield getattr(function, "__qualname__", "")
        for cell in getattr(function, "__closure__", None) or ():
            yield from _function_names(cell.cell_contents, depth + 1)
