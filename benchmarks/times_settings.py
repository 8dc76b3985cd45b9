"""What rows of published measurements name: machines, formats of weights, and how devices share a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from served_models import served, sizes_of

import symflops
from symflops.algebra import substitute
from symflops.analysis.memory import memory
from symflops.analysis.stage import Stage, Workload, staged
from symflops.analysis.terms import Layout, Machine
from symflops.hardware import Hardware
from symflops.numeric import evaluate
from symflops.polynomial import multiply
from symflops.storage import routed

_OWN = Path(__file__).with_name("times_machines.toml")
# Names of machines in the data: those of hardware.toml, or, with a colon before, of times_machines.toml.
MACHINES = {
    "H100-SXM-80GB": "h100-sxm", "h100_sxm": "h100-sxm", "H200-SXM-141GB": "h200-sxm", "h200_sxm": "h200-sxm",
    "b200_sxm": "b200-sxm", "B200-SXM-180GB": "b200-sxm", "gb200": "gb200", "GB200-NVL72 (192GB)": "gb200",
    "b300_sxm": ":b300-sxm", "gb300": ":gb300", "A100-SXM-80GB": "a100-sxm-80gb", "L40S-48GB": "l40s",
    "GH200-480GB (96GB HBM3)": ":gh200-96gb", "RTX 6000 Pro Blackwell Server": ":rtx-pro-6000", "H20": ":h20",
    "H800-SXM": ":h800-sxm", "A100 80GB": "a100-pcie-80gb", "H100 PCIe 80GB": "h100-pcie", "RTX 3090 24GB": "rtx-3090",
    "RTX 4080 16GB": ":rtx-4080", "RTX 4090 24GB": "rtx-4090", "RTX 4000 Ada 20GB": ":rtx-4000-ada",
    "RTX 5000 Ada 32GB": ":rtx-5000-ada", "RTX 6000 Ada 48GB": ":rtx-6000-ada", "RTX A6000 48GB": ":rtx-a6000",
    "Apple M1 Max 24-core GPU 32GB": ":m1-max-24", "Apple M1 Max 32-core GPU 64GB": "m1-max",
    "Apple M2 Ultra 76-core GPU 192GB": "m2-ultra", "Apple M3 10-core GPU 16GB": ":m3-10",
    "Apple M3 Max 40-core GPU 48GB": ":m3-max-40", "Apple M3 Max 40-core GPU 64GB": ":m3-max-40",
    "Apple M2 Pro mini (12 core) CPU": ":m2-pro-cpu", "Apple M2 Pro mini (19 core) GPU": ":m2-pro-19",
    "Mac Pro 2019 (Intel 16 core) CPU": ":mac-pro-2019", "Intel i5-6500 (4 threads, DDR3)": ":i5-6500",
    "Apple M4 (10-core GPU, 16GB) mini": ":m4-10", "Intel i7-7820HQ (CPU)": ":i7-7820hq",
    "NVIDIA DGX Spark (GB10, 128GB)": ":gb10", "Dell Pro Max with GB10 (Nvidia Spark)": ":gb10",
    "Intel 265K Custom PC (Nvidia RTX 4090)": "rtx-4090",
    "Intel 265K Custom PC (AMD Radeon AI Pro R9700)": ":radeon-r9700",
    "Intel 265K Custom PC (Nvidia RTX 4070 Ti)": ":rtx-4070-ti",
    "Intel 265K Custom PC (Nvidia RTX A4000)": ":rtx-a4000",
    "Intel 265K Custom PC (Nvidia RTX 3060)": ":rtx-3060", "Mac Studio (M3 Ultra 512GB)": ":m3-ultra-80",
    "M1 Max Mac Studio (10 core - 64GB)": "m1-max", "AmpereOne A192-32X (512GB) CPU": ":ampereone-a192",
    "Minisforum MS-R1 CPU": ":ms-r1", "Inf2.48xlarge (12 Inferentia2, 24 cores)": ":inferentia2",
}  # fmt: skip
# Bytes of an element by the format's name: of experts, of the other weights, and the types it is computed in.
FORMATS: Mapping[str, tuple[float, float, tuple[str, ...]]] = {
    "fp8": (1, 1, ("fp8", "bf16", "fp16", "fp32")), "bf16": (2, 2, ("bf16", "fp16", "fp32")),
    "fp16": (2, 2, ("fp16", "bf16", "fp32")), "nvfp4": (0.5625, 0.5625, ("fp4", "fp8", "bf16")),
    "fp4": (0.5625, 0.5625, ("fp4", "fp8", "bf16")), "int4": (0.53125, 2, ("bf16",)),
    "mxfp4": (0.53125, 2, ("bf16", "fp16")), "gguf mxfp4": (0.53125, 1.0625, ("fp16", "fp32")),
    "gguf Q4_0": (0.5625, 0.5625, ("fp16", "fp32")), "ggml q4": (0.5625, 0.5625, ("fp16", "fp32")),
    "gguf Q4_K_M": (0.606, 0.606, ("fp16", "fp32")), "gguf F16": (2, 2, ("fp16", "fp32")),
}  # fmt: skip


class LeftOutError(Exception):
    """A row that no terms can be written for; its text is the reason."""


@cache
def machine(name: str) -> Hardware:
    if name not in MACHINES:
        raise LeftOutError(f"no data sheet of {name}")
    known = MACHINES[name]
    return symflops.load_hardware(f"{_OWN}{known}" if known.startswith(":") else known)


@dataclass(frozen=True)
class Setting:
    """What a row says of model, formats, machine and layout."""

    model: str
    experts_bytes: float
    others_bytes: float
    cache_bytes: float
    device: Machine
    hardware: Hardware
    layout: Layout

    @staticmethod
    def of(row: Mapping[str, str], layout: Layout) -> Setting:
        """Of a row of the data. Raises LeftOutError for what it does not state."""
        local = row["kind"] == "single_stream"
        precision = row["weights_precision"].split(" (")[0]
        if precision == "mxfp4" and row["engine"] != "vLLM" and local:
            precision = "gguf mxfp4"
        if precision not in FORMATS:
            raise LeftOutError(f"the format of the weights is not stated ({row['weights_precision']})")
        if sizes_of(row["model"]) is None:
            raise LeftOutError(f"no sizes of {row['model']}")
        experts, others, types = FORMATS[precision]
        hardware = machine(row["hardware"])
        dtype = next((name for name in types if name in hardware.peak), next(iter(hardware.peak)))
        kept = re.sub(r"unstated| \(.*", "", row["kv_precision"]).strip()
        # Where it is not stated: TensorRT-LLM keeps FP8 with its maker's checkpoints in FP8 and FP4, others bfloat16.
        narrow = row["engine"].lower().startswith(("trtllm", "tensorrt")) and precision in ("fp8", "fp4", "nvfp4")
        cache_bytes = {"fp8": 1, "fp16": 2, "f16": 2, "bf16": 2}.get(kept, 1 if narrow else 2)
        return Setting(row["model"], experts, others, cache_bytes, Machine.of(hardware, dtype, 2.0), hardware, layout)

    @property
    def is_routed(self) -> bool:
        sizes = sizes_of(self.model)
        return sizes is not None and bool(sizes.experts)

    def work(self, batch: int, prompt: int, new: int) -> Workload:
        """Both stages, with experts and other weights in their own formats."""
        steps, first = self._stages(False, batch, prompt, new), self._stages(True, batch, prompt, 1)
        return replace(steps, prompt=first.prompt)

    def _stages(self, prompt: bool, batch: int, length: int, new: int) -> Workload:
        run = {"batch_size": batch, "prompt_len": length, "new_tokens": new, "cache_bytes": self.cache_bytes}
        model = staged(served(self.model, prompt))
        ours, theirs = (model.at({**run, "weight_bytes": b}) for b in (self.others_bytes, self.experts_bytes))
        return replace(ours, prompt=_mixed(ours.prompt, theirs.prompt), steps=_mixed(ours.steps, theirs.steps))

    def bound(self, stage: Stage) -> float:
        """The least seconds, all devices sharing everything evenly."""
        moved = float(stage.weights + stage.cache) / self.device.bandwidth
        return max(moved, float(stage.matmul) / self.device.flops) / self.layout.devices

    def held(self) -> float:
        """Bytes of weights on all devices: each group that has sequences of its own holds what is no expert."""
        model = served(self.model, False)
        owned = float(model.total().at(batch_size=1, seq_len=1).parameters)
        experts = sum(
            float(evaluate(substitute(multiply(place.layer.cost.value("parameters"), place.runs), model.symbols), {}))
            for place in model.places()
            if routed(place.layer) is not None
        )
        return (owned - experts) * self.others_bytes * self.layout.data + experts * self.experts_bytes

    def kept(self, tokens: int) -> float:
        """Bytes that a sequence of so many tokens keeps on all devices of its group."""
        model = served(self.model, False)
        held = memory(model, batch_size=1, seq_len=1, past_len=tokens - 1, cache_bytes=self.cache_bytes)
        return float(held.state) * max(1, self.layout.tensor // staged(model).shape.shares)


def _mixed(ours: Stage, experts: Stage) -> Stage:
    weights = ours.weights - ours.expert_weights + experts.expert_weights
    return replace(ours, weights=weights, expert_weights=experts.expert_weights)
