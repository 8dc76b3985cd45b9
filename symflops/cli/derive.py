"""`symflops derive`: a Hugging Face config, or a module of the user's own, becomes a model file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

from symflops import source
from symflops.cli import output_file, request, streams
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError
from symflops.tree import NAME


class Attention(StrEnum):
    fused = "fused"
    eager = "eager"


Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="TEXT",
        help="what a module is fed, such as 'x: float[batch_size, 3, 32*h, 32*w]'; repeatable",
    ),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="an argument of a module's constructor; repeatable"),
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="NAME", help="an integer argument that stays a number; repeatable"),
]


def derive(
    source_: request.Source,
    inputs: Inputs = None,
    arguments: Arguments = None,
    fix: Fix = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="write the model there")] = None,
    attention: Annotated[
        Attention, typer.Option("--attention", help="one kernel, or scores and probabilities in memory")
    ] = Attention.fused,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="keep an operation of unknown cost as a symbol in the total")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="in training mode, with what each layer's backward costs and keeps")
    ] = False,
    task: Annotated[
        str,
        typer.Option("--task", metavar="TASK", help="which class of a config's type, such as masked-lm"),
    ] = "",
    timeout: request.Timeout = DERIVATION,
) -> None:
    """Derive the closed forms of a config's model, or of your own module, from its source, as a model JSON.

    The integers that a module's constructor takes become symbols; what it is fed is said with --input. What was derived
    is kept, so that every command that takes the same config answers at once.
    """
    target = output_file.writable(output) if output is not None else None
    started = time.monotonic()
    with request.only_our_words(), request.progress():
        model = source.derived(
            source_, inputs=inputs or (), fix=fix or (), attention=attention, allow_unknown=allow_unknown,
            training=training, task=task, timeout=timeout, **_arguments(arguments or ()),
        )  # fmt: skip
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


def _arguments(texts: Iterable[str]) -> dict[str, Any]:
    """The arguments of a constructor: each a number, true, false, null, or a list, as JSON has them, or else a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not NAME.match(name):
            raise SymflopsError(f"--set {text[:60]!r}: expected name=value")
        if name in found:
            raise SymflopsError(f"--set {text[:60]!r}: {name} is given twice")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found
