"""Pictures of a model's cost against length, drawn with matplotlib (the extra `symflops[plot]`).

Every point of every curve is computed from the closed form at a whole length; nothing is interpolated but the pixels
between. Colours differ in lightness, areas also in hatching and lines in dashes, so that a grey print can be read.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symflops.cost import Cost
from symflops.errors import SymflopsError, one_line
from symflops.export.table import label, table
from symflops.model import Model
from symflops.units import unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHARTS = ("components", "per-token", "intensity")
FORMATS = ("pdf", "svg", "png")
_AREAS = 7  # components with a colour of their own; the rest is one
_LEAST = 0.01  # share that a component of its own reaches somewhere
_BATCHES = 5  # lines of one kind that can still be told apart
_SAMPLES = 160  # lengths between the shortest and the longest
_HATCHES = ("", "///", "", "...", "", "xxx", "", "\\\\\\")
_SHADES = (0.0, 0.72, 0.3, 1.0, 0.15, 0.85, 0.45, 0.6)  # of a colour map; neighbours differ
_NAME = 34  # characters in a legend
_DASHES = ("-", "--", "-.", ":", (0, (1, 1, 5, 1)))
_MARKERS = ("o", "s", "^", "D", "v")
_STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "hatch.linewidth": 0.5, "axes.titlesize": 10,
    "axes.titlelocation": "left", "text.parse_math": False, "pdf.fonttype": 42, "svg.hashsalt": "symflops",
}  # fmt: skip


@dataclass(frozen=True)
class PlotLine:
    """One line or area: what it is of, and a number for each length."""

    name: str
    numbers: tuple[float, ...]


def lengths(points: Sequence[int]) -> list[int]:
    """The lengths at which curves are computed: those asked for, and enough between them.

    >>> lengths([4]), lengths([1, 4])
    ([4], [1, 2, 3, 4])
    """
    low, high = min(points), max(points)
    start = max(low, 1)
    steps = (round(start * (high / start) ** (i / _SAMPLES)) for i in range(_SAMPLES + 1)) if high else ()
    return sorted({*points, *(n for n in steps if low <= n <= high)})


def components(model: Model, at: Sequence[int], given: Mapping[str, Any], metric: str = "flops") -> list[PlotLine]:
    """The model's parts, largest first and the small ones together; at each length they add up to the total."""
    rows = table([model], ["path", metric], symbolic=False).lines
    curves = [
        PlotLine(_short(line.paths), _numbers(entry.cost, at, given, metric))
        for line in rows
        if (entry := line.entries[0]) is not None and entry.cost.value(metric) != 0
    ]
    whole = _numbers(model.total(), at, given, metric)
    largest = {c.name: max(n / (total or 1) for n, total in zip(c.numbers, whole, strict=True)) for c in curves}
    curves.sort(key=lambda curve: -largest[curve.name])
    shown = [curve for curve in curves[:_AREAS] if largest[curve.name] >= _LEAST] or curves[:_AREAS]
    rest = curves[len(shown) :]
    if len(rest) > 1:
        together = zip(*(curve.numbers for curve in rest), strict=True)
        rest = [PlotLine(f"{len(rest)} others", tuple(sum(numbers) for numbers in together))]
    return [*shown, *rest]


def per_token(
    model: Model, at: Sequence[int], batches: Sequence[int], given: Mapping[str, Any], metrics: Sequence[str]
) -> list[PlotLine]:
    """What one token costs, in the sum of some metrics: in a prefill of so many, and decoded after so many."""
    return [
        PlotLine(name, tuple(sum(cost.number(m) for m in metrics) / tokens for cost, tokens in costs))
        for name, costs in _phases(model, at, batches, given)
    ]


def intensity(model: Model, at: Sequence[int], batches: Sequence[int], given: Mapping[str, Any]) -> list[PlotLine]:
    """FLOPs per byte read or written, each layer one kernel: in a prefill of so many, and decoding after so many."""
    return [
        PlotLine(
            name, tuple(c.number("flops") / ((c.number("read_bytes") + c.number("write_bytes")) or 1) for c, _ in costs)
        )
        for name, costs in _phases(model, at, batches, given)
    ]


def _moved(cost: Cost) -> int:
    return cost.number("read_bytes") + cost.number("write_bytes")


def _phases(
    model: Model, at: Sequence[int], batches: Sequence[int], given: Mapping[str, Any]
) -> list[tuple[str, list[tuple[Cost, int]]]]:
    """Of each phase and batch, the model's cost at each length and for how many tokens it is."""
    cost = model.total()
    if len(batches) > _BATCHES:
        raise SymflopsError(f"a chart shows at most {_BATCHES} batch sizes, not {len(batches)}")
    found = []
    for batch in batches:
        many = f", batch {batch:,}" if len(batches) > 1 else ""
        run = {**given, "batch_size": batch}
        found.append((f"prefill{many}", [(cost.at(**run, seq_len=n), batch * n) for n in at]))
    for batch in batches if "past_len" in cost.free_symbols else ():
        many = f", batch {batch:,}" if len(batches) > 1 else ""
        run = {**given, "batch_size": batch}
        found.append((f"decode{many}", [(cost.at(**run, seq_len=1, past_len=n), batch) for n in at]))
    return found


def _numbers(cost: Cost, at: Sequence[int], given: Mapping[str, Any], metric: str) -> tuple[int, ...]:
    one = cost.only((metric,))
    return tuple(one.at(**given, seq_len=n).number(metric) for n in at)


def _short(paths: Sequence[str]) -> str:
    """A label of the last two names of each path, which is what a legend has room for."""
    return label(list(dict.fromkeys(".".join(path.split(".")[-2:]) for path in paths)))


# -------------------------------------------------------------------------------------------------------------- drawing


def draw(
    model: Model,
    chart: str,
    points: Sequence[int],
    batches: Sequence[int] = (1,),
    given: Mapping[str, Any] | None = None,
    metric: str = "flops",
) -> Figure:
    """One of `CHARTS` over a range of lengths. `given` are values of other run symbols.

    Raises SymflopsError where matplotlib is missing and for a model whose cost does not depend on a length.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SymflopsError(f"a picture needs matplotlib ({error}): pip install 'symflops[plot]'") from None
    if "seq_len" not in model.total().free_symbols:
        raise SymflopsError("no chart: the cost does not depend on seq_len", where=model.name)
    given = dict(given or {})
    at = lengths(points)
    run = ", ".join(f"{name} = {value}" for name, value in given.items())
    of_batch = f", batch {batches[0]:,}"
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.4 if chart == "intensity" else 5.0), layout="constrained")
        if chart == "components":
            top, below = figure.subplots(2, 1)
            _draw_components(top, below, components(model, at, {**given, "batch_size": batches[0]}, metric), at, metric)
            title = f"{model.name}: {metric} by component{of_batch}"
        elif chart == "per-token":
            top, below = figure.subplots(2, 1, sharex=True)
            _draw_lines(top, per_token(model, at, batches[:1], given, ["flops"]), at, "FLOP")
            _draw_lines(below, per_token(model, at, batches, given, ["read_bytes", "write_bytes"]), at, "B")
            top.set_ylabel("FLOPs per token" + (of_batch if len(batches) > 1 else ""))
            _quantity_axis(top)
            below.set_ylabel("bytes per token")
        else:
            top = below = figure.subplots()
            _draw_lines(below, intensity(model, at, batches, given), at, "")
            below.set_ylabel("FLOPs per byte")
        if chart != "components":
            title = f"{model.name}: {'cost per token' if chart == 'per-token' else 'arithmetic intensity'}" + (
                of_batch if len(batches) == 1 else ""
            )
            _quantity_axis(below)
            decodes = any(str(line.get_label()).startswith("decode") for line in below.lines)
            below.set_xlabel("tokens in the prompt" + (", or in the cache when decoding" if decodes else ""))
        _length_axis(below, at)
        _legend(figure, below, upside_down=chart == "components")
        top.set_title(one_line(title + (f", {run}" if run else ""), 100))
    return figure


def save(figure: Figure, kind: str) -> bytes:
    """The picture as a file of one of `FORMATS`; the same picture gives the same bytes."""
    from matplotlib import rc_context

    file = io.BytesIO()
    undated: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    with rc_context(_STYLE):
        figure.savefig(file, format=kind, dpi=200, metadata=undated)
    return file.getvalue()


def _draw_components(top: Axes, below: Axes, curves: Sequence[PlotLine], at: Sequence[int], metric: str) -> None:
    """Above the sizes, against a linear axis; below the shares. The largest component lies at the bottom."""
    from matplotlib import colormaps
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    totals = [sum(numbers) or 1 for numbers in zip(*(curve.numbers for curve in curves), strict=True)]
    for axes, scale in ((top, [1] * len(at)), (below, totals)):
        base = [0.0] * len(at)
        for i, curve in enumerate(curves):
            upper = [b + n / s for b, n, s in zip(base, curve.numbers, scale, strict=True)]
            shade = _SHADES[i % len(_SHADES)]
            axes.fill_between(
                at, base, upper, facecolor=colormaps["cividis"](shade), edgecolor="white" if shade < 0.5 else "black",
                hatch=_HATCHES[i % len(_HATCHES)], linewidth=0.4, label=_visible(curve.name),
            )  # fmt: skip
            base = upper
        axes.margins(0)
    top.set_ylabel(metric.replace("_", " "))
    below.set_ylabel("share")
    _engineering(top, unit(metric, "exact"))
    below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.set_xlabel("sequence length [tokens]")
    if _in_powers(at):
        top.set_xticks([at[-1] * i / 8 for i in range(0 if at[0] < at[-1] / 8 else 1, 9) if at[-1] * i / 8 >= at[0]])
        top.xaxis.set_major_formatter(FuncFormatter(lambda n, _: _binary(round(n))))


def _draw_lines(axes: Axes, curves: Sequence[PlotLine], at: Sequence[int], unit: str) -> None:
    """Prefill in dark thin lines over decoding in light wide ones with markers; a batch has its own dashes."""
    from matplotlib import colormaps

    for phase, low, high, width in (("prefill", 0.0, 0.3, 1.3), ("decode", 0.9, 0.6, 2.2)):
        lines = [curve for curve in curves if curve.name.startswith(phase)]
        for i, curve in enumerate(lines):
            shade = low + (high - low) * i / max(1, len(lines) - 1)
            axes.plot(
                at, curve.numbers, label=curve.name, color=colormaps["cividis"](shade), linestyle=_DASHES[i],
                linewidth=width, zorder=3 if phase == "prefill" else 2,
                marker=_MARKERS[i] if phase == "decode" else None, markevery=max(1, len(at) // 8), markersize=4.5,
            )  # fmt: skip
    _engineering(axes, unit)


def _engineering(axes: Axes, unit: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.yaxis.set_major_formatter(EngFormatter(unit=unit))


def _quantity_axis(axes: Axes) -> None:
    """A logarithmic axis where the curves span more than a decade, else a linear one from 0."""
    from matplotlib.ticker import LogLocator, NullFormatter

    drawn: list[Any] = [line.get_ydata() for line in axes.lines]
    numbers = [float(n) for curve in drawn for n in curve if n > 0]
    span = max(numbers) / min(numbers) if numbers else 1.0
    if span <= 10:
        axes.set_ylim(0, 1.08 * max(numbers, default=1.0))
        return
    formatter = axes.yaxis.get_major_formatter()
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if span < 300 else (1,)))
    axes.yaxis.set_major_formatter(formatter)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _length_axis(axes: Axes, at: Sequence[int]) -> None:
    """A logarithmic axis of tokens, in powers of two where the range is one of them."""
    from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = max(1, at[0]), at[-1]
    if low >= high:
        return
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    if _in_powers(at):
        exponents = range(low.bit_length() - 1, high.bit_length())
        step = -(-len(exponents) // 8)
        axes.xaxis.set_major_locator(FixedLocator([2.0**e for e in exponents[::-1][::step]]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: _binary(round(n))))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _in_powers(at: Sequence[int]) -> bool:
    """Whether a range of lengths goes from a power of two to another."""
    return all(n > 0 and n & (n - 1) == 0 for n in (at[0], at[-1]))


def _binary(number: int) -> str:
    """A number of tokens in powers of 1024.

    >>> _binary(512), _binary(2048), _binary(2**21)
    ('512', '2Ki', '2Mi')
    """
    if not number:
        return "0"
    for prefix in ("", "Ki", "Mi", "Gi", "Ti"):
        if number < 1024 or number % 1024:
            return f"{number}{prefix}"
        number //= 1024
    return f"{number}Pi"


def _visible(name: str) -> str:
    """A name as a legend shows it: one that begins with _ would be left out."""
    text = one_line(name)
    text = text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
    return f" {text}" if text.startswith("_") else text


def _legend(figure: Figure, axes: Axes, *, upside_down: bool = False) -> None:
    """To the right of the axes; in the order in which areas lie on each other."""
    handles, labels = axes.get_legend_handles_labels()
    if upside_down:
        handles, labels = handles[::-1], labels[::-1]
    figure.legend(handles, labels, loc="outside right upper", frameon=False, handlelength=2.8, fontsize=8)
