"""The parts of the page that are HTML from the start: tables whose numbers the scripts fill in, formulas, legends.

Titles are names of models, escaped already. Of several models, each has a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from symflops.cost import METRICS, UNITS
from symflops.export.page_data import Section, legend_order
from symflops.grouping import grouped
from symflops.mathml import formula, identifier
from symflops.vocabulary.metrics import MEANINGS

BOUNDS = {  # what a machine makes of a model: the row's name, what it means
    "speed": ("at most", "throughput; a bound, not a prediction"),
    "least": ("least time", "the longest of the three below, which may overlap"),
    "binds": ("bound by", ""),
    "matmul": ("matrix products", "matmul_flops / peak"),
    "vector": ("vector units", "other FLOPs / their peak"),
    "memory": ("memory", "bytes read and written / bandwidth"),
    "sum": ("layer after layer", "when no layer overlaps with another"),
    "intensity": ("intensity", "FLOP per byte read or written"),
    "weights": ("weights", ""),
    "kept": ("KV cache and states", "after this call"),
    "fit": ("memory of all devices", "weights and cache; activations are not counted"),
}


def key(i: int, title: str) -> str:
    """A model's name behind a piece of its line in the charts."""
    return f'<span class="model-key"><span class="key line-{i % 4}" aria-hidden="true"></span>{title}</span>'


def totals(titles: Sequence[str]) -> str:
    """The totals: tiles for one model, a table for several, in which each is measured against the first."""
    each = range(len(titles))
    rows = [
        (f"<code>{metric}</code>", escape(MEANINGS[metric]), [_total(i, metric) for i in each]) for metric in METRICS
    ]
    intensity = [f'<strong id="intensity-{i}"></strong>' for i in each]
    rows.append(("intensity", "flops / (read_bytes + write_bytes)", intensity))
    if len(titles) > 1:
        return table("totals", "Totals", titles, rows)
    return f'<dl class="totals">{"".join(_tile(name, about, cells[0]) for name, about, cells in rows)}</dl>'


def bounds(titles: Sequence[str]) -> str:
    """The table of what a machine makes of each model."""
    each = range(len(titles))
    rows = [
        (name, about, [f'<span data-model="{i}" data-bound="{row}"></span>' for i in each])
        for row, (name, about) in BOUNDS.items()
    ]
    return table("bounds", "Bounds on the machine", titles, rows)


def _tile(name: str, about: str, number: str) -> str:
    return f'<div class="tile"><dt>{name}<span class="about">{about}</span></dt><dd>{number}</dd></div>'


def _total(i: int, metric: str) -> str:
    ratio = f'<span class="ratio" id="ratio-{i}-{metric}"></span>' if i else ""
    return f'<strong id="total-{i}-{metric}"></strong><span class="exact" id="exact-{i}-{metric}"></span>{ratio}'


def table(kind: str, label: str, titles: Sequence[str], rows: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """A column for each model; a row is its name, what it means, and its cells."""
    names = [key(i, title) if len(titles) > 1 else title for i, title in enumerate(titles)]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = "".join(
        f'<tr><th scope="row">{name}<span class="about">{about}</span></th>'
        f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, about, cells in rows
    )
    inside = f"<thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="scroll"><table class="{kind} compared" aria-label="{label}">{inside}</table></div>'


def against(symbols: Sequence[str]) -> str:
    """The choice of the symbol on the charts' axis."""
    if not symbols:
        return ""
    options = "".join(f'<option value="{name}">{name}</option>' for name in symbols)
    return f'<label>against <select id="against">{options}</select></label>'


def charts(titles: Sequence[str]) -> str:
    """The charts below each other, so that they share their axis: a metric, the intensity, and each model's shares."""
    shares = "".join(
        _chart(f"shares-{i}", f'share of each layer in <span class="chosen-metric"></span>{of}')
        for i, of in enumerate([""] if len(titles) == 1 else [f" · {title}" for title in titles])
    )
    total, intensity = '<span class="chosen-metric"></span>', "intensity: FLOP per byte read or written"
    return f"{_chart('total', total)}{_chart('intensity', intensity)}{shares}"


def _chart(name: str, caption: str) -> str:
    return (
        f'<figure><figcaption>{caption}</figcaption><svg class="chart" id="chart-{name}" role="img"></svg>'
        f'<ul class="legend" id="legend-{name}"></ul></figure>'
    )


def short(titles: Sequence[str]) -> str:
    """The totals that stay in sight on a narrow screen."""
    several = len(titles) > 1
    return "".join(
        f'<span>{f"{title} " if several else ""}<strong id="short-{i}"></strong></span>'
        for i, title in enumerate(titles)
    )


# ------------------------------------------------------------------------------------------------------------- formulas


def formulas(parts: Sequence[Section], legend: Mapping[str, str]) -> str:
    """What the models are, the closed forms of their totals, the legend of the symbols, and what is assumed."""
    titles = [escape(part.model.name) for part in parts]
    words = "".join(_words(part, len(parts) > 1) for part in parts)
    entries = "".join(
        f"<dt><code>{metric}</code> [{UNITS[metric]}]: {escape(MEANINGS[metric])}</dt>"
        + "".join(
            f'<dd class="formula">{_of(owners, titles)}{text}</dd>' for text, owners in _closed(parts, metric, legend)
        )
        for metric in METRICS
    )
    assumed = _shared([[escape(text) for text in part.model.assumes] for part in parts])
    items = "".join(f"<li><code>{text}</code>{_of(owners, titles)}</li>" for text, owners in assumed.items())
    return f'{words}<dl class="formulas">{entries}</dl>{_symbols(parts, titles, legend)}' + (
        f'<h3>Assumed</h3><ul class="assumptions">{items}</ul>' if items else ""
    )


def _words(part: Section, several: bool) -> str:
    model, source = part.model, escape(part.model.source)
    if model.source.startswith("https://"):
        source = f'<a href="{source}" rel="noreferrer">{source}</a>'
    name = f"<strong>{escape(model.name)}</strong>" if several else ""
    lines = [text for text in (name, escape(model.about), source, escape(model.class_name)) if text]
    return f'<p class="words">{"<br>".join(lines)}</p>'


def _closed(parts: Sequence[Section], metric: str, legend: Mapping[str, str]) -> list[tuple[str, list[int]]]:
    texts = [[formula(grouped(part.model.total(symbolic=True).value(metric)), legend)] for part in parts]
    return list(_shared(texts).items())


def _shared(texts: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """The distinct texts and whose they are: what several models have in common is printed once."""
    owners: dict[str, list[int]] = {}
    for i, own in enumerate(texts):
        for text in own:
            owners.setdefault(text, []).append(i)
    return owners


def _of(owners: Sequence[int], titles: Sequence[str]) -> str:
    """The names of the models that a text is of, where it is not all of them."""
    if len(owners) == len(titles):
        return ""
    return f' <span class="owners">{"".join(key(i, titles[i]) for i in owners)}</span> '


def _symbols(parts: Sequence[Section], titles: Sequence[str], legend: Mapping[str, str]) -> str:
    names = sorted(set().union(*(part.names for part in parts)), key=legend_order)
    values = ["value"] if len(titles) == 1 else titles
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("symbol", *values, "meaning"))
    rows = "".join(_symbol(parts, name, legend[name]) for name in names)
    return (
        '<div class="scroll"><table class="symbols" aria-label="Symbols of the formulas"><thead><tr>'
        f'<th scope="col"><span class="hidden">in the formulas</span></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _symbol(parts: Sequence[Section], name: str, short_name: str) -> str:
    cells = "".join(f'<td class="number">{_value(part, name)}</td>' for part in parts)
    definitions = _shared([[text] if (text := _definition(part, name)) else [] for part in parts])
    row = next((part.model.run[name] for part in parts if name in part.model.run), None)
    meaning = row.meaning if row is not None else "; ".join(definitions)
    breakable = name.replace("_", "_<wbr>")
    return (
        f'<tr><th scope="row"><math>{identifier(short_name)}</math></th><td><code>{breakable}</code></td>'
        f"{cells}<td>{escape(meaning)}</td></tr>"
    )


def _value(part: Section, name: str) -> str:
    value = part.model.symbols.get(name)
    return f"{value:,}" if value is not None and name in part.names else ""


def _definition(part: Section, name: str) -> str:
    definition = part.model.definitions.get(name)
    return f"= {definition}" if isinstance(definition, str) else ""
