"""What is compared: the closed form of a text, an expression, a Formula, a Cost or a Model, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias

from symflops import algebra, deadline
from symflops.cost import METRICS, Cost, to_value
from symflops.errors import SymflopsError, nearest
from symflops.formula import Formula
from symflops.given import Formulaic
from symflops.layer import Layer, Part
from symflops.model import Model, Place
from symflops.polynomial import Value, add, flat, is_nonnegative, multiply, symbol, terms_of, value_of
from symflops.storage import cache, kept_by_layers, weights, weights_of
from symflops.tree import Tree, read, write

# What `verify` compares: the metrics, and what a model stores.
COMPARED = (*METRICS, "weights", "cache")
Comparable: TypeAlias = "Formulaic | Formula | Cost | Model"  # what may be a side of a comparison
MOST_TERMS = 200  # of a text that a difference is searched in
MOST_LAYERS = 2000  # of a reference that a difference is searched in


@dataclass(frozen=True)
class Subject:
    """One side of a comparison: its value of the metric and what a diagnosis may use."""

    label: str
    value: Value
    tree: Tree  # the formula as it was given, nothing cancelled: where it has no number matters
    metrics: Mapping[str, Value] = field(default_factory=dict)
    model: Model | None = None
    defaults: Mapping[str, Value] = field(default_factory=dict)
    times: int = 1  # what it was multiplied by, for a training step

    def scaled(self, times: int) -> Subject:
        """So many times this, as a step of training costs 3 forward passes."""
        metrics = {n: value if n == "parameters" else multiply(value, times) for n, value in self.metrics.items()}
        value, tree = multiply(self.value, times), ("*", times, self.tree)
        return replace(self, times=times, value=value, tree=tree, metrics=metrics)

    @property
    def names(self) -> set[str]:
        return algebra.free_symbols(self.value)

    @property
    def conditions(self) -> tuple[str, ...]:
        return (*self.model.assumes, *repeat_conditions(self.model)) if self.model is not None else ()

    @property
    def equations(self) -> dict[str, Value]:
        """Symbols that the model defines by expressions."""
        definitions = self.model.definitions if self.model is not None else {}
        return {n: algebra.from_text(d) for n, d in definitions.items() if isinstance(d, str)}

    @property
    def numbers(self) -> dict[str, int]:
        """The values of the model's symbols."""
        return self.model.symbols if self.model is not None else {}

    @property
    def summands(self) -> list[Value]:
        """The terms of the formula as it was written, a product with a sum term by term."""
        return [algebra.from_tree(tree) for tree in _summands(self.tree)]

    def layers(self, metric: str) -> list[tuple[Place, Value]]:
        """The model's basic layers and what all their runs cost; none for what is no model or a very large one."""
        if self.model is None or len(places(self.model)) > MOST_LAYERS:
            return []
        if metric == "cache":
            return [(place, multiply(value, self.times)) for place, value in kept_by_layers(self.model)]
        return [(place, multiply(value, self.times)) for place, value in _costs(self.model, metric)]


def subject(thing: Comparable, metric: str) -> Subject:
    """One side of a comparison from whatever `symflops.verify` takes.

    Raises SymflopsError for a text that is no formula and for a thing that has no cost.
    """
    if metric not in COMPARED:
        raise SymflopsError(f"unknown metric {metric!r}{nearest(metric, COMPARED)}")
    if isinstance(thing, Model):
        cost = thing.total(symbolic=True)
        if metric == "cache":
            value = cache(thing)
            return Subject(thing.name, value, flat(value), cost.by_metric, thing)
        if metric == "weights":
            value = weights(thing)
            return Subject(thing.name, value, flat(value), cost.by_metric, model=thing)
        return _of_cost(thing.name, cost, metric, model=thing)
    if metric == "cache" and isinstance(thing, Formula | Cost):
        raise SymflopsError("a formula's cost says nothing of a cache; a model does, and a text is taken for it")
    if isinstance(thing, Formula):
        defaults = {name: to_value(text) for name, text in thing.defaults.items()}
        cost = Cost(thing.canonical)
        label = f"{thing.name} (unproven)" if thing.unproven else thing.name
        return _of_cost(label, cost, metric, defaults=defaults)
    if isinstance(thing, Cost):
        return _of_cost("the cost", thing, metric)
    value = to_value(thing)
    tree = read(thing) if isinstance(thing, str) else flat(value)
    text = thing if isinstance(thing, str) else repr(value)
    return Subject(text if len(text) <= 60 else text[:57] + "...", value, tree)


def _of_cost(label: str, cost: Cost, metric: str, **known: Any) -> Subject:
    value = cost.value("parameters" if metric == "weights" else metric)
    value = multiply(value, symbol("weight_bytes")) if metric == "weights" else value
    return Subject(label, value, flat(value), cost.by_metric, **known)


@lru_cache(maxsize=32)
def places(model: Model) -> tuple[Place, ...]:
    """The basic layers of a model in the order of its tree."""
    return tuple(place for place in model.places() if place.layer.is_basic)


@lru_cache(maxsize=64)
def _costs(model: Model, metric: str) -> tuple[tuple[Place, Value], ...]:
    if metric == "weights":
        return tuple((p, weights_of(p)) for p in places(model))
    return tuple((p, multiply(p.layer.cost.value(metric), p.runs)) for p in places(model))


@lru_cache(maxsize=32)
def repeat_conditions(model: Model) -> tuple[str, ...]:
    """That no layer runs a negative number of times: num_hidden_layers >= first_k_dense_replace."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    stack = [model.root]
    while stack:
        layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        stack += [part.layer for part in layer.parts]
        for repeat in (part.repeat for part in layer.parts if not is_nonnegative(part.repeat)):
            taken = value_of({m: -c for m, c in terms_of(repeat).items() if c < 0})
            found[f"{write(flat(add(repeat, taken)))} >= {write(flat(taken))}"] = None
    return tuple(found)


def layer_of(model: Model, path: str) -> Model:
    """One layer of a model, run once, as a model of its own; `path` is its place or the last parts of it.

    Raises SymflopsError for a place that the model does not have, and where several different layers have it.
    """
    found = model.matching(path)
    found = [place for place in found if place.path == path] or found
    if len({id(place.layer) for place in found}) != 1:
        paths = sorted(place.path for place in found)
        raise SymflopsError(f"{path[:100]!r} is ambiguous: {', '.join(paths[:6])}", where=model.name)
    first = min(found, key=lambda place: place.path)
    return one_layer(model, first.layer, first.path)


def one_layer(model: Model, layer: Layer, where: str) -> Model:
    """A layer run once as a model, with the symbols and the conditions of the model that it is part of."""
    root = Layer(parts=(Part(where, layer),))
    return Model(f"{model.name}:{where}", root, model.definitions, model.domain, class_name=layer.class_name)


def _summands(tree: Tree) -> list[Tree]:
    deadline.check()
    if not isinstance(tree, tuple):
        return [tree]
    operation, *operands = tree
    if operation == "+":
        return [term for operand in operands for term in _summands(operand)]
    if operation == "-":
        return [("-", term) for term in _summands(operands[0])]
    if operation == "/":
        return [("/", term, operands[1]) for term in _summands(operands[0])]
    if operation == "*":
        for i, operand in enumerate(operands):
            parts = _summands(operand)
            if len(parts) > 1:
                others = (*operands[:i], *operands[i + 1 :])
                return [term for part in parts for term in _summands(("*", *others, part))][:MOST_TERMS]
    return [tree]
