"""The options that ask for a step of training, the same for every command that takes a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from symflops.errors import SymflopsError
from symflops.plan import Plan

Training = Annotated[
    bool, typer.Option("--training", help="a step of training: forward, backward and the optimizer's step")
]
Optimizer = Annotated[str | None, typer.Option("--optimizer", metavar="NAME", help="adamw (default), adam or sgd")]
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
OPTIONS: dict[str, tuple[Any, Any]] = {
    "trains": (Training, False), "optimizer": (Optimizer, None), "recompute": (Recomputed, None),
    "trainable": (Trainable, None), "one_precision": (OnePrecision, False),
}  # fmt: skip


def plan(said: Mapping[str, Any]) -> Plan | None:
    """The step of training that the options ask for; None where they ask for none."""
    given = {name: said[name] for name in ("optimizer", "recompute", "trainable") if said.get(name) is not None}
    apart = said.get("one_precision", False)
    if not said.get("trains", False):
        if given or apart:
            option = next(iter([*given, "one-precision"]))
            raise SymflopsError(f"--{option} says how a model is trained: give --training, too")
        return None
    return Plan(**given, mixed=not apart)
