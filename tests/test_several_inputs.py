"""Encoders with their decoders, and images with texts: several inputs in one closed form, against PyTorch's counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.numeric import evaluate

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("encoder_and_decoder")]

SIDES = {
    "d_model": 32, "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 4, "vocab_size": 99,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40,
}  # fmt: skip
T5 = {"d_model": 32, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4, "d_kv": 8, "vocab_size": 99}
MOONSHINE = {
    "hidden_size": 32, "intermediate_size": 48, "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 3,
    "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4, "vocab_size": 99,
}  # fmt: skip
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
WHISPER = {**SIDES, **TOKENS, "max_source_positions": 50, "num_mel_bins": 8}
CASES: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    ("t5", "T5ForConditionalGeneration", T5, {"source_len": 9, "target_len": 5}),
    ("bart", "BartForConditionalGeneration", SIDES, {"source_len": 4, "target_len": 11}),
    ("bart", "BartModel", SIDES, {"source_len": 7, "target_len": 3}),
    ("pegasus", "PegasusForConditionalGeneration", SIDES, {"source_len": 6, "target_len": 1}),
    ("whisper", "WhisperForConditionalGeneration", WHISPER, {"target_len": 4}),
    ("speech_to_text", "Speech2TextForConditionalGeneration", {**SIDES, "conv_channels": 16},
     {"num_frames": 41, "target_len": 4}),
    ("moonshine", "MoonshineForConditionalGeneration", MOONSHINE, {"num_samples": 4001, "target_len": 3}),
]  # fmt: skip


def assert_counted(
    derived: symflops.Model, config: Any, feeds: dict[str, torch.Tensor], values: dict[str, int]
) -> None:
    module = getattr(transformers, config.architectures[0])(config).eval()
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(**feeds)
    assert derived.total().at(**values).matmul_flops == counter.get_total_flops()
    assert derived.total().parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("kind", "architecture", "fields", "lengths"), CASES, ids=lambda v: v if type(v) is str else ""
)
def test_both_sides_cost_what_pytorch_counts(
    kind: str, architecture: str, fields: dict[str, Any], lengths: dict[str, int]
) -> None:
    config = transformers.CONFIG_MAPPING[kind](**fields)
    config.architectures = [architecture]
    derived = symflops.derive(config)
    values = {"batch_size": 2, **lengths}
    feeds = {}
    for one in derived.inputs:
        shape = [int(evaluate(size, {**derived.symbols, **values})) for size in one.shape]
        feeds[one.name] = torch.ones(shape, dtype=torch.long if one.dtype == "int64" else torch.float32)
    assert_counted(derived, config, feeds, values)
    unset = {name for name, value in derived.definitions.items() if value is None}
    assert unset == set(lengths)  # every length is a symbol of its own


def test_a_length_that_has_no_value_stays_in_the_formula(say: Any, tmp_path: Any) -> None:
    config = transformers.T5Config(**T5)
    config.architectures = ["T5ForConditionalGeneration"]
    file = tmp_path / "t5.json"
    file.write_text(symflops.derive(config).dumps())
    printed = say("total", str(file), "--set", "source_len=3", "--metric", "matmul_flops")
    assert printed.startswith("matmul_flops = ")
    assert "target_len" in printed
    assert "source_len*" not in printed


TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 99}
EYES = {"hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": 32}
EYES |= {"patch_size": 8}


def test_images_and_texts_of_different_numbers() -> None:
    config = transformers.CLIPConfig(
        text_config={**TEXT, **TOKENS, "max_position_embeddings": 20}, vision_config=EYES, projection_dim=16
    )
    config.architectures = ["CLIPModel"]
    inputs = {"input_ids": "int64[num_texts, seq_len]", "pixel_values": "float[num_images, 3, 32, 32]"}
    feeds = {"input_ids": torch.ones(3, 7, dtype=torch.long), "pixel_values": torch.zeros(2, 3, 32, 32)}
    assert_counted(
        symflops.derive(config, inputs=inputs), config, feeds, {"num_texts": 3, "seq_len": 7, "num_images": 2}
    )


def test_an_image_in_a_text() -> None:
    """16 of 20 tokens are those of the image. A layer of the tower before the last is what the text model sees, which
    hooks collect, also of layers that are not run because they equal the first."""
    text = transformers.LlamaConfig(**TEXT, num_key_value_heads=2)
    config = transformers.LlavaConfig(
        text_config=text, vision_config=transformers.CLIPVisionConfig(**EYES), image_token_index=7
    )
    config.architectures = ["LlavaForConditionalGeneration"]
    inputs = {"input_ids": "int64[batch_size, seq_len]", "pixel_values": "float[1, 3, 32, 32]"}
    ids = torch.tensor([[7] * 16 + [1] * 4])
    feeds = {"input_ids": ids, "pixel_values": torch.zeros(1, 3, 32, 32)}
    assert_counted(symflops.derive(config, inputs=inputs), config, feeds, {"batch_size": 1, "seq_len": 20})


@pytest.mark.parametrize(
    ("config", "architecture"),
    [
        (transformers.ResNetConfig(depths=[1, 2], hidden_sizes=[16, 32], embedding_size=16), "ResNetModel"),
        (transformers.MobileNetV2Config(depth_multiplier=0.35), "MobileNetV2Model"),
    ],
)
def test_images_of_any_size(config: Any, architecture: str) -> None:
    config.architectures = [architecture]
    inputs = {} if "Res" in architecture else {"pixel_values": "float[batch_size, 3, 32*h, 32*w]"}  # which has no size
    derived = symflops.derive(config, inputs=inputs)
    assert_counted(derived, config, {"pixel_values": torch.zeros(2, 3, 64, 96)}, {"batch_size": 2, "h": 2, "w": 3})


def test_a_model_that_is_there_is_derived_from_its_config() -> None:
    config = transformers.LlamaConfig(**TEXT, num_key_value_heads=2)
    model = transformers.LlamaForCausalLM(config)
    assert symflops.derive(model).total().parameters == sum(p.numel() for p in model.parameters())
