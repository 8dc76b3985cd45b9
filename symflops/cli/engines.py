"""The options that say which program of a model is meant, as its source has it or as an engine serves it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

import typer

from symflops import units
from symflops.errors import SymflopsError
from symflops.serving import OF_EACH, Serving

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
Lengths = Annotated[
    str | None,
    typer.Option("--lengths", metavar="N,N,…", help="served: tokens fed of each sequence of a batch, unequal ones"),
]
PastLengths = Annotated[
    str | None,
    typer.Option("--past-lengths", metavar="N,N,…", help="served: tokens that each sequence of a batch has cached"),
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "served": (Served, None), "block": (Block, None), "cached_prefix": (Prefix, None), "chunk": (Chunk, None),
    "draft": (Draft, None), "lengths": (Lengths, None), "past_lengths": (PastLengths, None),
}  # fmt: skip


def serving(said: Mapping[str, Any], by_default: bool, is_training: bool, seq_len: str | None = None) -> Serving | None:
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
    settings: dict[str, Any] = {}
    for name, text in given.items():
        option = f"--{name.replace('_', '-')}"
        if name in OF_EACH:
            settings[name] = tuple(_whole(number, text, option) for number in units.numbers(text, option))
        else:
            settings[name] = _whole(units.number(text, option), text, option)
    if "lengths" in settings and seq_len is not None:
        raise SymflopsError("--lengths are seq_len of each sequence: leave --seq-len out")
    return Serving(**settings)


def _whole(number: int | Fraction, text: str, option: str) -> int:
    if not isinstance(number, int):
        raise SymflopsError(f"{option} {text[:60]!r}: expected a whole number")
    return number
