"""A bounded run of `benchmarks/fuzz_configs.py`: configs with broken fields, each a class or one line."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fuzz_configs
import pytest

from symflops import SymflopsError
from symflops.trace.configs import find

pytestmark = pytest.mark.torch

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32, "hidden_size": 8, "torch_dtype":
    "bfloat16", "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "id2label": {"0": "a"}, "quantization_config": {"bits": 4},
}  # fmt: skip
CLIP = {
    "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 8,
    "text_config": {"vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
    "vision_config": {"image_size": 8, "patch_size": 4, "hidden_size": 8, "num_attention_heads": 2},
}  # fmt: skip


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """transformers logs what it finds in a config, half a character among it, which no report can be written with."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("config", [LLAMA, CLIP], ids=["llama", "clip"])
def test_a_broken_field_is_a_line(config: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    answered = 0
    for i in range(150):
        text, said = fuzz_configs.mutated(json.dumps(config), random.Random(i))
        path.write_text(text)
        what = fuzz_configs.outcome(lambda: find(path))
        assert (i, said, what) == (i, said, "")
        answered += fuzz_configs.outcome(lambda: find(path)) == ""
    assert answered


@pytest.mark.parametrize("given", [3, float("inf"), True, {"a": 1}, [1], [["LlamaForCausalLM"]]])
def test_architectures_are_a_list_of_names(given: object) -> None:
    for config in (LLAMA, {k: v for k, v in LLAMA.items() if k != "model_type"}):
        with pytest.raises(SymflopsError, match="architectures: expected a list of names of classes, got "):
            find({**config, "architectures": given})


def test_one_architecture_may_be_a_text() -> None:
    assert find({**LLAMA, "architectures": "LlamaForCausalLM"}).model_class.__name__ == "LlamaForCausalLM"


def test_each_field_is_reached() -> None:
    changed = {fuzz_configs.mutated(json.dumps(CLIP), random.Random(i))[1].split(" ")[0] for i in range(300)}
    assert {*CLIP, "hidden_size", "patch_size"} <= changed
