"""`symflops total`: what a model costs, as formulas or as numbers."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from symflops.cli import amounts, components, request
from symflops.cli.answers import together
from symflops.cli.convention import Convention
from symflops.cli.quantities import aligned, engineering, exact_number
from symflops.cost import METRICS, UNITS, Cost
from symflops.errors import SymflopsError, one_line
from symflops.model import Model

LONG = 300  # characters of a line that nobody reads


class Parts(StrEnum):
    component = "component"


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
    by: Annotated[
        Parts | None, typer.Option("--by", help="the total as a sum, each term with the layers that it comes from")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
    standalone: Annotated[bool, typer.Option("--standalone", help="a LaTeX document that compiles as it is")] = False,
) -> None:
    """Total FLOPs, bytes and parameters: closed forms, or exact numbers once every symbol has a value.

    --metric takes what the model holds, too: active_parameters (those that one token uses), weights and cache (bytes).
    """
    if standalone and output is not Format.latex:
        raise SymflopsError(f"--standalone is for --format latex, not {output}")
    if by is not None and output not in components.FORMATS:
        raise SymflopsError(f"--by {by} is for --format {', '.join(components.FORMATS)}, not {output}")
    if metric and amounts.are_asked(metric):
        if by is not None or output not in (Format.text, Format.json):
            raise SymflopsError(f"--metric {metric[0]} is for --format text and json, without --by")
        _say_amounts(point, model, metric, symbolic, short, output)
        return
    metrics = tuple(metric or METRICS)
    answers, is_long = [], False
    for named, given in one_or_each(point, model, output):
        cost = named.total(symbolic=symbolic)
        for name in metrics:
            cost.value(name)  # an unknown metric is an error before anything is printed
        if given:
            if not cost.is_complete(given) and cost.only(metrics).is_complete(given):
                cost = cost.only(metrics)  # nobody knows the others
            cost = request.evaluate(named, cost, given) if cost.is_complete(given) else cost.bind(**given)
        convention = Convention.of(named, named.total(symbolic=symbolic), given, metrics, point.changed)
        if by is not None:
            terms = components.terms(named, cost, metrics, given, symbolic)
            text = components.printed(output, named, terms, cost, metrics, short, standalone)
            answers.append(text if standalone else _said(output, text, convention))
        elif standalone:
            from symflops.export.latex import equations

            answers.append(equations(cost, metrics, short=short, standalone=True))
        else:
            answers.append(printed(output, named, cost, metrics, short, convention))
            if output is Format.text and not cost.evaluated:
                formulas = [n for n in answers[-1].splitlines() if n.startswith(tuple(f"{m} = " for m in metrics))]
                is_long = is_long or max(map(len, formulas)) > LONG
    point.say(together(answers, output is Format.json), output is Format.json)
    if output is not Format.json:
        for doubt in dict.fromkeys(doubt for model in point.resolved for doubt in model.doubts):
            print(f"{_COMMENT[output]}unproven: {one_line(doubt)}")
    if is_long:
        request.print_notes(["--by component gives a long formula as a sum, with the layers that each term comes from"])


def _say_amounts(
    point: request.Point, model: str, names: list[str], symbolic: bool, short: bool, output: Format
) -> None:
    """What the model holds, at each of the points that are asked for."""
    answers = []
    for named, given in point.each(model):
        with named.call("what is held"):
            whole = amounts.held(named, names, symbolic)
        cost = request.evaluate(named, whole, given) if given and whole.is_complete(given) else whole.bind(**given)
        convention = Convention.of(named, whole, given, amounts.metrics(names), point.changed)
        show = amounts.data if output is Format.json else amounts.text
        answers.append(_said(output, show(named, cost, names, short), convention))
    point.say(together(answers, output is Format.json), output is Format.json)


def one_or_each(point: request.Point, model: str, output: Format) -> list[tuple[Model, dict[str, Any]]]:
    """The points that are asked for: several in text and JSON, one in what is a document or a program."""
    return point.each(model) if output in (Format.text, Format.json) else [point.resolve(model)]


def printed(
    output: Format, model: Model, cost: Cost, metrics: tuple[str, ...], short: bool, convention: Convention
) -> str:
    """A cost in one of the formats, with the point and the conventions that were used."""
    return _said(output, _PRINTERS[output](model, cost, metrics, short), convention)


def _said(output: Format, text: str, convention: Convention) -> str:
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
        lines += ["", *components.legend_lines(model, cost, metrics)]
    return "\n".join(lines)


def _json(model: Model, cost: Cost, metrics: tuple[str, ...], short: bool) -> str:
    return json.dumps(components.data(model, cost, metrics, short), indent=2, ensure_ascii=False)


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
