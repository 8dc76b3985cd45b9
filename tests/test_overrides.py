"""Per-layer overrides of a config, and widths that depend on the number of layers.

Expected are counts of PyTorch's own: the parameters of the model that transformers builds from each config.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Gemma4TextConfig
from transformers.models.gemma4.modeling_gemma4 import Gemma4ForCausalLM

import symflops
from symflops.trace.binding import bind
from symflops.trace.overrides import overrides, statement

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("overrides")]

FULL = "full_attention"
SLIDING = "sliding_attention"


def config(
    types: list[str], global_head_dim: int, overrides: dict[int, dict[str, Any]] | None = None, **other: Any
) -> Any:
    made = Gemma4TextConfig(
        vocab_size=300, hidden_size=48, intermediate_size=104, num_hidden_layers=len(types), num_attention_heads=6,
        num_key_value_heads=3, head_dim=16, global_head_dim=global_head_dim, vocab_size_per_layer_input=290,
        hidden_size_per_layer_input=12, sliding_window=24, layer_types=types, num_kv_shared_layers=0,
        **other,
    )  # fmt: skip
    if overrides is not None:
        made.per_layer_config = overrides
    return made


def parameters(made: Any) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Gemma4ForCausalLM(made).parameters())


@pytest.fixture(scope="module")
def derived() -> symflops.Model:
    return symflops.derive(config([SLIDING, SLIDING, FULL], 32))


def test_a_field_of_one_type_of_layers_is_a_symbol(derived: symflops.Model) -> None:
    assert derived.symbols["full_attention_head_dim"] == 32
    assert 'per_layer_config == {"full_attention": {"head_dim": "full_attention_head_dim"}}' in derived.assumes


@pytest.mark.parametrize(
    ("types", "global_head_dim"),
    [([SLIDING, SLIDING, FULL], 32), ([SLIDING, FULL, SLIDING, SLIDING, FULL], 24), ([SLIDING] * 6 + [FULL], 40)],
)
def test_bound_to_another_depth_it_counts_what_torch_counts(
    derived: symflops.Model, types: list[str], global_head_dim: int
) -> None:
    """The table and the projection of the per-layer inputs are num_hidden_layers times as wide as one layer's."""
    other = config(types, global_head_dim)
    assert bind(derived, other).total().parameters == parameters(other)


def test_what_was_not_seen_of_a_type_is_refused(derived: symflops.Model) -> None:
    other = config([SLIDING, SLIDING, FULL], 32, {2: {"head_dim": 32, "num_key_value_heads": 2}})
    with pytest.raises(symflops.SymflopsError) as refused:
        bind(derived, other)
    seen = '{"full_attention": {"head_dim": "full_attention_head_dim"}}'
    assert str(refused.value).startswith(f"gemma4_text: assumption broken: per_layer_config == {seen} (with ")
    assert '"num_key_value_heads": "full_attention_num_key_value_heads"' in str(refused.value)
    assert "\n" not in str(refused.value)


def test_layers_of_one_type_that_differ_keep_their_numbers() -> None:
    """No model of transformers 5.23 can be built so, but a config can say it."""
    made = config([SLIDING, SLIDING, FULL], 32, {1: {"intermediate_size": 80}, 2: {"head_dim": 32}})
    assert statement(made) == {"1": {"intermediate_size": 80}, "2": {"head_dim": 32}}
    assert overrides(made) == []
