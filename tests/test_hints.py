"""What a hint may not decide: a size that is 1 for the hint and more for the config, so that torch would repeat it."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import GPTNeoXConfig, PhiConfig

import symflops

pytestmark = pytest.mark.torch

SIZES: dict[str, Any] = {
    "num_hidden_layers": 2, "intermediate_size": 70, "vocab_size": 97, "max_position_embeddings": 64,
    "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config_class", "hidden_size", "heads", "rotated"),  # a quarter of the head's width, and whole pairs of it
    [
        (GPTNeoXConfig, 54, 3, 4),
        (GPTNeoXConfig, 30, 3, 2),
        (GPTNeoXConfig, 66, 3, 6),
        (PhiConfig, 54, 3, 4),
        (PhiConfig, 90, 5, 4),
    ],
)
def test_part_of_a_head_is_rotated(config_class: type, hidden_size: int, heads: int, rotated: int) -> None:
    """Of a rotated width w: two products and a sum for each element, and half of them negated, so 7/2*w for each head
    of the queries and the keys; of the table w/2 products, w cosines and w sines for each token, once."""
    factor = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}}
    config = config_class(hidden_size=hidden_size, num_attention_heads=heads, **factor, **SIZES)
    model = symflops.derive(config)
    rows = {row.path.rpartition(".")[2]: row.cost.at(batch_size=3, seq_len=11).flops for row in model.rows()}
    assert rows["rotary"] == 3 * 11 * 2 * heads * 7 * rotated // 2
    assert rows["rotary_emb"] == 11 * (rotated // 2 + 2 * rotated)
