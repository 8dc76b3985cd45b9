"""The models of published measurements as engines serve them, out of their configs' sizes: model files of symflops.

Each is built by symflops' own formulas out of a few sizes that its public config.json states: matrices that are
multiplied, attention to the keys that are kept, experts that a token is routed to. Latent attention (DeepSeek) is two
programs, as engines have it: prompts expand the latents to keys and values of all heads, steps attend to the latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import symflops


@dataclass(frozen=True)
class Sizes:
    """What a config states. `experts` of which a token uses `top_k`, each of width `expert_inner`, and `shared` ones
    that all use, are in all layers but the first `dense` (or in every `every`-th); `window` is of every other layer."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    gated: bool = True
    experts: int = 0
    top_k: int = 0
    expert_inner: int = 0
    shared: int = 0
    dense: int = 0
    every: int = 1
    window: int = 0
    windowed: float = 0.0  # the part of the layers
    latent: tuple[int, int, int, int, int] | None = (
        None  # ranks of queries, keys; widths without, with rotary, of values
    )


def _deepseek(heads: int, experts: int, dense: int, vocab: int) -> Sizes:
    return Sizes(
        7168, 61, heads, 1, 576, 18432, vocab, experts=experts, top_k=8, expert_inner=2048, shared=1, dense=dense,
        latent=(1536, 512, 128, 64, 128),
    )  # fmt: skip


_LLAMA_70B = Sizes(8192, 80, 64, 8, 128, 28672, 128256)
# Sizes of the config.json of each repository on the hub; of Llama 4 those of its text_config.
SIZES: Mapping[str, Sizes] = {
    "EleutherAI/gpt-j-6b": Sizes(4096, 28, 16, 16, 256, 16384, 50400, gated=False),
    "meta-llama/Llama-2-7b-hf": Sizes(4096, 32, 32, 32, 128, 11008, 32000),
    "meta-llama/Llama-2-13b-hf": Sizes(5120, 40, 40, 40, 128, 13824, 32000),
    "meta-llama/Llama-2-70b-hf": Sizes(8192, 80, 64, 8, 128, 28672, 32000),
    "meta-llama/Llama-3.1-8B": Sizes(4096, 32, 32, 8, 128, 14336, 128256),
    "meta-llama/Llama-3.1-70B": _LLAMA_70B,
    "meta-llama/Llama-3.1-405B": Sizes(16384, 126, 128, 8, 128, 53248, 128256),
    "mistralai/Mistral-7B-v0.1": Sizes(4096, 32, 32, 8, 128, 14336, 32000, window=4096, windowed=1.0),
    "mistralai/Mixtral-8x7B-v0.1": Sizes(4096, 32, 32, 8, 128, 0, 32000, experts=8, top_k=2, expert_inner=14336),
    "mistralai/Mixtral-8x22B-v0.1": Sizes(6144, 56, 48, 8, 128, 0, 32000, experts=8, top_k=2, expert_inner=16384),
    "openai/gpt-oss-20b": Sizes(
        2880, 24, 64, 8, 64, 0, 201088, experts=32, top_k=4, expert_inner=2880, window=128, windowed=0.5
    ),
    "openai/gpt-oss-120b": Sizes(
        2880, 36, 64, 8, 64, 0, 201088, experts=128, top_k=4, expert_inner=2880, window=128, windowed=0.5
    ),
    "Qwen/Qwen3-30B-A3B": Sizes(2048, 48, 32, 4, 128, 0, 151936, experts=128, top_k=8, expert_inner=768),
    "Qwen/Qwen3-235B-A22B": Sizes(4096, 94, 64, 4, 128, 0, 151936, experts=128, top_k=8, expert_inner=1536),
    "meta-llama/Llama-4-Scout-17B-16E": Sizes(
        5120, 48, 40, 8, 128, 16384, 202048, experts=16, top_k=1, expert_inner=8192, shared=1, window=8192,
        windowed=0.75,
    ),
    "meta-llama/Llama-4-Maverick-17B-128E": Sizes(
        5120, 48, 40, 8, 128, 16384, 202048, experts=128, top_k=1, expert_inner=8192, shared=1, every=2, window=8192,
        windowed=0.75,
    ),
    "deepseek-ai/DeepSeek-V3": _deepseek(128, 256, 3, 129280),
    "moonshotai/Kimi-K2.5": _deepseek(64, 384, 1, 163840),
}  # fmt: skip
# Repositories that have the sizes of another one, by a part of their name.
_ALIKE = {
    "llama-1-7b": "meta-llama/Llama-2-7b-hf", "llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "llama-2-13b": "meta-llama/Llama-2-13b-hf", "llama-2-70b": "meta-llama/Llama-2-70b-hf",
    "llama-3-8b": "meta-llama/Llama-3.1-8B", "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
    "llama-3-70b": "meta-llama/Llama-3.1-70B", "llama-3.1-70b": "meta-llama/Llama-3.1-70B",
    "llama-3.3-70b": "meta-llama/Llama-3.1-70B", "llama-3.1-405b": "meta-llama/Llama-3.1-405B",
    "llama-4-scout": "meta-llama/Llama-4-Scout-17B-16E", "llama-4-maverick": "meta-llama/Llama-4-Maverick-17B-128E",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1", "mixtral-8x22b": "mistralai/Mixtral-8x22B-v0.1",
    "mistral-7b": "mistralai/Mistral-7B-v0.1", "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b", "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B", "gpt-j-6b": "EleutherAI/gpt-j-6b",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3", "deepseek-r1": "deepseek-ai/DeepSeek-V3",
    "kimi-k2": "moonshotai/Kimi-K2.5",
}  # fmt: skip


def architecture(name: str) -> str | None:
    """The repository in `SIZES` that has the sizes of the named one; None where none has."""
    small = name.lower().replace("meta-llama-3", "llama-3")
    return next((known for part, known in _ALIKE.items() if part in small), None)


def sizes_of(name: str) -> Sizes | None:
    """The sizes of a repository; None for one that is not in the table."""
    known = architecture(name)
    return None if known is None else SIZES[known]


@cache
def served(name: str, prompt: bool) -> symflops.Model:
    """The model that runs prompts, or the one that runs steps."""
    sizes = sizes_of(name)
    if sizes is None:
        raise KeyError(name)
    return symflops.load(_file(name, sizes, prompt))


def _file(name: str, s: Sizes, prompt: bool) -> dict[str, Any]:
    symbols: dict[str, Any] = {
        "hidden_size": s.hidden, "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads,
        "head_dim": s.head_dim, "vocab_size": s.vocab,
    }  # fmt: skip
    if s.experts:
        symbols |= {"num_experts": s.experts, "num_experts_per_tok": s.top_k, "moe_intermediate_size": s.expert_inner}
    windowed = round(s.layers * s.windowed)
    routed = 0 if not s.experts else (s.layers - s.dense) // s.every
    layers: dict[str, Any] = {"embed": _call("embedding", num_embeddings="vocab_size", embedding_dim="hidden_size")}
    for kind, count in (("full", s.layers - windowed), ("windowed", windowed)):
        if count:
            layers[f"{kind}_attention"] = {
                "repeat": count,
                "sub_layers": _attention(s, prompt, s.window if kind == "windowed" else 0),
            }
    for kind, count in (("mlp", s.layers - routed), ("routed_mlp", routed)):
        if count:
            layers[kind] = {"repeat": count, "sub_layers": _experts(s) if kind == "routed_mlp" else _mlp(s, s.inner)}
    layers["lm_head"] = _linear("hidden_size", "vocab_size")
    return {"name": name, "about": "as engines serve it", "symbols": symbols, "layers": layers}


def _call(formula: str, **args: Any) -> dict[str, Any]:
    return {"formula": formula, "args": {"N": "batch_size*seq_len", **args}}


def _linear(inputs: int | str, outputs: int | str) -> dict[str, Any]:
    return _call("linear", in_features=inputs, out_features=outputs)


def _attention(s: Sizes, prompt: bool, window: int) -> dict[str, Any]:
    q_rank, kv_rank, plain, rotary, value = s.latent or (0, 0, 0, 0, 0)
    limit = {"window": window} if window else {}
    attended = {
        "batch": "batch_size",
        "q_len": "seq_len",
        "kv_len": "past_len + seq_len",
        "num_heads": s.heads,
        **limit,
    }
    if s.latent is None:
        width, kept = s.heads * s.head_dim, s.kv_heads * s.head_dim
        return {
            "q_proj": _linear("hidden_size", width), "k_proj": _linear("hidden_size", kept),
            "v_proj": _linear("hidden_size", kept),
            "kv_cache": _call("kv_cache_append", num_kv_heads=s.kv_heads, head_dim=s.head_dim),
            "attention": {
                "formula": "sdpa", "args": {**attended, "num_kv_heads": s.kv_heads, "head_dim": s.head_dim},
            },
            "o_proj": _linear(width, "hidden_size"),
        }  # fmt: skip
    # Latents are read once, though they are keys and values; prompts make keys and values of them that are not kept.
    once = f"cache_bytes*{kv_rank + rotary}/{2 * kv_rank + rotary}"
    of_latents = {"num_kv_heads": 1, "head_dim": kv_rank + rotary, "value_dim": kv_rank, "kv_bytes": once}
    of_heads = {"num_kv_heads": s.heads, "head_dim": plain + rotary, "value_dim": value, "kv_bytes": "dtype_bytes"}
    return {
        "q_a_proj": _linear("hidden_size", q_rank), "q_b_proj": _linear(q_rank, s.heads * (plain + rotary)),
        "kv_a_proj": _linear("hidden_size", kv_rank + rotary),
        "kv_cache": _call("kv_cache_append", num_kv_heads=1, head_dim=kv_rank, value_dim=rotary),
        "kv_b_proj": _linear(kv_rank, s.heads * (plain + value)),  # absorbed: as much for queries and for results
        "attention": {"formula": "sdpa", "args": {**attended, **(of_heads if prompt else of_latents)}},
        "o_proj": _linear(s.heads * value, "hidden_size"),
    }  # fmt: skip


def _mlp(s: Sizes, inner: int) -> dict[str, Any]:
    up = {"up_proj": _linear("hidden_size", inner), "down_proj": _linear(inner, "hidden_size")}
    return {"gate_proj": _linear("hidden_size", inner), **up} if s.gated else up


def _experts(s: Sizes) -> dict[str, Any]:
    routed = _call(
        "moe_experts", hidden_size="hidden_size", intermediate_size="moe_intermediate_size",
        num_experts="num_experts", top_k="num_experts_per_tok",
    )  # fmt: skip
    shared = _mlp(s, s.shared * s.expert_inner) if s.shared else {}
    return {"router": _linear("hidden_size", "num_experts"), "experts": routed, **shared}
