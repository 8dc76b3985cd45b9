"""`symflops derive`: a Hugging Face config becomes a model file."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from symflops import source
from symflops.cli import output_file, request, streams
from symflops.deadline import DERIVATION


class Attention(StrEnum):
    fused = "fused"
    eager = "eager"


def derive(
    config: request.Config,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="write the model there")] = None,
    attention: Annotated[
        Attention, typer.Option("--attention", help="one kernel, or scores and probabilities in memory")
    ] = Attention.fused,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="keep an operation that nothing knows as a symbol in the total")
    ] = False,
    timeout: request.Timeout = DERIVATION,
) -> None:
    """Derive the closed forms of a config's model from its own source, as a model JSON.

    What was derived is kept, so that every command that takes the same config answers at once.
    """
    target = output_file.writable(output) if output is not None else None
    started = time.monotonic()
    with request.only_our_words(), request.progress():
        model = source.derived(config, attention=attention, allow_unknown=allow_unknown, timeout=timeout)
        text = model.dumps()
    if target is None:
        sys.stdout.write(text)
        request.print_notes(model.notes)
        return
    output_file.write(target, text)
    request.print_notes(model.notes)
    layers = sum(row.is_basic for row in model.rows(symbolic=True))
    seconds = time.monotonic() - started
    streams.tell(f"wrote {output}: {layers} layers, {len(model.symbols)} symbols, {seconds:.1f} s")
