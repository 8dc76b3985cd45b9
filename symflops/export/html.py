"""The page: one HTML file in which the closed forms of one or more models run.

Everything that comes from a model file is escaped, in HTML as well as in the data that the scripts read. The scripts
put it on the page as text only, and a content security policy lets nothing run but them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from symflops import __version__, algebra
from symflops.assumption import fact, sides
from symflops.cost import METRICS, UNITS
from symflops.errors import SymflopsError
from symflops.export import conventions
from symflops.export.mathml import formula, identifier
from symflops.export.program import Program
from symflops.grouping import grouped, short_names
from symflops.model import Model, Row
from symflops.numeric import BYTE_SYMBOLS, RUN_SYMBOLS
from symflops.polynomial import Value
from symflops.tree import names

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("exact.js", "program.js", "chart.js", "layers.js", "controls.js", "page.js")
MAX_ROWS = 2000  # of one model: what a browser can lay out within a frame
_FOLLOW = ("weight_bytes", "cache_bytes")  # these are dtype_bytes unless said otherwise
_DEFAULTS = {
    "batch_size": "1",
    "past_len": "0",
    "causal": "0",
    "dtype_bytes": "2",
    "weight_bytes": "",
    "cache_bytes": "",
}


def page(
    models: Sequence[Model],
    point: Mapping[str, Any],
    depth: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """The text of an HTML file for these models, opened at this point; `depth` limits the levels of the layer trees.

    Raises SymflopsError when a model has more layers than a page can show.
    """
    shared = _Shared()
    parts = [_Part.of(model, depth, shared, progress) for model in models]
    symbols = _symbols(set().union(*(part.free for part in parts)), point)
    data = {
        "metrics": [{"name": metric, "unit": UNITS[metric]} for metric in METRICS],
        "symbols": symbols,
        "models": [part.data for part in parts],
    }
    style = (PAGE / "report.css").read_text("utf-8")
    script = '"use strict";\n{\n' + "\n".join((PAGE / name).read_text("utf-8") for name in SCRIPTS) + "}\n"
    titles = [escape(model.name) for model in models]
    several = len(models) > 1
    fills = {
        "version": __version__,
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
        "against": _against([s["name"] for s in symbols if not s["fraction"] and s["name"] != "causal"]),
        "models key": "".join(_key(i, title) for i, title in enumerate(titles)) if several else "",
        "shares": "".join(_shares(i, title if several else "") for i, title in enumerate(titles)),
        "layers": "".join(
            f'<div class="model">{_heading(title, several)}<div class="scroll" id="layers-{i}" tabindex="0" '
            f'role="region" aria-label="Layers of {title}"></div></div>'
            for i, title in enumerate(titles)
        ),
        "formulas": "".join(part.formulas(several) for part in parts),
        "conventions": "".join(f"<li>{escape(text)}</li>" for text in conventions.CONVENTIONS),
        "short": "".join(
            f'<span>{f"{title} " if several else ""}<strong id="short-{i}"></strong></span>'
            for i, title in enumerate(titles)
        ),
        "templates": "".join(f'<template id="formula-{i}">{text}</template>' for text, i in shared.formulas.items()),
    }
    template = (PAGE / "report.html").read_text("utf-8")
    return re.sub(r"\{\{([a-z ]+)\}\}", lambda found: fills[found[1]], template)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


# ------------------------------------------------------------------------------------------------------------ one model


@dataclass
class _Shared:
    """The distinct formulas of all layers of the page."""

    formulas: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        return self.formulas.setdefault(text, len(self.formulas))


@dataclass(frozen=True)
class _Part:
    """What a page says about one model."""

    model: Model
    legend: dict[str, str]  # symbol -> short name
    free: set[str]  # the symbols that its numbers still depend on
    data: dict[str, Any]

    @staticmethod
    def of(model: Model, depth: int | None, shared: _Shared, progress: Callable[[str], None]) -> _Part:
        progress(f"{model.name}: layers")
        symbolic = _rows(model, depth)
        total, whole = model.total(), model.total(symbolic=True)
        legend = short_names(whole.free_symbols.union(*(row.total.free_symbols for row in symbolic)))
        program = Program()
        texts: dict[Value, int] = {}

        def shown(value: Value) -> int:
            if value not in texts:
                texts[value] = shared.place(formula(grouped(value), legend))
            return texts[value]

        def number(value: Value) -> int:
            return program.value(algebra.substitute(value, model.symbols))

        totals = [program.value(value) for value in total.values]
        rows = []
        for i, row in enumerate(symbolic):
            progress(f"{model.name}: formulas of layer {i + 1:,} of {len(symbolic):,}")
            is_leaf = i + 1 == len(symbolic) or symbolic[i + 1].depth <= row.depth
            rows.append(
                {
                    "name": row.path.rpartition(".")[2],
                    "path": row.path,
                    "class": row.class_name,
                    "depth": row.depth,
                    "leaf": is_leaf,
                    "runs": number(row.repeat),
                    "cells": [number(value) for value in row.total.values],
                    "formulas": [shown(value) for value in row.total.values],
                }
            )
        conditions = [_condition(text, number) for text in model.assumes if _depends_on_a_run(text, model)]
        data = {"name": model.name, "totals": totals, "rows": rows, "conditions": conditions, "steps": program.steps}
        return _Part(model, legend, {step for step in program.steps if isinstance(step, str)}, data)

    def formulas(self, several: bool) -> str:
        """The closed forms of the total, the legend of their symbols, and the assumptions."""
        model, whole = self.model, self.model.total(symbolic=True)
        source = escape(model.source)
        if model.source.startswith("https://"):
            source = f'<a href="{source}" rel="noreferrer">{source}</a>'
        words = "<br>".join(text for text in (escape(model.about), source, escape(model.class_name)) if text)
        entries = []
        for metric in METRICS:
            tree = grouped(whole.value(metric))
            entries.append(
                f"<dt><code>{metric}</code> [{UNITS[metric]}]: {escape(conventions.METRICS[metric])}</dt>"
                f'<dd class="formula">{formula(tree, self.legend)}</dd>'
            )
        legend = "".join(self._symbol(name) for name in sorted(self.legend, key=_legend_order))
        assumed = "".join(f"<li><code>{escape(text)}</code></li>" for text in model.assumes)
        return (
            f'<div class="model">{_heading(escape(model.name), several)}<p class="words">{words}</p>'
            f'<dl class="formulas">{"".join(entries)}</dl>'
            '<div class="scroll"><table class="symbols"><caption class="hidden">Symbols of the formulas</caption>'
            '<thead><tr><th scope="col"><span class="hidden">in the formulas</span></th><th scope="col">symbol</th>'
            f'<th scope="col">value</th><th scope="col">meaning</th></tr></thead><tbody>{legend}</tbody></table></div>'
            + (f'<p class="subtitle">Assumed</p><ul class="assumptions">{assumed}</ul>' if assumed else "")
            + "</div>"
        )

    def _symbol(self, name: str) -> str:
        value = self.model.symbols.get(name)
        shown = f"{value:,}" if value is not None else ""
        definition = self.model.definitions.get(name)
        meaning = conventions.SYMBOLS.get(name, f"= {definition}" if isinstance(definition, str) else "")
        return (
            f'<tr><th scope="row"><math>{identifier(self.legend[name])}</math></th><td><code>{escape(name)}</code></td>'
            f'<td class="number">{shown}</td><td>{escape(meaning)}</td></tr>'
        )


def _rows(model: Model, depth: int | None) -> list[Row]:
    rows = model.rows(symbolic=True, groups=True)
    kept = [row for row in rows if depth is None or row.depth < depth]
    if len(kept) > MAX_ROWS:
        levels = [sum(row.depth <= level for row in rows) for level in range(max(row.depth for row in rows) + 1)]
        fitting = [level + 1 for level, count in enumerate(levels) if count <= MAX_ROWS]
        hint = f"; --depth {fitting[-1]} shows {levels[fitting[-1] - 1]:,}" if fitting else ""
        raise SymflopsError(f"{len(kept):,} layers, more than the {MAX_ROWS:,} of a page{hint}", where=model.name)
    return kept


def _depends_on_a_run(text: str, model: Model) -> bool:
    """Whether a condition has to be decided in the page; those on the config alone held when the model was loaded."""
    return fact(text) is None and not names(("", *sides(text)[::2])) <= model.symbols.keys()


def _condition(text: str, number: Callable[[Value], int]) -> dict[str, Any]:
    left, sign, right = sides(text)
    return {
        "text": text,
        "left": number(algebra.from_tree(left)),
        "sign": sign,
        "right": number(algebra.from_tree(right)),
    }


def _legend_order(name: str) -> tuple[int, str]:
    return (RUN_SYMBOLS.index(name) if name in RUN_SYMBOLS else len(RUN_SYMBOLS), name)


def _symbols(free: set[str], point: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The symbols that can be set in the page, with the values that it opens with."""
    if free & set(_FOLLOW):
        free = free | {"dtype_bytes"}
    found = []
    for name in sorted(free, key=_legend_order):
        value = str(point[name]) if name in point else _DEFAULTS.get(name)
        found.append(
            {
                "name": name,
                "meaning": conventions.SYMBOLS.get(name, "a symbol without a value in the model"),
                "fraction": name in BYTE_SYMBOLS,
                "follows": name in _FOLLOW,
                "required": name not in RUN_SYMBOLS,
                "value": value,
            }
        )
    return found


# ------------------------------------------------------------------------------------------------------------ fragments


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
