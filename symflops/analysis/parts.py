"""Parts of a model as users name them: `self_attn`, `layers.*.mlp`, components, weights, the KV cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from symflops import algebra, polynomial
from symflops.algebra import free_symbols
from symflops.assumption import Fact
from symflops.calling import checked
from symflops.cost import Cost
from symflops.formula import in_order
from symflops.given import Numeric
from symflops.graph import total
from symflops.layer import Layer, Part
from symflops.model import Model, Place
from symflops.numeric import check, evaluate
from symflops.polynomial import Number, Value, add, terms_of
from symflops.source import ModelLike, load
from symflops.storage import ATTENTION, cache, weights
from symflops.tree import names, read
from symflops.vocabulary.symbols import ELEMENT


@dataclass(frozen=True)
class Component:
    """What a model is made of on the level that people talk about: attention, MLP, norms, the head."""

    name: str
    places: tuple[Place, ...]
    cost: Cost


def quantity(model: Model, metric: str, pattern: str = "") -> Value:
    """One of the `QUANTITIES` of a part (of the whole model without a pattern), in all symbols."""
    if metric == "cache":
        return cache(model, pattern)
    return weights(model, pattern) if metric == "weights" else part_cost(model, pattern).value(metric)


def part_cost(model: Model, pattern: str = "") -> Cost:
    """What all layers that the pattern names cost together, in all symbols."""
    if not pattern:
        return model.total(symbolic=True)
    return _together(model.matching(pattern))


def _together(places: Iterable[Place]) -> Cost:
    costs = [(layer.cost if layer.is_basic else total(layer)) * runs for _, layer, runs in places]
    return sum(costs, Cost.of())


def components(model: Model) -> list[Component]:
    """The model in parts that add up to its total: what repeated layers consist of, and what stands beside them.

    Parts of the same name, such as the attention of two kinds of layers, are one component. Costs are in all symbols.
    """
    by_name: dict[str, list[Place]] = {}
    for place in _pieces(model):
        by_name.setdefault(_suffix(place), []).append(place)
    return [Component(name, tuple(places), _together(places)) for name, places in by_name.items()]


@checked
def by_component(model: ModelLike, *, symbolic: bool = False) -> list[Component]:
    """The total as a sum that can be read: a term for each component, with the layers that it comes from.

    Like `components`, but layers of one name that are not alike, such as dense and routed MLPs, are a term each, named
    as far as tells them apart. Costs are as `Model.total` has them, in the run symbols or, with `symbolic`, in all.

    >>> for term in by_component("mixtral-8x7b"):
    ...     if term.name in ("mlp", "lm_head"):
    ...         print(term.name, [(place.path, place.runs) for place in term.places], term.cost.text("matmul_flops"))
    mlp [('model.layers.mlp', 32)] 22550675456*batch_size*seq_len
    lm_head [('lm_head', 1)] 262144000*batch_size*seq_len

    Raises SymflopsError for what is no model.
    """
    named = load(model)
    values: Mapping[str, Value] = {} if symbolic else named.symbols
    by_layer: dict[tuple[str, Layer], list[Place]] = {}
    for place in _pieces(named):
        by_layer.setdefault((_suffix(place), place.layer), []).append(place)
    order = list(dict.fromkeys(name for name, _ in by_layer))
    kinds = sorted(by_layer.items(), key=lambda item: order.index(item[0][0]))
    whole = named.total(symbolic=symbolic)
    found = []
    for name, (_, places) in zip(_told_apart([places[0] for _, places in kinds]), kinds, strict=True):
        costs = {m: algebra.substitute(value, values) for m, value in _together(places).by_metric.items()}
        in_numbers = tuple(p._replace(runs=algebra.substitute(p.runs, values)) for p in places)
        found.append(Component(name, in_numbers, replace(whole, by_metric=costs)))
    return found


def _suffix(place: Place, parts: int = 1) -> str:
    """The last parts of a path."""
    return ".".join(place.path.split(".")[-parts:])


def _told_apart(places: Sequence[Place]) -> list[str]:
    """The last part of each path, with as many before it as no other one has."""
    names = []
    for place in places:
        alike = [p for p in places if p is not place and _suffix(p) == _suffix(place)]
        parts = 1
        while any(_suffix(p, parts) == _suffix(place, parts) for p in alike):
            parts += 1
        names.append(_suffix(place, parts))
    return names


def _pieces(model: Model) -> Iterator[Place]:
    """The places that a model's components are made of; each basic layer belongs to exactly one."""
    below = {p.layer.class_name for layer in model.layers for p in layer.parts if p.repeat != 1 and p.layer.parts}

    def visit(path: str, part: Part, runs: Value, inside: bool) -> Iterator[Place]:
        layer, repeated = part.layer, part.repeat != 1
        like_a_repeated_one = bool(layer.class_name) and layer.class_name in below
        if inside:
            opened = repeated and any(p.layer.parts for p in layer.parts)
        else:
            opened = bool(layer.parts) and (repeated or like_a_repeated_one or _has_repeats(layer))
        if not opened:
            yield Place(path, layer, runs)
            return
        for child in layer.parts:
            inner = inside or repeated or like_a_repeated_one
            yield from visit(f"{path}.{child.name}", child, polynomial.multiply(runs, child.repeat), inner)

    for part in model.root.parts:
        yield from visit(part.name, part, part.repeat, False)


def _has_repeats(layer: Layer) -> bool:
    return any(p.layer.parts and (p.repeat != 1 or _has_repeats(p.layer)) for p in layer.parts)


def attends_without_cache(model: Model) -> bool:
    """Whether the model has attention but nothing depends on earlier tokens: an encoder, which does not generate."""
    attention = any(layer.formula is not None and layer.formula.name in ATTENTION for layer in model.layers)
    return attention and "past_len" not in model.total(symbolic=True).free_symbols


def is_pair(model: Model) -> bool:
    """Whether a model is an encoder and a decoder whose seq_len is the length of both. Its file says so, or, if it is
    older, shows it: the encoder's attention takes pairs of tokens of this call, the decoder's those of earlier ones."""
    if Fact("is_encoder_decoder", "true") in model.domain.facts:
        return True
    sides = set()
    for row in model.rows(symbolic=True):
        side = _SIDE.search(row.path) if row.is_basic else None
        flops = row.cost.value("flops") if side else 0
        if side and side[1] == "decoder" and "past_len" in free_symbols(flops):
            sides.add("decoder")
        elif side and side[1] == "encoder" and "past_len" not in free_symbols(flops):
            in_pairs = any(dict(monomial).get("seq_len", 0) >= 2 for monomial in terms_of(flops))
            sides |= {"encoder"} if in_pairs else set()
    return len(sides) == 2


_SIDE = re.compile(r"(?:^|[._])(encoder|decoder)\.")


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


def bytes_by_default(model: Model) -> Number:
    """The bytes per element of a model where nobody gives them: those of its config's data type."""
    return model.total(symbolic=True).defaults[ELEMENT]


def run_values(model: Model, given: Mapping[str, Numeric], keep: Iterable[str] = ()) -> dict[str, Value]:
    """The values of run symbols: those given, and the defaults of the others but for those in `keep`."""
    kept = set(keep)
    numbers: dict[str, Value] = {name: check(name, value) for name, value in given.items()}
    defaults = model.total(symbolic=True).defaults
    for name, row in model.run.items():
        if name not in kept and row.default is not None:
            to = row.follows
            numbers.setdefault(name, defaults[name] if to is None else numbers.get(to, polynomial.symbol(to)))
    return numbers


def feeds_tokens(model: Model) -> bool:
    """Whether a call is fed tokens, rather than images and the like."""
    return "seq_len" in model.total().free_symbols or (model.serving is not None and model.serving.is_ragged)


def fed_at_once(model: Model, point: Mapping[str, Number]) -> Number:
    """Tokens that a batch of one is fed, or 1 where no tokens are."""
    if model.serving is not None and model.serving.is_ragged:
        return evaluate(add(0, *model.serving.fed_and_cached[0]), point)
    return point["seq_len"] if feeds_tokens(model) else 1
