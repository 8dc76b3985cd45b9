"""What tells the layers of a list apart, and closed forms that are bound to lists of other lengths and rhythms.

Expected are the rhythms as the configs' documentation states them, and the parameters that torch counts.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    GPTNeoXJapaneseConfig,
    GPTNeoXJapaneseForCausalLM,
    JambaConfig,
    Lfm3VlConfig,
    RecurrentGemmaConfig,
    RwkvConfig,
)

import symflops
from symflops.trace.binding import bind
from symflops.trace.configs import find
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


def test_a_list_that_cannot_be_computed_is_one_line() -> None:
    config = JambaConfig(num_hidden_layers=4)
    config.attn_layer_period = 0
    with pytest.raises(symflops.SymflopsError) as refused:
        LayerLists(config)
    assert str(refused.value).startswith("the config computes no list of its layers: ZeroDivisionError: ")


def test_a_depth_that_something_is_done_every_few_layers_of_is_no_other_one() -> None:
    """RWKV halves its hidden states after every sixth layer, which a model of four layers never shows."""
    sizes = {"vocab_size": 90, "hidden_size": 32, "attention_hidden_size": 32, "intermediate_size": 128}
    model = symflops.derive(RwkvConfig(num_hidden_layers=4, rescale_every=6, **sizes))
    with pytest.raises(symflops.SymflopsError, match=r"assumption broken: num_hidden_layers == 4 \("):
        bind(model, RwkvConfig(num_hidden_layers=12, rescale_every=6, **sizes))


F, C = "full_attention", "conv"


def lfm3(vision: list[str], text: list[str]) -> Any:
    """Both parts have convolutions and attention among their layers, under the same names."""
    common = {"num_attention_heads": 4, "vocab_size": 90, "pad_token_id": 0}
    experts = {"moe_intermediate_size": 24, "num_experts": 4, "num_experts_per_tok": 2, "num_dense_layers": 1}
    return Lfm3VlConfig(
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": len(vision), "layer_types": vision,
            "num_key_value_heads": 4, **common,
        },
        text_config={
            "hidden_size": 48, "intermediate_size": 104, "num_hidden_layers": len(text), "layer_types": text,
            "num_key_value_heads": 2, **common, **experts,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def vision_and_text() -> symflops.Model:
    return symflops.derive(lfm3([C, F, C, F], [C, F, F, F]))


@pytest.mark.parametrize(
    ("vision", "text"),
    [
        ([C, F, C, F], [C, F, F, F]), ([C, C, C, F], [C, F, F, F]), ([C, F, C, F], [C, C, F, F]),
        ([C, C, C, F], [C, C, C, F]), ([C, F, C, F], [C, F, F, F, F]),
    ],
)  # fmt: skip
def test_layers_of_two_parts_with_the_same_names_are_never_counted_for_one_another(
    vision_and_text: symflops.Model, vision: list[str], text: list[str]
) -> None:
    """Whatever is bound has the parameters that torch counts; what is not is one line."""
    config = lfm3(vision, text)
    with torch.device("meta"):
        made = find(config).model_class(config)
    made.tie_weights()
    try:
        bound = bind(vision_and_text, config)
    except symflops.SymflopsError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either is right
    else:
        assert bound.total().parameters == sum(p.numel() for p in made.parameters())


def test_a_refusal_names_the_model_once(derived: symflops.Model) -> None:
    other = japanese(3)
    other.hidden_size = 26  # no multiple of four heads
    with pytest.raises(symflops.SymflopsError) as refused:
        bind(derived, other)
    assert str(refused.value).startswith("gpt_neox_japanese: ")
    assert str(refused.value).count("gpt_neox_japanese") == 1
