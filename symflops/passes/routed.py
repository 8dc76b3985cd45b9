"""Experts of which each token takes those that it is routed to, where a source computes all of them for every token."""

from __future__ import annotations

from dataclasses import replace

from symflops.algebra import free_symbols, substitute
from symflops.layer import Layer
from symflops.meaning import with_quantity
from symflops.model import Model
from symflops.polynomial import (
    Monomial,
    Number,
    Value,
    add,
    divide,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.vocabulary.metrics import OWNED
from symflops.vocabulary.symbols import BATCH, RUN_SYMBOLS, WEIGHT


def routed(group: Layer, model: Model) -> Layer | None:
    """A group with a router and experts that all see every token, with the experts that are chosen in place of all;
    None for any other group.

    The weights that are read are those of the expected number of distinct experts under uniform routing, as
    `moe_experts` has them.
    """
    chosen = with_quantity(set(model.definitions), "experts of a token")
    experts = with_quantity(set(model.definitions), "experts")
    if not chosen or not experts:
        return None
    leaves = _leaves(group)
    tokens = next((t for leaf in leaves if (t := _dense(leaf, experts)) is not None), None)
    routers = [leaf for leaf in leaves if _is_router(leaf, experts)]
    if tokens is None or not routers or any(part.repeat != 1 for part in group.parts):
        return None
    return _Routing(experts, chosen, tokens).group(group)


def _leaves(layer: Layer) -> list[Layer]:
    return [layer] if layer.is_basic else [leaf for part in layer.parts for leaf in _leaves(part.layer)]


def _sizes(value: Value) -> set[str]:
    return free_symbols(value) - {*RUN_SYMBOLS}


def _dense(leaf: Layer, experts: str) -> Value | None:
    """The tokens of which each meets every weight of every expert, where a layer is such."""
    owned, products = leaf.cost.value("parameters"), leaf.cost.value("matmul_flops")
    if experts not in free_symbols(owned) or len(_sizes(owned)) < 3 or substitute(owned, {experts: 0}) != 0:
        return None
    tokens = divide(products, multiply(2, owned)) if len(terms_of(owned)) == 1 else 0
    return tokens if tokens != 0 and BATCH in free_symbols(tokens) and not _sizes(tokens) else None


def _is_router(leaf: Layer, experts: str) -> bool:
    owned = leaf.cost.value("parameters")
    return experts in free_symbols(owned) and len(_sizes(owned)) == 2


class _Routing:
    def __init__(self, experts: str, chosen: str, tokens: Value) -> None:
        self.experts, self.chosen = experts, symbol(chosen)
        missed = power(add(1, negate(divide(self.chosen, symbol(experts)))), tokens)
        self.read = multiply(symbol(experts), add(1, negate(missed)))

    def group(self, layer: Layer) -> Layer:
        if not layer.is_basic:
            parts = tuple(replace(part, layer=self.group(part.layer)) for part in layer.parts)
            return replace(layer, parts=parts)
        values = replace(layer, stored=None).cost.by_metric  # elements; a format takes the same part of its bytes
        if all(self.experts not in free_symbols(value) for value in values.values()) or _is_router(layer, self.experts):
            return layer
        inline = {metric: v if metric in OWNED else self._fewer(v) for metric, v in values.items()}
        return Layer(layer.class_name, inline=inline, tied=layer.tied, state=layer.state, stored=layer.stored)

    def _fewer(self, value: Value) -> Value:
        return add(0, *(self._term(monomial, factor) for monomial, factor in terms_of(value).items()))

    def _term(self, monomial: Monomial, factor: Number) -> Value:
        """A term with the experts that are chosen: rows of them, or the weights of all that some token chose. Scores,
        one for each expert, have no other size and stay."""
        term = value_of({monomial: factor})
        if self.experts not in free_symbols(term) or len(_sizes(term)) < 2:
            return term
        return substitute(term, {self.experts: self.read if WEIGHT in free_symbols(term) else self.chosen})
