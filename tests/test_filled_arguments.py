"""Fields of a config that transformers hands to forwards as arguments, where no model's source reads them."""

from __future__ import annotations

import json

import pytest

import symflops
from symflops import source
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch

VISION, TEXT = 32, 48
LLAVA = {
    "model_type": "llava", "architectures": ["LlavaForConditionalGeneration"], "image_token_index": 299,
    "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": VISION, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "image_size": 28, "patch_size": 14,
    },
    "text_config": {
        "model_type": "llama", "hidden_size": TEXT, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300,
    },
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    def written(strategy):
        path = tmp_path / f"{strategy}.json"
        path.write_text(json.dumps(LLAVA | {"vision_feature_select_strategy": strategy}), "utf-8")
        return path

    return written


def test_which_patches_are_taken_is_a_choice(config):
    default, full = (symflops.derive(config(strategy)) for strategy in ("default", "full"))
    more, less = (model.total().at(batch_size=1, seq_len=16).matmul_flops for model in (full, default))
    # The projector, two matrices, reads the class token, too.
    assert more - less == 2 * (VISION * TEXT + TEXT * TEXT)
    with pytest.raises(SymflopsError, match=r'broken: vision_feature_select_strategy == "default" \(with vision'):
        source.bind(default, config("full"))


def test_what_most_configs_do_not_have_is_none(config):
    text = {**LLAVA["text_config"], "architectures": ["LlamaForCausalLM"]}
    config("default").with_name("text.json").write_text(json.dumps(text), "utf-8")
    model = symflops.derive(config("default").with_name("text.json"))
    assert not [condition for condition in model.assumes if "vision" in condition]
