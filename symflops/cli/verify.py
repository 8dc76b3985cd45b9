"""`symflops verify`: is this formula right, and if not, what is wrong with it?"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated

import typer

from symflops import units
from symflops.cli import request
from symflops.deadline import DERIVATION
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
    metric: Annotated[
        str,
        typer.Option(
            "--metric", metavar="METRIC", help="which metric is compared; or weights, cache: bytes of a model's"
        ),
    ] = "flops",
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename",
            metavar="NAME=MEANING",
            help="what a name of the candidate means: a symbol, a formula, or the reference's parameters, "
            "active_parameters or tokens; repeatable",
        ),
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
    per_token: Annotated[
        bool, typer.Option("--per-token", help="the candidate is the cost of one token, not of all of them")
    ] = False,
    training: Annotated[
        int,
        typer.Option(
            "--training",
            metavar="3|4",
            help="the candidate is a training step: 3 times the reference, or 4 with full recomputation",
        ),
    ] = 0,
    tolerance: Annotated[
        Tolerance, typer.Option("--tolerance", help="leading: lower-order terms may differ and are listed")
    ] = Tolerance.exact,
    lengths: Annotated[
        str | None, typer.Option("--lengths", metavar="N,N,…", help="lengths at which the ratio of both is computed")
    ] = None,
    budget: Annotated[str, typer.Option("--budget", metavar="SECONDS", help="time for decision and diagnosis")] = "1",
    timeout: request.Timeout = DERIVATION,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """Whether a formula is right: equal (proved), different (with a counterexample and what is wrong), or unproven.

    N and D mean the reference's parameters and tokens; what names were taken for is printed, and a name that may mean
    several things is asked back. The exit status is 0 for equal, 1 for different, 2 for unproven and 3 for invalid
    input.
    """
    from symflops import verification
    from symflops.reference import check_words, named

    for what, text in (("CANDIDATE", candidate), ("--against", against)):
        if not text.strip():
            raise SymflopsError(f"{what} is empty")
    with request.only_our_words(), request.progress():
        given, wanted = (named(text.strip(), timeout) for text in (candidate, against))
    check_words(given, wanted, [rename, settings, assume])
    verdict = verification.verify(
        given,
        wanted,
        metric,
        rename=request.pairs(rename, "--rename"),
        set=_settings(request.pairs(settings, "--set")),
        assume=assume or (),
        numbers=numbers,
        per_token=per_token,
        training=training,
        tolerance=tolerance,
        budget=request.number(budget, "--budget"),
        lengths=verification.LENGTHS if lengths is None else _lengths(lengths),
    )
    print(json.dumps(verdict.to_dict(), indent=2) if output is Format.json else verdict)
    raise typer.Exit(STATUS[verdict.status])


def _lengths(text: str) -> list[int]:
    found = units.numbers(text, "--lengths")
    if not all(isinstance(number, int) for number in found):
        raise SymflopsError(f"--lengths {text[:60]!r}: expected numbers of tokens, such as 1,2048")
    return [int(number) for number in found]


def _settings(pairs: dict[str, str]) -> dict[str, str]:
    """`--set`'s values: numbers as everywhere, 2k, or formulas."""
    return {n: str(units.number(v, f"--set {n}")) if _NUMBER.match(v) else v for n, v in pairs.items()}


_NUMBER = re.compile(r"[\d.][\w.,]*\Z")
