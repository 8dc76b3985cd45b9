"""`symflops atlas`: the types that are answered without PyTorch, and a config's answer against its derivation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from symflops import source
from symflops.atlas import entries
from symflops.atlas.answer import answer
from symflops.cli import answers, request, terminal
from symflops.cli.listing import Format, Output
from symflops.cli.quantities import aligned
from symflops.config_file import config_data
from symflops.cost import METRICS
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError


class Action(StrEnum):
    list = "list"
    check = "check"


def atlas(
    action: Annotated[Action, typer.Argument(help="list the types, or check a config")] = Action.list,
    config: Annotated[str | None, typer.Argument(metavar="CONFIG", help="a config.json or its directory")] = None,
    output: Output = Format.text,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="of processor time for the derivation")
    ] = DERIVATION,
) -> None:
    """The types of configs that are answered without PyTorch and transformers.

    `symflops atlas check CONFIG` derives the config, too, and compares all metrics. The exit status is 0 where they are
    equal and 1 where one is not.
    """
    if action is Action.check:
        if config is None:
            raise SymflopsError("CONFIG is missing: which config is to be checked?")
        _check(config, output, timeout)
        return
    if config is not None:
        raise SymflopsError(f"`atlas list` takes no config; `symflops atlas check {config[:100]}` checks one")
    found = [entries.entry(name) for name in entries.types()]
    if output is Format.json:
        rows = [
            {"type": e.model_type, "classes": {n: len(m) for n, m in e.models.items()}, "made": e.provenance,
             "checked": e.checked}
            for e in found
        ]  # fmt: skip
        print(answers.dump(rows))
        return
    lines = [(e.model_type, ", ".join(e.models), f"{sum(map(len, e.models.values()))} models") for e in found]
    with terminal.answering("text"):
        print(aligned(lines, (False, False, True)) if lines else f"{entries.folder()}: no types")


def _check(config: str, output: Format, timeout: float) -> None:
    stated, name = config_data(config)
    here = answer(stated, name)
    with request.only_our_words(), request.progress():
        there = source.derived(config, timeout=timeout)
    same = {m: here.total().value(m) == there.total().value(m) for m in METRICS}
    if output is Format.json:
        print(answers.dump({"config": name, "equal": same, "from": here.notes[-1]}))
    else:
        different = [m for m, equal in same.items() if not equal]
        said = f"{', '.join(different)} differ" if different else f"all {len(METRICS)} metrics are equal"
        print(f"{name}: {said}, {here.notes[-1]}")
    if not all(same.values()):
        raise typer.Exit(1)
