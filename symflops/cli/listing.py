"""`symflops formulas` and `symflops models`: what is there."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from symflops.cli import completion, terminal
from symflops.cli.quantities import aligned, engineering
from symflops.errors import one_line
from symflops.formula import formula_names, load_formula
from symflops.model import load, model_names, shipped_file


class Format(StrEnum):
    text = "text"
    json = "json"


Output = Annotated[Format, typer.Option("--format", help="how to print")]


def formulas(
    name: Annotated[
        str | None, typer.Argument(help="show this formula in full", autocompletion=completion.formulas)
    ] = None,
    output: Output = Format.text,
) -> None:
    """The library's formulas; with a name, its arguments, cost and source."""
    if name is not None:
        formula = load_formula(name)
        data = {
            "name": formula.name,
            "about": formula.about,
            "source": formula.source,
            "classes": list(formula.classes),
            "args": dict(formula.args),
            "defaults": dict(formula.defaults),
            "cost": dict(formula.texts),
            "state": formula.state,
            **{table: dict(texts) for table, texts in formula.backwards.items()},
        } | ({"unproven": formula.unproven} if formula.unproven else {})
        if output is Format.json:
            print(json.dumps(data, indent=2))
            return
        print(f"{formula.name}: {formula.about}\n")
        arguments = [(a, _with_default(meaning, formula.defaults.get(a))) for a, meaning in formula.args.items()]
        print(aligned(arguments, (False, False)))
        print("\n" + "\n".join(f"{metric} = {text}" for metric, text in formula.texts.items()))
        if formula.state != "0":
            print(f"kept for the next call = {formula.state}")
        for table, texts in formula.backwards.items():
            print(f"\n{table}:\n" + "\n".join(f"{key} = {text}" for key, text in texts.items()))
        print("\n" + "\n".join([f"source: {formula.source}", *(f"class: {c}" for c in formula.classes)]))
        if formula.unproven:
            print(f"unproven: {one_line(formula.unproven, 2000)}")
        return
    listed = [load_formula(n) for n in formula_names()]
    if output is Format.json:
        rows = [
            {"name": f.name, "about": f.about, "classes": list(f.classes)} | ({"unproven": True} if f.unproven else {})
            for f in listed
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(aligned([(f.name, one_line(f.about) + " (unproven)" * bool(f.unproven)) for f in listed], (False, False)))


def _with_default(meaning: str, default: str | None) -> str:
    return meaning if default is None else f"{meaning} (default: {default})"


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="print this one's file, as a start for one's own", autocompletion=completion.models),
    ] = None,
    output: Output = Format.text,
) -> None:
    """The models that come with symflops; with a name, its model file, to be changed into one's own.

    In a layer's own "cost", metrics that are not stated are what "others" says: 0, or "unknown".
    """
    if name is not None:
        with terminal.verbatim():
            print(shipped_file(name), end="")
        return
    loaded = [load(known) for known in model_names()]
    counts = [model.total().at(batch_size=1, seq_len=1).number("parameters") for model in loaded]
    if output is Format.json:
        data = [
            {"name": n, "about": m.about, "class": m.class_name, "parameters": c}
            for n, m, c in zip(model_names(), loaded, counts, strict=True)
        ]
        print(json.dumps(data, indent=2))
    else:
        rows = [
            (n, engineering(c, "parameters"), m.about) for n, m, c in zip(model_names(), loaded, counts, strict=True)
        ]
        print(aligned(rows, (False, True, False)))
