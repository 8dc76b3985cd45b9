"""Several parts of a config that have a field of one name, and labels, which a config names and does not count."""

from __future__ import annotations

from typing import Any

import pytest

import symflops

pytestmark = pytest.mark.torch


def classifier(labels: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        architectures=["BertForSequenceClassification"], hidden_size=24, num_attention_heads=3, intermediate_size=40,
        num_hidden_layers=2, vocab_size=90, max_position_embeddings=32, num_labels=labels,
    )  # fmt: skip


def test_how_many_labels_there_are_is_a_size() -> None:
    two = symflops.derive(classifier(2))
    assert two.symbols["num_labels"] == 2
    seven = symflops.load(symflops.source.bind(two, classifier(7)))
    each = 24 + 1  # the weights of one output: one for each feature, and a bias
    assert seven.total().parameters == two.total().parameters + 5 * each
    assert seven.total().value("flops") == symflops.derive(classifier(7)).total().value("flops")


def two_sided(text: str, vision: str) -> Any:
    from transformers import CLIPConfig

    side = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40, "num_hidden_layers": 2}
    return CLIPConfig(
        architectures=["CLIPModel"], projection_dim=20,
        text_config={**side, "hidden_act": text, "vocab_size": 90, "max_position_embeddings": 32},
        vision_config={**side, "hidden_act": vision, "image_size": 32, "patch_size": 8},
    )  # fmt: skip


def test_what_parts_choose_differently_is_told_apart() -> None:
    """Else a config whose parts have changed places would be taken for the same."""
    from symflops.trace.config_values import ConfigValues

    model = symflops.derive(two_sided("relu", "gelu"))
    assert {'text_hidden_act == "relu"', 'vision_hidden_act == "gelu"'} <= {*model.assumes}
    ConfigValues(model, two_sided("relu", "gelu")).check_facts()
    with pytest.raises(symflops.SymflopsError, match='text_hidden_act == "relu"'):
        ConfigValues(model, two_sided("gelu", "relu")).check_facts()
    assert 'hidden_act == "relu"' in symflops.derive(two_sided("relu", "relu")).assumes
