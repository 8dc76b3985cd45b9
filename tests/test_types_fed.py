"""What parts of models that see or hear are fed where the user does not say it: the forms of their kinds.

Expected are the FLOPs that torch counts of the same model, fed tensors that are written out here.
"""

from __future__ import annotations

import pytest
import torch
import transformers
from small_types import small
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from types_count import built

import symflops

pytestmark = pytest.mark.torch

Fed = dict[str, torch.Tensor]
FED: dict[str, tuple[str, dict[str, str], dict[str, int], Fed]] = {
    "idefics3_vision": (
        "Idefics3VisionTransformer", {"pixel_values": "float[batch_size, num_channels, image_size, image_size]"},
        {"batch_size": 2}, {"pixel_values": torch.ones(2, 3, 32, 32)},
    ),
    "gemma4_audio": (
        "Gemma4AudioModel", {"input_features": "float[batch_size, num_frames, 128]"},
        {"batch_size": 2, "num_frames": 40}, {"input_features": torch.ones(2, 40, 128)},
    ),
    "audioflamingo3_encoder": (
        "AudioFlamingo3Encoder",
        {"input_features": "float[batch_size, num_mel_bins, 2*max_source_positions]",
         "input_features_mask": "int64[batch_size, 2*max_source_positions] = 1"},
        {"batch_size": 2},
        {"input_features": torch.ones(2, 16, 768), "input_features_mask": torch.ones(2, 768, dtype=torch.long)},
    ),
    "fun_asr_nano_encoder": (
        "FunAsrNanoEncoder",
        {"input_features": "float[batch_size, num_frames, num_mel_bins*num_stacked_frames]",
         "input_features_mask": "bool[batch_size, num_frames] = 1"},
        {"batch_size": 2, "num_frames": 30},
        {"input_features": torch.ones(2, 30, 112), "input_features_mask": torch.ones(2, 30, dtype=torch.bool)},
    ),
    "blip_2_qformer": (
        "Blip2QFormerModel",
        {"query_embeds": "float[batch_size, num_queries, hidden_size]",
         "encoder_hidden_states": "float[batch_size, num_patches, encoder_hidden_size]"},
        {"batch_size": 2, "num_queries": 7, "num_patches": 9},
        {"query_embeds": torch.ones(2, 7, 48), "encoder_hidden_states": torch.ones(2, 9, 48)},
    ),
    "muse_spark_audio": (
        "MuseSparkAudioModel", {"input_values": "float[batch_size, 1920*num_frames]"},
        {"batch_size": 2, "num_frames": 3}, {"input_values": torch.ones(2, 5760)},
    ),
    "muse_glimmer_vision": (
        "MuseGlimmerVisionModel",
        {"pixel_values": "float[256, 3*patch_size**2*patch_temporal]", "grid_thw": "int64[1, 3] = [1, 16, 16]"},
        {}, {"pixel_values": torch.ones(256, 384), "grid_thw": torch.tensor([[1, 16, 16]])},
    ),
    "minicpm_ocr_vision": (
        "MiniCPMOcrVisionModel",
        {"pixel_values": "float[1, num_channels, patch_size, 1024*patch_size]",
         "target_sizes": "int64[1, 2] = [32, 32]"},
        {}, {"pixel_values": torch.ones(1, 3, 8, 8 * 1024), "target_sizes": torch.tensor([[32, 32]])},
    ),
    "voxtral_realtime": (
        "VoxtralRealtimeForConditionalGeneration",
        {"input_ids": "int64[batch_size, seq_len]",
         "input_features": "float[batch_size, num_mel_bins, seq_len*audio_length_per_tok]"},
        {"batch_size": 2, "seq_len": 5},
        {"input_ids": torch.ones(2, 5, dtype=torch.long), "input_features": torch.ones(2, 16, 40)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("model_type", FED)
def test_what_a_model_is_fed_without_being_told(model_type: str) -> None:
    name, said, point, fed = FED[model_type]
    _, config = next(small(model_type, 0))
    config.architectures = [name]
    model = symflops.derive(config)
    assert {one.name: one.text() for one in model.inputs} == said
    real = built(getattr(transformers, name), config, fake=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        real(**fed)
    assert model.total().at(**point).matmul_flops == counter.get_total_flops()
