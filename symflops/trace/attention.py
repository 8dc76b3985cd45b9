"""Attention, caught above the operations that it is made of, where window and causality are still known.

transformers lets anybody register an attention function and a mask function under a name; models whose config carries
that name call them. Ours compute nothing: they write down one step of the library's `sdpa` or `sdpa_eager` formula.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface

from symflops.errors import SymflopsError
from symflops.formula import load_formula
from symflops.function import divide_floor, minimum, modulo
from symflops.polynomial import Value, add, divide, multiply, negate, symbol
from symflops.trace.aten import Arithmetic
from symflops.trace.autograd import Gradient
from symflops.trace.masks import Mask
from symflops.trace.recorder import Recorder

NAME = "symflops"
SINKS = ("s_aux", "sinks")  # what sources call logits that take part in the softmax and weigh no value


@contextmanager
def caught(recorder: Recorder, eager: bool) -> Iterator[None]:
    """Attention inside is one recorded step: fused, or with scores and probabilities materialised."""
    formula = "sdpa_eager" if eager else "sdpa"

    def attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **options: Any) -> Any:
        if eager and recorder.tape is not None and (own := written_out(module)) is not None:
            return own(module, query, key, value, attention_mask, **options)
        with recorder.pause():
            result = query.new_empty((query.shape[0], query.shape[2], query.shape[1], value.shape[-1]))
            mask = hidden(recorder, module, attention_mask, options)
            shape = shape_of(recorder, query, key, value)
            args = arguments(recorder, shape, mask, not eager)
            if not is_of_keys(recorder, shape, mask):
                recorder.unmasked.setdefault(type(module).__name__)
            biases = [options.get(name) for name in ("position_bias", "attention_bias")]
            if isinstance(attention_mask, torch.Tensor) and attention_mask.dtype.is_floating_point:
                biases += [] if recorder.masks.is_constant(attention_mask) else [attention_mask]
            biases = [b for b in biases if isinstance(b, torch.Tensor) and not recorder.known.is_zeros(b)]
            chosen = _chosen_keys(recorder, options)
            args |= _how_many(recorder, shape, chosen)
            reads = [query, key, value, *biases, *chosen]
            if ops := 3 * (options.get("softcap") is not None) + len(biases) + bool(chosen):
                args["pair_ops"] = ops
            if options.get("scaling") == 1:
                args["scaled"] = 0
            sinks = next((t for t in map(options.get, SINKS) if isinstance(t, torch.Tensor)), None)
            if sinks is not None and recorder.storages[(read := recorder.view(sinks)).storage].role == "weight":
                args["sinks"] = 1
                reads.append(sinks)
            elif sinks is not None:  # a logit of each query, computed: one more column of the softmax
                recorder.record("sinks", Arithmetic(multiply(5, read.elements)), [read], [])
            recorder.call_formula("attention", formula, args, reads, [result])
            if recorder.tape is not None:
                step = recorder.tape.step("attention", None, reads, {}, result, recorder.written, recorder.stack[-1])
                step.backward = partial(_backward, formula, args, len(reads))
        return result, None

    def sdpa(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
             scale: Any = None, enable_gqa: bool = False) -> Any:  # fmt: skip
        if query.dim() != 4 or recorder.paused:
            return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        options = {"is_causal": is_causal, "scaling": scale}
        return attention(recorder.stack[-1].module, query, key, value, attn_mask, **options)[0].transpose(1, 2)

    def mask(batch_size: Any, q_length: Any, kv_length: Any, mask_function: Any = None, local_size: Any = None,
             dtype: Any = torch.bfloat16, **options: Any) -> torch.Tensor:  # fmt: skip
        with recorder.pause():
            made = torch.empty((1, 1, q_length, kv_length), dtype=dtype).expand(batch_size, 1, q_length, kv_length)
            recorder.note(made, "constant")
        words = set(_function_names(mask_function))
        causal = any("causal" in w for w in words)
        size = None if local_size is None else recorder.quantities.value(local_size)
        recorder.masks.note(made, Mask(causal, size, any("chunked" in w for w in words)))
        return made

    plain = torch.nn.functional.scaled_dot_product_attention
    masks, attentions = AttentionMaskInterface._global_mapping, AttentionInterface._global_mapping
    with (
        patch.dict(masks, {NAME: mask}),
        patch.dict(attentions, {NAME: attention}),
        patch.object(torch.nn.functional, "scaled_dot_product_attention", sdpa),
    ):
        yield


def _backward(formula: str, args: Mapping[str, Value], reads: int, needs: tuple[bool, ...]) -> Gradient:
    """What the formula says of its backward. Kept are queries, keys, values and the result, and for each query and head
    the logarithm of its sum of exponentials, in float32."""
    table = load_formula(formula).gradients(args)
    if table is None:
        raise SymflopsError(f"the formula {formula} does not state the cost of its backward")
    sums = multiply(4, args["batch"], args["num_heads"], args["q_len"])
    work = Arithmetic(table["flops"], table["matmul_flops"])
    return Gradient(work, frozenset({0, 1, 2, reads}), needs, (any(needs),), sums)


def written_out(module: Any) -> Any:
    """The function in which a model's source writes its attention out: transformers has one name for it."""
    return getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)


def is_of_keys(recorder: Recorder, shape: Shape, mask: Mask) -> bool:
    """Whether a window is one of these keys: of the call's own, with all tokens before or those that a window keeps.
    Where more are attended to, such as one for each compressed piece of the past, it is not of all of them."""
    if mask.size is None:
        return True
    before = add(shape.keys, negate(shape.queries))
    return before in (0, recorder.past, minimum(recorder.past, add(mask.size, -1)))


PLACES = (
    "position_ids",
    "cu_seq_lens_q",
    "cu_seq_lens_k",
)  # where tokens stand, which interfaces of attention may take


def _chosen_keys(recorder: Recorder, options: Mapping[str, Any]) -> list[torch.Tensor]:
    """Which keys each query sees, where values decide it: as written, a mask made of them is added to the scores."""
    tensors = [v for name, v in options.items() if isinstance(v, torch.Tensor) and name not in PLACES]
    return [t for t in tensors if not t.dtype.is_floating_point and not recorder.masks.is_constant(t)]


def _how_many(recorder: Recorder, shape: Shape, chosen: list[torch.Tensor]) -> dict[str, Value]:
    """How many keys each query sees, where it is the places of keys that are handed over: at most so many of all."""
    for tensor in chosen:
        *_, queries, many = (1, 1, *recorder.quantities.shape(tensor.shape))
        if tensor.dtype != torch.bool and queries == shape.queries and many == minimum(many, shape.keys) != shape.keys:
            return {"chosen": many}
    return {}


def hidden(recorder: Recorder, module: Any, tensor: Any, options: Mapping[str, Any]) -> Mask:
    """What attention does not see: what its mask is known to hide, or without a mask what the call or the module says.

    A mask of which nothing is known hides nothing; that is noted where it may be causal, which a bias is not.
    """
    window = options.get("sliding_window")
    window = None if window is None else recorder.quantities.value(window)
    mask = recorder.masks.of(tensor)
    if mask is not None:
        return Mask(True, window) if mask.size is None and window is not None and mask.causal else mask
    causal = options.get("is_causal")
    if tensor is None:
        return Mask(bool(getattr(module, "is_causal", True) if causal is None else causal), window)
    if recorder.masks.is_constant(tensor):
        recorder.unmasked.setdefault(type(module).__name__)
    return Mask(False)


@dataclass(frozen=True)
class Shape:
    """What an attention is of: queries and keys of each sequence, heads and their widths."""

    batch: Value
    queries: Value
    keys: Value
    num_heads: Value
    num_kv_heads: Value
    head_dim: Value
    value_dim: Value


def shape_of(recorder: Recorder, query: Any, key: Any, value: Any) -> Shape:
    """Of tensors of (batch, heads, length, width) each."""
    of = recorder.quantities.shape
    (batch, heads, queries, width), (_, kv_heads, keys, _) = of(query.shape), of(key.shape)
    return Shape(batch, queries, keys, heads, kv_heads, width, of(value.shape)[3])


def arguments(recorder: Recorder, shape: Shape, mask: Mask, is_fused: bool) -> dict[str, Value]:
    """The arguments of the `sdpa` formula for an attention."""
    q_len, keys = shape.queries, shape.keys
    args = {
        "batch": shape.batch, "q_len": q_len, "kv_len": keys, "num_heads": shape.num_heads,
        "num_kv_heads": shape.num_kv_heads, "head_dim": shape.head_dim,
    }  # fmt: skip
    recorder.limits.divides(args["num_heads"], args["num_kv_heads"])
    if shape.value_dim != args["head_dim"]:
        args["value_dim"] = shape.value_dim
    if not recorder.has_cache:
        args["kv_bytes"] = symbol("dtype_bytes")
    if not mask.causal:
        args["masked"] = 0
    elif mask.size is not None:
        size, past = mask.size, recorder.past if keys != q_len else 0
        args |= {"kv_len": add(q_len, past), "window": size}
        if keys != add(q_len, minimum(past, add(size, -1))):
            args["kv_read"] = keys  # a cache that keeps all of them, or none at all
        if mask.chunked:
            args |= _chunked(q_len, past, keys, size, is_fused)
    if not is_of_keys(recorder, shape, mask):
        args["pairs"] = multiply(q_len, keys)
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
