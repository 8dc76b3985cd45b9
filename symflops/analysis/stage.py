"""Stages of generating text in numbers: what the prompt's pass does, and what all steps after it do together.

An engine computes the logits of the last token of each prompt alone, attends to what the causal mask leaves, and keeps
values between its layers where no memory is read for them: of the bytes, those of weights and cache alone are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from symflops.algebra import free_symbols, substitute
from symflops.analysis.generation import NEW, PROMPT, goes_on, stages, together
from symflops.analysis.roofline import traffic
from symflops.cost import Cost
from symflops.given import Numeric
from symflops.meaning import with_quantity
from symflops.model import Model
from symflops.numeric import evaluate
from symflops.polynomial import Number, Value, add, multiply, negate, symbol
from symflops.storage import kept_by_layers

CAUSAL = "causal"


@dataclass(frozen=True)
class Stage:
    """Passes after each other: how many, the rows that each works on (tokens of all sequences), and what they do
    together: FLOPs of matrix products, bytes of weights and of the cache."""

    passes: int
    rows: int
    matmul: Fraction
    weights: Fraction
    cache: Fraction


@dataclass(frozen=True)
class Shape:
    """What the time of a pass depends on beside its work: layers that keep something of a token, the bytes of a row
    between two of them (None where the model's width is not known by its name), and over how many devices heads can
    share a cache; beyond that each holds it again."""

    depth: int
    row_bytes: Fraction | None
    shares: int


@dataclass(frozen=True)
class Workload:
    """A batch of prompts and the tokens generated after them, in numbers."""

    values: Mapping[str, Number]
    prompt: Stage
    steps: Stage
    shape: Shape


def workload(model: Model, values: Mapping[str, Numeric]) -> Workload:
    """The two stages at a point: batch_size, prompt_len, new_tokens, and bytes per element.

    Raises SymflopsError for a missing or unknown value and for lengths that the model cannot run.
    """
    prompt, steps = stages(model)
    both = together(prompt, steps)
    given = {"batch_size": 1, CAUSAL: 1, **values}
    both.at(**given)  # refuses names and values as any answer does
    point = both.with_defaults(given)
    batch, length, new = (int(point[name]) for name in ("batch_size", PROMPT, NEW))
    rows = batch * (1 if goes_on(model) else length)
    return Workload(
        point,
        _stage(prompt, {} if goes_on(model) else _other_logits(model), point, 1, rows),
        _stage(steps, {}, point, new - 1, batch),
        _shape(model, point),
    )


def _stage(cost: Cost, more: Mapping[str, Value], point: Mapping[str, Number], passes: int, rows: int) -> Stage:
    value = {m: add(cost.value(m), more.get(m, 0)) for m in ("matmul_flops", "read_bytes", "write_bytes")}
    moved = traffic(add(value["read_bytes"], value["write_bytes"]))
    numbers = (Fraction(evaluate(one, point)) for one in (value["matmul_flops"], moved["weights"], moved["cache"]))
    return Stage(passes, rows, *numbers)


def _other_logits(model: Model) -> dict[str, Value]:
    """What a prompt's pass costs less when its last token's logits alone are computed: layers without parts that
    multiply by a weight of the vocabulary's size, with one row in place of all."""
    less: dict[str, Value] = {}
    for _, layer, runs in model.places():
        if not layer.is_basic or layer.formula is None or layer.formula.name != "linear":
            continue
        if not with_quantity(free_symbols(dict(layer.args)["out_features"]), "vocabulary"):
            continue
        for metric, value in layer.cost.by_metric.items():
            one = substitute(value, {model.length: 1})
            change = substitute(multiply(runs, add(one, negate(value))), model.symbols)
            at_prompt = substitute(change, {model.length: symbol(PROMPT), "past_len": 0})
            less[metric] = add(less.get(metric, 0), at_prompt)
    return less


def _shape(model: Model, point: Mapping[str, Number]) -> Shape:
    """Layers are groups with something that is kept: keys, values, latents, states."""
    groups: dict[str, Value] = {}
    heads: list[int] = []
    for (path, layer, runs), _ in kept_by_layers(model):
        groups[path.rpartition(".")[0]] = substitute(runs, model.symbols)
        count = dict(layer.args).get("num_kv_heads")
        heads += [] if count is None else [int(evaluate(substitute(count, model.symbols), point))]
    width = with_quantity(set(model.definitions), "hidden")
    row = Fraction(model.symbols[width]) * Fraction(point["dtype_bytes"]) if width in model.symbols else None
    depth = sum(int(evaluate(runs, point)) for runs in groups.values())
    return Shape(depth, row, min(heads, default=1))
