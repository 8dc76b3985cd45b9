"""`symflops total`: what a model costs, as formulas or as numbers."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from symflops.cli import request
from symflops.cli.answers import together
from symflops.cli.convention import Convention
from symflops.cli.quantities import aligned, engineering, exact_number, printable
from symflops.cost import METRICS, UNITS, Cost
from symflops.errors import SymflopsError, one_line
from symflops.model import Model


class Format(StrEnum):
    text = "text"
    json = "json"
    latex = "latex"
    python = "python"
    c = "c"
    numpy = "numpy"
    javascript = "javascript"


@request.at_a_point()
def total(
    model: request.ModelName,
    point: request.Point = request.ANYWHERE,
    metric: request.Metric = None,
    symbolic: request.Symbolic = False,
    short: request.Short = False,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
    standalone: Annotated[bool, typer.Option("--standalone", help="a LaTeX document that compiles as it is")] = False,
) -> None:
    """Total FLOPs, bytes and parameters: closed forms, or exact numbers once every symbol has a value."""
    if standalone and output is not Format.latex:
        raise SymflopsError(f"--standalone is for --format latex, not {output}")
    metrics = tuple(metric or METRICS)
    answers = []
    for named, given in one_or_each(point, model, output):
        cost = named.total(symbolic=symbolic)
        for name in metrics:
            cost.value(name)  # an unknown metric is an error before anything is printed
        if given:
            if not cost.is_complete(given) and cost.only(metrics).is_complete(given):
                cost = cost.only(metrics)  # nobody knows the others
            cost = request.evaluate(named, cost, given) if cost.is_complete(given) else cost.bind(**given)
        convention = Convention.of(named, named.total(symbolic=symbolic), given, metrics, point.changed)
        if standalone:
            from symflops.export.latex import equations

            answers.append(equations(cost, metrics, short=short, standalone=True))
        else:
            answers.append(printed(output, named, cost, metrics, short, convention))
    point.say(together(answers, output is Format.json), output is Format.json)
    if output is not Format.json:
        for doubt in dict.fromkeys(doubt for model in point.resolved for doubt in model.doubts):
            print(f"{_COMMENT[output]}unproven: {one_line(doubt)}")


def one_or_each(point: request.Point, model: str, output: Format) -> list[tuple[Model, dict[str, Any]]]:
    """The points that are asked for: several in text and JSON, one in what is a document or a program."""
    return point.each(model) if output in (Format.text, Format.json) else [point.resolve(model)]


def printed(
    output: Format, model: Model, cost: Cost, metrics: tuple[str, ...], short: bool, convention: Convention
) -> str:
    """A cost in one of the formats, with the point and the conventions that were used."""
    text = _PRINTERS[output](model, cost, metrics, short)
    if output is Format.json:
        return convention.added_to(text)
    if output is Format.latex or not convention.sentence:
        return text
    return f"{text}\n{_COMMENT[output]}{convention.sentence}"


def _text(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    if cost.evaluated:
        rows = [(m, exact_number(n), UNITS[m], engineering(n, m)) for m in metrics for n in [cost.number(m)]]
        return aligned(rows, (False, True, False, True))
    lines = [f"{metric} = {cost.text(metric, short=short)}" for metric in metrics]
    if short:
        used = sorted(cost.legend_of(metrics).items(), key=lambda pair: pair[1])
        values = model.symbols
        lines.append("")
        for name, new in used:
            number = [str(values[name])] if name in values else []
            lines.append(" = ".join([new, *([name] if name != new or not number else []), *number]))
    return "\n".join(lines)


def _json(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    shown = {m: printable(cost.number(m)) if cost.evaluated else cost.text(m, short=short) for m in metrics}
    data = {
        "model": model.name,
        "metrics": shown,
        "units": {m: UNITS[m] for m in metrics},
        "symbols": model.symbols,
        "assumes": list(model.assumes),
    }
    if model.doubts:
        data["unproven"] = list(model.doubts)
    if short and not cost.evaluated:
        data["legend"] = {new: name for name, new in cost.legend_of(metrics).items()}
    return json.dumps(data, indent=2, ensure_ascii=False)


def _latex(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    from symflops.export.latex import equations, legend

    return equations(cost, metrics, short=short) + (legend(cost, metrics, model.symbols) if short else "")


def _python(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    from symflops.export.python import python_function

    return python_function(cost, metrics, model.name, model.symbols)


def _c(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    from symflops.export.c import c_function

    return c_function(cost, metrics, model.name, model.symbols)


def _numpy(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    from symflops.export.numpy import numpy_function

    return numpy_function(cost, metrics, model.name, model.symbols)


def _javascript(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    from symflops.export.javascript import javascript_function

    return javascript_function(cost, metrics, model.name)


_PRINTERS = {
    Format.text: _text, Format.json: _json, Format.latex: _latex, Format.python: _python, Format.c: _c,
    Format.numpy: _numpy, Format.javascript: _javascript,
}  # fmt: skip
_COMMENT = {
    Format.text: "", Format.latex: "% ", Format.python: "# ", Format.c: "// ", Format.numpy: "# ",
    Format.javascript: "// ",
}  # fmt: skip
