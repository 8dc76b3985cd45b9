"""A model that is fed images and whose text part keeps recurrent states: tokens after an earlier call are counted with
these states, against an independent count on real tensors (benchmarks/operation_count.py)."""

from __future__ import annotations

import independent_count
import operation_count
import pytest
import torch
from atlas_choices import bases
from transformers import AutoConfig, Qwen3_5ForConditionalGeneration

from symflops import numeric, storage
from symflops.algebra import substitute
from symflops.source import derive
from symflops.vocabulary.symbols import ENCODER

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_a_token_after_others_steps_by_the_state():
    stated = next(bases("qwen3_5", "Qwen3_5ForConditionalGeneration"))
    stated["text_config"] |= {"num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"]}
    stated["vision_config"]["depth"] = 1
    model = derive(stated)
    assert ENCODER in model.run
    config = AutoConfig.for_model(**stated)
    real = Qwen3_5ForConditionalGeneration._from_config(config, attn_implementation="eager", dtype=torch.float32)
    independent_count._fill(real)
    kept = substitute(storage.cache(model), model.symbols)
    for batch, length, past in ((1, 1, 0), (2, 1, 9), (1, 5, 0), (2, 70, 9)):
        counted = operation_count.counted(real.eval(), batch, length, past)
        point = {"batch_size": batch, "seq_len": length, "past_len": past, "encoder": 0}
        elements = numeric.evaluate(kept, numeric.with_defaults(point | {"cache_bytes": 1}))
        assert (model.total().at(**point).matmul_flops, elements) == (counted.matmul_flops, counted.state), point
