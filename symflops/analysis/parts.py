"""Parts of a model as users name them: `self_attn`, `layers.*.mlp`, components, weights, the KV cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from symflops import algebra, polynomial
from symflops.analysis.summation import calls_of
from symflops.cost import METRICS, UNITS, Cost
from symflops.errors import SymflopsError
from symflops.formula import in_order
from symflops.function import maximum, minimum
from symflops.graph import graph, total
from symflops.layer import Layer, Part
from symflops.model import Model, Place
from symflops.numeric import check
from symflops.polynomial import Value
from symflops.tree import names, read

QUANTITIES = {**UNITS, "weights": "byte", "cache": "byte"}  # what can be asked of a part, and its unit
_ATTENTION = ("sdpa", "sdpa_eager")


@dataclass(frozen=True)
class Component:
    """What a model is made of on the level that people talk about: attention, MLP, norms, the head."""

    name: str
    paths: tuple[str, ...]
    cost: Cost


def quantity(model: Model, metric: str, pattern: str = "") -> Value:
    """One of the `QUANTITIES` of a part (of the whole model without a pattern), in all symbols."""
    if metric == "cache":
        return cache(model, pattern)
    of_weights = metric == "weights"
    value = part_cost(model, pattern).value("parameters" if of_weights else metric)
    return polynomial.multiply(value, polynomial.symbol("weight_bytes")) if of_weights else value


def part_cost(model: Model, pattern: str = "") -> Cost:
    """What all layers that the pattern names cost together, in all symbols."""
    if not pattern:
        return model.total(symbolic=True)
    return _together(model.matching(pattern))


def _together(places: Iterable[Place]) -> Cost:
    costs = [(layer.cost if layer.is_basic else total(graph(layer), layer)) * runs for _, layer, runs in places]
    return sum(costs, Cost((0,) * len(METRICS)))


def components(model: Model) -> list[Component]:
    """The model in parts that add up to its total: what repeated layers consist of, and what stands beside them.

    Parts of the same name, such as the attention of two kinds of layers, are one component. Costs are in all symbols.
    """
    below = {p.layer.class_name for layer in model.graph for p in layer.parts if p.repeat != 1 and p.layer.parts}
    by_name: dict[str, list[Place]] = {}

    def visit(path: str, part: Part, runs: Value, inside: bool) -> None:
        layer, repeated = part.layer, part.repeat != 1
        like_a_repeated_one = bool(layer.class_name) and layer.class_name in below
        if inside:
            opened = repeated and any(p.layer.parts for p in layer.parts)
        else:
            opened = bool(layer.parts) and (repeated or like_a_repeated_one or _has_repeats(layer))
        if not opened:
            by_name.setdefault(part.name, []).append(Place(path, layer, runs))
            return
        for child in layer.parts:
            inner = inside or repeated or like_a_repeated_one
            visit(f"{path}.{child.name}", child, polynomial.multiply(runs, child.repeat), inner)

    for part in model.root.parts:
        visit(part.name, part, part.repeat, False)
    return [Component(name, tuple(p for p, _, _ in places), _together(places)) for name, places in by_name.items()]


def _has_repeats(layer: Layer) -> bool:
    return any(p.layer.parts and (p.repeat != 1 or _has_repeats(p.layer)) for p in layer.parts)


# ---------------------------------------------------------------------------------------------------- cache, symbols


def cache(model: Model, pattern: str = "") -> Value:
    """The bytes that are kept for the next call once `past_len + seq_len` tokens have been fed, in all symbols.

    What is appended to a KV cache, for grouped, multi-query and latent attention as the model file says, is kept for
    every token, or for the last `window` ones where the attention beside it sees no more. Recurrent states, which do
    not grow, are added. Raises SymflopsError when no layer says what it keeps.
    """
    wanted = [path for path, _, _ in model.matching(pattern)] if pattern else [""]
    tokens = polynomial.add(polynomial.symbol("past_len"), polynomial.symbol("seq_len"))
    groups: dict[str, Layer] = {"": model.root}
    kept: list[Value] = []
    for path, layer, runs in model.places():
        groups[path] = layer
        if not any(not w or path == w or path.startswith(f"{w}.") for w in wanted):
            continue
        if layer.formula is None or layer.formula.state == "0":
            if layer.is_basic and _has_state(layer):
                raise SymflopsError(
                    "the file does not say how large its recurrent state is", where=f"{model.name}: {path}"
                )
            continue
        state = layer.formula.state_bytes(dict(layer.args))
        if "seq_len" in algebra.free_symbols(state):
            per_token = algebra.substitute(state, {"seq_len": 1})
            if state != polynomial.multiply(per_token, polynomial.symbol("seq_len")):
                raise SymflopsError("what it keeps is not proportional to seq_len", where=f"{model.name}: {path}")
            window = _window(groups[path.rpartition(".")[0]])
            seen = tokens if window is None else minimum(window, tokens)
            state = polynomial.multiply(per_token, seen)
        kept.append(polynomial.multiply(runs, state))
    if not kept:
        raise SymflopsError("no layer keeps a KV cache or a state", where=f"{model.name}{pattern and f': {pattern}'}")
    return polynomial.add(0, *kept)


def _window(group: Layer) -> Value | None:
    """How far back the attention of a group sees, if that is limited."""
    windows = [
        dict(p.layer.args).get("window")
        for p in group.parts
        if p.layer.formula is not None and p.layer.formula.name in _ATTENTION
    ]
    limited = [w for w in windows if w is not None]
    return maximum(*limited) if limited and len(limited) == len(windows) else None


def _has_state(layer: Layer) -> bool:
    """Whether a cost asks if there was a call before, `min(past_len, 1)`, as layers with a recurrent state do."""
    calls = (call for value in layer.cost.values for call in calls_of(value, "past_len"))
    return any(call.function == "min" and 1 in call.arguments for call in calls)


def is_recurrent(model: Model) -> bool:
    """Whether some layer has a recurrent state that the file does not describe."""
    return any(layer.is_basic and _has_state(layer) for layer in model.graph)


def attends_without_cache(model: Model) -> bool:
    """Whether the model has attention but nothing depends on earlier tokens: an encoder, which does not generate."""
    attention = any(layer.formula is not None and layer.formula.name in _ATTENTION for layer in model.graph)
    return attention and "past_len" not in model.total(symbolic=True).free_symbols


def architecture(model: Model, keep: Iterable[str] = ()) -> dict[str, Value]:
    """What to substitute for the architecture symbols so that only those in `keep` are left: numbers, or what depends
    on the kept ones."""
    kept = set(keep)
    if not kept & model.definitions.keys():
        return {**model.symbols}
    needs = {n: names(read(d)) & model.definitions.keys() for n, d in model.definitions.items() if isinstance(d, str)}
    found: dict[str, Value] = {}
    for name in in_order(tuple(model.definitions), needs, "symbols"):
        definition = model.definitions[name]
        if name in kept or definition is None:
            continue
        found[name] = (
            algebra.substitute(algebra.from_text(definition), found) if isinstance(definition, str) else definition
        )
    return found


def run_values(given: Mapping[str, Any], keep: Iterable[str] = ()) -> dict[str, Value]:
    """The values of run symbols: those given, and the defaults of the others but for those in `keep`."""
    kept = set(keep)
    numbers: dict[str, Value] = {name: check(name, value) for name, value in given.items()}
    for name, default in (("past_len", 0), ("causal", 0), ("dtype_bytes", 2)):
        if name not in kept:
            numbers.setdefault(name, default)
    for name in ("weight_bytes", "cache_bytes"):
        if name not in kept:
            numbers.setdefault(name, numbers.get("dtype_bytes", polynomial.symbol("dtype_bytes")))
    return numbers
