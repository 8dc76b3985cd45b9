"""What a page knows about its models, as data that its scripts read: steps, layers, conditions, symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symflops import algebra, polynomial, progress
from symflops.domain import Condition
from symflops.errors import SymflopsError
from symflops.export import conventions
from symflops.export.mathml import formula
from symflops.export.program import Program
from symflops.grouping import grouped, short_names
from symflops.model import Model, Row
from symflops.numeric import BYTE_SYMBOLS, RUN_SYMBOLS, plain
from symflops.polynomial import Value
from symflops.tree import Tree, write

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


@dataclass
class Formulas:
    """The distinct formulas of all layers of a page, as HTML, and their numbers."""

    numbers: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


@dataclass(frozen=True)
class Part:
    """What a page says about one model."""

    model: Model
    legend: dict[str, str]  # symbol -> short name
    free: set[str]  # the symbols that its numbers still depend on
    data: dict[str, Any]  # what its scripts read

    @staticmethod
    def of(model: Model, depth: int | None, formulas: Formulas) -> Part:
        progress.tell(model.name)
        symbolic = _rows(model, depth)
        total, whole = model.total(), model.total(symbolic=True)
        legend = short_names(whole.free_symbols.union(*(row.total.free_symbols for row in symbolic)))
        program = Program()
        texts: dict[tuple[Value, Value], int] = {}

        def shown(one: Value, runs: Value) -> int:
            if (one, runs) not in texts:
                texts[one, runs] = formulas.place(formula(_shortest(one, runs), legend))
            return texts[one, runs]

        def number(value: Value) -> int:
            return program.value(algebra.substitute(value, model.symbols))

        totals = [program.value(value) for value in total.values]
        parents = _parents(symbolic)
        groups = set(parents)
        rows: list[dict[str, Any]] = []
        for i, (row, parent) in enumerate(zip(symbolic, parents, strict=True)):
            progress.at(row.path, i, len(symbolic))
            rows.append(
                {
                    "name": row.path if parent < 0 else row.path[len(symbolic[parent].path) + 1 :],
                    "path": row.path,
                    "class": row.class_name,
                    "parent": parent,
                    "depth": 0 if parent < 0 else rows[parent]["depth"] + 1,
                    "leaf": i not in groups,
                    "runs": number(row.repeat),
                    "cells": [number(value) for value in row.total.values],
                    "formulas": [shown(value, row.repeat) for value in row.cost.values],
                }
            )
        free = set().union(*(algebra.free_symbols(value) for value in total.values))
        asked = [*total.domain.said, *(c for c in total.domain.conditions if c.free_symbols <= free)]
        conditions = [_condition(condition, program) for condition in dict.fromkeys(asked)]
        data = {"name": model.name, "totals": totals, "rows": rows, "conditions": conditions, "steps": program.steps}
        return Part(model, legend, {step for step in program.steps if isinstance(step, str)}, data)


def _rows(model: Model, depth: int | None) -> list[Row]:
    rows = model.rows(symbolic=True, groups=True)
    kept = [row for row in rows if depth is None or row.depth < depth]
    if len(kept) > MAX_ROWS:
        levels = [sum(row.depth <= level for row in rows) for level in range(max(row.depth for row in rows) + 1)]
        fitting = [level + 1 for level, count in enumerate(levels) if count <= MAX_ROWS]
        hint = f"; --depth {fitting[-1]} shows {levels[fitting[-1] - 1]:,}" if fitting else ""
        raise SymflopsError(f"{len(kept):,} layers, more than the {MAX_ROWS:,} of a page{hint}", where=model.name)
    return kept


def _parents(rows: Sequence[Row]) -> list[int]:
    """The place of each row's group, -1 at the top. A name may have dots of its own, so counting them is not enough."""
    parents: list[int] = []
    trail: list[int] = []
    for i, row in enumerate(rows):
        while trail and not row.path.startswith(f"{rows[trail[-1]].path}."):
            trail.pop()
        parents.append(trail[-1] if trail else -1)
        if not row.is_basic:
            trail.append(i)
    return parents


def _shortest(one: Value, runs: Value) -> Tree:
    """All runs of a layer: as one grouped formula or, where that is shorter, as the runs times the formula of one."""
    together = grouped(polynomial.multiply(one, runs))
    if runs == 1 or together == 0:
        return together
    return min(together, ("*", grouped(runs), grouped(one)), key=lambda tree: len(write(tree)))


def _condition(condition: Condition, program: Program) -> dict[str, Any]:
    left, right = program.value(condition.left), program.value(condition.right)
    return {"text": condition.text, "left": left, "sign": condition.sign, "right": right}


def legend_order(name: str) -> tuple[int, str]:
    return (RUN_SYMBOLS.index(name) if name in RUN_SYMBOLS else len(RUN_SYMBOLS), name)


def opening(models: Sequence[Model], point: Mapping[str, Any]) -> Mapping[str, Any]:
    """The point at which a page opens: the one given, with a length at which the closed forms hold and the bytes of the
    models' data type.

    Raises SymflopsError where the models have different ones: the page has one field for all of them.
    """
    if "dtype_bytes" not in point:
        sizes = [model.total().with_defaults({})["dtype_bytes"] for model in models]
        if len(set(sizes)) > 1:
            shown = ", ".join(f"{plain(n)} of {model.name}" for n, model in zip(sizes, models, strict=True))
            raise SymflopsError(f"the models' data types have different bytes ({shown}); give --dtype-bytes")
        point = {**point, "dtype_bytes": plain(sizes[0])}
    if "seq_len" in point:
        return point
    return {**point, "seq_len": min(model.usual_length(point) for model in models)}


def symbols(free: set[str], point: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The symbols that can be set in the page, with the values that it opens with."""
    if free & set(_FOLLOW):
        free = free | {"dtype_bytes"}
    found = []
    for name in sorted(free, key=legend_order):
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
