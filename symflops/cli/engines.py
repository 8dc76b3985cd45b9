"""The options that say which program of a model is meant, as its source has it or as an engine serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from symflops import units
from symflops.errors import SymflopsError
from symflops.serving import Serving

Served = Annotated[
    bool | None,
    typer.Option(
        "--served/--written",
        help="what an inference engine runs, or what the source computes (see the guide on serving)",
        show_default=False,
    ),
]
Block = Annotated[
    str | None, typer.Option("--block", metavar="N", help="served: tokens of a block of the cache, which is kept whole")
]
Prefix = Annotated[
    str | None,
    typer.Option("--cached-prefix", metavar="N", help="served: first tokens of all sequences, cached once already"),
]
Chunk = Annotated[
    str | None, typer.Option("--chunk", metavar="N", help="served: tokens of a piece in which a call is fed")
]
Draft = Annotated[
    str | None, typer.Option("--draft", metavar="N", help="served: drafted tokens that each decoding step checks")
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "served": (Served, None), "block": (Block, None), "cached_prefix": (Prefix, None), "chunk": (Chunk, None),
    "draft": (Draft, None),
}  # fmt: skip


def serving(said: Mapping[str, Any], by_default: bool, is_training: bool) -> Serving | None:
    """How the model is served that the options ask for; None where it is taken as written, which a command does unless
    it is one of those that take what is served `by_default`. A step of training is as written."""
    asked = said.get("served")
    given = {name: said[name] for name in OPTIONS if name != "served" and said.get(name) is not None}
    is_served = (by_default and not is_training) if asked is None else asked
    if not is_served:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise SymflopsError(f"--{option} says how a model is served: give --served, too")
        return None
    numbers: dict[str, int] = {}
    for name, text in given.items():
        number = units.number(text, f"--{name.replace('_', '-')}")
        if not isinstance(number, int):
            raise SymflopsError(f"--{name.replace('_', '-')} {text[:60]!r}: expected a whole number")
        numbers[name] = number
    return Serving(**numbers)
