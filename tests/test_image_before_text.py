"""A model that puts an image before its tokens: its cache then holds the image's positions, too (GIT).

Expected is what PyTorch's counter says of real calls, one after the other, and what the real cache holds after them.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import GitConfig, GitForCausalLM

import symflops
from symflops.analysis.generation import cache_after
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.trace.binding import bind

pytestmark = pytest.mark.torch

IMAGE = 1 + 2 * 2  # positions of an image: one of its own, and of 16 x 16 pixels in patches of 8 x 8
VISION = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION |= {"image_size": 16, "patch_size": 8}


def config(**fields):
    text = {"vocab_size": 99, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3}
    made = GitConfig(**{**text, "intermediate_size": 44, "vision_config": VISION, **fields})
    made.architectures = ["GitForCausalLM"]
    return made


class Real:
    """Calls of a real model after each other, of one sequence."""

    def __init__(self, of):
        self.module, self.cache = GitForCausalLM(of).eval(), None

    def call(self, tokens):
        first = {"pixel_values": torch.ones(1, 3, 16, 16)} if self.cache is None else {}
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            ids = torch.ones(1, tokens, dtype=torch.long)
            self.cache = self.module(ids, past_key_values=self.cache, use_cache=True, **first).past_key_values
        return int(counter.get_total_flops())

    @property
    def kept(self):
        return sum(layer.keys.numel() + layer.values.numel() for layer in self.cache.layers)


@pytest.fixture(scope="module")
def derived():
    return symflops.derive(config())


def kept(model, **values):
    form, given = symflops.kv_cache(model), {"cache_bytes": 1, "batch_size": 1, **values}
    return form.subs({symbol: given[symbol.name] for symbol in form.free_symbols})


def test_each_call_and_what_the_cache_then_holds(derived):
    real, past = Real(config()), 0
    for tokens in (4, 1, 3):
        counted, image = real.call(tokens), IMAGE * (not past)
        run = {"seq_len": tokens, "past_len": past, "encoder": int(not past)}
        assert derived.total().at(batch_size=1, **run).matmul_flops == counted
        assert kept(derived, **run) == real.kept
        past += tokens + image


def test_generation_goes_on_after_the_image(derived):
    real = Real(config())
    counted = [real.call(7)] + [real.call(1) for _ in range(3)]
    for new in (1, 4):
        values = {"batch_size": 1, "prompt_len": 7, "new_tokens": new}
        assert symflops.generation(derived).at(**values).matmul_flops == sum(counted[:new])
    assert evaluate(cache_after(derived), {**values, "cache_bytes": 1}) == real.kept


def test_a_config_is_bound_to_a_list_whose_parts_no_config_counts(derived):
    """The projection of an image is a list of two modules of different classes, whatever the config says."""
    other = config(hidden_size=36, num_hidden_layers=2, vocab_size=77)
    real = Real(other)
    counted = real.call(6)
    bound = bind(derived, other)
    assert bound.total().parameters == sum(p.numel() for p in real.module.parameters())
    assert bound.total().at(batch_size=1, seq_len=6).matmul_flops == counted


def test_what_a_part_of_a_config_chooses_is_its_own(derived):
    """The text's activation and the image's are others: a config that has them the other way round costs otherwise,
    5 FLOPs an element for the one and 6 for the other."""
    assert derived.total().at(batch_size=1, seq_len=5) == bind(derived, config()).total().at(batch_size=1, seq_len=5)
    turned = config(hidden_act="quick_gelu", vision_config={**VISION, "hidden_act": "gelu"})
    with pytest.raises(SymflopsError, match=r"assumption broken: .*hidden_act"):
        bind(derived, turned)
    with pytest.raises(SymflopsError, match=r'assumption broken: hidden_act == "gelu" \(with hidden_act="silu"\)'):
        bind(derived, config(hidden_act="silu"))


class Inverting(GitForCausalLM):
    """Text, and an image of which something is computed that no table of operations knows."""

    def forward(self, input_ids, pixel_values=None, past_key_values=None, use_cache=None):
        if pixel_values is not None:
            torch.linalg.inv(pixel_values)
        return super().forward(input_ids, past_key_values=past_key_values, use_cache=use_cache)


def test_what_cannot_be_derived_with_its_image_is_derived_of_text_alone_and_says_so():
    model = symflops.derive(Inverting)
    assert any("pixel_values left out" in note and "linalg_inv" in note for note in model.notes)
    text = symflops.derive(GitForCausalLM, inputs=["input_ids: int64[batch_size, seq_len]"])
    assert model.total().at(batch_size=1, seq_len=5).flops == text.total().at(batch_size=1, seq_len=5).flops
