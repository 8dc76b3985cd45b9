"""The options that say in which format weights are, the same for every command that takes a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from symflops.cli import completion
from symflops.model import Model
from symflops.storage import has_formats

Format = Annotated[
    str | None,
    typer.Option(
        "--format-of-weights",
        metavar="NAME",
        help="fp8-block128, gptq:bits=4, gguf-q4_k_m, none, … (default: the config's own; docs/guides/formats.md)",
        autocompletion=completion.formats,
    ),
]
FromHeader = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="PATH",
        help="take the bytes of weights from the header of a .safetensors or .gguf file, an index or their folder",
    ),
]
OPTIONS: dict[str, tuple[Any, Any]] = {"weights_format": (Format, None), "checkpoint": (FromHeader, None)}


@dataclass(frozen=True)
class Weights:
    """What the options say of the weights' formats: nothing (a config's own are used), a name, or a checkpoint."""

    weights_format: str | None = None
    checkpoint: str | None = None

    def of(self, model: Model, are_given: bool) -> Model:
        """The model with weights in these formats, or in none where weight_bytes `are_given`."""
        if are_given:
            bare = _plain(model, keeps_cache=True)
            aside = bare is not model or self.weights_format is not None or self.checkpoint is not None
            note = "weight_bytes counts all weights; their formats are left aside"
            return replace(bare, notes=(note, *bare.notes)) if aside else model
        if self.weights_format is not None or self.checkpoint is not None:
            from symflops.analysis.formatted import formats

            return formats(model, self.weights_format or "", checkpoint=self.checkpoint or "")
        return model


AS_STATED = Weights()


def _plain(model: Model, keeps_cache: bool) -> Model:
    if not has_formats(model):
        return model
    from symflops.passes.formats import plain

    return plain(model, keeps_cache)
