"""Layers as a model file has them: values as text, what they cost, where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symflops.algebra import from_text
from symflops.formula import formula_for_class, load_formula
from symflops.gradients import KEYS, TABLES
from symflops.grouping import grouped
from symflops.polynomial import Value, add, flat
from symflops.tree import write
from symflops.vocabulary.metrics import OWNED, REQUIRED, none_owned, of_each

Data = dict[str, Any]


class Sum(str):
    """A value as a plain sum, which is written at once, and the value itself, so that nobody has to read it again."""

    value: Value


def full_name(cls: type) -> str:
    """A class as a model file names it."""
    return f"{cls.__module__}.{cls.__qualname__}"


def text(value: Value) -> int | str:
    """A value while a model is being derived. Its readable form, which takes long to find, is that of `readable`."""
    if isinstance(value, int):
        return value
    written = Sum(write(flat(value)))
    written.value = value
    return written


def as_value(of: int | str) -> Value:
    return of if isinstance(of, int) else of.value if isinstance(of, Sum) else from_text(of)


def readable(layers: Data) -> Data:
    """The layers with their values in the form that a model file has."""
    return {name: {key: _readable(key, value) for key, value in data.items()} for name, data in layers.items()}


def _readable(key: str, value: Any) -> Any:
    if key == "sub_layers":
        return readable(value)
    if key in ("cost", "args", *TABLES):
        return {name: _grouped(of) for name, of in value.items()}
    return _grouped(value) if key in ("state", "output_bytes") else value


def _grouped(of: int | str) -> int | str:
    value = as_value(of)
    return value if isinstance(value, int) else write(grouped(value))


def step_costs(data: Data) -> dict[str, Value]:
    """Each metric of a basic layer's data."""
    if "cost" in data:
        return of_each(lambda metric: as_value(data["cost"].get(metric, 0)))
    formula = load_formula(data["formula"]) if "formula" in data else formula_for_class(data["class"])
    found = formula.by_metric({name: as_value(a) for name, a in data.get("args", {}).items()})
    return none_owned(found, 0) if "tied" in data else found


def copied(data: Data) -> Data:
    """A layer of its own, to which parts can be added."""
    if "sub_layers" not in data:
        return data
    return {**data, "sub_layers": {name: copied(below) for name, below in data["sub_layers"].items()}}


def rerun(data: Data, path: str) -> Data:
    """The layer of a module that ran before: its weights are those that are counted at `path`."""
    if "sub_layers" in data:
        below = {name: rerun(layer, f"{path}.{name}") for name, layer in data["sub_layers"].items()}
        return {**data, "sub_layers": below}
    if "cost" in data:
        return {**data, "cost": none_owned(data["cost"], 0)}
    costs = step_costs(data)
    return data if all(costs[metric] == 0 for metric in OWNED) else {**data, "tied": path}


def parameters_only(count: Value) -> Data:
    return cost_data(of_each(lambda metric: count if metric == "parameters" else 0))


def cost_data(costs: Mapping[str, Value]) -> Data:
    """A layer with a cost of its own."""
    return {"cost": {metric: text(v) for metric, v in costs.items() if v != 0 or metric in REQUIRED}}


def formula_data(formula: str, args: Mapping[str, Value], owned: Value, tables: Data) -> Data:
    """A call of a formula, or its costs where it read weights of which the formula knows none, as attention of a query
    that is one."""
    values = load_formula(formula).by_metric(args) if owned != 0 else {}
    if values.get("parameters") == 0:
        return cost_data({**values, "parameters": owned}) | tables
    return {"formula": formula, "args": {name: text(value) for name, value in args.items()}} | tables


def tables_data(costs: Mapping[str, Value]) -> Data:
    """A table of what a backward costs, of which `with_tables` states what is 0."""
    return {key: text(value) for key, value in costs.items() if value != 0}


def with_tables(layers: Data, tables: Sequence[str]) -> Data:
    """The layers, each basic one with these tables of its backward, all of their keys stated."""
    found = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found[name] = {**data, "sub_layers": with_tables(data["sub_layers"], tables)}
        else:
            found[name] = data | {table: dict.fromkeys(KEYS, 0) | data.get(table, {}) for table in tables}
    return found


def place(layers: Data, path: str, data: Data) -> None:
    """Put a layer under its path; a name that is taken gets a number. A module of which a part ran before it is one
    layer with that part, such as a decoder whose embedding another module calls."""
    head, dot, tail = path.partition(".")
    if dot:
        inner = layers.setdefault(head, {"sub_layers": {}})
        if "sub_layers" not in inner:
            return place(layers, path.replace(".", "_"), data)
        return place(inner["sub_layers"], tail, data)
    earlier = layers.get(head, {})
    if earlier.keys() == {"sub_layers"} and "class" in data and "sub_layers" in data:
        layers[head] = {**data, "sub_layers": dict(earlier["sub_layers"])}
        for name, below in data["sub_layers"].items():
            place(layers[head]["sub_layers"], name, below)
        return None
    name, count = head, 2
    while name in layers:
        name, count = f"{head}_{count}", count + 1
    layers[name] = data
    return None


class Runs:
    """The runs of each module inside another one: in a loop they are one layer."""

    def __init__(self) -> None:
        self.found: dict[Any, list[Data]] = {}
        self.placed: dict[Any, Data] = {}

    def first(self, module: Any, data: Data) -> Data:
        """The layer of a module's first run, to be placed; nothing for a later one."""
        self.found.setdefault(module, []).append(data)
        if module in self.placed:
            return {}
        self.placed[module] = dict(data)
        return self.placed[module]

    def merge(self) -> None:
        """Let each layer that was placed cost what all runs of its module do."""
        for module, runs in self.found.items():
            if len(runs) > 1:
                self.placed[module].clear()
                self.placed[module].update(_merged(runs))


def _merged(runs: list[Data]) -> Data:
    if not any("sub_layers" in run for run in runs):
        left = {key: run[key] for run in runs for key in ("class", "state") if key in run}
        return left | _sum(runs)
    names = dict.fromkeys(name for run in runs for name in run.get("sub_layers", {}))
    below = {n: _merged([run["sub_layers"][n] for run in runs if n in run.get("sub_layers", {})]) for n in names}
    return {**runs[0], "sub_layers": below}


def _sum(steps: list[Data]) -> Data:
    rows = [step_costs(step) for step in steps]
    tables = {table for step in steps for table in TABLES if table in step}
    return cost_data(of_each(lambda metric: add(0, *(row[metric] for row in rows)))) | {
        table: tables_data({k: add(0, *(as_value(step.get(table, {}).get(k, 0)) for step in steps)) for k in KEYS})
        for table in TABLES
        if table in tables
    }


def merge_steps(layers: Data, name: str, steps: list[Data]) -> None:
    """The steps of a loop as one layer that costs their sum."""
    kept = {k: v for k, v in layers.items() if not any(v is step for step in steps[1:])}
    if len(steps) > 1:
        kept[name] = _sum(steps)
    layers.clear()
    layers.update(kept)
