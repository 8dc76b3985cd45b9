"""The site written into a folder: the calculator, its data, and a page for every architecture."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from symflops import files, progress
from symflops.atlas.entries import entry, types
from symflops.cost import METRICS
from symflops.export import conventions, page_parts
from symflops.export.html import ENGINE, SHOWN, STYLES, digest, filled, sources
from symflops.export.page_parts import against, charts, short, totals
from symflops.model import model_names
from symflops.number_format import format_names, load_format
from symflops.site import architecture
from symflops.site.architecture import PAGE
from symflops.site.compiled import entry_text, library, metrics, model_text
from symflops.source import INSTALL
from symflops.vocabulary.symbols import RUN

CONFIGS = Path(__file__).parent / "configs.json"  # real ones by name, in the fields that decide
MOST_MODELS = 4
# In the page: what is computed with, then the report, which is made anew for other models, then the calculator.
BEFORE = (
    "json.js", "rules.js", "config.js", "lists.js", "choices.js", "values.js", "polynomial.js", "kept.js", "formats.js",
    "link.js", "training.js", "answer.js", "tree.js", "forms.js",
)  # fmt: skip
AFTER = ("export.js", "storage.js", "shown.js", "calculator.js")
_MEMORY = {
    "weights": ("weights", "parameters in weight_bytes, or in their format"),
    "state": ("KV cache and states", "after this call"),
    "gradients": ("gradients", "of all weights, in weight_bytes"),
    "optimizer": ("optimizer", "two moments and a copy of the weights in float32"),
    "saved": ("saved for the backward", "by each layer; what several keep is counted for each"),
    "working": ("working set", "what the layer that works on most reads and writes beside these"),
    "peak": ("at least", "a bound from below; what allocators and libraries take is not counted"),
    "together": ("all of it together", "as a step that finds gradients in place"),
}


def real_configs() -> dict[str, dict[str, Any]]:
    """Configs of real models by their names, in the fields that decide about costs."""
    found: dict[str, dict[str, Any]] = json.loads(CONFIGS.read_text("utf-8"))
    return found


def build(folder: Path, maker: str = "symflops", home: str = "../") -> int:
    """Write the site below a folder, which is made: `calculator/` and `architectures/`; how many files there are.

    `home` is where the pages' link to the documentation leads, from either of the two.
    """
    real = real_configs()
    written = 0

    def put(path: str, content: bytes) -> None:
        nonlocal written
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write(target, content)
        written += 1

    put("calculator/index.html", calculator(real, maker, home).encode())
    put("calculator/library.json.gz", packed(_json(library())))
    put("calculator/configs.json.gz", packed(_json({name: _json(config) for name, config in real.items()})))
    for name in model_names():
        put(f"calculator/models/{name}.json.gz", packed(model_text(name)))
    pages = []
    for name in types():
        progress.tell(name)
        found = entry(name)
        put(f"calculator/types/{name}.json.gz", packed(entry_text(found)))
        own = {title: config for title, config in real.items() if config["model_type"] == name}
        page = architecture.page(found, own, maker, home)
        put(f"architectures/{name}/index.html", page.text.encode())
        pages.append(page)
    put("architectures/index.html", architecture.index(pages, maker, home).encode())
    return written


def packed(text: str) -> bytes:
    """A text compressed as browsers unpack it, the same bytes for the same text.

    >>> gzip.decompress(packed("a")), packed("a") == packed("a")
    (b'a', True)
    """
    return gzip.compress(text.encode(), 9, mtime=0)


def calculator(real: Mapping[str, Mapping[str, Any]], maker: str, home: str) -> str:
    """The page of the calculator: everything but the types of configs, which it fetches."""
    style = f"{sources(STYLES)}\n{sources(('calculator.css',), PAGE)}"
    script = _script()
    data = {
        "metrics": metrics(), "types": list(types()), "models": list(model_names()), "formats": list(format_names()),
        "install": INSTALL,
    }  # fmt: skip
    return filled(
        "calculator.html",
        {
            "style": style, "style hash": digest(style), "script": script, "script hash": digest(script),
            "maker": escape(maker), "home": escape(home), "count": str(len(types())),
            "options": _options(real), "formats": _formats(),
            "templates": "".join(_template(count) for count in range(1, MOST_MODELS + 1)),
            "data": _json(data).replace("<", "\\u003c"),
        },
        PAGE,
    )  # fmt: skip


def _script() -> str:
    """The scripts: those of the report in a function of its data, so that it can be made anew."""
    report = f"function openReport(DATA, formulaOf, LIFE, keepAddress, afterUpdate) {{\n{sources(SHOWN)}\n}}"
    parts = (sources(("site.js",), PAGE), sources(ENGINE), sources(BEFORE, PAGE), report, sources(AFTER, PAGE))
    return '"use strict";\n{\n' + "\n".join(parts) + "}\n"


def _options(real: Mapping[str, Mapping[str, Any]]) -> str:
    known = sorted((name for name, config in real.items() if config["model_type"] in types()), key=str.lower)
    models = "".join(f'<option value="real:{escape(name)}">{escape(name)}</option>' for name in known)
    kinds = "".join(f"<option>{escape(name)}</option>" for name in types())
    own = "".join(f'<option value="model:{escape(name)}">{escape(name)}</option>' for name in model_names())
    groups = {
        "real models": models,
        "architectures, with the defaults of their class": kinds,
        "model files of symflops, which can be trained": own,
    }
    return "".join(f'<optgroup label="{label}">{options}</optgroup>' for label, options in groups.items())


def _formats() -> str:
    each = ((name, load_format(name).about) for name in format_names())
    return "".join(f'<option value="{escape(name)}">{escape(f"{name}: {about}")}</option>' for name, about in each)


def _template(count: int) -> str:
    """The report's frame for so many models, whose names a script puts in."""
    titles = [f'<span data-title="{i}"></span>' for i in range(count)]
    memory = page_parts.table(
        "memory", "Memory", titles,
        [(name, about, [f'<span id="memory-{i}-{kind}"></span>' for i in range(count)])
         for kind, (name, about) in _MEMORY.items()],
    )  # fmt: skip
    fills = {
        "metrics": "".join(f"<option>{metric}</option>" for metric in METRICS),
        "short": short(titles),
        "trouble": "".join(f'<p class="trouble" id="trouble-{i}" role="alert"></p>' for i in range(count)),
        "totals": totals(titles),
        "machines": "",
        "bounds": page_parts.bounds(titles),
        "memory": filled("memory.html", {"memory": memory}, PAGE),
        "against": against([name for name, row in RUN.items() if not row.is_bytes and not row.is_switch]),
        "charts": charts(titles),
        "title": "",
        "formulas": sources(("forms.html",), PAGE),
        "conventions": "".join(f"<li>{escape(text)}</li>" for text in conventions.CONVENTIONS),
    }
    return f'<template id="report-{count}">{filled("body.html", fills)}</template>'


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
