"""What an inference engine runs of a model, as a model: what a source computes without need is left out.

Each rewriting is found in the program, whatever the model is called, and gives what the source gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.layer import Layer, Part
from symflops.model import Model
from symflops.passes.absorbed import absorbed
from symflops.passes.chosen import of_chosen
from symflops.passes.logits import head, with_last_logits
from symflops.passes.routed import routed
from symflops.place import places
from symflops.polynomial import Value
from symflops.serving import Serving
from symflops.vocabulary.symbols import BATCH, LENGTH, PAST

_STEPS = "; each step is counted as one new token, as where no draft is taken, and the draft's own model is left out"


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


def decoding(model: Model) -> Model:
    """The same model for calls that are no longer than a piece, such as steps of one token: fed at once, so that
    their cost is one expression in what is cached.

    Raises SymflopsError where what a draft proposes is longer than a piece.
    """
    serving = model.serving
    if serving is None or not serving.chunk:
        return model
    if serving.draft >= serving.chunk:
        raise SymflopsError(f"a step of {serving.draft} drafted tokens is longer than a piece of {serving.chunk}")
    whole = replace(serving, chunk=0)
    return replace(model, root=fed(model.root, None if whole.is_plain else whole), serving=whole)


def check_equal(model: Model, what: str) -> None:
    """Raise SymflopsError for a model that is served with sequences of unequal lengths."""
    if model.serving is not None and model.serving.is_ragged:
        raise SymflopsError(
            f"{what}: for sequences of equal lengths; one call of unequal ones has a total", where=model.name
        )


def fed(layer: Layer, serving: Serving | None) -> Layer:
    """A layer, and all below it, whose calls are fed so."""
    made: dict[int, Layer] = {}

    def one(layer: Layer) -> Layer:
        if id(layer) not in made:
            parts = tuple(replace(part, layer=one(part.layer)) for part in layer.parts)
            made[id(layer)] = replace(layer, serving=serving) if layer.is_basic else replace(layer, parts=parts)
        return made[id(layer)]

    return one(layer)


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
        if self.serving.chunk and any(place.layer.when != 1 for place in places(root)):
            # Where a crossover lies among the pieces of a call is not known of sizes that are symbols.
            root = _in_numbers(root, model.symbols)
            model = replace(model, definitions={}, domain=model.domain.substitute(model.symbols))
            self.notes.append("as served: its sizes are numbers, as an absorbed projection in pieces needs them")
        if not self.serving.is_plain:
            if model.length != LENGTH or PAST not in self.source.total(symbolic=True).free_symbols:
                raise SymflopsError(f"{self.serving.sentence()}: for models that feed seq_len tokens after past_len")
            if self.serving.is_ragged:
                model = self._ragged(model, root)
            root = fed(root, self.serving)
            self.notes.append(f"as served: {self.serving.sentence()}{_STEPS if self.serving.draft else ''}")
        return replace(
            model, root=root, serving=self.serving, run=self.serving.run(model.run), derived_from="",
            about=f"as an engine serves it; {model.about}" if model.about else "as an engine serves it",
            notes=(*self.notes, *model.notes), peak=(),
        )  # fmt: skip

    def _ragged(self, model: Model, root: Layer) -> Model:
        """The model where each of the sequences of a batch can be fed."""
        for place in places(root):
            if free_symbols(place.runs) & {BATCH, LENGTH, PAST}:
                raise SymflopsError(f"{place.path} runs as often as the lengths say: for sequences of one length")
        return replace(model, domain=self.serving.domain(model.domain))

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
        parts = layer.parts
        if any(of_chosen(part.layer) for part in parts):
            where = path or "the model"
            self.notes.append(f"as served: {where} attends to the keys that are chosen, as written to all of them")
        found = absorbed(parts, path)
        if found is not None:
            self.notes.append(f"as served: {path} has its up-projections absorbed {found.sentence}")
            parts = found.parts
        parts = tuple(replace(part, layer=of_chosen(part.layer) or part.layer) for part in parts)
        return layer if parts == layer.parts else replace(layer, parts=parts)

    def _experts(self, layer: Layer, path: str) -> Layer:
        found = routed(layer, self.source)
        if found is None:
            return layer
        self.notes.append(f"as served: {path} computes the experts that a token is routed to, as written all of them")
        return found


def _in_numbers(layer: Layer, values: Mapping[str, int]) -> Layer:
    """A layer, and all below it, with numbers for the sizes of the architecture."""
    made: dict[int, Layer] = {}

    def put_in(value: Value) -> Value:
        return substitute(value, values)

    def one(layer: Layer) -> Layer:
        if id(layer) not in made:
            parts = tuple(replace(part, layer=one(part.layer), repeat=put_in(part.repeat)) for part in layer.parts)
            inline = None if layer.inline is None else {m: put_in(v) for m, v in layer.inline.items()}
            args = tuple((name, put_in(value)) for name, value in layer.args)
            stored = None if layer.stored is None else put_in(layer.stored)
            here: dict[str, Any] = {
                "parts": parts,
                "inline": inline,
                "args": args,
                "state": put_in(layer.state),
                "stored": stored,
            }
            made[id(layer)] = replace(layer, **here, when=put_in(layer.when), backward=None, backward_frozen=None)
        return made[id(layer)]

    return one(layer)
