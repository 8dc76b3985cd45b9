"""What tells the layers of a list apart, and closed forms that are bound to lists of other lengths and rhythms.

Expected are the rhythms as the configs' documentation states them, and the parameters that torch counts.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    Ernie4_5_MoeConfig,
    Gemma3nTextConfig,
    GPTNeoXJapaneseConfig,
    GPTNeoXJapaneseForCausalLM,
    JambaConfig,
    Lfm3VlConfig,
    Llama4TextConfig,
    RecurrentGemmaConfig,
    RwkvConfig,
    Zamba2Config,
)

import symflops
from symflops.assumption import Choice
from symflops.trace.binding import bind
from symflops.trace.config_values import ConfigValues
from symflops.trace.configs import find
from symflops.trace.layer_lists import LayerLists
from symflops.trace.naming import RepeatNames

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("layers_told_apart")]


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


def test_a_list_that_a_config_computes_may_say_nothing_of_a_layer() -> None:
    """The last two of five layers reuse keys and values; before them, the last one of each type stores its own."""
    types = ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    config = Gemma3nTextConfig(
        num_hidden_layers=5, num_kv_shared_layers=2, layer_types=types, intermediate_size=[104] * 5,
        activation_sparsity_pattern=[0.0] * 5,
    )  # fmt: skip
    assert said(config, 5)["kv_sharing_modes[i]"] == (None, "store", "store", "reuse", "reuse")


def zamba2(types: list[str]) -> Any:
    return Zamba2Config(num_hidden_layers=len(types), layers_block_type=types)


L, H = "linear_attention", "hybrid"


def test_the_first_of_its_kind_is_told_apart_where_it_is_another_one() -> None:
    """All hybrid layers share the weights of one block: the first of them owns it."""
    lists = LayerLists(zamba2([L, H, L, H, H]))
    labels, about = lists.labels([[0, 2], [1], [3, 4]], 5)
    assert labels == ["linear_attention", "hybrid_first", "hybrid_later"]
    assert about == {"layers_block_type"}
    text, _ = lists.seen(5, [[[0, 2], [1], [3, 4]]], {"layers_block_type"}, last=False)
    choice = Choice.of(text)
    assert choice is not None
    statements = list(choice.statements)
    assert statements == ["layers_block_type[i]", 'i == layers_block_type.index("hybrid")']
    assert choice.seen == [[L, False], [H, True], [H, False]]
    others = LayerLists(zamba2([L, L, L, H]))
    assert others.said(statements, 4) == [[L, False], [L, False], [L, False], [H, True]]


def test_the_first_of_its_kind_is_nothing_to_speak_of_where_it_is_like_the_others() -> None:
    lists = LayerLists(zamba2([L, H, L, H]))
    assert lists.labels([[0, 2], [1, 3]], 4)[0] == [L, H]
    text, _ = lists.seen(4, [[[0, 2], [1, 3]]], {"layers_block_type"}, last=False)
    assert "index" not in text


def ernie(depth: int, last: int) -> Any:
    return Ernie4_5_MoeConfig(
        vocab_size=90, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=depth,
        intermediate_size=40, moe_intermediate_size=20, moe_num_experts=6, moe_layer_start_index=1,
        moe_layer_end_index=last,
    )  # fmt: skip


def test_a_field_that_names_the_last_layer_moves_with_the_depth() -> None:
    """All layers but the first have experts; in the second config two dense ones come after them."""
    model = symflops.derive(ernie(3, 2))
    assert "moe_layer_end_index == num_hidden_layers - 1" in model.assumes
    deeper = ernie(7, 6)
    with torch.device("meta"):
        made = find(deeper).model_class(deeper)
    made.tie_weights()
    assert bind(model, deeper).total().parameters == sum(p.numel() for p in made.parameters())
    with pytest.raises(
        symflops.SymflopsError, match="its Ernie4_5_MoeDecoderLayer modules are not all alike, and no per-layer list"
    ):
        bind(model, ernie(7, 4))


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
    """RWKV halves its hidden states after every sixth layer, which a model of two layers never shows."""
    sizes = {"vocab_size": 90, "hidden_size": 32, "attention_hidden_size": 32, "intermediate_size": 128}
    model = symflops.derive(RwkvConfig(num_hidden_layers=2, rescale_every=6, **sizes))
    with pytest.raises(symflops.SymflopsError, match=r"assumption broken: num_hidden_layers == 2 \("):
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


def llama4(layers: int, step: int = 1) -> Llama4TextConfig:
    return Llama4TextConfig(
        hidden_size=64, intermediate_size=48, intermediate_size_mlp=80, num_hidden_layers=layers, vocab_size=97,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_local_experts=3, attention_chunk_size=16,
        interleave_moe_layer_step=step, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


def test_a_list_of_the_places_of_all_layers_is_no_word_for_each() -> None:
    """Experts in every layer: moe_layers is [0, 1, 2, 3], which says the same of each."""
    assert llama4(4).moe_layers == [0, 1, 2, 3]
    assert said(llama4(4), 4)["i in moe_layers"] == (True,) * 4
    model = symflops.derive(llama4(4))
    named = find(llama4(12))
    with torch.device("meta"):
        parameters = sum(p.numel() for p in named.model_class(named.config).parameters())
    assert bind(model, llama4(12)).total().parameters == parameters
    assert bind(model, llama4(12)).total().flops == symflops.derive(llama4(12)).total().flops
    with pytest.raises(symflops.SymflopsError, match=r"i in moe_layers.* false, 1"):
        bind(model, llama4(8, step=2))


def test_a_no_and_a_yes_of_two_layers_are_no_places() -> None:
    config = llama4(2)
    config.no_rope_layers = [0, 1]
    assert said(config, 2)["no_rope_layers[i]"] == (0, 1)
    config = llama4(3)
    config.moe_layers = [0, 2]
    assert said(config, 3)["i in moe_layers"] == (True, False, True)


class Plain:
    """A config that is no object of transformers."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)

    def to_diff_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def get_text_config(self, decoder: bool | None = None) -> Plain:
        return self


def test_how_many_places_a_list_has_is_a_condition_where_no_symbol_counts_the_layers() -> None:
    """As Qwen3-VL's deepstack_visual_indexes: all layers are alike, and each entry is a merger beside them."""
    config = Plain(depth=6, deepstack_visual_indexes=[1, 4])
    names = RepeatNames(config)
    assert names.repeat("blocks", list(range(6)), 6, "") == "depth"
    assert names.repeat("mergers", [0, 1], 2, "") == 2  # the modules beside the layers
    assert names.places_kept({"deepstack_visual_indexes"}) == {"num_deepstack_visual_indexes": 2}
    model = symflops.load({
        "name": "m", "symbols": {"depth": 6, "num_deepstack_visual_indexes": 2},
        "assumes": ["num_deepstack_visual_indexes == 2", "[i in deepstack_visual_indexes] in [[false], [true]]"],
        "layers": {"a": {"formula": "linear", "args": {"N": "depth", "in_features": 2, "out_features": 2}}},
    })  # fmt: skip
    values = ConfigValues(model, Plain(depth=9, deepstack_visual_indexes=[1, 4, 8]))
    bound = {name: values.of(name) for name in model.symbols}
    assert bound == {"depth": 9, "num_deepstack_visual_indexes": 3}
    with pytest.raises(symflops.SymflopsError, match="num_deepstack_visual_indexes == 2"):
        model.with_symbols(bound).total().at(batch_size=1, seq_len=1)


def test_places_that_a_symbol_counts_are_no_number() -> None:
    names = RepeatNames(Plain(num_hidden_layers=4, full_attn_idxs=[1, 3]))
    assert names.labels([[0, 2], [1, 3]], 4) == ["other", "full_attn"]
    assert names.places_kept({"full_attn_idxs"}) == {}


@pytest.mark.parametrize(("places", "written"), [([0, 2, 3], 3), ([1, 3], "num_hidden_layers - 1")])
def test_what_is_done_after_as_many_layers_as_a_list_has_is_not_done_between_each_two(
    places: list[int], written: Any
) -> None:
    """Qwen3-VL adds what it saw after as many layers as deepstack_visual_indexes has: three, of four or of forty."""
    names = RepeatNames(Plain(num_hidden_layers=4, deepstack_visual_indexes=places))
    assert names.repeat("model.language_model.steps", [0, 1, 2], 3, "") == written
