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

from symflops import progress
from symflops.cost import METRICS, UNITS
from symflops.export import conventions, page_data, page_parts
from symflops.export.page_data import Formulas, Section, formula_symbols, opening, symbols
from symflops.export.page_tree import merged, rows_of
from symflops.grouping import short_names
from symflops.hardware import Hardware, hardware_names, load_hardware
from symflops.model import Model

PAGE = Path(__file__).parent / "page"
STYLES = ("report.css", "tables.css", "media.css")
ENGINE = ("exact.js", "program.js", "numbers.js", "element.js")  # what computes, whatever is shown
SHOWN = ("data.js", "machine.js", "chart.js", "layers.js", "controls.js", "results.js", "page.js")
SCRIPTS = (*ENGINE, "given.js", *SHOWN)


def page(
    models: Sequence[Model],
    point: Mapping[str, Any],
    depth: int | None = None,
    maker: str = "symflops",
    hardware: Hardware | None = None,
) -> str:
    """The text of an HTML file for these models, opened at this point (without a length: at 2,048 tokens or
    the most that the models allow) and on this machine, one of one's own or a shipped one, if any; `depth` limits the
    levels of the layer trees, `maker` is named at the end.

    >>> from symflops.model import load
    >>> text = page([load("llama-2-7b-hf")], {"batch_size": 8, "dtype_bytes": 0.5})
    >>> text[:15], "http-equiv" in text, len(text) < 500_000
    ('<!doctype html>', True, True)

    Raises SymflopsError when a model has more layers than a page can show.
    """
    formulas = Formulas()
    rows = []
    for model in models:
        progress.tell(model.name)
        rows.append(rows_of(model, depth))
    legend = short_names(set().union(*map(formula_symbols, models, rows)))
    parts = [Section.of(model, own, legend, formulas) for model, own in zip(models, rows, strict=True)]
    shown = symbols(set().union(*(part.free for part in parts)), opening(models, point))
    machines = {name: load_hardware(name) for name in hardware_names()}
    if hardware is not None:
        machines[hardware.name] = hardware
    data = {
        "metrics": [{"name": metric, "unit": UNITS[metric]} for metric in METRICS],
        "symbols": shown,
        "models": [part.data for part in parts],
        "tree": merged(rows),
        "machines": [page_data.machine(found) for found in machines.values()],
        "machine": "" if hardware is None else hardware.name,
        "dtypes": page_data.dtypes(),
    }
    style = sources(STYLES)
    script = f'"use strict";\n{{\n{sources(SCRIPTS)}}}\n'
    titles = [escape(model.name) for model in models]
    fills = {
        "maker": escape(maker),
        "title": ", ".join(titles),
        "heading": ' <span class="and">and</span> '.join(
            [*([", ".join(titles[:-1])] if titles[1:] else []), titles[-1]]
        ),
        "style": style,
        "style hash": digest(style),
        "script": script,
        "script hash": digest(script),
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "metrics": "".join(f"<option>{metric}</option>" for metric in METRICS),
        "totals": page_parts.totals(titles),
        "trouble": "".join(f'<p class="trouble" id="trouble-{i}" role="alert"></p>' for i in range(len(models))),
        "machines": "".join(
            f'<option value="{escape(name)}">{escape(f"{name}: {found.about}")}</option>'
            for name, found in machines.items()
        ),
        "bounds": page_parts.bounds(titles),
        "memory": "",
        "against": page_parts.against([s["name"] for s in shown if not s["fraction"] and s["name"] != "causal"]),
        "charts": page_parts.charts(titles),
        "formulas": page_parts.formulas(parts, legend),
        "conventions": "".join(f"<li>{escape(text)}</li>" for text in conventions.CONVENTIONS),
        "short": page_parts.short(titles),
        "templates": "".join(f'<template id="formula-{i}">{text}</template>' for text, i in formulas.numbers.items()),
    }
    return filled("report.html", {**fills, "body": filled("body.html", fills)})


def filled(name: str, fills: Mapping[str, str], folder: Path = PAGE) -> str:
    """A template with its `{{places}}` filled."""
    template = (folder / name).read_text("utf-8")
    return re.sub(r"\{\{([a-z ]+)\}\}", lambda found: fills[found[1]], template)


def sources(names: Sequence[str], folder: Path = PAGE) -> str:
    """Some of the page's own files, one after the other."""
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def digest(text: str) -> str:
    """What a content security policy names a script or a style by."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
