"""Stages of generating text: what the prompt's pass does, and what all steps after it do together.

An engine computes the logits of the last token of each prompt alone, attends to what the causal mask leaves, and keeps
values between its layers where no memory is read for them: of the bytes, those of weights and cache alone are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from symflops.algebra import free_symbols, substitute
from symflops.analysis.generation import NEW, PROMPT, Generation, goes_on, stages, together
from symflops.analysis.traffic import traffic
from symflops.cost import Cost
from symflops.given import Numeric
from symflops.meaning import quantity, with_quantity
from symflops.model import Model, Place
from symflops.numeric import evaluate
from symflops.polynomial import Number, Value, add, multiply, negate, symbol
from symflops.storage import ATTENTION, kept_by_layers, read_in_formats, routed

CAUSAL = "causal"


@dataclass(frozen=True)
class Stage:
    """Passes after each other: how many, the sequences and the rows (tokens of all sequences) of each, and what they do
    together: FLOPs of matrix products, bytes of weights and of the cache; of the first two, those of routed experts.
    """

    passes: int
    sequences: int
    rows: int
    matmul: Fraction
    weights: Fraction
    cache: Fraction
    expert_matmul: Fraction
    expert_weights: Fraction


@dataclass(frozen=True)
class Dimensions:
    """What the time of a pass depends on beside its work: layers that keep something of a token, the elements of a row
    between two of them (None where the model's width is not known by its name), and over how many devices heads can
    share a cache; beyond that each holds it again."""

    depth: int
    width: int | None
    shares: int


@dataclass(frozen=True)
class Workload:
    """A batch of prompts and the tokens generated after them, in numbers."""

    values: Mapping[str, Number]
    prompt: Stage
    steps: Stage
    shape: Dimensions


_PARTS = ("matmul", "weights", "cache", "expert_matmul", "expert_weights")


@dataclass(frozen=True)
class Stages:
    """The same in closed form: the `_PARTS` of the prompt's pass and of all steps after it."""

    cost: Generation
    prompt: Mapping[str, Value]
    steps: Mapping[str, Value]
    shape: Dimensions
    one_token: bool  # the decoder of an encoder starts with one token, whatever the prompt
    notes: tuple[str, ...] = ()

    def at(self, values: Mapping[str, Numeric]) -> Workload:
        """The numbers at a point: batch_size, prompt_len, new_tokens, and bytes per element.

        Raises SymflopsError for a missing or unknown value and for lengths that the model cannot run.
        """
        given = {"batch_size": 1, CAUSAL: 1, **values}
        self.cost.at(**given)  # refuses names and values as any answer does
        point = self.cost.with_defaults(given)
        batch, length, new = (int(point[name]) for name in ("batch_size", PROMPT, NEW))
        first, later = (
            [Fraction(evaluate(parts[name], point)) for name in _PARTS] for parts in (self.prompt, self.steps)
        )
        prompt = Stage(1, batch, batch * (1 if self.one_token else length), *first)
        return Workload(point, prompt, Stage(new - 1, batch, batch, *later), self.shape)


@lru_cache(maxsize=32)
def staged(model: Model) -> Stages:
    """The stages of a model in closed form.

    Raises SymflopsError for a model that does not generate (no seq_len, or attention without a cache), for steps whose
    sum has no closed form, and where a layer does not say what it keeps.
    """
    prompt, steps = stages(model)
    one_token = goes_on(model)
    less = {} if one_token else _other_logits(model)
    parts = zip(
        (prompt, steps), stages(model, of=_of_experts), stages(model, of=_in_formats),
        stages(model, of=_experts_in_formats), (less, {}), strict=True,
    )  # fmt: skip
    of_prompt, of_steps = (_parts(*some) for some in parts)
    return Stages(
        together(prompt, steps),
        of_prompt,
        of_steps,
        _shape(model),
        one_token,
        _as_written(model),
    )


def _as_written(model: Model) -> tuple[str, ...]:
    """What the model's source computes and engines do not, so that nothing here bounds them."""
    again, every = [], []
    for path, layer, _ in model.places():
        if not layer.is_basic or (layer.formula is not None and layer.formula.name in ATTENTION):
            continue
        used = free_symbols(layer.cost.value("matmul_flops"))
        weights = layer.cost.value("parameters")
        owned = free_symbols(weights)
        if "past_len" in used and weights != 0:
            again.append(path)
        if (experts := with_quantity(owned, "experts")) and experts in used and _is_inner(owned, experts):
            every.append(path)
    notes = ((again, "multiplies for every token of the cache again"), (every, "computes every expert for every token"))
    return tuple(
        f"{paths[0]} {what}, as the model's source does and engines do not: bound and estimates are of the source"
        for paths, what in notes
        if paths
    )


def _is_inner(owned: set[str], experts: str) -> bool:
    """Whether weights of experts are those of their MLPs: a router has no width of its own."""
    return any(quantity(name) in ("inner", "expert inner") for name in owned - {experts})


def _parts(
    cost: Cost, experts: Cost, in_formats: Cost, of_experts: Cost, more: Mapping[str, Value]
) -> dict[str, Value]:
    moved = traffic(add(*(add(cost.value(m), more.get(m, 0)) for m in ("read_bytes", "write_bytes"))))
    values = (
        add(cost.value("matmul_flops"), more.get("matmul_flops", 0)),
        add(moved["weights"], in_formats.value("read_bytes")), moved["cache"], experts.value("matmul_flops"),
        add(traffic(experts.value("read_bytes"))["weights"], of_experts.value("read_bytes")),
    )  # fmt: skip
    return dict(zip(_PARTS, values, strict=True))


def _experts(model: Model) -> list[Place]:
    """The layers whose weights are routed experts'."""
    return [place for place in model.places() if routed(place.layer) is not None]


def _of_experts(model: Model) -> Cost:
    return sum((place.layer.cost * place.runs for place in _experts(model)), Cost.of()).substitute(model.symbols)


def _in_formats(model: Model) -> Cost:
    """The reads of weights that are in formats of their own."""
    return Cost.of(read_bytes=substitute(read_in_formats(model.places()), model.symbols))


def _experts_in_formats(model: Model) -> Cost:
    return Cost.of(read_bytes=substitute(read_in_formats(_experts(model)), model.symbols))


def _other_logits(model: Model) -> dict[str, Value]:
    """What a prompt's pass costs less when its last token's logits alone are computed: layers that multiply by a weight
    of the vocabulary's size, with one row of each sequence in place of all."""
    less: dict[str, Value] = {}
    for _, layer, runs in model.places():
        if layer.formula is None or layer.formula.name != "linear":
            continue
        if not with_quantity(free_symbols(dict(layer.args)["out_features"]), "vocabulary"):
            continue
        for metric, value in layer.cost.by_metric.items():
            change = multiply(runs, add(substitute(value, {model.length: 1}), negate(value)))
            at_prompt = substitute(substitute(change, model.symbols), {model.length: symbol(PROMPT), "past_len": 0})
            less[metric] = add(less.get(metric, 0), at_prompt)
    return less


def _shape(model: Model) -> Dimensions:
    """Layers are groups with something that is kept: keys, values, latents, states."""
    groups: dict[str, Value] = {}
    heads: list[int] = []
    for (path, layer, runs), _ in kept_by_layers(model):
        groups[path.rpartition(".")[0]] = substitute(runs, model.symbols)
        count = dict(layer.args).get("num_kv_heads")
        heads += [] if count is None else [int(evaluate(substitute(count, model.symbols), {}))]
    width = model.symbols.get(with_quantity(set(model.definitions), "hidden"))
    depth = sum(int(evaluate(runs, {})) for runs in groups.values())
    return Dimensions(depth, width, min(heads, default=1))
