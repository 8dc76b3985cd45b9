"""`symflops regimes`: how a cost grows, and which part of the model dominates from where to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops import units
from symflops.analysis import display
from symflops.cli import answers, request
from symflops.cli.quantities import aligned
from symflops.errors import SymflopsError
from symflops.numeric import check

if TYPE_CHECKING:
    from symflops.analysis.regimes import Regimes


@request.at_a_point()
def regimes(
    model: request.ModelName,
    by: answers.By = "seq_len",
    metric: request.OneByOne = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="N,N,…", help="numbers at these values of SYMBOL, by commas; repeatable"),
    ] = None,
    point: request.Point = request.ANYWHERE,
    symbolic: request.Symbolic = False,
    output: answers.Output = answers.Format.text,
) -> None:
    """Leading term, marginal cost, elasticity, limit per unit, and the component that costs most, by range.

    Other run symbols have their defaults, batch size 1 and one token.
    """
    from symflops.analysis.regimes import regimes as answer

    named, run = point.resolve(model)
    found = [answer(named, by, name, symbolic=symbolic, **run) for name in metric or ("flops",)]
    if at and not all(one.is_numeric for one in found):
        raise SymflopsError("--at needs numbers for all other symbols; leave out --symbolic")
    numbers = [check(by, number) for text in at or () for number in units.numbers(text, "--at")]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise SymflopsError("--at: whole numbers from 1 on are wanted")
    shown = [_PRINTERS[output](one, [int(number) for number in numbers]) for one in found]
    point.say(answers.together(shown, output is answers.Format.json), output is answers.Format.json)


def _text(found: Regimes, at: list[int]) -> str:
    rows = [
        (found.metric, answers.text(found.form("cost"))),
        ("leading term", answers.text(found.form("leading"))),
        ("one more", answers.text(found.form("marginal"))),
        (f"per {found.symbol}", _limit(found)),
        ("elasticity", display.elasticity(found)),
        ("most", found.sentence),
    ]
    table = aligned(rows, (False, False))
    if at:
        points = [{found.symbol: n, **found.at(n)} for n in at]
        names = list(points[0])
        shown = [[f"{p[k]:,}" if isinstance(p[k], int) else f"{p[k]:,.6g}" for k in names] for p in points]
        table += "\n\n" + aligned([names, *shown], [True] * len(names))
    return f"{table}\nwith {answers.assumed(found.values)}" if found.values else table


def _limit(found: Regimes) -> str:
    limit = found.forms["limit"]
    return display.per_unit(found) if limit is None else f"tends to {answers.text(limit)} {found.unit}"


def _json(found: Regimes, at: list[int]) -> str:
    limit = found.forms["limit"]
    data: dict[str, Any] = {
        "model": found.model,
        "metric": found.metric,
        "by": found.symbol,
        "unit": found.unit,
        "formula": answers.text(found.form("cost")),
        "leading": answers.text(found.form("leading")),
        "degree": found.degree,
        "marginal": answers.text(found.form("marginal")),
        "limit": None if limit is None else answers.text(limit),
        "elasticity": display.elasticity(found),
        "dominant": [{"from": s.first, "to": s.last, "component": s.component} for s in found.dominant],
        "sentence": found.sentence,
        "at": [{found.symbol: n, **found.at(n)} for n in at],
        "values": answers.given(found.values),
    }
    return answers.dump(data)


def _latex(found: Regimes, at: list[int]) -> str:
    from symflops.expr import symbol

    name = answers.latex(symbol(found.symbol))
    limit = r"\infty" if found.limit is None else answers.latex(found.limit)
    lines = [
        rf"C &= {answers.latex(found.cost)}",
        rf"C &\sim {answers.latex(found.leading)}",
        rf"\Delta C &= {answers.latex(found.marginal)}",
        rf"\lim_{{{name} \to \infty}} C / {name} &= {limit}",
    ]
    try:
        lines.append(rf"\frac{{\partial \ln C}}{{\partial \ln {name}}} &= {answers.latex(found.elasticity)}")
    except SymflopsError:
        lines.append(rf"& {answers.named(display.elasticity(found))}")
    lines.append(rf"& {answers.named(found.sentence)}")
    return answers.aligned(lines)


_PRINTERS = {answers.Format.text: _text, answers.Format.json: _json, answers.Format.latex: _latex}
