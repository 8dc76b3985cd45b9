"""Configs of diffusers: the class is built of what they state and fed by its signature, and what that costs PyTorch's
counter says of real models at other batches and sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torch
diffusers: Any = pytest.importorskip("diffusers")

import torch  # noqa: E402 - where diffusers is there, PyTorch is
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402 - likewise
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402 - likewise

import symflops  # noqa: E402 - likewise
from symflops.errors import SymflopsError  # noqa: E402 - likewise
from symflops.trace.nested import assembled  # noqa: E402 - likewise

HEADS = {"num_attention_heads": 3, "attention_head_dim": 16, "num_layers": 2}
BLOCKS = {"block_out_channels": [24, 48], "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 8}
CROSS = {
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}
TIMES = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 68}
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("UNet2DConditionModel", {**BLOCKS, **CROSS, "sample_size": 16, "cross_attention_dim": 20}, {"h", "w", "text_len"}),
    ("UNet2DConditionModel", {**BLOCKS, **CROSS, **TIMES, "cross_attention_dim": 20}, {"h", "w", "text_len"}),
    ("UNet2DModel", {**BLOCKS, "sample_size": 16, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
     "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}, {"h", "w"}),
    ("AutoencoderKL", {"block_out_channels": [24, 48], "norm_num_groups": 8, "sample_size": 32,
     "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}, {"h", "w"}),
    ("DiTTransformer2DModel", {**HEADS, "in_channels": 4, "out_channels": 8, "sample_size": 8}, set()),
    ("FluxTransformer2DModel", {**HEADS, "in_channels": 12, "num_single_layers": 2, "joint_attention_dim": 20,
     "pooled_projection_dim": 28, "axes_dims_rope": [4, 6, 6], "guidance_embeds": True}, {"num_patches", "text_len"}),
    ("SD3Transformer2DModel", {**HEADS, "sample_size": 16, "caption_projection_dim": 48, "joint_attention_dim": 20,
     "pooled_projection_dim": 28}, {"text_len"}),
    ("PixArtTransformer2DModel", {**HEADS, "in_channels": 4, "out_channels": 8, "sample_size": 8,
     "cross_attention_dim": 48, "caption_channels": 20}, {"text_len"}),
    ("CogVideoXTransformer3DModel", {**HEADS, "in_channels": 4, "out_channels": 4, "text_embed_dim": 20,
     "time_embed_dim": 12, "sample_width": 8, "sample_height": 8, "sample_frames": 9, "max_text_seq_length": 7}, set()),
    ("WanTransformer3DModel", {**HEADS, "attention_head_dim": 12, "in_channels": 4, "out_channels": 4, "text_dim": 20,
     "ffn_dim": 40, "freq_dim": 16}, {"text_len"}),
    ("HunyuanDiT2DModel", {**HEADS, "in_channels": 4, "sample_size": 8, "hidden_size": 48, "patch_size": 2,
     "cross_attention_dim": 20, "cross_attention_dim_t5": 24, "pooled_projection_dim": 16, "text_len": 7,
     "text_len_t5": 9, "learn_sigma": True}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stated", "lengths"), CASES, ids=lambda value: value if type(value) is str else "")
def test_a_config_of_diffusers_costs_what_pytorch_counts(
    name: str, stated: dict[str, Any], lengths: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"_class_name": name, "_diffusers_version": "0.42.1", **stated}))
    model = symflops.derive(path)
    real = getattr(diffusers, name)(**stated).eval().requires_grad_(False)
    assert model.total().parameters == sum(p.numel() for p in real.parameters())
    assert {"batch_size", *lengths} <= {n for one in model.inputs for n in one.symbols}
    for point in ({"batch_size": 2, "h": 4, "w": 6, "text_len": 5, "num_patches": 9, "num_frames": 3},
                  {"batch_size": 3, "h": 6, "w": 4, "text_len": 8, "num_patches": 14, "num_frames": 2}):  # fmt: skip
        values = {**point, **{n: v for n, v in model.symbols.items() if v is not None}}
        given: dict[str, Any] = {}
        for one in model.inputs:
            shape = [int(symflops.numeric.evaluate(size, values)) for size in one.shape]
            kind = torch.float32 if one.dtype == "float" else getattr(torch, one.dtype)
            given[one.name] = torch.full(shape, int(kind == torch.float32 or one.content is not None), dtype=kind)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            real(**assembled(given, real))
        asked = {n: values[n] for n in point if n in model.total().free_symbols}
        assert model.total().at(**asked).matmul_flops == counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("StableDiffusionPipeline", "a pipeline, StableDiffusionPipeline; name that of a part, as unet/config.json"),
        ("PNDMScheduler", "PNDMScheduler, which is no model of diffusers"),
        ("os.system", "os.system, which is no model of diffusers"),
    ],
)
def test_what_is_no_model_is_said(name: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"_class_name": name, "_diffusers_version": "0.42.1"}))
    with pytest.raises(SymflopsError) as caught:
        symflops.load(path)
    assert said in caught.value.message
