"""The logits of the last tokens alone: where a model that continues a text ends in a layer over its vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symflops.algebra import free_symbols, substitute
from symflops.layer import Layer, Part
from symflops.model import Model, Place
from symflops.place import places
from symflops.polynomial import Value, multiply, symbol
from symflops.storage import keeps_something
from symflops.vocabulary.symbols import CAUSAL, LOGITS, PAST


def head(model: Model) -> str:
    """The path of the layer that makes logits of all tokens; empty where a model has none, or continues no text.

    It is the last layer with weights, a linear one, which stands outside of what is repeated, and either beside the
    model's other parts or as wide as a table of embeddings has rows.
    """
    symbols = model.total(symbolic=True).free_symbols
    if not (symbols & {CAUSAL, PAST} or keeps_something(model)):
        return ""  # an encoder: what follows a token counts as much as what is before
    owners = [p for p in model.places() if p.layer.is_basic and (p.layer.tied or p.layer.cost.value("parameters") != 0)]
    if not owners or not _is_head(model, owners[-1]):
        return ""
    return owners[-1].path


def _is_head(model: Model, place: Place) -> bool:
    layer = place.layer
    if layer.formula is None or layer.formula.name != "linear" or place.runs != 1:
        return False
    args = dict(layer.args)
    of_one = substitute(args["N"], {model.length: 1})
    if args["N"] != multiply(of_one, symbol(model.length)) or model.length in free_symbols(of_one):
        return False
    tables = {
        dict(other.args)["num_embeddings"]
        for other in model.layers
        if other.formula is not None and other.formula.name == "embedding"
    }
    return "." not in place.path or args["out_features"] in tables


def with_last_logits(model: Model, path: str) -> Layer:
    """The model's layers, with `logits_len` rows in place of those of all tokens from the layer at `path` on."""
    order = [place.path for place in places(model.root) if place.layer.is_basic]
    after = frozenset(order[order.index(path) :])
    values: Mapping[str, Value] = {model.length: symbol(LOGITS)}
    return replace(model.root, parts=_fewer_rows(model.root.parts, "", after, values))


def _fewer_rows(
    parts: tuple[Part, ...], path: str, after: frozenset[str], values: Mapping[str, Value]
) -> tuple[Part, ...]:
    found = []
    for part in parts:
        where = f"{path}.{part.name}" if path else part.name
        layer = part.layer
        if where in after:
            args = tuple((name, substitute(value, values)) for name, value in layer.args)
            inline = None if layer.inline is None else {m: substitute(v, values) for m, v in layer.inline.items()}
            layer = replace(layer, args=args, inline=inline)
        elif any(other.startswith(f"{where}.") for other in after):
            layer = replace(layer, parts=_fewer_rows(layer.parts, where, after, values))
        found.append(replace(part, layer=layer))
    return tuple(found)
