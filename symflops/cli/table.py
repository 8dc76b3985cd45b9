"""`symflops table`: what each layer costs, as a table for a paper, a page or a spreadsheet."""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from symflops.cli import request, terminal
from symflops.cli.convention import Convention
from symflops.cost import METRICS
from symflops.errors import SymflopsError, nearest
from symflops.units import MAX_DIGITS, SCALES


class Format(StrEnum):
    text = "text"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    json = "json"


class Environment(StrEnum):
    longtable = "longtable"
    table = "table"
    wide = "table*"


ONE = ("path", "count", "flops", "read_bytes", "write_bytes", "intermediate_bytes")  # columns for one model
SEVERAL = ("path", "count", "flops", "parameters")  # and side by side


@request.at_a_point()
def table(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="one model, or several side by side")],
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.markdown,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="NAMES", help="of path, class, formula, count, share and the metrics, by commas"
        ),
    ] = None,
    metric: request.Metric = None,
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="N", min=1, help="levels of the tree; deeper rows are summed")
    ] = None,
    symbolic: Annotated[
        bool | None,
        typer.Option("--symbolic/--numeric", help="keep hidden_size and the like, or put the config's numbers in"),
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="the cost of one run of a layer, not of all its runs")] = False,
    difference: Annotated[
        bool | None,
        typer.Option(
            "--difference/--no-difference",
            help="of two models, what the second costs more than the first (default: where the cells are numbers)",
        ),
    ] = None,
    point: request.Point = request.ANYWHERE,
    units: Annotated[
        str | None,
        typer.Option(
            "--units",
            metavar="UNITS",
            help="engineering, exact, or one prefix for all numbers: k, M, G, …, Gi (of bytes)",
        ),
    ] = None,
    digits: Annotated[
        int | None, typer.Option("--digits", metavar="N", min=1, max=MAX_DIGITS, help="significant digits (default 4)")
    ] = None,
    short: Annotated[bool | None, typer.Option("--short/--long", help="B or batch_size in formulas")] = None,
    standalone: Annotated[bool, typer.Option("--standalone", help="a LaTeX document that compiles as it is")] = False,
    environment: Annotated[
        Environment, typer.Option("--environment", help="LaTeX: longtable breaks across pages, the others float")
    ] = Environment.longtable,
    width: Annotated[
        float | None,
        typer.Option("--width", metavar="CM", min=5, max=200, help="LaTeX: width of the text in cm"),
    ] = None,
    caption: Annotated[str, typer.Option("--caption", metavar="TEXT", help="LaTeX: your own caption")] = "",
    label: Annotated[str, typer.Option("--label", metavar="NAME", help="LaTeX: what \\ref names, as tab:cost")] = "",
    name_row: Annotated[
        list[str] | None,
        typer.Option("--name-row", metavar="PATH=NAME", help="another name for the row of this layer; repeatable"),
    ] = None,
    name_column: Annotated[
        list[str] | None,
        typer.Option("--name-column", metavar="COLUMN=NAME", help="another heading for a column; repeatable"),
    ] = None,
) -> None:
    """What each distinct layer costs: closed forms, or numbers when -B and -S are given.

    On a terminal the table is text that fits, elsewhere Markdown, unless --format or the ending of -o says more. Equal
    layers are one row, with all their runs. Without numbers the formulas are in the architecture's symbols, and the
    legend has the config's values; with --numeric the config's numbers are in the formulas.
    """
    only_latex = bool(standalone or environment is not Environment.longtable or width is not None or caption or label)
    _check(output, units, digits, short, only_latex)
    if not re.fullmatch(r"[\w.:/+-]*", label, re.ASCII):
        raise SymflopsError(f"--label {label[:60]!r}: letters, digits and any of . : / + - _")
    if name_column and output in (Format.csv, Format.json):
        raise SymflopsError(f"--format {output} has the full names; --name-column is for the other formats")
    notes: list[str] = []
    names = request.pairs(name_row, "--name-row"), request.pairs(name_column, "--name-column")
    chosen = _columns(columns, metric, len(models))
    resolved = [point.resolve(name) for name in models]
    given = resolved[0][1]
    for model, _ in resolved:
        model.check_assumptions(model.total().with_defaults(given) if given else {})
    from symflops.export.table import named
    from symflops.export.table import table as build

    keep = not given if symbolic is None else symbolic
    with request.progress("writing the table"):
        built = build(
            [model for model, _ in resolved],
            chosen,
            symbolic=keep,
            given=given,
            depth=depth,
            each=each,
            difference=difference,
        )
        built = named(built, *names)
        scale, figures = units or "engineering", digits or 4
        if output is Format.latex:
            from symflops.export.latex_table import CM, latex_table

            points = width * CM if width else None
            typeset = partial(
                latex_table, scale=scale, digits=figures, standalone=standalone, environment=environment, width=points,
                caption=caption, reference=label,
            )  # fmt: skip
            try:
                text = typeset(built)
            except SymflopsError:
                if not built.difference or difference:
                    raise
                text = typeset(replace(built, difference=False))
                notes.append("the columns of the difference do not fit; --difference says what they need")
        else:
            from symflops.export import plain

            if output is Format.text:
                laid = plain.text(built, short=short is not False, scale=scale, digits=figures)
                rows = terminal.aligned([laid.header, *laid.rows], laid.right)
                text = "\n\n".join([rows, *laid.notes])
            elif output is Format.markdown:
                text = plain.markdown(built, short=short is not False, scale=scale, digits=figures)
            else:
                printer = plain.jsonable if output is Format.json else plain.comma_separated
                text = printer(built, short=bool(short))
    if output in (Format.text, Format.markdown, Format.json):
        metrics = [column for column in chosen if column in METRICS]
        said = [Convention.of(m, m.total(symbolic=keep), given, metrics, point.changed) for m, _ in resolved]
        if output is Format.json:
            text = said[0].added_to(text)
        else:
            text = "\n\n".join([text, *dict.fromkeys(f"{c.sentence}." for c in said if c.sentence)])
    text = text.encode("utf-8", "backslashreplace").decode()  # a name may hold half of a surrogate pair
    point.say(text, output is Format.json)
    request.print_notes(notes)


def _check(
    output: Format,
    units: str | None,
    digits: int | None,
    short: bool | None,
    only_latex: bool,
) -> None:
    """Options that say nothing in this format are mistakes."""
    if units is not None and units not in SCALES:
        raise SymflopsError(f"--units {units[:60]!r}{nearest(units, SCALES)}; valid: {', '.join(SCALES)}")
    if output in (Format.csv, Format.json) and (units not in (None, "exact") or digits is not None):
        raise SymflopsError(f"--format {output} has every digit; --units and --digits are for the other formats")
    if output is Format.latex:
        if short is False:
            raise SymflopsError("--long is not for --format latex, whose symbols are letters with a legend")
    elif only_latex:
        options = "--standalone, --environment, --width, --caption and --label"
        raise SymflopsError(f"{options} are for --format latex, not {output}")


def _columns(columns: str | None, metrics: list[str] | None, models: int) -> tuple[str, ...]:
    if columns is not None and metrics:
        raise SymflopsError("give --columns or --metric, not both")
    if columns is not None:
        return tuple(name.strip() for name in columns.split(",") if name.strip())
    if metrics:
        return ("path", "count", *metrics)
    return ONE if models == 1 else SEVERAL
