"""A small Llama, and its parameters and products counted matrix by matrix, as the paper has the architecture."""

from __future__ import annotations

from typing import Any

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 100, "num_hidden_layers": 3, "vocab_size": 500,
}  # fmt: skip


def parameters_of_a_llama(c: dict[str, Any], *, tied: bool = False, biases: bool = False) -> int:
    """Counted matrix by matrix, as the paper has the architecture."""
    h, i, v = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    head = c.get("head_dim", h // c["num_attention_heads"])
    q, kv = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
    total = v * h + h + (0 if tied else v * h)
    for _ in range(c["num_hidden_layers"]):
        for rows, columns in ((h, q), (h, kv), (h, kv), (q, h)):
            total += rows * columns + (columns if biases else 0)
        total += 3 * h * i + 2 * h
    return total


def matmul_flops_of_a_llama(c: dict[str, Any], tokens: int) -> int:
    """Two for each weight of a matrix and token, and two products of every query with every key."""
    h, i, v = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    head = h // c["num_attention_heads"]
    q, kv = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
    a_layer = 2 * tokens * (h * (q + 2 * kv) + q * h + 3 * h * i) + 2 * 2 * q * tokens * tokens
    return c["num_hidden_layers"] * a_layer + 2 * tokens * v * h
