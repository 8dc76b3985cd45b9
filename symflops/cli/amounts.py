"""What a model holds, which `symflops total` takes for metrics: the parameters that one token uses, the bytes of its
weights and of its cache."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symflops.algebra import substitute
from symflops.analysis.parts import quantity
from symflops.cli import components
from symflops.cli.quantities import aligned, engineering, exact_number
from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.storage import amount
from symflops.vocabulary.metrics import METRICS, UNITS

# Each is asked of the model as a whole. In a Cost it stands for a metric of its unit, and is evaluated as that one is.
_STANDS_FOR = {"active_parameters": "parameters", "weights": "read_bytes", "cache": "write_bytes"}


def are_asked(names: Collection[str]) -> bool:
    """Whether these are amounts and no metrics; a SymflopsError where they are both.

    >>> are_asked(["weights", "cache"]), are_asked(["flops"])
    (True, False)
    """
    amounts = [name for name in names if name in _STANDS_FOR]
    if amounts and len(amounts) < len(names):
        raise SymflopsError(f"--metric: ask for {', '.join(amounts)} alone: what a model holds is no cost of a call")
    return bool(amounts)


def held(model: Model, names: Sequence[str], symbolic: bool) -> Cost:
    """These amounts of a model as a Cost."""
    found = dict.fromkeys(METRICS, 0) | {
        _STANDS_FOR[name]: amount(model, name) if name == "active_parameters" else quantity(model, name)
        for name in names
    }
    if not symbolic:
        found = {metric: substitute(value, model.symbols) for metric, value in found.items()}
    return replace(model.total(symbolic=symbolic), by_metric=found)


def metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The metrics for which they stand in the Cost of `held`."""
    return tuple(_STANDS_FOR[name] for name in names)


def text(model: Model, cost: Cost, names: Sequence[str], short: bool) -> str:
    """Formulas, or numbers in a table."""
    asked = list(zip(names, metrics(names), strict=True))
    if cost.evaluated:
        rows = [(name, exact_number(n), UNITS[m], engineering(n, m)) for name, m in asked for n in [cost.number(m)]]
        return aligned(rows, (False, True, False, True))
    lines = [f"{name} = {cost.text(metric, short=short)}" for name, metric in asked]
    legend = ["", *components.legend_lines(model, cost, metrics(names))] if short else []
    return "\n".join([*lines, *legend])


def data(model: Model, cost: Cost, names: Sequence[str], short: bool) -> str:
    """The same in JSON, with the keys of a total."""
    found: dict[str, Any] = components.data(model, cost, metrics(names), short)
    for key in ("metrics", "units"):
        values: Mapping[str, Any] = found[key]
        found[key] = {name: values[metric] for name, metric in zip(names, metrics(names), strict=True)}
    return json.dumps(found, indent=2, ensure_ascii=False)
