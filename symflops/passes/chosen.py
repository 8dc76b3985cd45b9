"""Attention to the keys that an indexer chooses for each query: a kernel computes no others.

As written, a mask is made of the choice, and all pairs are computed. A query sees itself and all before it while these
are no more than it may choose, and then so many: as many pairs as a window of that size leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symflops.function import minimum
from symflops.layer import Layer
from symflops.polynomial import Value, add, multiply, negate

CHOSEN = "chosen"


def of_chosen(layer: Layer) -> Layer | None:
    """An attention that computes the pairs of the chosen keys alone, and reads each key that some query may choose
    once; None for any other layer."""
    if layer.formula is None or CHOSEN not in dict(layer.args):
        return None
    given = dict(layer.args)
    if {"pairs", "window"} & given.keys():
        return None  # what a window hides of the choice is not known
    changed = {**{name: value for name, value in given.items() if name != CHOSEN}, **_changed(layer)}
    return replace(layer, args=tuple((name, changed[name]) for name in layer.formula.args if name in changed))


def _changed(layer: Layer) -> Mapping[str, Value]:
    assert layer.formula is not None
    args = layer.formula.completed(dict(layer.args))
    queries, keys, most, masked = (args[name] for name in ("q_len", "kv_len", CHOSEN, "masked"))
    in_order = layer.formula.completed({**dict(layer.args), "window": most, "masked": 1})["pairs"]
    every = multiply(queries, minimum(most, keys))
    return {
        "pairs": add(multiply(add(1, negate(masked)), every), multiply(masked, in_order)),
        "kv_read": minimum(keys, multiply(queries, most)),
        "pair_ops": add(args["pair_ops"], -1),  # the mask is not added
    }
