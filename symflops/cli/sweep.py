"""`symflops sweep`: the total over a grid of batch sizes and lengths."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from symflops import files, units
from symflops.atlas import entries
from symflops.cli import lengths, request, streams
from symflops.cli.convention import Convention
from symflops.cli.formatted import AS_STATED
from symflops.cli.quantities import aligned
from symflops.config_file import NoConfigError, config_data, is_config
from symflops.cost import METRICS, Sweep
from symflops.errors import SymflopsError, nearest
from symflops.model import Model, model_names
from symflops.numeric import plain
from symflops.vocabulary.symbols import RUN

MAX_ROWS = 1_000_000


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"


class Chart(StrEnum):
    components = "components"
    per_token = "per-token"
    intensity = "intensity"


_POINTS = "128:131072:*2 (start:stop:*factor), 1:64:+1 (start:stop:+step), 1:64, 1,2,8 or 4"
_LENGTHS = "128:131072:*2"


@request.at_a_point(without=("batch_size", "seq_len", "past_len"))
def sweep(
    model: request.ModelName,
    batch_size: Annotated[
        str | None, typer.Option("-B", "--batch-size", metavar="POINTS", help=f"points: {_POINTS} (default: 1)")
    ] = None,
    seq_len: Annotated[
        str | None,
        typer.Option(
            "-S", "--seq-len", metavar="POINTS", help=f"points (default: {_LENGTHS}, as far as the model goes)"
        ),
    ] = None,
    past_len: Annotated[
        str | None, typer.Option("-P", "--past-len", metavar="POINTS", help="points (default: 0)")
    ] = None,
    point: request.Point = request.ANYWHERE,
    metric: request.Metric = None,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.table,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="draw it instead: a name in .pdf, .svg or .png")
    ] = None,
    chart: Annotated[
        Chart | None, typer.Option("--chart", help="what to draw against -S (default: components)")
    ] = None,
) -> None:
    """The metrics over the grid of all points, computed from the closed form. The dtype of each column is stated.

    --set NAME=POINTS puts a size of the model, or a symbol of the call such as dtype_bytes, on an axis, too. A size of
    a config.json or of a type that the atlas has is a field, and what the class of configs computes of it follows.

    With --plot a picture against length: the components stacked, the cost per token or FLOPs per byte in prefill and
    decoding. Decoding is drawn after as many tokens as the axis says; the last two have a line for each -B.
    """
    point, listed = _listed(point)
    named, given = point.resolve(model)
    typed = {"batch_size": ("-B", batch_size), "seq_len": ("-S", seq_len), "past_len": ("-P", past_len)}
    axes = {name: points(text, option) for name, (option, text) in typed.items() if text is not None}
    said: dict[str, list[Any]] = {name: [given.pop(name)] for name in typed if name in given}
    sizes: dict[str, list[int]] = {}
    used = named.total().free_symbols
    for name, text in listed.items():
        of_call = name in named.run or (name in used and name not in named.symbols)  # or of an input of the model's own
        if of_call and (name in given or name in said):
            raise SymflopsError(f"--set {name}={text[:60]}: {name} is given twice")
        (said if of_call else sizes)[name] = (_numbers if of_call else points)(text, f"--set {name}")
    for name in said:
        if name in axes:
            raise SymflopsError(f"--set {name}, and {typed[name][0]}: {name} is given twice")
    axes |= said
    asked = axes.keys() | sizes.keys()
    is_default = "seq_len" not in axes
    axes = {"batch_size": [1], "seq_len": points(_LENGTHS, "-S") if "seq_len" in used else [1], "past_len": [0]} | axes
    if is_default:
        axes["seq_len"] = _allowed(named, axes, given, chart)
    point.fed(named, max(axes["seq_len"]), max(axes["past_len"]))
    if not is_default and "seq_len" not in used:
        point.unexpected.append((named, lengths.unused(named)))
    try:
        swept = _designs(model, named, point, sizes, axes | given) if sizes else named.total().sweep(**axes, **given)
    except SymflopsError as error:
        raise error if error.where else error.within(named.name) from None
    shown = [n for n, axis in (sizes | axes).items() if n in asked or (n in used and axis != [0])]
    names = [name for name in shown if name in swept and (name != "past_len" or axes[name] != [0])]
    for name in metric or ():
        if name not in METRICS:
            raise SymflopsError(f"unknown metric {name!r}{nearest(name, METRICS)}")
    if plot is not None:
        if sizes or axes.keys() > typed.keys():
            raise SymflopsError("--plot draws against -S: give each --set one value")
        _plot(named, plot, chart or Chart.components, axes, given, metric)
    elif chart is not None:
        raise SymflopsError("--chart is for --plot FILE")
    else:
        metrics = metric or METRICS
        first = {name: axis[0] for name, axis in axes.items()}
        convention = Convention.of(named, named.total(), first | given, metrics, point.changed)
        here = {
            name: value for name, value in convention.at.items() if name not in names and name in used | given.keys()
        }
        causal = None if "causal" in names else convention.causal
        convention = replace(convention, at=here, causal=causal)
        point.say(_PRINTERS[output](swept, [*names, *metrics], convention), output is Format.json)


def _listed(point: request.Point) -> tuple[request.Point, dict[str, str]]:
    """What `--set` gives several values, as typed, and the rest of what is given."""
    listed, others = {}, []
    for setting in point.settings:
        name, _, text = setting.partition("=")
        if any(sign in text for sign in ":,"):
            if name in listed:
                raise SymflopsError(f"--set {setting[:60]!r}: {name[:60]} is given twice")
            listed[name] = text
        else:
            others.append(setting)
    return replace(point, settings=tuple(others)), listed


def _numbers(text: str, option: str) -> list[Any]:
    """The points of a symbol of the call, of which bytes per element may be fractions."""
    return points(text, option) if ":" in text else [plain(number) for number in units.numbers(text, option)]


def _designs(name: str, model: Model, point: request.Point, sizes: dict[str, list[int]], run: dict[str, Any]) -> Sweep:
    """The grid of the total where sizes of the model are axes, too."""
    from symflops import arrays
    from symflops.atlas.designs import designs, swept

    if model.plan is not None or model.serving is not None or point.config is not None or point.weights != AS_STATED:
        raise SymflopsError("--set with several values is for a model as it is written and as its config states it")
    stated = _stated(name)
    if stated is not None:
        texts = (setting.partition("=") for setting in point.settings)
        fixed = {n: units.number(text, n) for n, _, text in texts if n not in RUN}
        return designs({**stated, **fixed}, model.name, sizes, **run)
    for size in sizes:
        if size not in model.symbols:
            raise SymflopsError(f"{size} is no size of the model{nearest(size, list(model.symbols))}")
    grid = arrays.grid({**sizes, **{n: axis for n, axis in run.items() if isinstance(axis, list)}})
    columns = {n: axis for n, axis in grid.items() if n in sizes}
    return swept(model, columns, grid, {n: v for n, v in run.items() if n not in grid})


def _stated(name: str) -> dict[str, Any] | None:
    """The config that a name leads to, if it is one of the atlas: of a path, or of a type with its defaults."""
    if name in model_names():
        return None
    with suppress(NoConfigError):
        stated, _ = config_data(name)
        return stated if is_config(stated) else None
    return {"model_type": name} if name in entries.types() else None


def _allowed(model: Model, axes: dict[str, Any], given: dict[str, Any], chart: Chart | None) -> list[int]:
    """The usual lengths that the model can run, all of them where it can run none, so that it is said why."""

    def runs(length: int) -> bool:
        calls = [(length, max(axes["past_len"]))]
        if chart not in (None, Chart.components) and "past_len" in model.total().free_symbols:
            calls.append((1, length))
        try:
            for fed, past in calls:
                point = {"batch_size": axes["batch_size"][0], "seq_len": fed, "past_len": past} | given
                model.check_assumptions(model.total().with_defaults(point))
        except SymflopsError:
            return False
        return True

    return [length for length in axes["seq_len"] if runs(length)] or axes["seq_len"]


def _plot(
    model: Model, plot: str, chart: Chart, axes: dict[str, list[int]], given: dict[str, Any], metric: list[str] | None
) -> None:
    from symflops.export import plots

    target = Path(plot)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in plots.FORMATS:
        raise SymflopsError(f"--plot {plot[:60]!r}: expected a name in .pdf, .svg or .png")
    if metric and (chart is not Chart.components or len(metric) > 1):
        raise SymflopsError("--metric with --plot: one, of --chart components")
    if chart is Chart.components and len(axes["batch_size"]) > 1:
        raise SymflopsError("--chart components is for one batch size; give one -B")
    if len(axes["past_len"]) > 1 or (axes["past_len"] != [0] and chart is not Chart.components):
        raise SymflopsError("--plot draws against -S; give -P one value, and only to --chart components")
    past = {"past_len": axes["past_len"][0]} if axes["past_len"] != [0] else {}
    lengths, batches = sorted(axes["seq_len"]), sorted(set(axes["batch_size"]))
    with request.only_our_words(), request.progress(f"drawing {plot}"):
        shown = metric[0] if metric else "flops"
        content = plots.save(plots.draw(model, chart, lengths, batches, {**given, **past}, shown), kind)
    files.write(target, content)
    streams.tell(f"wrote {plot}")


def points(text: str, option: str) -> list[int]:
    """The points of one axis.

    >>> points("128:1024:*2", "-S"), points("1,8", "-B"), points("2:4", "-S"), points("24:48:8", "--set")
    ([128, 256, 512, 1024], [1, 8], [2, 3, 4], [24, 32, 40, 48])
    """
    found: list[int] = []
    for part in units.items(text, option):
        numbers = part.split(":")
        try:
            start, stop = _whole(numbers[0]), _whole(numbers[min(1, len(numbers) - 1)])
            step = numbers[2] if len(numbers) > 2 else "+1"
            step = f"+{step}" if step[:1].isdigit() else step
            by = _whole(step[1:])
            if len(numbers) > 3 or step[0] not in "+*" or by < (2 if step[0] == "*" else 1):
                raise ValueError
        except (ValueError, IndexError):
            raise SymflopsError(f"{option}: {part[:60]!r} is not a range; expected {_POINTS}") from None
        if start < 0 or (start == 0 and step[0] == "*" and stop > 0):
            raise SymflopsError(f"{option}: {part[:60]!r}: negative, or a factor that starts at 0")
        while start <= stop:
            found.append(start)
            if len(found) > MAX_ROWS:
                raise SymflopsError(f"{option}: more than {MAX_ROWS:,} points")
            start = start * by if step[0] == "*" else start + by
    if not found:
        raise SymflopsError(f"{option}: {text[:60]!r} has no points")
    return found


def _whole(text: str) -> int:
    """A whole number as every option takes it; a ValueError for what is none."""
    try:
        number = units.number(text, "")
    except SymflopsError:
        raise ValueError from None
    if not isinstance(number, int):
        raise ValueError
    return number


def _rows(swept: Sweep, names: list[str]) -> list[list[Any]]:
    columns = [swept[name].tolist() for name in names]
    if len(columns[0]) > MAX_ROWS:
        raise SymflopsError(f"a grid of {len(columns[0]):,} points; at most {MAX_ROWS:,} can be printed")
    return [list(row) for row in zip(*columns, strict=True)]


def _table(swept: Sweep, names: list[str], convention: Convention) -> str:
    rows = [[_cell(cell) for cell in row] for row in _rows(swept, names)]
    dtypes = {name: str(swept[name].dtype) for name in names}
    distinct = set(dtypes.values())
    stated = distinct.pop() if len(distinct) == 1 else ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
    return "\n".join(
        filter(None, [aligned([names, *rows], [True] * len(names)), f"dtype: {stated}", convention.sentence])
    )


def _cell(cell: Any) -> str:
    """A number of a table: in full where it is whole, as the bytes of half a byte per element mostly are.

    >>> _cell(12345), _cell(62656304.0), _cell(0.5)
    ('12,345', '62,656,304', '0.5')
    """
    if isinstance(cell, float) and not (cell.is_integer() and abs(cell) < 2**53):
        return f"{cell:,.6g}"
    return f"{int(cell):,}"


def _csv(swept: Sweep, names: list[str], convention: Convention) -> str:
    import csv

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(_rows(swept, names))
    return text.getvalue().removesuffix("\n")


def _json(swept: Sweep, names: list[str], convention: Convention) -> str:
    import json

    columns = {name: swept[name].tolist() for name in names}
    dtypes = {name: str(swept[name].dtype) for name in names}
    return json.dumps({"dtypes": dtypes, "columns": columns, **convention.data})


_PRINTERS = {Format.table: _table, Format.csv: _csv, Format.json: _json}
