"""What the time of a stage is made of: a few terms that are linear in its closed forms, and what each is multiplied by.

Reading weights and cache, multiplying and communicating take their least times, each by a factor that an engine
reaches; starting the kernels of a layer, synchronising devices and attending to a sequence take a time each. These are
the terms of BLIS (Inference-Sim, github.com/inference-sim/inference-sim) and of InferSim, on symflops' own counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symflops.analysis.stage import Dimensions, Stage
from symflops.hardware import Hardware

# The terms and what their coefficients are. Prompts that are run beside steps share a pass with them, so that no layer
# is started and no weight is read for them alone; a prompt that is run alone has coefficients of its own.
STEPS: Mapping[str, str] = {
    "weights": "least times of reading the weights",
    "cache": "least times of reading the cache",
    "matmul": "least times of the matrix products",
    "layer": "seconds for each layer",
    "link": "least times of sending what devices add up",
    "sequence": "seconds for each sequence",
}
BESIDE: Mapping[str, str] = {
    "beside_matmul": "least times of the matrix products of prompts beside steps",
    "beside_link": "least times of sending for them",
}
PROMPT: Mapping[str, str] = {
    "prompt_matmul": "least times of the matrix products",
    "prompt_layer": "seconds for each layer",
    "prompt_link": "least times of sending what devices add up",
    "request": "seconds of a request beside its pass, on a server with others",
}
TERMS: Mapping[str, str] = {**STEPS, **BESIDE, **PROMPT}
SECONDS = ("layer", "sequence", "prompt_layer", "request")  # coefficients that are times rather than factors
COLLECTIVES = 2  # sums over devices in a layer: after attention and after its MLP


@dataclass(frozen=True)
class Layout:
    """How devices share a model: `tensor` of them each matrix, in `data` groups that have sequences of their own. All
    of them share routed experts."""

    tensor: int = 1
    data: int = 1

    @property
    def devices(self) -> int:
        return self.tensor * self.data


@dataclass(frozen=True)
class Machine:
    """What a device does at most: FLOP/s of its matrix units in the type that is computed in, bytes/s of its memory and
    of its link, one way."""

    flops: float
    bandwidth: float
    link: float
    row_bytes: float = 2.0  # of an element between two layers

    @staticmethod
    def of(hardware: Hardware, dtype: str, element_bytes: float) -> Machine:
        """A machine of the catalogue; one that states no link sends at the bandwidth of its memory."""
        link = hardware.bandwidth if hardware.link is None else hardware.link / 2
        return Machine(float(hardware.peak[dtype]), float(hardware.bandwidth), float(link), element_bytes)


def of_steps(stage: Stage, shape: Dimensions, machine: Machine, layout: Layout) -> dict[str, float]:
    """The terms of steps: least seconds, or how often something is done that takes a time of its own.

    The slowest device is one of those that have the most sequences.
    """
    experts = float(stage.expert_weights) / layout.devices
    weights = float(stage.weights - stage.expert_weights) / layout.tensor + experts
    shares = min(layout.tensor, shape.shares) * layout.data
    return {
        "weights": weights / machine.bandwidth,
        "cache": float(stage.cache) / shares / machine.bandwidth,
        **_common("", stage, shape, machine, layout),
        "sequence": stage.passes * stage.sequences / layout.data,
    }


def of_prompt(stage: Stage, shape: Dimensions, machine: Machine, layout: Layout) -> dict[str, float]:
    """The terms of a prompt's pass that is run alone."""
    return _common("prompt_", stage, shape, machine, layout)


def beside(stage: Stage, shape: Dimensions, machine: Machine, layout: Layout) -> dict[str, float]:
    """The terms of a prompt's pass that is run beside steps of other sequences."""
    found = _common("beside_", stage, shape, machine, layout)
    return {name: value for name, value in found.items() if name in BESIDE}


def _common(before: str, stage: Stage, shape: Dimensions, machine: Machine, layout: Layout) -> dict[str, float]:
    several = layout.devices > 1
    sent = stage.passes * shape.depth * COLLECTIVES * several * stage.rows / layout.data
    return {
        f"{before}matmul": float(stage.matmul) / layout.devices / machine.flops,
        f"{before}layer": float(stage.passes * shape.depth),
        f"{before}link": sent * (shape.width or 0) * machine.row_bytes / machine.link,
    }


def weighted(*parts: tuple[float, Mapping[str, float]]) -> dict[str, float]:
    """Sums of terms, each so many times."""
    found: dict[str, float] = {}
    for times, one in parts:
        for name, value in one.items():
            found[name] = found.get(name, 0.0) + times * value
    return found


def seconds(found: Mapping[str, float], coefficients: Mapping[str, float]) -> float:
    """The time that terms add up to."""
    return sum(coefficients.get(name, 0.0) * value for name, value in found.items())
