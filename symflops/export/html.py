"""The page: one HTML file in which the closed forms of one or more models run.

Everything that comes from a model file is escaped, in HTML as well as in the data that the scripts read. The scripts
put it on the page as text only, and a content security policy lets nothing run but them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from symflops.cost import METRICS, UNITS
from symflops.export import conventions
from symflops.export.mathml import formula, identifier
from symflops.export.page_data import Formulas, Part, legend_order, opening, symbols
from symflops.grouping import grouped
from symflops.model import Model

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("exact.js", "program.js", "chart.js", "layers.js", "controls.js", "page.js")


def page(
    models: Sequence[Model],
    point: Mapping[str, Any],
    depth: int | None = None,
    maker: str = "symflops",
) -> str:
    """The text of an HTML file for these models, opened at this point (without a length: at 2,048 tokens or
    the most that the models allow); `depth` limits the levels of the layer trees, `maker` is named at the end.

    >>> from symflops.model import load
    >>> text = page([load("llama-2-7b-hf")], {"batch_size": 8, "dtype_bytes": 0.5})
    >>> text[:15], "http-equiv" in text, len(text) < 500_000
    ('<!doctype html>', True, True)

    Raises SymflopsError when a model has more layers than a page can show.
    """
    layer_formulas = Formulas()
    parts = [Part.of(model, depth, layer_formulas) for model in models]
    shown = symbols(set().union(*(part.free for part in parts)), opening(models, point))
    data = {
        "metrics": [{"name": metric, "unit": UNITS[metric]} for metric in METRICS],
        "symbols": shown,
        "models": [part.data for part in parts],
    }
    style = (PAGE / "report.css").read_text("utf-8")
    script = '"use strict";\n{\n' + "\n".join((PAGE / name).read_text("utf-8") for name in SCRIPTS) + "}\n"
    titles = [escape(model.name) for model in models]
    several = len(models) > 1
    fills = {
        "maker": escape(maker),
        "title": ", ".join(titles),
        "heading": ' <span class="and">and</span> '.join(titles),
        "style": style,
        "style hash": _digest(style),
        "script": script,
        "script hash": _digest(script),
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "totals": _totals(titles),
        "trouble": "".join(f'<p class="trouble" id="trouble-{i}" role="alert"></p>' for i in range(len(models))),
        "choices": "".join(
            f'<label><input type="radio" name="metric" value="{m}"><span>{m}</span></label>' for m in METRICS
        ),
        "against": _against([s["name"] for s in shown if not s["fraction"] and s["name"] != "causal"]),
        "models key": "".join(_key(i, title) for i, title in enumerate(titles)) if several else "",
        "shares": "".join(_shares(i, title if several else "") for i, title in enumerate(titles)),
        "layers": "".join(
            f'<div class="model">{_heading(title, several)}<div class="scroll" id="layers-{i}" tabindex="0" '
            f'role="region" aria-label="Layers of {title}"></div></div>'
            for i, title in enumerate(titles)
        ),
        "formulas": "".join(_formulas(part, several) for part in parts),
        "conventions": "".join(f"<li>{escape(text)}</li>" for text in conventions.CONVENTIONS),
        "short": "".join(
            f'<span>{f"{title} " if several else ""}<strong id="short-{i}"></strong></span>'
            for i, title in enumerate(titles)
        ),
        "templates": "".join(
            f'<template id="formula-{i}">{text}</template>' for text, i in layer_formulas.numbers.items()
        ),
    }
    template = (PAGE / "report.html").read_text("utf-8")
    return re.sub(r"\{\{([a-z ]+)\}\}", lambda found: fills[found[1]], template)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


# ------------------------------------------------------------------------------------------------------------ fragments


def _formulas(part: Part, several: bool) -> str:
    """The closed forms of the total, the legend of their symbols, and the assumptions."""
    model, whole = part.model, part.model.total(symbolic=True)
    source = escape(model.source)
    if model.source.startswith("https://"):
        source = f'<a href="{source}" rel="noreferrer">{source}</a>'
    words = "<br>".join(text for text in (escape(model.about), source, escape(model.class_name)) if text)
    entries = []
    for metric in METRICS:
        tree = grouped(whole.value(metric))
        entries.append(
            f"<dt><code>{metric}</code> [{UNITS[metric]}]: {escape(conventions.METRICS[metric])}</dt>"
            f'<dd class="formula">{formula(tree, part.legend)}</dd>'
        )
    legend = "".join(_symbol(part, name) for name in sorted(part.legend, key=legend_order))
    assumed = "".join(f"<li><code>{escape(text)}</code></li>" for text in model.assumes)
    return (
        f'<div class="model">{_heading(escape(model.name), several)}<p class="words">{words}</p>'
        f'<dl class="formulas">{"".join(entries)}</dl>'
        '<div class="scroll"><table class="symbols" aria-label="Symbols of the formulas">'
        '<thead><tr><th scope="col"><span class="hidden">in the formulas</span></th><th scope="col">symbol</th>'
        f'<th scope="col">value</th><th scope="col">meaning</th></tr></thead><tbody>{legend}</tbody></table></div>'
        + (f'<p class="subtitle">Assumed</p><ul class="assumptions">{assumed}</ul>' if assumed else "")
        + "</div>"
    )


def _symbol(part: Part, name: str) -> str:
    value = part.model.symbols.get(name)
    shown = f"{value:,}" if value is not None else ""
    definition = part.model.definitions.get(name)
    meaning = conventions.SYMBOLS.get(name, f"= {definition}" if isinstance(definition, str) else "")
    breakable = name.replace("_", "_<wbr>")
    return (
        f'<tr><th scope="row"><math>{identifier(part.legend[name])}</math></th><td><code>{breakable}</code></td>'
        f'<td class="number">{shown}</td><td>{escape(meaning)}</td></tr>'
    )


def _heading(title: str, several: bool) -> str:
    return f"<h3>{title}</h3>" if several else ""


def _key(i: int, title: str) -> str:
    return f'<span class="model-key"><span class="key line-{i % 4}" aria-hidden="true"></span>{title}</span>'


def _totals(titles: Sequence[str]) -> str:
    tiles = []
    for metric in METRICS:
        numbers = "".join(
            f'<dd>{_key(i, title) if len(titles) > 1 else ""}<strong id="total-{i}-{metric}"></strong>'
            + (f'<span class="ratio" id="ratio-{i}-{metric}"></span>' if i else "")
            + f'<span class="exact" id="exact-{i}-{metric}"></span></dd>'
            for i, title in enumerate(titles)
        )
        tiles.append(_tile(f"<code>{metric}</code>", escape(conventions.METRICS[metric]), numbers))
    numbers = "".join(
        f'<dd>{_key(i, title) if len(titles) > 1 else ""}<strong id="intensity-{i}"></strong></dd>'
        for i, title in enumerate(titles)
    )
    tiles.append(_tile("intensity", "flops / (read_bytes + write_bytes)", numbers))
    return f'<dl class="totals">{"".join(tiles)}</dl>'


def _tile(name: str, about: str, numbers: str) -> str:
    return f'<div class="tile"><dt>{name}<span class="about">{about}</span></dt>{numbers}</div>'


def _against(symbols: Sequence[str]) -> str:
    if not symbols:
        return ""
    options = "".join(f'<option value="{name}">{name}</option>' for name in symbols)
    return f'<label>against <select id="against">{options}</select></label>'


def _shares(i: int, title: str) -> str:
    of = f" · {title}" if title else ""
    return (
        f'<figure class="shares"><figcaption>share of each layer{of}</figcaption><div class="beside"><div>'
        f'<svg class="chart" id="chart-shares-{i}" role="img"></svg></div><ul class="legend" id="legend-{i}"></ul>'
        "</div></figure>"
    )
