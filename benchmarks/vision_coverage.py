"""Models of torchvision, timm and diffusers through `symflops.count`, against PyTorch's FlopCounterMode.

    python benchmarks/vision_coverage.py [PACKAGE…] [--seconds 1200] [--page docs/coverage-vision.md]

Each model is built without values in its weights and called on one input; the closed form in its batch is compared
with an independent count at two batches, and the parameters with those of the module. The rows are in
`benchmarks/vision_coverage.jsonl`: models that have one are not run again, so that the script can be stopped and
resumed at any time. A row is `equal`, or has the one line that says why not. timm's models are one of each of 150
families, drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import symflops

ROWS = Path(__file__).with_suffix(".jsonl")
FAMILIES, SEED, LIMIT = 150, 20261129, 120  # of timm; seconds for a model
BATCHES = (2, 5)
LIBRARIES: list[torch.library.Library] = []  # what they declare ends with them
Make = Callable[[], tuple[torch.nn.Module, dict[str, Any]]]


def import_torchvision() -> None:
    """PyPI's torchvision beside another build of PyTorch: its compiled operations are missing, which no model here
    calls, but which it wants to be declared."""
    try:
        import torchvision
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        LIBRARIES.append(torch.library.Library("torchvision", "DEF"))
        for form in ("nms", "qnms"):
            LIBRARIES[0].define(f"{form}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    assert torchvision.__version__


def _torchvision() -> Iterator[tuple[str, str, Make]]:
    import torchvision
    from torchvision.models import get_model, list_models, segmentation

    def make(name: str, more: dict[str, Any]) -> Make:
        size = 299 if "inception" in name else 224
        return lambda: (get_model(name, weights=None, **more), {"x": torch.empty(2, 3, size, size)})

    for name in list_models(module=torchvision.models):
        more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        yield name, "classification", make(name, more)
    for name in list_models(module=segmentation):
        yield name, "segmentation", make(name, {"weights_backbone": None})


def _timm() -> Iterator[tuple[str, str, Make]]:
    import timm

    timm.layers.set_fused_attn(False)
    families: dict[str, list[str]] = {}
    for name in timm.list_models():
        families.setdefault(name.split("_")[0], []).append(name)
    drawn = random.Random(SEED).sample(sorted(families), min(FAMILIES, len(families)))

    def make(name: str) -> Make:
        def built() -> tuple[torch.nn.Module, dict[str, Any]]:
            module = timm.create_model(name)
            return module, {"x": torch.empty(2, *module.default_cfg["input_size"])}

        return built

    for family in drawn:
        name = random.Random(f"{SEED}{family}").choice(sorted(families[family]))
        yield name, family, make(name)


def _diffusers() -> Iterator[tuple[str, str, Make]]:
    import diffusers

    def floats(*shape: int) -> torch.Tensor:
        return torch.empty(2, *shape)

    steps = torch.empty(2, dtype=torch.long)
    heads = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2}
    blocks = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("UNet2DConditionModel", {**blocks, "sample_size": 16, "cross_attention_dim": 24, "attention_head_dim": 8,
          "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
          "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")},
         {"sample": floats(4, 16, 16), "timestep": steps, "encoder_hidden_states": floats(7, 24)}),
        ("UNet2DModel", {**blocks, "sample_size": 16, "attention_head_dim": 8,
          "down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
         {"sample": floats(3, 16, 16), "timestep": steps}),
        ("AutoencoderKL", {**blocks, "down_block_types": ("DownEncoderBlock2D",) * 2,
          "up_block_types": ("UpDecoderBlock2D",) * 2}, {"sample": floats(3, 32, 32)}),
        ("DiTTransformer2DModel", {**heads, "in_channels": 4, "out_channels": 8, "sample_size": 8},
         {"hidden_states": floats(4, 8, 8), "timestep": steps, "class_labels": steps}),
        ("FluxTransformer2DModel", {**heads, "in_channels": 16, "num_single_layers": 2, "joint_attention_dim": 24,
          "pooled_projection_dim": 20, "axes_dims_rope": (4, 6, 6)},
         {"hidden_states": floats(9, 16), "encoder_hidden_states": floats(7, 24), "pooled_projections": floats(20),
          "timestep": torch.empty(2), "img_ids": torch.empty(9, 3), "txt_ids": torch.empty(7, 3)}),
        ("SD3Transformer2DModel", {**heads, "sample_size": 16, "caption_projection_dim": 32, "joint_attention_dim": 24,
          "pooled_projection_dim": 20},
         {"hidden_states": floats(16, 16, 16), "encoder_hidden_states": floats(7, 24),
          "pooled_projections": floats(20), "timestep": steps}),
        ("PixArtTransformer2DModel", {**heads, "in_channels": 4, "out_channels": 8, "sample_size": 8,
          "cross_attention_dim": 32, "caption_channels": 24},
         {"hidden_states": floats(4, 8, 8), "encoder_hidden_states": floats(7, 24), "timestep": steps}),
        ("CogVideoXTransformer3DModel", {**heads, "in_channels": 4, "out_channels": 4, "text_embed_dim": 24,
          "time_embed_dim": 12, "sample_width": 8, "sample_height": 8, "sample_frames": 9, "max_text_seq_length": 7},
         {"hidden_states": floats(3, 4, 8, 8), "encoder_hidden_states": floats(7, 24), "timestep": steps}),
        ("WanTransformer3DModel", {**heads, "attention_head_dim": 12, "in_channels": 4, "out_channels": 4,
          "text_dim": 24, "ffn_dim": 40, "freq_dim": 16},
         {"hidden_states": floats(4, 2, 8, 8), "encoder_hidden_states": floats(7, 24), "timestep": steps}),
        ("HunyuanDiT2DModel", {**heads, "in_channels": 4, "sample_size": 8, "hidden_size": 32, "patch_size": 2,
          "cross_attention_dim": 24, "cross_attention_dim_t5": 24, "pooled_projection_dim": 16, "text_len": 7,
          "text_len_t5": 9, "learn_sigma": True},
         {"hidden_states": floats(4, 8, 8), "timestep": steps, "encoder_hidden_states": floats(7, 24),
          "text_embedding_mask": torch.empty(2, 7), "encoder_hidden_states_t5": floats(9, 24),
          "text_embedding_mask_t5": torch.empty(2, 9), "image_meta_size": torch.empty(2, 6),
          "style": torch.empty(2, dtype=torch.long), "image_rotary_emb": None}),
    ]  # fmt: skip

    def make(name: str, config: dict[str, Any], feeds: dict[str, Any]) -> Make:
        return lambda: (getattr(diffusers, name)(**config), feeds)

    for name, config, feeds in cases:
        yield name, "diffusers", make(name, config, feeds)


PACKAGES = {"torchvision": _torchvision, "timm": _timm, "diffusers": _diffusers}


def counted(module: torch.nn.Module, feeds: dict[str, Any], batch: int) -> int:
    """Matmul FLOPs as PyTorch counts them on fake tensors, attention as matrix multiplies."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        fed = {n: torch.empty(batch, *t.shape[1:], dtype=t.dtype) if _is_batched(t) else t for n, t in feeds.items()}
        torch.backends.mha.set_fastpath_enabled(False)
        first = next(iter(fed))
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            if len(fed) == 1:
                module.eval()(fed[first])
            else:
                module.eval()(**fed)
    return int(counter.get_total_flops())


def _is_batched(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape[0] == 2


def examined(make: Make) -> dict[str, Any]:
    """One model: equal, or why not."""
    begun = time.process_time()

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {LIMIT} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        with ExitStack() as stack:
            for name in [n for n in vars(torch.nn.init) if n.endswith("_") and not n.startswith("_")]:
                stack.enter_context(patch.object(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor))
            module, feeds = make()
        found = symflops.count(module, *feeds.values()) if len(feeds) == 1 else symflops.count(module, **feeds)
        seconds = round(time.process_time() - begun, 1)
        row: dict[str, Any] = {"seconds": seconds, "symbolic_batch": not found.fixed, "fixed": found.fixed}
        ours, theirs = [], []
        for batch in BATCHES if not found.fixed else (2,):
            ours.append(found.matmul_flops if found.fixed else found.formula.at(batch_size=batch).matmul_flops)
            theirs.append(counted(module, feeds, batch))
        same = found.parameters == sum(p.numel() for p in module.parameters())
        row |= {"matmul_flops": ours, "counted": theirs, "parameters_equal": same}
        return row | {"equal": ours == theirs and same and not found.fixed}
    except Exception as error:
        return {
            "equal": False,
            "why": f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}",
        }
    finally:
        signal.alarm(0)


def page(rows: list[dict[str, Any]]) -> str:
    """The page: figures by package, and each model that is not equal with its reason."""
    lines = [
        "# Coverage: torchvision, timm and diffusers",
        "",
        "Models of these packages through `symflops.count`, by `benchmarks/vision_coverage.py`. `equal` says that the",
        f"closed form in the batch gives at batches {BATCHES[0]} and {BATCHES[1]} exactly the matmul FLOPs that",
        "FlopCounterMode counts on fake tensors (attention as matmuls), and exactly the module's parameters.",
        f"timm: of {FAMILIES} families drawn with a fixed seed, one model of each. Images of one size.",
        "",
        "| package | models | equal | median s |", "|---|---|---|---|",
    ]  # fmt: skip
    for package in PACKAGES:
        own = [row for row in rows if row["package"] == package]
        times = sorted(row["seconds"] for row in own if "seconds" in row) or [0]
        equal = sum(row["equal"] for row in own)
        lines.append(f"| {package} | {len(own)} | {equal} | {times[len(times) // 2]} |")
    lines += ["", "What is not equal:", "", "| package | model | why |", "|---|---|---|"]
    for row in rows:
        if not row["equal"]:
            why = row.get("why") or row.get("fixed") or f"{row['matmul_flops']} instead of {row['counted']}"
            cell = str(why).replace("|", "/").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")
            lines.append(f"| {row['package']} | {row['model'].replace('_', chr(92) + '_')} | {cell} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    import_torchvision()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("packages", nargs="*", default=[*PACKAGES])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--again", action="store_true", help="also those that were not equal")
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    if options.again:
        rows = [row for row in rows if row["equal"]]
    done = {(row["package"], row["model"]) for row in rows}
    end = time.monotonic() + options.seconds
    for package in options.packages:
        for name, family, make in PACKAGES[package]():
            if (package, name) in done or time.monotonic() > end:
                continue
            rows.append({"package": package, "model": name, "family": family, **examined(make)})
            print(json.dumps(rows[-1]), flush=True)
            ROWS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(Counter((row["package"], row["equal"]) for row in rows))
    if options.page:
        options.page.write_text(page(rows))


if __name__ == "__main__":
    main()
