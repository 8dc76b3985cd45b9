"""Recomputation: which parts of a forward are run once more in the backward, in place of what they would keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from symflops import algebra
from symflops.errors import SymflopsError
from symflops.layer import Layer, Part
from symflops.numeric import check
from symflops.polynomial import Value
from symflops.storage import ATTENTION

ATTENTION_STEPS = ("eager_attention_forward",)  # what transformers calls attention that is written out
KINDS = ("none", "attention", "layers")


@dataclass(frozen=True)
class Recompute:
    """`none`; `attention`, scores and probabilities; `layers`, each layer but for what goes into it; `layers:k`, the
    layers in groups of k, of which only what goes into the first is kept."""

    kind: str = "none"
    group: Value = 1  # how many layers share what is kept

    @staticmethod
    def of(text: str) -> Recompute:
        """What an option says.

        >>> Recompute.of("layers:4")
        Recompute(kind='layers', group=4)
        >>> Recompute.of("all")
        Traceback (most recent call last):
        symflops.errors.SymflopsError: recompute 'all': valid are none, attention, layers and layers:k
        """
        kind, colon, group = str(text).partition(":")
        if kind not in KINDS or (colon and (kind != "layers" or not group)):
            raise SymflopsError(f"recompute {str(text)[:60]!r}: valid are none, attention, layers and layers:k")
        size = algebra.from_text(group) if colon else 1
        if isinstance(size, int) and check("the layers of a group", size) < 1:
            raise SymflopsError(f"recompute {str(text)[:60]!r}: a group has at least one layer")
        return Recompute(kind, size)

    def is_unit(self, part: Part, beside: tuple[Part, ...]) -> bool:
        """Whether a part is recomputed as a whole: layers are what is repeated, and what stands `beside` in the same
        list: those of the same class, and those that are numbered."""
        if self.kind == "attention":
            return part.layer.is_basic and is_attention(part)
        if self.kind != "layers" or part.layer.is_basic:
            return False
        layers = {p.layer.class_name for p in beside if not p.layer.is_basic and (p.repeat != 1 or p.name.isdigit())}
        return (
            part.repeat != 1 or part.name.isdigit() or (bool(part.layer.class_name) and part.layer.class_name in layers)
        )

    def units(self, parts: tuple[Part, ...], path: str = "") -> Iterator[tuple[str, Part]]:
        """The parts that are recomputed as a whole, with their places."""
        for part in parts:
            where = f"{path}.{part.name}" if path else part.name
            if self.is_unit(part, parts):
                yield where, part
            else:
                yield from self.units(part.layer.parts, where)

    def tree(self, parts: tuple[Part, ...]) -> Iterator[Part]:
        """What is run once more, in its place in the tree."""
        for part in parts:
            if self.is_unit(part, parts):
                yield replace(part, layer=without_weights(part.layer))
            elif below := tuple(self.tree(part.layer.parts)):
                yield replace(part, layer=Layer(part.layer.class_name, parts=below))


def is_attention(part: Part) -> bool:
    """Whether a layer is attention's own computation, between the projections."""
    layer = part.layer
    return (layer.formula is not None and layer.formula.name in ATTENTION) or part.name in ATTENTION_STEPS


def without_weights(layer: Layer) -> Layer:
    """A layer run once more: its weights are those that were counted."""
    if layer.is_basic:
        values = {**layer.cost.by_metric, "parameters": 0}
        return Layer(layer.class_name, inline=values)
    return Layer(layer.class_name, parts=tuple(Part(p.name, without_weights(p.layer), p.repeat) for p in layer.parts))
