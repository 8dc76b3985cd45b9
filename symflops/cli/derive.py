"""`symflops derive`: a Hugging Face config becomes a model file."""

from __future__ import annotations

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from symflops import source
from symflops.cli import request
from symflops.errors import SymflopsError


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
) -> None:
    """Derive the closed forms of a config's model from its own source, as a model JSON."""
    target = writable(output) if output is not None else None
    started = time.monotonic()
    with request.only_our_words(), request.progress() as progress:
        model = source.derive(config, attention=attention, allow_unknown=allow_unknown, progress=progress)
        text = model.dumps()
    if target is None:
        sys.stdout.write(text)
        return
    write(target, text)
    layers = sum(row.is_basic for row in model.rows(symbolic=True))
    seconds = time.monotonic() - started
    print(f"wrote {output}: {layers} layers, {len(model.symbols)} symbols, {seconds:.1f} s", file=sys.stderr)


def writable(output: str) -> Path:
    """The file behind -o; where nothing can be written, that is said before the work and not after it."""
    target = Path(output).resolve()  # a link stays a link
    if not output or target.is_dir() or not target.parent.is_dir():
        reason = "no file name" if not output else "a directory" if target.is_dir() else "no such directory"
        raise SymflopsError(f"-o {output!r}: {reason}")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise SymflopsError(f"-o {output!r}: cannot write there")
    return target


def write(target: Path, text: str) -> None:
    """All of the file or, if something goes wrong, nothing of it."""
    regular = target.is_file() or not target.exists()
    beside = target.with_name(f".{target.name}.{os.getpid()}") if regular else target
    try:
        beside.write_text(text, "utf-8")
        if regular:
            beside.replace(target)
    except OSError as error:
        if regular:
            beside.unlink(missing_ok=True)
        raise SymflopsError(f"cannot write: {error.strerror}", where=str(target)) from None
