"""The metrics: one row each, and the selections of them that have a name.

A new metric is one more row. Formulas and model files that say nothing of it have none of it; every command, export and
page shows it as it shows the others, and `Cost` has an attribute of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Metric:
    """One metric: its unit (FLOP, byte or count) and what it means, in the length of a heading, of a line and of a rule
    by which somebody can count it.

    What `is_owned` is there once, however often a model is called: calls do not add it up, and a layer that is tied to
    another one has none. A metric that `is_required` has to be stated where a formula or a layer states its cost.
    """

    name: str
    unit: str
    title: str
    meaning: str
    rule: str
    is_owned: bool = False
    is_required: bool = False


TABLE = (
    Metric(
        "flops",
        "FLOP",
        "FLOPs",
        "all floating-point operations",
        "every floating-point operation. A multiply-add is 2; each elementwise arithmetic or transcendental "
        "operation is 1 per element; a reduction over n elements is n, a mean 1 more; gathers, copies, views, casts, "
        "comparisons and clamps are 0",
        is_required=True,
    ),
    Metric(
        "matmul_flops",
        "FLOP",
        "matmul FLOPs",
        "those of matrix multiplies and convolutions",
        "the part of flops done by matrix multiplies and convolutions",
        is_required=True,
    ),
    Metric(
        "read_bytes",
        "byte",
        "bytes read",
        "inputs and weights that layers read, each once",
        "inputs (dtype_bytes per element) and weights and buffers (weight_bytes) that are read, each once",
        is_required=True,
    ),
    Metric(
        "write_bytes",
        "byte",
        "bytes written",
        "outputs that layers write, each once",
        "outputs, each once",
        is_required=True,
    ),
    Metric(
        "intermediate_bytes",
        "byte",
        "intermediate bytes",
        "temporaries inside layers that are materialised",
        "temporaries that a matrix multiply or a convolution inside writes or reads, each once; a chain of elementwise "
        "operations and reductions is one kernel and has none",
        is_required=True,
    ),
    Metric(
        "parameters",
        "count",
        "parameters",
        "weights owned, a tied one counted once",
        "weights owned",
        is_owned=True,
        is_required=True,
    ),
)

METRICS = tuple(metric.name for metric in TABLE)
UNITS = {metric.name: metric.unit for metric in TABLE}
MEANINGS = {metric.name: metric.meaning for metric in TABLE}
OWNED = tuple(metric.name for metric in TABLE if metric.is_owned)
RUNNING = tuple(metric.name for metric in TABLE if not metric.is_owned)  # what each call costs
REQUIRED = tuple(metric.name for metric in TABLE if metric.is_required)
ARITHMETIC = tuple(metric.name for metric in TABLE if metric.unit == "FLOP")
BYTES = tuple(metric.name for metric in TABLE if metric.unit == "byte")


def of_each(value: Callable[[str], T]) -> dict[str, T]:
    """Something for each metric, by its name.

    >>> of_each(len)["flops"]
    5
    """
    return {metric: value(metric) for metric in METRICS}


def none_owned(values: Mapping[str, T], nothing: T) -> dict[str, T]:
    """The values of a layer that is tied to another one, or run again: `nothing` of what is owned.

    >>> none_owned({"flops": 7, "parameters": 12}, 0)
    {'flops': 7, 'parameters': 0}
    """
    return {metric: nothing if metric in OWNED else value for metric, value in values.items()}
