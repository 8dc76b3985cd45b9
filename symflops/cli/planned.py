"""The options that ask for a step of training, the same for every command that takes a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from symflops import units
from symflops.errors import SymflopsError
from symflops.passes.optimizers import NAMES
from symflops.plan import Plan

Training = Annotated[
    bool, typer.Option("--training", help="a step of training: forward, backward and the optimizer's step")
]
Optimizer = Annotated[
    str | None, typer.Option("--optimizer", metavar="NAME", help=f"one of {', '.join(NAMES)} (default: adamw)")
]
Recomputed = Annotated[
    str | None,
    typer.Option("--recompute", metavar="WHAT", help="none (default), attention, layers, or layers:K in groups of K"),
]
Trainable = Annotated[
    str | None,
    typer.Option("--trainable", metavar="PATTERNS", help="layers that are trained, by commas (default: all)"),
]
OnePrecision = Annotated[
    bool, typer.Option("--one-precision", help="the optimizer keeps no copy of the weights in float32")
]
OneByOne = Annotated[
    bool, typer.Option("--no-foreach", help="PyTorch's optimizer steps one weight after the other, as on a CPU")
]
Accumulated = Annotated[
    str | None, typer.Option("--accumulate", metavar="N", help="batches of batch_size sequences in a step (default: 1)")
]
Lora = Annotated[str | None, typer.Option("--lora", metavar="R", help="train adapters of this rank, r=16 or 16")]
LoraOn = Annotated[
    str | None, typer.Option("--lora-on", metavar="PATTERNS", help="layers with adapters (default: all-linear)")
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "trains": (Training, False), "optimizer": (Optimizer, None), "recompute": (Recomputed, None),
    "trainable": (Trainable, None), "one_precision": (OnePrecision, False), "no_foreach": (OneByOne, False),
    "accumulate": (Accumulated, None),
    "lora": (Lora, None), "lora_on": (LoraOn, None),
}  # fmt: skip


_TEXTS = ("optimizer", "recompute", "trainable", "accumulate", "lora", "lora_on")


def plan(said: Mapping[str, Any]) -> Plan | None:
    """The step of training that the options ask for; None where they ask for none."""
    given = {name: said[name] for name in _TEXTS if said.get(name) is not None}
    apart, alone = said.get("one_precision", False), said.get("no_foreach", False)
    if not said.get("trains", False):
        if given or apart or alone:
            option = next(iter([*given, "one-precision" if apart else "no-foreach"])).replace("_", "-")
            raise SymflopsError(f"--{option} says how a model is trained: give --training, too")
        return None
    for name in ("accumulate", "lora"):
        if name in given:
            number = units.number(given[name].removeprefix("r="), f"--{name}")
            if not isinstance(number, int) or number < 1:
                raise SymflopsError(f"--{name} {given[name][:60]!r}: expected a whole number of at least 1")
            given[name] = number
    return Plan(**given, mixed=not apart, foreach=not alone)
