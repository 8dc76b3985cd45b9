"""Configs whose `architectures` or type transformers does not have: another class is said, or the config is refused."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import BartConfig

import symflops
from symflops.trace.configs import find

pytestmark = pytest.mark.torch

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97}


def test_the_one_class_of_the_task_stands_for_another_spelling() -> None:
    named = find({"model_type": "llama", "architectures": ["LLaMAForCausalLM"], **SIZES})
    assert named.model_class.__name__ == "LlamaForCausalLM"
    assert named.notes == (
        "architectures names LLaMAForCausalLM, which transformers does not have: LlamaForCausalLM is used for it",
    )
    assert symflops.derive({"model_type": "llama", "architectures": ["LLaMAForCausalLM"], **SIZES}).notes[-1:] == (
        named.notes
    )
    assert find({"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SIZES}).notes == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"], **SIZES},
            "architectures names LlavaLlamaForCausalLM, which transformers does not have, and nothing of the type "
            "'llava' reads hidden_size, intermediate_size, num_attention_heads, num_hidden_layers",
        ),
        (
            {"model_type": "gpt2", "architectures": ["Gpt2ForMaskedLM"]},
            "architectures names Gpt2ForMaskedLM, which transformers does not have; of the type 'gpt2' it has "
            "GPT2DoubleHeadsModel, GPT2ForQuestionAnswering, GPT2ForSequenceClassification, "
            "GPT2ForTokenClassification, GPT2LMHeadModel, GPT2Model, GPT2PreTrainedModel",
        ),
        (
            {"model_type": "kimi_k2", "architectures": ["DeepseekV3ForCausalLM"], "auto_map": {}},
            "unknown model_type 'kimi_k2'; its code is not part of transformers, and remote code is never run; its "
            "architecture, DeepseekV3ForCausalLM, is of the type 'deepseek_v3': with that model_type it is derived",
        ),
        ({"model_type": "mimo"}, "unknown model_type 'mimo'; did you mean 'mimo_v2_flash'?"),
    ],
)
def test_what_is_not_certain_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        find(config)
    assert str(refused.value) == message


def test_an_encoder_and_a_decoder_of_one_length_do_not_generate() -> None:
    config = BartConfig(
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=40, decoder_ffn_dim=40, vocab_size=97, max_position_embeddings=64,
    )  # fmt: skip
    config.architectures = ["BartForConditionalGeneration"]
    message = (
        "bart: it is an encoder and a decoder, which generation is not supported for: seq_len is the length of both"
    )
    model = symflops.derive(config, inputs=["input_ids: int64[batch_size, seq_len]"])  # the decoder takes them, shifted
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.generation(model)
    assert str(refused.value) == message
