"""`symflops solve`: where an equation or inequality between costs holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.cli import answers, request, streams
from symflops.meaning import in_words

if TYPE_CHECKING:
    from symflops.analysis.solution import Answer, Solution

_RELATIONS = {"==": "=", "<=": r"\le", ">=": r"\ge", "<": "<", ">": ">"}


@request.at_a_point()
def solve(
    model: request.ModelName,
    text: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION", help="such as 'flops(self_attn) == flops(mlp)', 'weights + cache <= 80 GiB'"
        ),
    ],
    symbol: Annotated[str, typer.Option("--for", metavar="SYMBOL", help="the symbol to solve for")],
    point: request.Point = request.ANYWHERE,
    symbolic: request.Symbolic = False,
    free: Annotated[
        list[str] | None,
        typer.Option("--free", metavar="SYMBOL", help="keep this symbol instead of its default; repeatable"),
    ] = None,
    rename: request.Rename = None,
    output: answers.Output = answers.Format.text,
) -> None:
    """Solve an equation or inequality for a symbol, exactly.

    metric(path) is what the layers cost whose place ends with the path, in one of the metrics, weights or cache;
    without a path, the whole model. Amounts take units (80 GiB, 1.5 PFLOP). With symbols left it is a curve.
    """
    from symflops.analysis import solution  # here and in the others: `symflops total` shall not wait for it

    named, run = point.resolve(model)
    renamed = request.pairs(rename, "--rename")
    answer = solution.solve(named, text, symbol, symbolic=symbolic, free=free or (), rename=renamed, **run)
    for note in answer.notes:
        streams.tell(f"note: {note}")
    point.say(_PRINTERS[output](answer), output is answers.Format.json)


def _text(answer: Answer) -> str:
    lines = [answer.sentence]
    if answer.sign == "==" and not answer.is_curve:
        lines += [f"the sides cross between {a:,} and {b:,}" for a, b in answer.crossings if b == a + 1]
    if answer.values:
        lines.append(f"with {answers.assumed(answer.values)}")
    if answer.taken:
        lines.append(f"names taken: {in_words(answer.taken)}")
    return "\n".join(lines)


def _json(answer: Answer) -> str:
    return answers.dump({
        "model": answer.model,
        "question": answer.question,
        "for": answer.symbol,
        "status": answer.status,
        "solutions": [_solution(s) for s in answer],
        "crossings": [list(pair) for pair in answer.crossings],
        "sentence": answer.sentence,
        "conditions": list(answer.conditions),
        "where": list(answer.where),
        "notes": list(answer.notes),
        "values": answers.given(answer.values),
        "names": dict(answer.taken),
    })  # fmt: skip


def _solution(solution: Solution) -> dict[str, Any]:
    data: dict[str, Any] = {"value": solution.value, "formula": solution.formula}
    if solution.first is not None:
        data |= {"from": solution.first, "to": solution.last}
    if solution.every is not None:
        data["every"] = solution.every
    if solution.side != "==":
        data["side"] = solution.side
    if solution.where:
        data["where"] = list(solution.where)
    return data


def _latex(answer: Answer) -> str:
    from symflops.expr import symbol

    name = answers.latex(symbol(answer.symbol))
    lines = []
    for s in answer:
        more = f" and so on every {s.every}" if s.every else ""
        more += f" where {' and '.join(s.where)}" if s.where else ""
        words = f" {answers.named(more)}" if more else ""
        if s.first is not None:
            edges = [f"{s.first} \\le", name] + ([f"\\le {s.last}"] if s.last is not None else [])
            lines.append(f"& {' '.join(edges)}{words}")
        else:
            lines.append(f"{name} &{_RELATIONS[s.side]} {answers.latex(s.expression)}{words}")
    if lines and answer.where:
        lines.append(f"& {answers.named('where ' + ' and '.join(answer.where))}")
    if lines and answer.conditions:
        lines.append(f"& {answers.named('within what the model can run: ' + '; '.join(answer.conditions))}")
    return answers.aligned(lines or [f"& {answers.named(answer.sentence)}"])


_PRINTERS = {answers.Format.text: _text, answers.Format.json: _json, answers.Format.latex: _latex}
