"""The options that name a machine, the same in every command that asks for one."""

from __future__ import annotations

from typing import Annotated

import typer

from symflops.cli import completion

_NAME = typer.Option(
    "--hardware",
    metavar="NAME|FILE",
    help="a machine (see `symflops hardware`), or file.toml:name",
    autocompletion=completion.machines,
)
Machine = Annotated[str, _NAME]
OtherMachine = Annotated[str | None, _NAME]
Devices = Annotated[
    int | None, typer.Option("--devices", metavar="N", help="how many devices share weights, state and work")
]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", metavar="DTYPE", help="data type of matrix products (default: by the bytes)"),
]
