"""What a page knows about its models, as data that its scripts read: steps, layers, conditions, symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symflops import algebra, polynomial, progress
from symflops.cost import Cost
from symflops.domain import Condition
from symflops.errors import SymflopsError
from symflops.export.page_tree import parents_of
from symflops.export.program import StraightLineProgram
from symflops.grouping import grouped
from symflops.hardware import DTYPES, Hardware
from symflops.mathml import formula
from symflops.model import Model, Row
from symflops.numeric import RUN_SYMBOLS, plain
from symflops.polynomial import Value
from symflops.storage import kept_for_next_call, weights
from symflops.tree import Tree, write
from symflops.vocabulary.symbols import RUN, RunSymbols


@dataclass
class Formulas:
    """The distinct formulas of all layers of a page, as HTML, and their numbers."""

    numbers: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


@dataclass(frozen=True)
class Section:
    """What a page says about one model."""

    model: Model
    names: set[str]  # the symbols of its formulas
    free: set[str]  # the symbols that its numbers still depend on
    data: dict[str, Any]  # what its scripts read

    @staticmethod
    def of(model: Model, symbolic: Sequence[Row], legend: Mapping[str, str], formulas: Formulas) -> Section:
        progress.tell(model.name)
        total = model.total()
        program = StraightLineProgram()
        texts: dict[tuple[Value, Value], int] = {}

        def shown(one: Value, runs: Value) -> int:
            if (one, runs) not in texts:
                texts[one, runs] = formulas.place(formula(_shortest(one, runs), legend))
            return texts[one, runs]

        def number(value: Value) -> int:
            return program.value(algebra.substitute(value, model.symbols))

        groups = set(parents_of(symbolic))
        rows: list[dict[str, Any]] = []
        for i, row in enumerate(symbolic):
            progress.at(row.path, i, len(symbolic))
            rows.append(
                {
                    "class": row.class_name,
                    "leaf": i not in groups,
                    "whole": row.is_basic,  # not so a group whose parts are deeper than what is shown
                    "runs": number(row.repeat),
                    "cells": [number(value) for value in row.total.by_metric.values()],
                    "formulas": [shown(value, row.repeat) for value in row.cost.by_metric.values()],
                }
            )
        held = algebra.substitute(weights(model), model.symbols)
        kept = kept_for_next_call(model)
        data = {
            "name": model.name,
            "totals": [program.value(value) for value in total.by_metric.values()],
            "rows": rows,
            "conditions": [_condition(condition, program) for condition in _conditions(total)],
            "unit": "tokens" if "seq_len" in total.free_symbols else "sequences",
            "weights": program.value(held),
            "kept": None if kept is None else number(kept),
            "steps": program.steps,
        }
        return Section(model, formula_symbols(model, symbolic), {s for s in program.steps if isinstance(s, str)}, data)


def formula_symbols(model: Model, rows: Sequence[Row]) -> set[str]:
    """The symbols of all formulas that a page shows of a model."""
    return model.total(symbolic=True).free_symbols.union(*(row.total.free_symbols for row in rows))


def _conditions(total: Cost) -> Iterable[Condition]:
    free = set().union(*(algebra.free_symbols(value) for value in total.by_metric.values()))
    return dict.fromkeys([*total.domain.said, *(c for c in total.domain.conditions if c.free_symbols <= free)])


def _shortest(one: Value, runs: Value) -> Tree:
    """All runs of a layer: as one grouped formula or, where that is shorter, as the runs times the formula of one."""
    together = grouped(polynomial.multiply(one, runs))
    if runs == 1 or together == 0:
        return together
    return min(together, ("*", grouped(runs), grouped(one)), key=lambda tree: len(write(tree)))


def _condition(condition: Condition, program: StraightLineProgram) -> dict[str, Any]:
    left, right = program.value(condition.left), program.value(condition.right)
    known = {name: write(grouped(value)) for name, value in condition.known}  # what was put in, to be said with it
    return {"text": condition.text, "left": left, "sign": condition.sign, "right": right, "known": known}


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


def symbols(free: set[str], point: Mapping[str, Any], run: RunSymbols = RUN) -> list[dict[str, Any]]:
    """The symbols that can be set in the page, with the values that it opens with."""
    opens = {n: row.opens_at if row.default is None else row.default for n, row in run.items()}
    found = []
    for name in sorted(free | {"dtype_bytes"}, key=legend_order):  # which says, too, what machines multiply in
        row, value = run.get(name), point.get(name, opens.get(name))
        follows = row is not None and row.follows is not None
        found.append(
            {
                "name": name,
                "meaning": row.meaning if row is not None else "a symbol without a value in the model",
                "fraction": row is not None and row.is_bytes,
                "follows": follows,
                "required": row is None,
                "value": ("" if follows and name not in point else None if value is None else str(value)),
            }
        )
    return found


def machine(found: Hardware) -> dict[str, Any]:
    """A machine as the page's scripts read it: exact numbers of one device, as texts of numerator and denominator."""
    return {
        "name": found.name,
        "about": found.about,
        "source": found.source,
        "devices": found.devices,
        "peak": {dtype: _exact(peak) for dtype, peak in found.peak.items()},
        "vector": {dtype: _exact(peak) for dtype in found.peak if (peak := found.vector_peak(dtype)) is not None},
        "memory": _exact(found.memory),
        "bandwidth": _exact(found.bandwidth),
    }


def dtypes() -> list[dict[str, Any]]:
    """The data types of machines and their bytes, the usual one first."""
    return [{"name": name, "bytes": _exact(size)} for name, size in DTYPES.items()]


def _exact(number: Fraction) -> list[str]:
    return [str(number.numerator), str(number.denominator)]
