"""LoRA: beside a linear layer, whose weights stay as they are, two narrow ones that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.formula import load_formula
from symflops.gradients import SAVED
from symflops.layer import Interned, Layer, Part
from symflops.model import Model
from symflops.place import places
from symflops.polynomial import Value, multiply, symbol

RANK = "lora_rank"  # the symbol for it
EVERY = "all-linear"  # as peft calls all of them but the one that a model ends in
ADAPTERS = ("lora_A", "lora_B")  # and what it calls the two narrow layers
TRAINED = ",".join(f"*.{name}" for name in ADAPTERS)  # the patterns of what is trained
BASE = "base_layer"


def with_adapters(model: Model, rank: int, on: str, head: str) -> Model:
    """The model with adapters of this rank on the linear layers that `on` has patterns for, or on `all-linear`: all but
    `head`, the path of the one that the model ends in. The rank is a symbol, `lora_rank`.

    A layer then computes x W^T + (x A^T) B^T * scale: 2*N*rank*(in + out) FLOPs in matrix multiplies and 2*N*out for
    the scale and the sum (Hu et al. 2021, arXiv:2106.09685, as peft computes it unmerged, without dropout).

    Raises SymflopsError for a pattern that is of no linear layer, and for a weight that two layers use.
    """
    if rank < 1:
        raise SymflopsError(f"lora {rank}: the rank is at least 1")
    if RANK in model.definitions:
        raise SymflopsError(f"{model.name} has a symbol {RANK} of its own")
    patterns = [text for text in (text.strip() for text in on.split(",")) if text]
    linear = [p.path for p in places(model.root) if _is_linear(p.layer)]
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern == EVERY:
            found = [path for path in linear if path != head]
        else:
            found = [path for path in linear if fnmatchcase(path, pattern) or fnmatchcase(path, f"*.{pattern}")]
        if not found:
            raise SymflopsError(f"lora on {pattern[:60]!r}: no linear layer has such a path")
        chosen.update(found)
    if not chosen:
        raise SymflopsError("lora on no layer")
    shared = {p.layer.tied for p in places(model.root) if p.layer.tied}
    shared |= {p.path for p in places(model.root) if p.layer.tied}
    if both := sorted(chosen & shared):
        raise SymflopsError(f"lora on {both[0]}: two layers use its weight")
    parts = tuple(_adapted(model.root.parts, "", chosen, Interned()))
    many = "layer" if len(chosen) == 1 else "layers"
    names = ", ".join(path for path in linear if path in chosen)
    return replace(
        model,
        root=replace(model.root, parts=parts),
        definitions={**model.definitions, RANK: rank},
        domain=model.domain & Domain.of([f"{RANK} >= 1"]),
        notes=(f"LoRA of rank {rank} on {len(chosen)} {many}: {names}", *model.notes),
    )


def _is_linear(layer: Layer) -> bool:
    return layer.formula is not None and layer.formula.name == "linear"


def _adapted(parts: tuple[Part, ...], path: str, chosen: set[str], interned: Interned) -> Iterator[Part]:
    for part in parts:
        where = f"{path}.{part.name}" if path else part.name
        layer = part.layer
        if where in chosen:
            layer = interned.layer(id(layer), partial(_with_adapter, layer))
        elif layer.parts:
            below = tuple(_adapted(layer.parts, where, chosen, interned))
            content = (id(layer), *((p.name, id(p.layer)) for p in below))
            layer = interned.layer(content, partial(replace, layer, parts=below))
        yield replace(part, layer=layer)


def _with_adapter(layer: Layer) -> Layer:
    args = dict(layer.args)
    rows, wide, out = args["N"], args["in_features"], args["out_features"]
    size = multiply(rows, out)
    # The linear layer's own table counts what it is fed among what is kept: that is one memory.
    narrow = _linear(rows, wide, symbol(RANK), is_input_kept=layer.backward is not None)
    parts = (
        Part(BASE, layer),
        Part(ADAPTERS[0], narrow),
        Part(ADAPTERS[1], _linear(rows, symbol(RANK), out)),
        Part("scale", Layer(formula=load_formula("elementwise"), args=(("n", size),), backward=_scaled(size))),
        Part("add", Layer(formula=load_formula("add"), args=(("n", size),))),
    )
    return Layer(layer.class_name, parts=parts)


def _linear(rows: Value, wide: Value, out: Value, is_input_kept: bool = False) -> Layer:
    args = (("N", rows), ("in_features", wide), ("out_features", out))
    layer = Layer(formula=load_formula("linear"), args=args)
    if not is_input_kept:
        return layer
    trained, frozen = ({**layer.gradients(frozen=f), SAVED: 0} for f in (False, True))
    return replace(layer, backward=trained, backward_frozen=frozen)


def _scaled(size: Value) -> Mapping[str, Value]:
    """The backward of a product with a constant: a product with it, for which nothing is kept."""
    moved = multiply(symbol("dtype_bytes"), size)
    return {
        "flops": size, "matmul_flops": 0, "read_bytes": moved, "write_bytes": moved, "intermediate_bytes": 0, SAVED: 0,
    }  # fmt: skip
