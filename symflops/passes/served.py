"""What an inference engine runs of a model, as a model: what a source computes without need is left out.

Each rewriting is found in the program, whatever the model is called, and gives what the source gives.
"""

from __future__ import annotations

from dataclasses import replace

from symflops.errors import SymflopsError
from symflops.layer import Layer, Part
from symflops.model import Model
from symflops.passes.absorbed import absorbed
from symflops.passes.logits import head, with_last_logits
from symflops.passes.routed import routed
from symflops.serving import SERVED, Serving


def served(model: Model, serving: Serving = Serving()) -> Model:  # noqa: B008 - frozen, and has no state
    """The model as an engine serves it: `symflops.served` says what that is."""
    if model.plan is not None:
        raise SymflopsError("a step of training is not served", where=model.name)
    if model.serving is not None:
        raise SymflopsError("it is as served already", where=model.name)
    try:
        return _Serving(model, serving).model()
    except SymflopsError as error:
        raise error.within(model.name) from None


class _Serving:
    def __init__(self, model: Model, serving: Serving) -> None:
        self.source, self.serving = model, serving
        self.notes: list[str] = []
        self.seen: dict[int, Layer] = {}

    def model(self) -> Model:
        model = self.source
        path = head(model)
        if path:
            model = replace(model, root=with_last_logits(model, path))
        root = self._rewritten(model.root, "")
        return replace(
            model, root=root, serving=self.serving, run=model.run.extended(SERVED), derived_from="",
            about=f"as an engine serves it; {model.about}" if model.about else "as an engine serves it",
            notes=(*self.notes, *model.notes),
        )  # fmt: skip

    def _rewritten(self, layer: Layer, path: str) -> Layer:
        """A group and all below it; what is one layer in several places stays one."""
        if layer.is_basic:
            return layer
        if id(layer) not in self.seen:
            below = tuple(self._part(part, path) for part in layer.parts)
            same = all(new.layer is old.layer for new, old in zip(below, layer.parts, strict=True))
            here = layer if same else replace(layer, parts=below)
            self.seen[id(layer)] = self._attention(self._experts(here, path), path)
        return self.seen[id(layer)]

    def _part(self, part: Part, path: str) -> Part:
        below = self._rewritten(part.layer, f"{path}.{part.name}" if path else part.name)
        return part if below is part.layer else replace(part, layer=below)

    def _attention(self, layer: Layer, path: str) -> Layer:
        found = absorbed(layer.parts, path)
        if found is None:
            return layer
        self.notes.append(f"as served: {path} has its up-projections absorbed {found.sentence}")
        return replace(layer, parts=found.parts)

    def _experts(self, layer: Layer, path: str) -> Layer:
        found = routed(layer, self.source)
        if found is None:
            return layer
        self.notes.append(f"as served: {path} computes the experts that a token is routed to, as written all of them")
        return found
