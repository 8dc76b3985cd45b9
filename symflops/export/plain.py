"""A table as Markdown, text, CSV and JSON. The last two have every digit and the full names: programs read them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from symflops.cost import UNITS
from symflops.errors import one_line
from symflops.export.conventions import CAPTION
from symflops.export.table import DIFFERENCE, PLACE, Cell, Line, Table, difference
from symflops.grouping import grouped, renamed, short_names
from symflops.tree import write
from symflops.units import exact_number, printable, scaled, unit

# ------------------------------------------------------------------------------------------------------------- Markdown


@dataclass(frozen=True)
class Columns:
    """A table as texts: its header, its rows, of which the last is the total, which columns are numbers, and the notes
    below it."""

    header: list[str]
    rows: list[list[str]]
    right: list[bool]
    notes: list[str]


def markdown(table: Table, *, short: bool = True, scale: str = "engineering", digits: int = 4) -> str:
    """A table in GitHub's Markdown, with the legend of its symbols and what is counted below it."""
    columns = _columns(table, _code, escape, short, scale, digits)
    first, *others = columns.rows[-1]
    total = [f"**{first}**" if table.places else first, *others]
    rules = ["---" if i < len(table.places) else "---:" for i in range(len(columns.header))]
    lines = ["| " + " | ".join(row) + " |" for row in (columns.header, rules, *columns.rows[:-1], total)]
    return "\n".join([*lines, "", "\n\n".join(columns.notes)])


def text(table: Table, *, short: bool = True, scale: str = "engineering", digits: int = 4) -> Columns:
    """The same without markup, for a terminal to lay out."""
    return _columns(table, one_line, str, short, scale, digits)


def _columns(
    table: Table, code: Callable[[str], str], prose: Callable[[str], str], short: bool, scale: str, digits: int
) -> Columns:
    names = short_names(table.free_symbols) if short else {name: name for name in table.free_symbols}
    header = [table.headings.get(column, column) for column in table.places]
    for i, (name, columns) in enumerate(table.groups):
        prefix = "" if len(table.models) == 1 else f"{code(name) if i < len(table.models) else name} "
        shown = scale if table.point is not None else "engineering"
        header += [prefix + _heading(column, shown, table.headings) for column in columns]
    formulas: set[int] = set()  # columns that have one are no numbers

    def cells(entries: Sequence[Cell | None]) -> list[str]:
        found = [_cell(entry, c, names, scale, digits) if entry else ("", False) for entry, c in table.cells(entries)]
        formulas.update(i for i, (_, is_formula) in enumerate(found, len(table.places)) if is_formula)
        return [code(cell) if is_formula else cell for cell, is_formula in found]

    rows = [[*(code(line.texts[c]) for c in table.places), *cells(line.entries)] for line in table.lines]
    place = ["total", *("" for _ in table.places)][: len(table.places)]
    rows.append([*place, *cells(table.sums)])
    named = ", ".join(code(model.name) for model in table.models)
    notes = [f"Cost of {named}, {how(table)}. {prose(CAPTION)}"]
    if table.difference:
        notes.append(f"{DIFFERENCE}: {code(table.models[1].name)} minus {code(table.models[0].name)}.")
    if names:
        meanings = (_meaning(new, name, table, code) for name, new in sorted(names.items(), key=lambda p: p[1]))
        notes.append("; ".join(meanings) + ".")
    right = [i >= len(table.places) and i not in formulas for i in range(len(header))]
    return Columns(header, rows, right, notes)


def how(table: Table) -> str:
    """In words, what the cells of a table are the cost of."""
    given = ", ".join(f"{name} = {value}" for name, value in (table.point or table.bound).items())
    runs = "one run of each layer; the total is that of all runs" if table.each else "all runs of each layer"
    return f"{runs}, at {given}" if given else runs


def values(name: str, table: Table) -> list[int]:
    """The value of a symbol in each model that gives it one; once where they agree."""
    found = [model.symbols[name] for model in table.models if name in model.symbols]
    return found[:1] if len(set(found)) == 1 else found


def _meaning(new: str, name: str, table: Table, code: Callable[[str], str]) -> str:
    numbers = " or ".join(f"{value:,}" for value in values(name, table))
    return " = ".join([code(new), *([code(name)] if name != new else []), *([numbers] if numbers else [])])


def _heading(column: str, scale: str, headings: Mapping[str, str]) -> str:
    noun = unit(column, scale) if column in UNITS else ""
    return headings.get(column, column.replace("_", " ")) + (f" [{noun}]" if noun else "")


def _cell(entry: Cell, column: str, names: Mapping[str, str], scale: str, digits: int) -> tuple[str, bool]:
    """The text of a cell, and whether it is a formula."""
    if column == "share":
        return f"{entry.share or 0:.1%}", False
    value = entry.count if column == "count" else entry.cost.value(column)
    if value is None:
        return "", False
    if not isinstance(value, int) or (not entry.cost.evaluated and column != "count"):
        return write(renamed(grouped(value), names)), True
    return exact_number(value) if column == "count" else scaled(value, column, scale, digits), False


def _code(text: str) -> str:
    """Text of unknown origin in a cell, as code: nothing in it is markup."""
    text = one_line(text)
    if not text:
        return ""
    if re.fullmatch(r"[^`|\\<&]+", text) and text == text.strip():
        return f"`{text}`"
    shown = "".join(c if c.isalnum() or c in " ." else f"&#{ord(c)};" for c in text)
    return f"<code>{shown}</code>"


# ---------------------------------------------------------------------------------------------------------- CSV, JSON


def comma_separated(table: Table, *, short: bool = False) -> str:
    """One line per row and model, the model's name first where there are several, and a total for each model.

    What the second of two models costs more is in columns of its own, once for each row: in the second model's line,
    or in the first one's where the second has none.
    """
    names = _names(table, short)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    several = len(table.models) > 1
    more = [f"{DIFFERENCE}_{metric}" for metric in table.metrics] if table.difference else []
    writer.writerow([*(["model"] if several else []), *table.columns, *more])
    for place, model in enumerate(table.models):
        total = Line(("total",), "", "", tuple(table.sums))
        for line in (*table.lines, total):
            entry = line.entries[place]
            if entry is not None:
                cells = _data(line, entry, table, names)
                texts = [_harmless(cells[c]) if c in PLACE else _in_brackets(cells[c]) for c in table.columns]
                if more and (entry is line.entries[1] or line.entries[1] is None):
                    compared = difference(*line.entries)
                    texts += [_in_brackets(_datum(compared, metric, names)) for metric in table.metrics]
                else:
                    texts += ["" for _ in more]
                writer.writerow([_harmless(model.name), *texts] if several else texts)
    return file.getvalue().removesuffix("\n")


def _harmless(text: str) -> str:
    """A text on one line that no spreadsheet takes for a formula: where it would, an apostrophe stands first.

    >>> _harmless("=1+1"), _harmless("layers.0")
    ("'=1+1", 'layers.0')
    """
    line = one_line(text, len(text) * 10 + 400)
    # Spreadsheets skip spaces and quotes before the sign, and know the full-width signs of East Asian keyboards.
    return f"'{line}" if re.match(r"""[\s"'\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]""", line) else line


def _in_brackets(datum: Any) -> Any:
    """A closed form that begins with a minus, in brackets: harmless, and still the same closed form."""
    return f"({datum})" if isinstance(datum, str) and datum.startswith("-") else datum


def jsonable(table: Table, *, short: bool = False) -> str:
    """Per model its symbols, its rows with every path that a row stands for, and its total."""
    names = _names(table, short)
    models = []
    for place, model in enumerate(table.models):
        layers = [
            _data(line, entry, table, names) | {"paths": list(line.paths)}
            for line in table.lines
            if (entry := line.entries[place]) is not None
        ]
        total = {metric: _datum(Cell(None, table.totals[place]), metric, names) for metric in table.metrics}
        models.append({"model": model.name, "symbols": model.symbols, "layers": layers, "total": total})
    given = {name: str(v) if type(v) is not int else v for name, v in (table.point or table.bound).items()}
    data: dict[str, Any] = {
        "models": models,
        "units": {metric: UNITS[metric] for metric in table.metrics},
        "of": "one run" if table.each else "all runs",
        "at": given,
        "conventions": CAPTION,
    }
    if table.difference:
        data[DIFFERENCE] = _differences(table, names)
    if short:
        data["legend"] = {new: name for name, new in names.items()}
    return json.dumps(data, indent=2, ensure_ascii=False)


def _differences(table: Table, names: Mapping[str, str]) -> dict[str, Any]:
    """What the second model costs more than the first, row by row."""

    def metrics(entries: Sequence[Cell | None]) -> dict[str, Any]:
        return {metric: _datum(difference(*entries), metric, names) for metric in table.metrics}

    layers = [
        {c: line.texts[c] for c in table.places} | metrics(line.entries) | {"paths": list(line.paths)}
        for line in table.lines
    ]
    first, second = (model.name for model in table.models)
    return {"model": second, "minus": first, "layers": layers, "total": metrics(table.sums)}


def _names(table: Table, short: bool) -> dict[str, str]:
    return short_names(table.free_symbols) if short else {}


def _data(line: Line, entry: Cell, table: Table, names: Mapping[str, str]) -> dict[str, Any]:
    texts = line.texts
    return {c: texts[c] if c in PLACE else _datum(entry, c, names) for c in table.columns}


def _datum(entry: Cell, column: str, names: Mapping[str, str]) -> Any:
    """The exact number, or the closed form's text."""
    if column == "share":
        return entry.share
    value = entry.count if column == "count" else entry.cost.value(column)
    if value is None or isinstance(value, int):
        return value if value is None else printable(value)
    return write(renamed(grouped(value), names))
