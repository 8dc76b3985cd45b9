"""Layers that see a window or a chunk: derived, against what transformers' own cache runs and loops over pairs."""

from __future__ import annotations

from functools import cache
from typing import Any

import independent_count
import operation_count
import pytest
import torch
from small_configs import small_config
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, Gemma2Config, Llama4TextConfig, MistralConfig

import symflops
from symflops import numeric, storage
from symflops.algebra import substitute
from symflops.model import Model

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("windows")]

WINDOW, HEADS, KV_HEADS, WIDTH = 4, 4, 2, 8
POINTS = ((2, 3, 0), (2, 1, 2), (2, 1, 9), (2, 5, 9), (1, 17, 0))  # batch_size, seq_len, past_len
SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS, "head_dim": WIDTH, "vocab_size": 97, "max_position_embeddings": 64,
    "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "window": MistralConfig(**SIZES, sliding_window=WINDOW),
    "window_and_full": Gemma2Config(**SIZES, sliding_window=WINDOW),
    "chunk_and_full": Llama4TextConfig(
        **SIZES, attention_chunk_size=WINDOW, num_local_experts=2, intermediate_size_mlp=40, moe_layers=[],
        no_rope_layers=[1, 0], layer_types=["chunked_attention", "full_attention"],
    ),
}  # fmt: skip
LIMITED = {"window": 2, "window_and_full": 1, "chunk_and_full": 1}  # layers that do not see everything
kinds = pytest.mark.parametrize("kind", CONFIGS)


@cache
def derived(kind: str, attention: str = "fused") -> Model:
    return symflops.derive(CONFIGS[kind], attention=attention)


@kinds
def test_decoding_is_what_the_models_own_cache_runs(kind: str) -> None:
    model = AutoModelForCausalLM.from_config(CONFIGS[kind], attn_implementation="eager").eval()
    for batch, length, past in POINTS:
        ids = torch.randint(0, 97, (batch, past + length))
        with torch.no_grad():
            held = model(ids[:, :past], use_cache=True).past_key_values if past else None
            with FlopCounterMode(display=False) as counter:
                model(ids[:, past:], past_key_values=held, use_cache=True)
        cost = derived(kind).total().at(batch_size=batch, seq_len=length, past_len=past)
        assert cost.matmul_flops == counter.get_total_flops(), (batch, length, past)


def first_key(kind: str, query: int) -> int:
    """The first key that a query of a limited layer sees."""
    return query // WINDOW * WINDOW if kind == "chunk_and_full" else max(0, query - WINDOW + 1)


@kinds
@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_causal_counts_the_pairs_and_keys_that_the_mask_leaves(kind: str, attention: str) -> None:
    """From the lengths' own costs: causal = 1 takes away the masked pairs, and keys of which every pair is masked."""
    total, layers = derived(kind, attention).total(), CONFIGS[kind].num_hidden_layers
    per_pair = HEADS * 2 * (WIDTH + WIDTH)
    per_key = 2 * KV_HEADS * (WIDTH + WIDTH)
    for length, past in [(1, 0), (1, 3), (1, 4), (1, 5), (1, 9), (5, 9), (9, 0), (6, 7), (13, 2)]:
        queries = range(past, past + length)
        held = list(range(max(0, past - WINDOW + 1), past + length))  # in a limited layer
        seen = [list(range(first_key(kind, query), query + 1)) for query in queries]
        masked = length * len(held) - sum(map(len, seen))
        masked_in_full = length * (past + length) - sum(query + 1 for query in queries)
        masked_pairs = LIMITED[kind] * masked + (layers - LIMITED[kind]) * masked_in_full
        unread = LIMITED[kind] * (len(held) - len(set().union(*map(set, seen)))) if attention == "fused" else 0
        every, left = (total.at(batch_size=1, seq_len=length, past_len=past, causal=c) for c in (0, 1))
        assert every.matmul_flops - left.matmul_flops == per_pair * masked_pairs, (length, past)
        assert every.read_bytes - left.read_bytes == per_key * unread, (length, past)


def test_the_cache_holds_what_transformers_cache_does() -> None:
    model = AutoModelForCausalLM.from_config(CONFIGS["window_and_full"]).eval()
    size = symflops.kv_cache(derived("window_and_full"))
    for length in (1, 2, 3, 4, 9):
        with torch.no_grad():
            held = model(torch.zeros((3, length), dtype=torch.long), use_cache=True).past_key_values
        elements = sum(layer.keys.numel() + layer.values.numel() for layer in held.layers)
        values = {"batch_size": 3, "seq_len": length, "past_len": 0, "cache_bytes": 1}
        assert size.subs({symflops.symbol(name): value for name, value in values.items()}) == elements


def test_a_cache_that_keeps_everything_is_read_whole() -> None:
    """Where a model masks a window but its cache keeps all, as a file can say, every kept key is read."""
    args = {
        "batch": 1, "q_len": "seq_len", "kv_len": "seq_len + past_len", "num_heads": 1, "num_kv_heads": 1,
        "head_dim": 1, "window": 4,
    }  # fmt: skip
    layers = {
        "append": {"formula": "kv_cache_append", "args": {"N": "seq_len", "num_kv_heads": 1, "head_dim": 1}},
        "attention": {"formula": "sdpa", "args": args | {"kv_read": "seq_len + past_len"}},
    }
    model = symflops.load({"name": "kept", "symbols": {}, "layers": layers})
    assert model.total().at(seq_len=1, past_len=9).matmul_flops == 4 * 10
    assert str(symflops.kv_cache(model)) == "2*cache_bytes*(past_len + seq_len)"


def test_a_cache_that_is_shorter_than_what_the_mask_shows():
    """The mask of Moshi says nothing of the window of its cache; what is kept is what the cache then holds."""
    config = small_config("moshi", 0)
    model = symflops.derive(config)
    kept = substitute(storage.cache(model), model.symbols)
    real = independent_count.build(config, fake=False)
    for batch, length, past in ((3, 33, 0), (2, 5, 9), (1, 1, 300)):
        point = {"batch_size": batch, "seq_len": length, "past_len": past, "cache_bytes": 1}
        counted = operation_count.counted(real, batch, length, past).state
        assert numeric.evaluate(kept, numeric.with_defaults(point)) == counted
