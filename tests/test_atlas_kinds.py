"""Configs of the atlas whose parts, formats of numbers, words and kinds of layers are others than the usual ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from counted_llama import LLAMA, parameters_of_a_llama

import symflops
from symflops.atlas import choices, entries
from symflops.atlas.answer import _check_stages, answer_from
from symflops.atlas.plain import ConfigClass, PlainConfig, config_of
from symflops.errors import SymflopsError
from symflops.trace.config_values import ConfigValues
from symflops.trace.layer_lists import layer_fields


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries that come with the package, which other tests do without."""
    monkeypatch.delenv(entries.ATLAS, raising=False)


def test_what_a_word_stands_for() -> None:
    """As T5's `feed_forward_proj`, which says an activation and whether there is a gate."""
    rule = {"field": "gated", "rule": ["words", "proj", {"relu": False, "gated-silu": True}], "always": True}
    known = {"t": ConfigClass("t", {"proj": "relu"}, rules=(rule,))}
    assert vars(config_of({}, "t", known)) == {"proj": "relu", "gated": False}
    assert vars(config_of({"proj": "gated-silu"}, "t", known))["gated"] is True
    for other in ("gated-relu", None, 3):
        assert repr(vars(config_of({"proj": other}, "t", known))["gated"]) == "unknown"


def test_a_list_of_layers_that_is_a_property_of_the_class() -> None:
    """As Mamba's `layer_types`, which is no field: choices speak of it, and nobody may state it."""
    rule = {"field": "layer_types", "rule": ["all", "n", {"is": "mamba"}], "always": True, "of_layers": True}
    known = {"t": ConfigClass("t", {"n": 2}, rules=(rule,))}
    made = config_of({"n": 3}, "t", known)
    assert vars(made) == {"n": 3}
    assert layer_fields(made) == {"layer_types": ["mamba"] * 3, "n": 3}
    with pytest.raises(SymflopsError, match="layer_types is stated, which the type t computes"):
        config_of({"layer_types": ["mamba"]}, "t", known)
    unknown = {"t": ConfigClass("t", {"n": 2}, rules=({**rule, "rule": "?"},))}
    assert layer_fields(config_of({}, "t", unknown)) == {"n": 2}


def test_a_field_that_is_stated_under_another_name_after_others_were_computed() -> None:
    """As T5's depth: its class computes how many layers the decoder has before it reads `num_hidden_layers`."""
    rule = {"field": "above", "rule": ["if", ["given", "depth"], {"is": 6}, "n"]}
    known = {"t": ConfigClass("t", {"n": 6, "above": None}, {"depth": "n"}, rules=(rule,))}
    assert vars(config_of({"n": 3}, "t", known)) == {"n": 3, "above": 3}
    assert vars(config_of({"depth": 3}, "t", known)) == {"n": 3, "above": 6}


def test_a_name_beside_the_fields_and_a_field_that_is_computed() -> None:
    """As T5's `tie_word_embeddings`, true whatever is stated; what is stated says whether logits are scaled."""
    rules = (
        {"field": "tied", "rule": {"is": True}, "always": True},
        {"field": "scaled", "rule": ["if", ["given", "tied"], "tied", {"is": True}], "always": True},
    )
    known = {"t": ConfigClass("t", {}, rules=rules, beside={"tied": {"of": ["bool"], "popped": True}})}
    assert vars(config_of({"tied": False}, "t", known)) == {"tied": True, "scaled": False}
    assert vars(config_of({}, "t", known)) == {"tied": True, "scaled": True}


def test_layers_that_a_config_has_not() -> None:
    """A model without a kind of layers comes before one of which that kind would be repeated 0 times."""
    three, two = ('kinds[i] in ["a", "b", "c"]', 'kinds[i] in ["a", "b"]')
    base = {"layers": {"a": 1, "b": 1, "c": 1}, "assumes": [three, "gate == null"], "symbols": {}}
    without = {"set": [], "gone": [["layers", "c"]], "lists": {"assumes": [[three], [two]]}}
    gated = {
        "set": [[["layers", "a"], 2]], "gone": [["layers", "c"]], "lists": {"assumes": [base["assumes"], [two]]},
    }  # fmt: skip
    several = [without, gated]

    def places(stated: str) -> tuple[int, ...] | None:
        return choices.chosen(base, several, lambda t: t != "gate == null" or not stated, lambda t: t == three)

    assert choices.chosen(base, several, lambda _: True) == ()
    assert places("") == (0,)
    assert places("gate") == (1,)


def of_parts() -> entries.Entry:
    """An entry of a type with a part that is a Llama, or one of another type that has half as many layers."""
    found = entries.entry("llama")
    own = found.data["classes"]["llama"]
    other = {**own, "model_type": "other"}
    whole = {
        "model_type": "whole", "defaults": {"text_config": None, "dtype": None, "architectures": None},
        "parts": {"text_config": {"class": "llama", "values": {}, "by_type": True}},
    }  # fmt: skip
    data = {**found.data, "type": "whole", "classes": {"whole": whole, "llama": own, "other": other}}
    return entries.Entry("whole", data)


def stated(**text: Any) -> dict[str, Any]:
    plain = {k: v for k, v in LLAMA.items() if k not in ("architectures", "model_type")}
    return {"model_type": "whole", "architectures": ["LlamaForCausalLM"], "text_config": {**plain, **text}}


def test_a_part_of_another_type_has_models_of_its_own() -> None:
    found = of_parts()
    assert answer_from(found, stated(), "x").total().parameters == parameters_of_a_llama(LLAMA)
    other = stated(model_type="other")
    with pytest.raises(SymflopsError, match="the atlas has no LlamaForCausalLM with text_config=other"):
        answer_from(found, other, "x")
    models = found.models | {"LlamaForCausalLM text_config=other": found.models["LlamaForCausalLM"]}
    both = entries.Entry("whole", {**found.data, "models": models})
    assert answer_from(both, other, "x").total().parameters == parameters_of_a_llama(LLAMA)
    with pytest.raises(SymflopsError, match="text_config is of the type 'third', which it has no part of in the atlas"):
        answer_from(both, stated(model_type="third"), "x")


def test_a_format_of_numbers_that_has_models_of_its_own() -> None:
    found = entries.entry("llama")
    (base, *changes) = found.models["LlamaForCausalLM"]
    tied = copy.deepcopy(base) | {"notes": ["cast first"], "dtypes": ["float16"]}
    models = {
        "LlamaForCausalLM": [{**base, "dtypes": [None, "float32"]}, *changes],
        "LlamaForCausalLM dtype=float16": [tied, *changes],
    }
    other = entries.Entry("llama", {**found.data, "models": models})
    assert "cast first" in answer_from(other, {**LLAMA, "torch_dtype": "float16"}, "x").notes
    assert "cast first" not in answer_from(other, {**LLAMA, "torch_dtype": "float32"}, "x").notes
    with pytest.raises(SymflopsError, match=r'dtype == "float32" \(with dtype="bfloat16"'):
        answer_from(other, {**LLAMA, "torch_dtype": "bfloat16"}, "x")


def test_stages_are_as_wide_and_as_deep_as_those_that_were_derived() -> None:
    """As ConvNeXt's: that each stage was seen does not say that there are as many of each."""
    linear = {"formula": "linear", "args": {"N": "seq_len", "in_features": 2, "out_features": 2}}
    model = symflops.load({
        "name": "derived", "assumes": ["[widths[i], depths[i]] in [[8, 3], [16, 4]]"], "symbols": {"num_stages": 2},
        "layers": {"a": linear},
    })  # fmt: skip

    def check(widths: list[int], depths: list[int]) -> None:
        config = PlainConfig()
        vars(config).update(widths=widths, depths=depths, num_stages=2)
        _check_stages(ConfigValues(model, config))

    check([8, 16], [3, 4])
    for widths, depths in (([8, 8], [3, 3]), ([16, 8], [4, 3])):
        with pytest.raises(
            SymflopsError, match=r"its widths\[i\], depths\[i\] are not \[8, 3\], \[16, 4\], in this order"
        ):
            check(widths, depths)


def test_null_under_another_name_is_null_after_others_were_computed() -> None:
    rule = {"field": "kinds", "rule": ["all", "n", {"is": "mamba"}]}
    known = {"t": ConfigClass("t", {"n": 2, "kinds": None}, {"blocks": "kinds"}, rules=(rule,))}
    assert vars(config_of({"kinds": None}, "t", known))["kinds"] == ["mamba", "mamba"]
    assert vars(config_of({"blocks": None}, "t", known))["kinds"] is None
