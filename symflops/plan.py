"""How a model is trained, as a model file has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from symflops.errors import SymflopsError, nearest

ALL = "*"
# The parts of a step of training; what accumulates gradients is further forwards and backwards.
FORWARD, RECOMPUTED, BACKWARD, ACCUMULATED, STEP = "forward", "recompute", "backward", "accumulation", "optimizer"
_KINDS = {bool: "true or false", int: "a whole number", str: "a text"}


@dataclass(frozen=True)
class Plan:
    """The optimizer, what is recomputed, the patterns of layers that are trained, whether a step is done on copies
    of the weights in float32 (`mixed`), how many batches' gradients it is done with (`accumulate`), and adapters:
    the rank of LoRA, 0 for none, and the patterns of layers that have one. With `foreach` PyTorch's optimizer steps
    all weights together, which is what it does on a GPU, and otherwise one after the other."""

    optimizer: str = "adamw"
    recompute: str = "none"
    trainable: str = ALL
    mixed: bool = True
    accumulate: int = 1
    lora: int = 0
    lora_on: str = ""
    foreach: bool = True

    @staticmethod
    def of(data: Mapping[str, Any], where: str) -> Plan:
        """The plan of a model file."""
        plain = asdict(Plan())
        for key, value in data.items():
            if key not in plain:
                raise SymflopsError(f"{where}: unknown key {str(key)[:100]!r}{nearest(str(key), tuple(plain))}")
            if type(value) is not type(plain[key]):
                raise SymflopsError(f"{where}.{key}: expected {_KINDS[type(plain[key])]}")
        return Plan(**data)

    def sentence(self) -> str:
        """In words.

        >>> Plan(recompute="layers").sentence()
        'adamw in mixed precision, layers recomputed'
        """
        parts = [f"{self.optimizer} in {'mixed precision' if self.mixed else 'one precision'}"]
        parts += [] if self.recompute == "none" else [f"{self.recompute} recomputed"]
        parts += [] if self.trainable == ALL else [f"trained: {self.trainable}"]
        parts += [] if self.foreach else ["one weight after the other"]
        parts += [] if self.accumulate == 1 else [f"gradients of {self.accumulate} batches"]
        return ", ".join(parts)
