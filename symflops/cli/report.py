"""`symflops report`: one or more models as a page that computes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from symflops import __version__
from symflops.cli import completion, output_file, request, streams
from symflops.errors import SymflopsError
from symflops.numeric import check_names

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL…", help="models to show beside each other: names, model JSONs, or config.jsons"),
]


@request.at_a_point()
def report(
    models: Models,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="write the page there (default: stdout)")
    ] = None,
    point: request.Point = request.ANYWHERE,
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="N", min=1, help="levels of the layer tree to show")
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            "--hardware",
            metavar="NAME|FILE",
            help="the machine that it opens with (see `symflops hardware`), or file.toml:name",
            autocompletion=completion.machines,
        ),
    ] = None,
) -> None:
    """One HTML file, without network or server, in which the closed forms run: change a symbol or the machine, and
    every number and chart follows. The options say where the page opens."""
    target = output_file.writable(output) if output is not None else None
    if target is None and sys.stdout.isatty():
        raise SymflopsError("a page is for a browser, not for a terminal: give -o page.html, or a pipe")
    resolved = [point.resolve(name) for name in models]
    named = [model for model, _ in resolved]
    given = resolved[0][1]
    check_names(given, set().union(*(model.total().free_symbols for model in named)))
    for model in named:
        model.check_assumptions(given)
        if model.total().is_complete(given):
            model.check_assumptions(model.total().with_defaults(given))
    from symflops.export.html import page
    from symflops.hardware import load_hardware

    hardware = None if machine is None else load_hardware(machine)

    with request.progress("writing the page"):
        text = page(named, given, depth, f"symflops {__version__}", hardware)
    if target is None:
        sys.stdout.write(text)
        return
    output_file.write(target, text)
    streams.tell(f"wrote {output}: {len(named)} model{'s' * (len(named) > 1)}, {len(text.encode()) / 1000:.0f} kB")
