"""The table that a paper or a spreadsheet has of one model or of several: which rows, which columns, which cells.

What equal layers cost is said once: a row stands for all layers of the same class, formula and closed form, in every
model of the table. Its cells are closed forms, or exact numbers when the table was made for a point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from symflops import polynomial, progress
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError, nearest
from symflops.model import Model, Row
from symflops.polynomial import Value

PLACE = ("path", "class", "formula")  # columns that say where and what a row is
COLUMNS = (*PLACE, "count", "share", *METRICS)
DIFFERENCE = "difference"
_NAMED = 4  # groups of paths that a label names before it says how many more paths there are
_LISTED = 8  # names between braces


@dataclass(frozen=True)
class Cell:
    """What one model has in a row: how many runs, and what they cost together or, on request, each.

    A total has no count."""

    count: Value | None
    cost: Cost
    share: float | None = None


@dataclass(frozen=True)
class Line:
    """One row: the layers that it stands for, and one entry per model, None where a model has none of them."""

    paths: tuple[str, ...]
    class_name: str
    formula: str
    entries: tuple[Cell | None, ...]
    name: str = ""  # instead of the paths

    @property
    def texts(self) -> dict[str, str]:
        """What stands in the columns of a row."""
        return dict(zip(PLACE, (self.name or label(self.paths), self.class_name, self.formula), strict=True))


@dataclass(frozen=True)
class Table:
    """Rows, columns and totals. With `point` every cell is an exact number, without it a closed form."""

    models: tuple[Model, ...]
    lines: tuple[Line, ...]
    totals: tuple[Cost, ...]
    columns: tuple[str, ...]
    point: Mapping[str, Any] | None
    each: bool = False
    bound: Mapping[str, Any] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)  # of columns, in place of their usual ones
    difference: bool = False  # beside two models, what the second one costs more than the first

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns if column in METRICS)

    @property
    def places(self) -> tuple[str, ...]:
        """The columns of a row, which come first."""
        return tuple(column for column in self.columns if column in PLACE)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The columns of each model."""
        return tuple(column for column in self.columns if column not in PLACE)

    @property
    def groups(self) -> list[tuple[str, tuple[str, ...]]]:
        """The columns that stand together, below the name of a model or, of numbers alone, a heading."""
        models = [(model.name, self.quantities) for model in self.models]
        return [*models, (DIFFERENCE, self.metrics)] if self.difference else models

    def cells(self, entries: Sequence[Cell | None]) -> list[tuple[Cell | None, str]]:
        """The cells of a row after its place: each entry in each of its columns, by `groups`."""
        found = [(entry, column) for entry in entries for column in self.quantities]
        return found + [(difference(*entries), metric) for metric in self.metrics] if self.difference else found

    @property
    def sums(self) -> list[Cell]:
        """The entries of the last row."""
        return [Cell(None, total, 1.0) for total in self.totals]

    @property
    def free_symbols(self) -> set[str]:
        """The symbols that some closed form in the table depends on."""
        shown: set[str] = set()
        for cost in (*self.totals, *(entry.cost for line in self.lines for entry in line.entries if entry)):
            shown |= Cost.of(**{metric: cost.value(metric) for metric in self.metrics}).free_symbols
        for line in self.lines if "count" in self.columns else ():
            shown |= set().union(*(Cost.of(flops=entry.count).free_symbols for entry in line.entries if entry))
        return shown


def difference(first: Cell | None, second: Cell | None) -> Cell:
    """What a row of the second model costs more than that of the first; what a model does not have costs nothing.

    >>> difference(Cell(1, Cost.of(flops="3*h")), Cell(2, Cost.of(flops="h"))).cost.flops
    -2*h
    """
    before, after = (entry.cost if entry else None for entry in (first, second))
    if before is None or after is None:
        return Cell(None, after or (before or Cost.of()) * -1)
    return Cell(None, replace(after + before * -1, evaluated=before.evaluated and after.evaluated))


def table(
    models: Sequence[Model],
    columns: Sequence[str],
    *,
    symbolic: bool = True,
    given: Mapping[str, Any] | None = None,
    depth: int | None = None,
    each: bool = False,
    difference: bool | None = None,
) -> Table:
    """The table of some models' layers.

    `symbolic` keeps hidden_size and the like; without it the configs' numbers are in the closed forms. `given` are the
    values of run symbols; where they leave nothing open the cells are numbers. `depth` cuts the tree: what lies deeper
    is in the row of its group. `each` gives the cost of one run in place of all. `difference`: columns of what
    the second of two models costs more than the first; unless somebody says otherwise, where the cells are numbers.

    >>> from symflops.model import load
    >>> made = table([load("llama-2-7b-hf")], ["path", "count", "flops"], depth=3)
    >>> [line.texts["path"] for line in made.lines][1:3]
    ['model.rotary_emb', 'model.layers.{input,post_attention}_layernorm, model.norm']

    Raises SymflopsError for a column that does not exist and where a number cannot be computed.
    """
    if not models:
        raise SymflopsError("a table needs a model")
    for column in columns:
        if column not in COLUMNS:
            raise SymflopsError(f"unknown column {column!r}{nearest(column, COLUMNS)}; valid: {', '.join(COLUMNS)}")
    if len(set(columns)) != len(columns):
        raise SymflopsError("a column is named twice")
    if not set(columns) & set(METRICS):
        raise SymflopsError(f"a table needs a metric among its columns: {', '.join(METRICS)}")
    if difference and len(models) != 2:
        raise SymflopsError(f"a difference is of two models, not of {len(models)}")
    if difference and symbolic:
        raise SymflopsError(
            "a difference of closed forms needs the configs' numbers in them, since a symbol is another size in each "
            "model: --numeric, or -B and -S"
        )
    given = dict(given or {})
    wholes = [model.total(symbolic=symbolic) for model in models]
    numbers = bool(given) and all(whole.is_complete(given) for whole in wholes)
    if "share" in columns and not numbers:
        raise SymflopsError("the column share needs numbers: give -B and -S")

    def cell(cost: Cost) -> Cost:
        return cost.at(**given) if numbers else cost.bind(**given) if given else cost

    totals = tuple(cell(whole) for whole in wholes)
    first = next(column for column in columns if column in METRICS)
    lines = []
    places = _places([_frontier(model, symbolic, depth) for model in models])
    for number, (paths, rows) in enumerate(places):
        progress.at(f"row {number + 1:,}", number, len(places))
        entries: list[Cell | None] = []
        for found, total in zip(rows, totals, strict=True):
            if not found:
                entries.append(None)
                continue
            count = cell(Cost.of(flops=polynomial.add(*(row.repeat for row in found)))).value("flops")
            together = cell(_sum([row.total for row in found]))
            share = total.share(together, first) if numbers else None
            entries.append(Cell(count, cell(found[0].cost) if each else together, share))
        some = next(found[0] for found in rows if found)
        lines.append(Line(paths, some.class_name, some.formula, tuple(entries)))
    point, bound = (given, {}) if numbers else (None, given)
    if difference is None:
        difference = numbers and len(models) == 2
    return Table(tuple(models), tuple(lines), totals, tuple(columns), point, each, bound, difference=difference)


def named(table: Table, rows: Mapping[str, str], columns: Mapping[str, str]) -> Table:
    """The table with other names for rows, each called by what stands in its first column or by one of its paths, and
    for columns.

    Raises SymflopsError for a row or a column that the table does not have, and for a row that is named twice.
    """
    lines = list(table.lines)
    for old, new in rows.items():
        at = [i for i, line in enumerate(table.lines) if old in (label(line.paths), *line.paths)]
        if not at:
            known = [label(line.paths) for line in table.lines]
            raise SymflopsError(f"--name-row {old[:60]}: no such row{nearest(old, known)}")
        if lines[at[0]].name:
            raise SymflopsError(f"--name-row {old[:60]}: that row is named already, {lines[at[0]].name[:60]}")
        lines[at[0]] = replace(lines[at[0]], name=new)
    for old in columns:
        if old not in table.columns:
            raise SymflopsError(f"--name-column {old[:60]}: no such column{nearest(old, table.columns)}")
    return replace(table, lines=tuple(lines), headings=columns)


def _sum(costs: Sequence[Cost]) -> Cost:
    whole = costs[0]
    for cost in costs[1:]:
        whole = whole + cost
    return whole


def _frontier(model: Model, symbolic: bool, depth: int | None) -> list[Row]:
    """The rows that together are the model: its basic layers, or at `depth` the groups that hold them."""
    if depth is None:
        return model.rows(symbolic=symbolic)
    rows = [row for row in model.rows(symbolic=symbolic, groups=True) if row.depth < depth]
    return [row for row in rows if row.is_basic or row.depth == depth - 1]


def _places(models: Sequence[Sequence[Row]]) -> list[tuple[tuple[str, ...], list[list[Row]]]]:
    """The paths that share a row, with each model's layers at them: those that agree in every model, in tree order."""
    at = [{row.path: row for row in rows} for rows in models]
    merged: dict[Any, list[str]] = {}
    for path in _in_order([[row.path for row in rows] for rows in models]):
        rows = [rows.get(path) for rows in at]
        content = tuple((r.class_name, r.formula, _costs(r), r.is_basic or r.path) if r else None for r in rows)
        merged.setdefault(content, []).append(path)
    return [(tuple(paths), [[rows[p] for p in paths if p in rows] for rows in at]) for paths in merged.values()]


def _costs(row: Row) -> tuple[Value, ...]:
    return tuple(row.cost.by_metric.values())


def _in_order(models: Sequence[Sequence[str]]) -> list[str]:
    """All paths: the first model's order; what only another one has stands after what it follows there, or before what
    follows it."""
    after, before = {"": ""}, {"": ""}  # a ring that begins and ends at ""
    for paths in models:
        last = before[next((path for path in paths if path in after), "")]
        for path in paths:
            if path not in after:
                after[path], before[path], before[after[last]] = after[last], last, path
                after[last] = path
            last = path
    ordered = [after[""]]
    while ordered[-1]:
        ordered.append(after[ordered[-1]])
    return ordered[:-1]


def label(paths: Sequence[str]) -> str:
    """Several paths as one text, with what they differ in between braces.

    >>> label(["a.q_proj", "a.k_proj", "b.norm"]), label(["layers.0.up", "layers.5.up"])
    ('a.{q,k}_proj, b.norm', 'layers.{0,5}.up')
    """
    groups: list[list[list[str]]] = []
    left = 0
    for parts in (path.split(".") for path in paths):
        for group in groups:
            # A path of a group differs from the first one where the second one does.
            if _differing(group[0], parts) == (
                _differing(*group[:2]) if len(group) > 1 else _one_place(group[0], parts)
            ):
                group.append(parts)
                break
        else:
            if len(groups) < _NAMED:
                groups.append([parts])
            else:
                left += 1
    return ", ".join([*map(_braces, groups), *([f"… and {left} more"] if left else [])])


def _differing(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """The places in which two paths differ."""
    if len(first) != len(second):
        return []
    return [i for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1]]


def _one_place(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """The place in which two paths differ; no places at all where there are several or none."""
    places = _differing(first, second)
    return places if len(places) == 1 else [-1]


def _braces(group: Sequence[Sequence[str]]) -> str:
    if len(group) == 1:
        return ".".join(group[0])
    (place,) = _differing(*group[:2])
    names = [parts[place] for parts in group]
    start = _whole_words(_common(names))
    end = _whole_words(_common([name[len(start) :][::-1] for name in names]))[::-1]
    middle = [name[len(start) : len(name) - len(end)] for name in names]
    if len(middle) > _LISTED:
        middle = [*middle[: _LISTED - 2], "…", middle[-1]]
    return ".".join([*group[0][:place], f"{start}{{{','.join(middle)}}}{end}", *group[0][place + 1 :]])


def _whole_words(text: str) -> str:
    return text[: text.rfind("_") + 1]


def _common(names: Sequence[str]) -> str:
    shortest = min(names, key=len)
    return next((shortest[:i] for i, c in enumerate(shortest) if any(n[i] != c for n in names)), shortest)
