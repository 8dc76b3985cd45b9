"""Sizes that stand beside a text_config and that no source reads: named, since another model may be meant."""

from __future__ import annotations

import pytest

from symflops.source import derive

pytestmark = pytest.mark.torch

SMALL = {"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def test_sizes_beside_a_text_config_are_named() -> None:
    vision = {"model_type": "clip_vision_model", "hidden_size": 32, "image_size": 32, "patch_size": 8}
    model = derive({
        "model_type": "llava",
        "hidden_size": 48,  # another than either part's: said
        "vocab_size": 100,  # as the text's: nothing to say
        "mm_hidden_size": 40,  # of no part, and LlavaConfig has no such field: said
        "image_seq_length": 9,  # LlavaConfig's own, which is read where there are images
        "mm_token_id": 7,  # no size
        "text_config": SMALL | {"model_type": "llama", "hidden_size": 32, "vocab_size": 100},
        "vision_config": SMALL | vision,
    })  # fmt: skip
    note = "nothing reads these fields of the config, whose values differ in the configs of its parts: hidden_size = 48"
    assert note in model.notes
    assert (
        "nothing reads these fields of the config, which LlavaConfig does not know: mm_hidden_size = 40" in model.notes
    )
    assert 48 not in model.symbols.values()
