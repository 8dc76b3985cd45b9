"""`symflops verify`: is this formula right, and if not, what is wrong with it?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from symflops.cli import request
from symflops.errors import SymflopsError

STATUS = {"equal": 0, "different": 1, "unproven": 2}  # what the process exits with; 3 is invalid input


class Format(StrEnum):
    text = "text"
    json = "json"


class Tolerance(StrEnum):
    exact = "exact"
    leading = "leading"


def verify(
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="a formula's text, a formula file (.toml) or a model file")
    ],
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="REFERENCE",
            help="a formula of the library, a model or MODEL:LAYER, a class, or another text",
        ),
    ],
    metric: Annotated[str, typer.Option("--metric", help="which metric is compared")] = "flops",
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="NAME=MEANING", help="what a name of the candidate means; repeatable"),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="put a number or a formula in; repeatable")
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="CONDITION", help="only where this holds; repeatable"),
    ] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="put a model's own numbers in for hidden_size and the like")
    ] = False,
    tolerance: Annotated[
        Tolerance, typer.Option("--tolerance", help="leading: lower-order terms may differ and are listed")
    ] = Tolerance.exact,
    budget: Annotated[str, typer.Option("--budget", metavar="SECONDS", help="time for decision and diagnosis")] = "1",
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """Whether a formula is right: equal (proved), different (with a counterexample and what is wrong), or unproven.

    The exit status is 0 for equal, 1 for different, 2 for unproven and 3 for invalid input.
    """
    from symflops import verification
    from symflops.reference import named

    for what, text in (("CANDIDATE", candidate), ("--against", against)):
        if not text.strip():
            raise SymflopsError(f"{what} is empty")
    with request.only_our_words(), request.progress() as progress:
        given, wanted = (named(text, progress) for text in (candidate, against))
    conditions = [f"{name} == {value}" for name, value in _pairs(settings, "--set").items()]
    verdict = verification.verify(
        given,
        wanted,
        metric,
        rename=_pairs(rename, "--rename"),
        assume=[*conditions, *(assume or ())],
        numbers=numbers,
        tolerance=tolerance,
        budget=request.number(budget, "--budget"),
    )
    print(json.dumps(verdict.to_dict(), indent=2) if output is Format.json else verdict)
    raise typer.Exit(STATUS[verdict.status])


def _pairs(options: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in options or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SymflopsError(f"{option} {text[:60]!r}: expected name=value")
        pairs[name.strip()] = value.strip()
    return pairs
