"""Bytes read and written by what they are of: weights, the cache, activations."""

from __future__ import annotations

from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.model import Model
from symflops.polynomial import Number, Value, add, negate, terms_of, value_of
from symflops.storage import read_in_formats


def traffic_of(model: Model, moved: Value) -> dict[str, Value]:
    """The same of what a model reads and writes: weights in formats of their own name no bytes per element, and their
    layers say what is read of them."""
    split = traffic(moved)
    read = substitute(read_in_formats(model.places()), model.symbols)
    return {**split, "weights": add(split["weights"], read), "activations": add(split["activations"], negate(read))}


def traffic(moved: Value) -> dict[str, Value]:
    """Bytes by what they are of: each term names the bytes per element of weights, of the cache, or else."""
    kinds = {"weights": "weight_bytes", "cache": "cache_bytes"}
    split: dict[str, dict[Any, Number]] = {"weights": {}, "cache": {}, "activations": {}}
    for monomial, coefficient in terms_of(moved).items():
        mentioned = free_symbols(value_of({monomial: 1}))
        kind = next((kind for kind, name in kinds.items() if name in mentioned), "activations")
        split[kind][monomial] = coefficient
    return {kind: value_of(terms) for kind, terms in split.items()}
