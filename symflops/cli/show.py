"""`symflops show`: the layer tree with what each layer costs, so that every term of the total has a place."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from symflops.algebra import free_symbols
from symflops.cli import request
from symflops.cli.convention import Convention
from symflops.cli.quantities import aligned, engineering, exact_number, printable
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError, one_line
from symflops.grouping import grouped, renamed, short_names
from symflops.model import Model, Row
from symflops.tree import write


class Format(StrEnum):
    text = "text"
    json = "json"


@request.at_a_point()
def show(
    model: request.ModelName,
    depth: Annotated[int | None, typer.Option("--depth", metavar="N", min=0, help="levels of the tree to show")] = None,
    point: request.Point = request.ANYWHERE,
    metric: request.Metric = None,
    symbolic: request.Symbolic = False,
    short: request.Short = False,
    program: Annotated[
        bool, typer.Option("--program", help="instead, each step of one call that is recorded, with its tensors")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """The layer tree. Formulas of one metric (default flops) per layer, or numbers of all when -B, -S are given.

    A layer's cost includes its repeats; that of a group is the sum of its parts.
    """
    if program:
        from symflops.program.text import text as written
        from symflops.source import recorded

        print(written(recorded(model, timeout=point.timeout)))
        return
    named, given = point.resolve(model)
    whole = named.total(symbolic=symbolic)
    numbers = bool(given) and whole.is_complete(given)
    metrics = tuple(metric or (METRICS if numbers else METRICS[:1]))
    for name in metrics:
        whole.value(name)
    rows = [row for row in named.rows(symbolic=symbolic, groups=True) if depth is None or row.depth < depth]
    if output is Format.json:
        text = _json(named, rows, given, numbers, metrics)
        point.say(Convention.of(named, whole, given, metrics, point.changed).added_to(text), as_json=True)
    elif numbers:
        print(_numbers(named, rows, whole, given, metrics))
        print(Convention.of(named, whole, given, metrics, point.changed).sentence)
    else:
        print(_formulas(rows, whole.bind(**given), given, metrics, short))
    if output is not Format.json:
        for doubt in named.doubts:
            print(f"unproven: {one_line(doubt)}")


def _place(row: Row) -> tuple[str, str]:
    times = "" if row.repeat == 1 else f"×{row.repeat}"
    return "  " * row.depth + row.path.rpartition(".")[2], times


def _numbers(model: Model, rows: list[Row], whole: Cost, given: dict[str, int], metrics: tuple[str, ...]) -> str:
    total = request.evaluate(model, whole, given)
    table = [("layer", "runs", *metrics, f"share of {metrics[0]}")]
    for row in rows:
        cost = row.total.at(**given)
        share = total.share(cost, metrics[0])
        table.append((*_place(row), *(engineering(cost.number(m), m) for m in metrics), f"{share:.1%}"))
    table.append(("total", "", *(exact_number(total.number(m)) for m in metrics), "100.0%"))
    return aligned(table, (False, True, *(True for _ in metrics), True))


def _formulas(rows: list[Row], whole: Cost, given: dict[str, int], metrics: tuple[str, ...], short: bool) -> str:
    if len(metrics) != 1:
        raise SymflopsError("formulas are shown for one --metric at a time; give -B and -S for numbers of several")
    (metric,) = metrics
    values = [row.total.bind(**given).value(metric) for row in rows] + [whole.value(metric)]
    # One name means one symbol in the whole table, so it is chosen for all rows at once.
    names = short_names(set[str]().union(*map(free_symbols, values))) if short else {}
    texts = [write(renamed(grouped(value), names)) for value in values]
    table = [("layer", "runs", metric)]
    table += [(*_place(row), text) for row, text in zip(rows, texts, strict=False)]
    table.append(("total", "", texts[-1]))
    text = aligned(table, (False, True, False))
    if short:
        text += "\n\n" + "\n".join(f"{new} = {name}" for name, new in sorted(names.items(), key=lambda p: p[1]))
    return text


def _json(model: Model, rows: list[Row], given: dict[str, int], numbers: bool, metrics: tuple[str, ...]) -> str:
    import json

    layers = []
    for row in rows:
        cost = row.total.at(**given) if numbers else row.total.bind(**given)
        shown = {m: printable(cost.number(m)) if numbers else cost.text(m) for m in metrics}
        repeat = row.repeat if isinstance(row.repeat, int) else str(row.repeat)
        layers.append({"path": row.path, "class": row.class_name, "repeat": repeat, "basic": row.is_basic, **shown})
    data = {"model": model.name, "layers": layers} | ({"unproven": list(model.doubts)} if model.doubts else {})
    return json.dumps(data, indent=2, ensure_ascii=False)
