"""What tells the layers of a list apart, and closed forms that are bound to lists of other lengths and rhythms.

Expected are the rhythms as the configs' documentation states them, and the parameters that torch counts.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM, JambaConfig, RecurrentGemmaConfig

import symflops
from symflops.trace.binding import bind
from symflops.trace.layer_lists import LayerLists


def said(config: Any, total: int) -> dict[str, tuple[Any, ...]]:
    return {s.text: s.values for part in LayerLists(config).statements(total) for s in part}


def test_a_list_that_a_config_computes_from_periods_tells_layers_apart() -> None:
    """Attention in every third layer from the second on, experts in every second one from the first on."""
    config = JambaConfig(
        num_hidden_layers=6, attn_layer_period=3, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=0
    )
    found = said(config, 6)
    assert found["layers_block_type[i]"] == ("mamba", "attention", "mamba", "mamba", "attention", "mamba")
    assert found["layers_num_experts[i] > 1"] == (True, False, True, False, True, False)


def test_a_pattern_that_is_as_long_as_there_are_layers_is_no_list_of_them() -> None:
    config = RecurrentGemmaConfig(num_hidden_layers=3, block_types=["recurrent", "recurrent", "attention"])
    assert next(iter(said(config, 3))) == "layers_block_type[i]"


def japanese(depth: int) -> Any:
    return GPTNeoXJapaneseConfig(
        vocab_size=90, hidden_size=24, num_attention_heads=4, num_hidden_layers=depth, intermediate_multiple_size=3
    )


@pytest.fixture(scope="module")
def derived() -> symflops.Model:
    return symflops.derive(japanese(3))


@pytest.mark.parametrize("depth", [2, 3, 4, 9])
def test_a_last_layer_that_differs_is_one_of_any_number(derived: symflops.Model, depth: int) -> None:
    """The last layer alone has a bias after its attention."""
    with torch.device("meta"):
        expected = sum(p.numel() for p in GPTNeoXJapaneseForCausalLM(japanese(depth)).parameters())
    assert "[i < n - 1] in [[true], [false]]" in derived.assumes
    assert bind(derived, japanese(depth)).total().parameters == expected
