"""The page of an architecture: its closed form by component, its tree, its conditions and choices, its real configs.

HTML without a script, so that search engines and readers without one have all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from symflops.analysis.parts import Component, by_component
from symflops.atlas.answer import answer_from
from symflops.atlas.choices import is_said
from symflops.atlas.entries import Entry
from symflops.cost import METRICS, UNITS
from symflops.errors import SymflopsError
from symflops.export.html import STYLES, digest, filled, sources
from symflops.grouping import grouped, short_names
from symflops.mathml import formula, identifier
from symflops.model import Model, Row, load
from symflops.numeric import evaluate, whole
from symflops.site.compiled import NOT_OF_A_FILE
from symflops.storage import kept_for_next_call
from symflops.units import scaled
from symflops.vocabulary.metrics import MEANINGS

PAGE = Path(__file__).parent / "page"
_TREE = ("parameters", "flops")
_LENGTH = 2048  # tokens at which the table of real configs is computed
_MOST_DEFAULTS = 80


@dataclass(frozen=True)
class Page:
    """A page of the site, and what the index says of it."""

    name: str
    text: str
    classes: tuple[str, ...]
    real: tuple[str, ...]


def page(entry: Entry, real: Mapping[str, Mapping[str, Any]], maker: str, home: str) -> Page:
    """The page of a type of configs, with these real configs of it by their names."""
    models = {name: load({k: v for k, v in found[0].items() if k not in NOT_OF_A_FILE})
              for name, found in entry.models.items()}  # fmt: skip
    title = entry.model_type
    parts = [_real(entry, real), *(_model(entry, name, model, len(models) > 1) for name, model in models.items())]
    names = ", ".join(models)
    about = f"FLOPs, bytes and parameters of {title} ({names}) in closed form, by component, with real models' numbers."
    body = (
        f'<p class="note intro">{escape(about)} Derived from the source that transformers runs, for any sizes at once. '
        f'<a href="../../calculator/#model-1={escape(title)}">Open it in the calculator</a>.</p>'
        f"{''.join(parts)}{_defaults(entry)}{_provenance(entry)}"
    )
    text = framed(f"{title}: closed-form cost", about, title, body, maker, f"../{home}", "../")
    return Page(title, text, tuple(models), tuple(real))


def index(pages: Sequence[Page], maker: str, home: str) -> str:
    """The list of all architectures."""
    rows = "".join(
        f'<tr><th scope="row"><a href="{escape(one.name)}/">{escape(one.name)}</a></th>'
        f"<td>{escape(', '.join(one.classes))}</td><td>{escape(', '.join(one.real))}</td></tr>"
        for one in pages
    )
    what = "FLOPs, bytes, parameters, by component, in the config's own symbols"
    about = f"Closed-form costs of {len(pages)} architectures: {what}."
    heads = "".join(f'<th scope="col">{text}</th>' for text in ("type", "classes", "real models"))
    body = (
        f'<p class="note intro">{about} A <a href="../calculator/">calculator</a> computes them for a config.json.</p>'
        f'<section><div class="scroll"><table class="listed" aria-label="Architectures"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )
    return framed("Architectures: closed-form costs", about, "Architectures", body, maker, home, "./")


def framed(title: str, about: str, heading: str, body: str, maker: str, home: str, all_of_them: str) -> str:
    """A page without scripts."""
    style = f"{sources(STYLES)}\n{sources(('architecture.css',), PAGE)}"
    fills = {
        "title": escape(title), "about": escape(about), "heading": escape(heading), "body": body, "home": escape(home),
        "all": escape(all_of_them), "calculator": escape(f"{all_of_them}../calculator/"), "maker": escape(maker),
        "style": style, "style hash": digest(style),
    }  # fmt: skip
    return filled("architecture.html", fills, PAGE)


def _section(title: str, body: str, name: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>{body}</section>'


def _table(kind: str, label: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML; the first of each row is its heading."""
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    lines = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    inside = f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="scroll"><table class="{kind}" aria-label="{escape(label)}">{inside}</table></div>'


def _real(entry: Entry, real: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers of real configs: parameters, and the first call of so many tokens."""
    rows = []
    for name, config in real.items():
        try:
            model = answer_from(entry, config, name)
            length = min(_LENGTH, model.usual_length({"batch_size": 1}))
            cost = model.total().at(batch_size=1, seq_len=length)
            numbers = {m: whole(evaluate(value, {})) for m, value in cost.by_metric.items()}
        except SymflopsError as error:
            rows.append([escape(name), f'<span class="note">{escape(str(error))}</span>', "", "", ""])
            continue
        kept = kept_for_next_call(model)
        point = model.total().with_defaults({"batch_size": 1, "seq_len": length})
        cache = "" if not kept else scaled(whole(evaluate(kept, {**model.symbols, **point})), "read_bytes")
        link = f'<a href="../../calculator/#model-1=real:{escape(name)}">{escape(name)}</a>'
        rows.append([link, f"{numbers['parameters']:,}", f"{length:,}", scaled(numbers["flops"], "flops"), cache])
    if not rows:
        return ""
    heads = ("model", "parameters", "tokens", "FLOPs of a first call", "KV cache after it")
    return _section("Real models", _table("real", "Real models", heads, rows), "real")


def _model(entry: Entry, name: str, model: Model, several: bool) -> str:
    components = by_component(model, symbolic=True)
    rows = list(model.rows(symbolic=True, groups=True))
    defaults = entry.classes[entry.model_type].defaults
    used = model.total(symbolic=True).free_symbols.union(*(row.cost.free_symbols for row in rows))
    legend = short_names(used)
    prefix = f"{name}: " if several else ""
    key = f"{name}-" if several else ""
    return "".join(
        (
            _section(f"{prefix}Closed form by component", _components(components, legend), f"{key}form"),
            _section(f"{prefix}Symbols", _symbols(model, legend, defaults), f"{key}symbols"),
            _section(f"{prefix}Layers", _tree(rows, legend), f"{key}layers"),
            _section(f"{prefix}Conditions and choices", _conditions(model, entry.models[name][1:]), f"{key}conditions"),
        )
    )


def _components(components: Sequence[Component], legend: Mapping[str, str]) -> str:
    """A table for each metric: its total is the sum of these."""
    found = []
    for metric in METRICS:
        rows = [
            [escape(one.name), f'<span class="formula">{formula(one.cost.tree(metric), legend)}</span>',
             "<br>".join(escape(place.path) for place in one.places)]
            for one in components if one.cost.value(metric) != 0
        ]  # fmt: skip
        heading = f"<h3><code>{metric}</code> [{UNITS[metric]}]: {escape(MEANINGS[metric])}</h3>"
        heads = ("component", f"{metric} is the sum of", "layers")
        found.append(heading + (_table("components", metric, heads, rows) if rows else "<p>0</p>"))
    return "".join(found)


def _symbols(model: Model, legend: Mapping[str, str], defaults: Mapping[str, Any]) -> str:
    """What the letters mean, and what the config's class takes for a size that is not stated."""
    run = model.run
    order = [*(n for n in run if n in legend), *sorted(n for n in legend if n not in run)]
    rows = [
        [f"<math>{identifier(legend[name])}</math>", f"<code>{escape(name)}</code>",
         f"{defaults[name]:,}" if type(defaults.get(name)) is int else "",
         escape(run[name].meaning if name in run else _meaning(model, name))]
        for name in order
    ]  # fmt: skip
    return _table("symbols", "Symbols", ("in formulas", "name", "by default", "meaning"), rows)


def _meaning(model: Model, name: str) -> str:
    definition = model.definitions.get(name)
    return f"= {definition}" if isinstance(definition, str) else "of the config"


def _tree(rows: Sequence[Row], legend: Mapping[str, str]) -> str:
    """Each layer in its group, with how often it runs and what one run costs."""
    shown = []
    for row in rows:
        name = row.path.rpartition(".")[2]
        indent = f'<span class="indent depth-{min(row.depth, 9)}"></span>'
        runs = "" if row.repeat == 1 else f"×{formula(grouped(row.repeat), legend)}"
        costs = [formula(row.cost.tree(metric), legend) if row.is_basic else "" for metric in _TREE]
        kind = escape(row.class_name.rpartition(".")[2])
        shown.append([f"{indent}<span title='{escape(row.path)}'>{escape(name)}</span>", kind, runs, *costs])
    heads = ("layer", "class", "runs", *(f"{metric} of a run" for metric in _TREE))
    return _table("tree", "Layers", heads, shown)


def _conditions(model: Model, changes: Sequence[Mapping[str, Any]]) -> str:
    assumed = "".join(f"<li><code>{escape(text)}</code></li>" for text in model.assumes)
    said = list(dict.fromkeys(_choices(changes)))
    choices = "".join(f"<li><code>{escape(text)}</code></li>" for text in said)
    others = f"<p>Configs that say one of these, or several, have formulas of their own:</p><ul>{choices}</ul>"
    return (
        f"<p>The formulas above hold where</p><ul>{assumed}</ul>{others if said else ''}"
        "<p>Any other config is refused in one line that names the condition.</p>"
    )


def _choices(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What configs may say instead, as the facts that each change is for."""
    for change in changes:
        more = [text for text in change["lists"].get("assumes", [[], []])[1] if is_said(text)]
        if more:
            yield ", ".join(more)


def _defaults(entry: Entry) -> str:
    """What its class takes for what a config does not state."""
    own = entry.classes[entry.model_type].defaults
    simple = {n: v for n, v in own.items() if v is None or isinstance(v, str | int | float)}
    items = [[f"<code>{escape(n)}</code>", f"<code>{escape(json.dumps(v))}</code>"] for n, v in simple.items()]
    if len(items) > _MOST_DEFAULTS:
        items = items[:_MOST_DEFAULTS]
    table = _table("defaults", "Defaults of the config's class", ("field", "default"), items)
    return f"<section><details><summary><h2>Defaults of the config's class</h2></summary>{table}</details></section>"


def _provenance(entry: Entry) -> str:
    made = ", ".join(f"{name} {value}" for name, value in entry.provenance.items())
    checked = ", ".join(f"{number} {how}" for how, number in entry.checked.items() if number)
    compared = f"Random configs that were compared with the class and with derivations: {escape(checked)}."
    return _section("Where this comes from", f"<p>{escape(made)}. {compared}</p>", "provenance")
