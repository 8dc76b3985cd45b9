"""A total as a sum over components, each term with the layers that it comes from, and what all totals share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from symflops.analysis.parts import Component, by_component
from symflops.cli.answers import jsonable
from symflops.cli.quantities import aligned, engineering, exact_number, printable
from symflops.cost import METRICS, UNITS, Cost
from symflops.grouping import grouped, renamed
from symflops.model import Model
from symflops.numeric import evaluate
from symflops.numeric import whole as whole_number
from symflops.polynomial import Value
from symflops.tree import write

FORMATS = ("text", "json", "latex")


def terms(
    model: Model, whole: Cost, metrics: Sequence[str], given: Mapping[str, Any], symbolic: bool
) -> list[Component]:
    """These metrics of the components of a total, at the point at which the total is."""
    found = [replace(term, cost=term.cost.only(metrics)) for term in by_component(model, symbolic=symbolic)]
    if not whole.evaluated:
        return [replace(term, cost=term.cost.bind(**given)) for term in found]
    point = model.total(symbolic=symbolic).with_defaults(given)
    terms, sums = [], dict.fromkeys(METRICS, Fraction(0))
    for term in found:  # what is not whole is rounded so that the terms add up to the rounded total
        numbers: dict[str, Value] = {}
        for metric, value in term.cost.by_metric.items():
            before = whole_number(sums[metric])
            sums[metric] += evaluate(value, point)
            numbers[metric] = whole_number(sums[metric]) - before
        terms.append(replace(term, cost=Cost(numbers, evaluated=True)))
    return terms


def printed(
    output: str, model: Model, terms: Sequence[Component], whole: Cost, metrics: Sequence[str], short: bool, alone: bool
) -> str:
    """A sum in one of the `FORMATS`; `alone` is LaTeX as a document."""
    if output == "json":
        more = {"components": [_datum(term, whole, metrics, short) for term in terms]}
        return json.dumps(data(model, whole, metrics, short) | more, indent=2, ensure_ascii=False)
    if output == "latex":
        from symflops.export.latex import equations_by_part, legend

        parts = {term.name: term.cost for term in terms}
        text = equations_by_part(parts, metrics, short=short, standalone=alone)
        return text + (legend(whole, metrics, model.symbols) if short and not alone else "")
    if whole.evaluated:
        return _numbers(terms, whole, metrics)
    tables = [_formulas(terms, whole, metric, short) for metric in metrics]
    return "\n\n".join([*tables, *(["\n".join(legend_lines(model, whole, metrics))] if short else [])])


def _layers(term: Component, names: Mapping[str, str]) -> list[str]:
    runs = [(place.path, write(renamed(grouped(place.runs), names))) for place in term.places]
    return [path if times == "1" else f"{path} ×{times}" for path, times in runs]


def _formulas(terms: Sequence[Component], whole: Cost, metric: str, short: bool) -> str:
    """The terms that are not 0, each with its layers below each other."""
    names = whole.legend if short else {}
    rows = [("component", "layers", f"{metric} is the sum of")]
    for term in terms:
        if term.cost.value(metric) != 0:
            text = write(renamed(term.cost.tree(metric), names))
            first, *others = _layers(term, names)
            rows += [(term.name, first, text), *(("", other, "") for other in others)]
    return aligned(rows, (False, False, False)) if len(rows) > 1 else f"{metric} = 0"


def _numbers(terms: Sequence[Component], whole: Cost, metrics: Sequence[str]) -> str:
    rows = [("component", "layers", *metrics, f"share of {metrics[0]}")]
    for term in terms:
        first, *others = _layers(term, {})
        numbers = (exact_number(term.cost.number(metric)) for metric in metrics)
        rows.append((term.name, first, *numbers, f"{whole.share(term.cost, metrics[0]):.1%}"))
        rows += [("", other, *("" for _ in metrics), "") for other in others]
    rows.append(("total", "", *(exact_number(whole.number(metric)) for metric in metrics), "100.0%"))
    rows.append(("", "", *(engineering(whole.number(metric), metric) for metric in metrics), ""))
    return aligned(rows, (False, False, *(True for _ in metrics), True))


def _datum(term: Component, whole: Cost, metrics: Sequence[str], short: bool) -> dict[str, Any]:
    layers = [{"path": place.path, "runs": jsonable(place.runs)} for place in term.places]
    return {"component": term.name, "layers": layers, **_shown(term.cost, whole, metrics, short)}


def _shown(cost: Cost, whole: Cost, metrics: Sequence[str], short: bool) -> dict[str, Any]:
    """The metrics as JSON has them: numbers, or texts in the names of the whole."""
    if cost.evaluated:
        return {metric: printable(cost.number(metric)) for metric in metrics}
    trees = {metric: cost.tree(metric) for metric in metrics}
    return {metric: write(renamed(tree, whole.legend) if short else tree) for metric, tree in trees.items()}


def data(model: Model, cost: Cost, metrics: Sequence[str], short: bool) -> dict[str, Any]:
    """A total as JSON has it."""
    found = {
        "model": model.name,
        "metrics": _shown(cost, cost, metrics, short),
        "units": {m: UNITS[m] for m in metrics},
        "symbols": model.symbols,
        "assumes": list(model.assumes),
    }
    if model.doubts:
        found["unproven"] = list(model.doubts)
    if short and not cost.evaluated:
        found["legend"] = {new: name for name, new in cost.legend_of(metrics).items()}
    return found


def legend_lines(model: Model, cost: Cost, metrics: Sequence[str]) -> list[str]:
    """The short names that stand in these metrics, one a line, with the model's values."""
    lines = []
    for name, new in sorted(cost.legend_of(metrics).items(), key=lambda pair: pair[1]):
        number = [str(model.symbols[name])] if name in model.symbols else []
        lines.append(" = ".join([new, *([name] if name != new or not number else []), *number]))
    return lines
