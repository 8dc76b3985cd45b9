"""What a model's source refuses whatever the sizes is refused at once, in the source's own words."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import CLIPConfig, T5Config

from symflops.errors import SymflopsError
from symflops.source import derive
from symflops.trace import work

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
CLIP = CLIPConfig(
    text_config=SMALL | {"vocab_size": 100, "max_position_embeddings": 32},
    vision_config=SMALL | {"image_size": 32, "patch_size": 8},
)
T5 = T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=100)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        # CLIPModel.forward(input_ids, pixel_values, ...) reads pixel_values.shape; T5's decoder raises this sentence.
        (CLIP, "clip: the model needs inputs that symflops does not make yet: pixel_values; AttributeError: "),
        (
            T5,
            "t5: the model's own source refuses the call, given input_ids, use_cache: ValueError: You must specify "
            "exactly one of input_ids or inputs_embeds (in forward, modeling_t5.py:",
        ),
    ],
)
def test_what_no_size_changes_is_refused_at_once(config: Any, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = work.call

    def counted(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(work, "call", counted)
    with pytest.raises(SymflopsError) as refused:
        derive(config)
    assert str(refused.value).startswith(start)
    assert "with these sizes" not in str(refused.value)
    # With a cache and without one: with symbols, in two number formats at most, and once on plain numbers.
    assert len(calls) <= 2 * 3
