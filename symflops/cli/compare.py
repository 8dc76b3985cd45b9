"""`symflops compare`: two models, or a model and a rule of thumb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.cli import answers, request
from symflops.cli.quantities import aligned
from symflops.meaning import in_words

if TYPE_CHECKING:
    from symflops.analysis.comparison import Comparison, Pair


@request.at_a_point()
def compare(
    a: request.ModelName,
    b: Annotated[
        str, typer.Argument(metavar="MODEL|RULE", help="another model, or a rule such as '6*N*D', '2*N per token'")
    ],
    metric: request.OneByOne = None,
    by: answers.By = "seq_len",
    within: Annotated[
        str | None, typer.Option("--within", metavar="PERCENT", help="where B is that close to A")
    ] = None,
    rename: request.Rename = None,
    point: request.Point = request.ANYWHERE,
    output: answers.Output = answers.Format.text,
) -> None:
    """Difference and ratio by component, in closed form, and where the two sides cross.

    A rule is a formula in the model's and the run symbols, with N for its parameters, N_act for those that a token
    uses and D for all tokens; what short names were taken for is printed. --set and --config are about the first model.
    """
    from symflops.analysis import comparison

    first, run = point.resolve(a)
    second = b if comparison.is_rule(b) else point.other(b)
    renamed = request.pairs(rename, "--rename")
    shown = []
    for name in metric or ("flops",):
        found = comparison.compare(first, second, name, by=by, rename=renamed, **run)
        shown.append(_PRINTERS[output](found, within or ("5%" if found.is_rule else None)))
    point.say(answers.together(shown, output is answers.Format.json), output is answers.Format.json)


def _text(found: Comparison, percent: str | None) -> str:
    lines = [found.sentence]
    lines += [f"they cross between {a:,} and {b:,}" for a, b in found.crossings]
    if percent is not None:
        lines.append(_within(found, percent))
    if found.is_rule:
        rows = [(found.a, answers.text(found.total.a)), (found.b, answers.text(found.total.b))]
        rows.append(("error", "" if found.total.error is None else found.total.error.text))
        table = aligned(rows, (False, False))
    else:
        header = ("component", f"{found.a} - {found.b}", f"{found.a} / {found.b}")
        shown = [p for p in found.components if p.a != 0 or p.b != 0]
        table = aligned([header, *(_row(p) for p in (*shown, found.total))], (False, False, False))
    with_values = [f"with {answers.assumed(found.values)}"] if found.values else []
    taken = [f"names taken: {in_words(found.taken)}"] if found.taken else []
    return "\n".join([*lines, "", table, *with_values, *taken])


def _row(pair: Pair) -> tuple[str, str, str]:
    return pair.name, answers.text(pair.difference), "" if pair.ratio is None else pair.ratio.text


def _within(found: Comparison, percent: str) -> str:
    ranges = [f"{a:,} to {b:,}" if b is not None else f"{a:,} on" for a, b in found.within(percent)]
    where = f"for {found.by} from {' and from '.join(ranges)}" if ranges else f"at no {found.by}"
    return f"{found.b} is within {percent.strip().removesuffix('%')}% of {found.a} {where}"


def _json(found: Comparison, percent: str | None) -> str:
    data: dict[str, Any] = {
        "a": found.a,
        "b": found.b,
        "metric": found.metric,
        "by": found.by,
        "total": _pair(found.total),
        "error": None if found.total.error is None else found.total.error.text,
        "components": {p.name: _pair(p) for p in found.components},
        "crossings": [list(pair) for pair in found.crossings],
        "sentence": found.sentence,
        "values": answers.given(found.values),
        "names": dict(found.taken),
    }
    if percent is not None:
        data["within"] = {"percent": percent, "ranges": [list(r) for r in found.within(percent)]}
    return answers.dump(data)


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "a": answers.text(pair.a),
        "b": answers.text(pair.b),
        "difference": answers.text(pair.difference),
        "ratio": None if pair.ratio is None else pair.ratio.text,
    }


def _latex(found: Comparison, percent: str | None) -> str:
    a, b = answers.named(found.a), answers.named(found.b)
    lines = []
    for pair in (*found.components, found.total):
        if pair.a == 0 and pair.b == 0:
            continue
        where = answers.named(f" ({pair.name})")
        lines.append(rf"{a} - {b} &= {answers.latex(pair.difference)} {where}")
        if pair.ratio is not None:
            lines.append(rf"{a} / {b} &= {answers.latex(pair.ratio.expression)} {where}")
    if found.is_rule and found.total.error is not None:
        lines.append(rf"{answers.named('error')} &= {answers.latex(found.total.error.expression)}")
    lines.append(rf"& {answers.named(found.sentence)}")
    if percent is not None:
        lines.append(rf"& {answers.named(_within(found, percent))}")
    return answers.aligned(lines)


_PRINTERS = {answers.Format.text: _text, answers.Format.json: _json, answers.Format.latex: _latex}
