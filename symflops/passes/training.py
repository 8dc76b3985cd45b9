"""A step of training as a model: forward, what is recomputed, backward, and the optimizer's step, as parts of a tree.

Every surface takes it as any other model. Layers have the names and repeats that they have in the forward; what a
backward costs and keeps is said by the layers themselves or by their formulas (`gradients`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

from symflops.algebra import substitute
from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.formula import load_formula
from symflops.gradients import KEYS
from symflops.layer import Interned, Layer, Part
from symflops.model import Model, Place
from symflops.passes import optimizers
from symflops.passes.lora import EVERY, TRAINED, with_adapters
from symflops.passes.recompute import Recompute, without_weights
from symflops.place import places
from symflops.plan import ACCUMULATED, ALL, BACKWARD, FORWARD, RECOMPUTED, STEP, Plan
from symflops.polynomial import Value
from symflops.vocabulary.metrics import METRICS

LOSS = "causal_lm_loss"


def training(
    model: Model,
    optimizer: str = "adamw",
    recompute: str = "none",
    trainable: str = ALL,
    mixed: bool = True,
    accumulate: int = 1,
    lora: int = 0,
    lora_on: str = "",
    foreach: bool = True,
) -> Model:
    """A training step of a model, as a model: parts `forward`, `recompute`, `backward` and `optimizer`.

    `optimizer` is adamw, adam, sgd (with momentum), adamw_8bit, adafactor or muon. `recompute` is "none", "attention",
    "layers", or "layers:k" for groups of k layers. `trainable` are patterns of layers, by commas; the weights of the
    others are frozen. With `mixed`, a step is done on a copy of the weights in float32, beside its moments in float32;
    the weights themselves and gradients have `weight_bytes`, as moments have without it, activations `dtype_bytes`.
    Without `foreach` PyTorch's optimizer steps one weight after the other, which its peak in memory tells. With
    `accumulate` a step has so many forwards and backwards, of `batch_size` sequences each. With `lora`, a rank, the
    linear layers that `lora_on` has patterns for, or all but the last, get adapters, and these alone are trained.
    Where a model ends in a linear layer, the loss is the cross entropy of what that gives.

    >>> from symflops.model import load
    >>> args = {"N": "batch_size*seq_len", "in_features": "h", "out_features": "h"}
    >>> model = load({"name": "one", "symbols": {"h": 4}, "layers": {"proj": {"formula": "linear", "args": args}}})
    >>> step = training(model)
    >>> [part.name for part in step.root.parts]
    ['forward', 'backward', 'optimizer']
    >>> model.total().at(batch_size=2, seq_len=3).matmul_flops, step.total().at(batch_size=2, seq_len=3).matmul_flops
    (192, 576)

    Raises SymflopsError for a layer whose backward cost is not stated, and for a model that is a training step already.
    """
    if model.plan is not None:
        raise SymflopsError("it is a step of training already", where=model.name)
    try:
        if accumulate < 1:
            raise SymflopsError(f"accumulate {accumulate}: a step has the gradients of at least one batch")
        if lora_on and not lora:
            raise SymflopsError("lora_on says where adapters are: give lora, their rank, too")
        of_last = loss(model)  # before what it is of has an adapter
        if lora:
            lora_on = lora_on or EVERY
            model = with_adapters(model, lora, lora_on, of_last[0])
            trainable = TRAINED if trainable == ALL else f"{trainable},{TRAINED}"
        plan = Plan(optimizer.lower(), recompute, trainable, mixed, accumulate, lora, lora_on, foreach)
        return _Training(model, plan, *of_last).model()
    except SymflopsError as error:
        raise error.within(model.name) from None


class _Training:
    def __init__(self, model: Model, plan: Plan, logits: str, of_logits: Layer | None) -> None:
        self.plan, self.source = plan, model
        self.optimizer = optimizers.named(plan.optimizer)
        self.recompute = Recompute.of(plan.recompute)
        self.logits, self.loss = logits, of_logits
        self.own = tuple(without_cache(model.root.parts))
        self.parts = (*self.own, *([Part("loss", self.loss)] if self.loss is not None else []))
        self.trained = trained(self.parts, plan.trainable)
        self.head = optimizers.head(self.parts, places(Layer(parts=self.parts)))
        self.interned = Interned()
        self.begun = False  # whether a layer before this one is trained
        self.early = ""  # the repeated layers that the first trained one is in

    def model(self) -> Model:
        again = tuple(self.recompute.tree(self.own))
        if not again and self.recompute.kind != "none":
            raise SymflopsError(f"there is nothing to recompute: no layer is recognised as {self.recompute.kind}")
        backward = Layer(parts=tuple(self._backward(self.parts, "")))
        forward = Layer(parts=tuple(_with_tie(part) for part in self.parts))
        parts = [
            Part(FORWARD, forward),
            *([Part(RECOMPUTED, Layer(parts=again))] if again else []),
            Part(BACKWARD, backward),
            *self._accumulated(Layer(parts=self.parts), again, backward),
            Part(STEP, self.optimizer.step(self._trained_places(), self.plan.mixed, self.head)),
        ]
        what = (
            "none: the model does not end in a linear layer" if self.loss is None else f"cross entropy of {self.logits}"
        )
        notes = [f"a step of training: {self.plan.sentence()}", f"the loss is {what}"]
        if others := self.optimizer.unlike_matrices(self._trained_places(), self.head):
            notes.append(f"{self.plan.optimizer} is for matrices of linear layers; adamw for {', '.join(others)}")
        if again:
            paths = (path for path, _ in self.recompute.units(self.own))
            notes.append(f"run once more: {', '.join(paths)}")
        if self.early and self.plan.trainable != ALL:
            notes.append(f"the whole first layer of {self.early} is counted with a backward, like the others")
        return replace(
            self.source, root=Layer(parts=tuple(parts)), name=f"{self.source.name} training", plan=self.plan,
            about=f"a step of training; {self.source.about}", derived_from="", notes=(*notes, *self.source.notes),
            domain=self.source.domain & Domain.of(["past_len == 0"]),
        )  # fmt: skip

    def _backward(self, parts: tuple[Part, ...], path: str) -> Iterator[Part]:
        for part in parts:
            where = f"{path}.{part.name}" if path else part.name
            name = part.layer.class_name
            if not part.layer.is_basic:
                if part.repeat != 1 and not self.begun and any(t.startswith(f"{where}.") for t in self.trained):
                    self.begun, self.early = True, where
                below = tuple(self._backward(part.layer.parts, where))
                group = (name, tuple((p.name, id(p.layer), p.repeat) for p in below))
                if below:
                    yield replace(part, layer=self.interned.layer(group, partial(Layer, name, parts=below)))
                continue
            self.begun = self.begun or where in self.trained
            if not self.begun:
                continue
            costs = gradients(Place(where, part.layer, 1), self.trained)
            values = {metric: costs.get(metric, 0) for metric in METRICS}
            if any(value != 0 for value in values.values()):
                content = (name, *values.values())
                yield replace(part, layer=self.interned.layer(content, partial(Layer, name, inline=values)))

    def _accumulated(self, forward: Layer, again: tuple[Part, ...], backward: Layer) -> Iterator[Part]:
        """What a step runs once more for each further batch: the weights are those that were counted."""
        if self.plan.accumulate > 1:
            parts = [
                Part(FORWARD, without_weights(forward)),
                *([Part(RECOMPUTED, Layer(parts=again))] if again else []),
                Part(BACKWARD, backward),
            ]
            yield Part(ACCUMULATED, Layer(parts=tuple(parts)), self.plan.accumulate - 1)

    def _trained_places(self) -> list[Place]:
        return [p for p in places(Layer(parts=self.parts)) if p.layer.is_basic and p.path in self.trained]


def gradients(place: Place, trained: frozenset[str]) -> Mapping[str, Value]:
    """What a layer's backward costs, and keeps, where these layers are trained."""
    layer = place.layer
    if layer.formula is None and all(layer.cost.value(metric) == 0 for metric in METRICS) and layer.backward is None:
        return dict.fromkeys(KEYS, 0)
    try:
        if place.path not in trained and _owns(layer):
            return layer.gradients(frozen=True)
        return layer.gradients()
    except SymflopsError as error:
        raise error.within(place.path) from None


def _owns(layer: Layer) -> bool:
    return bool(layer.tied) or layer.cost.value("parameters") != 0


def trained(parts: tuple[Part, ...], patterns: str) -> frozenset[str]:
    """The paths of the basic layers with weights that some pattern is of, or of a group that they are in.

    Raises SymflopsError for a pattern that is of none.
    """
    found: set[str] = set()
    owners = [p for p in places(Layer(parts=parts)) if p.layer.is_basic and _owns(p.layer)]
    for pattern in filter(None, (text.strip() for text in patterns.split(","))):
        matched = {place.path for place in owners if any(fnmatchcase(w, pattern) for w in _above(place.path))}
        if not matched:
            raise SymflopsError(f"trainable {pattern[:60]!r}: no layer with weights has such a path")
        found |= matched
    if not found:
        raise SymflopsError("no layer is trained")
    for place in owners:  # a weight that several layers use is trained in all of them
        owner = place.layer.tied.removeprefix(f"{FORWARD}.")
        if owner and (owner in found or place.path in found):
            found |= {owner, place.path}
    return frozenset(found)


def _above(path: str) -> list[str]:
    words = path.split(".")
    return [".".join(words[: i + 1]) for i in range(len(words))]


def loss(model: Model) -> tuple[str, Layer | None]:
    """The cross entropy of what a model ends in, where that is a linear layer, whose path it gives; None for others."""
    last: Place | None = None
    for place in model.places():
        if place.layer.is_basic and any(place.layer.cost.value(m) != 0 for m in ("flops", "write_bytes")):
            last = place
    if last is None or last.layer.formula is None or last.layer.formula.name != "linear":
        return "", None
    args = dict(last.layer.args)
    named = {"N": args["N"], "num_classes": args["out_features"]}
    return last.path, Layer(formula=load_formula(LOSS), args=tuple(named.items()))


def without_cache(parts: tuple[Part, ...]) -> Iterator[Part]:
    """What is run where nothing was fed before and nothing is kept for a next call, as in training."""
    none: dict[str, Value] = {"past_len": 0}

    def put_in(table: Mapping[str, Value] | None) -> Mapping[str, Value] | None:
        return None if table is None else {name: substitute(value, none) for name, value in table.items()}

    for part in parts:
        layer = part.layer
        if layer.parts:
            below = tuple(without_cache(layer.parts))
            yield replace(part, repeat=substitute(part.repeat, none), layer=replace(layer, parts=below))
        elif layer.formula is None or layer.formula.state == "0" or layer.cost.value("flops") != 0:
            args = tuple((name, substitute(value, none)) for name, value in layer.args)
            layer = replace(
                layer, args=args, inline=put_in(layer.inline), backward=put_in(layer.backward),
                backward_frozen=put_in(layer.backward_frozen),
            )  # fmt: skip
            yield replace(part, repeat=substitute(part.repeat, none), layer=layer)


def _with_tie(part: Part) -> Part:
    """A part of the forward, in which layers are tied to others where these stand now."""
    layer = part.layer
    if layer.parts:
        return replace(part, layer=replace(layer, parts=tuple(map(_with_tie, layer.parts))))
    return replace(part, layer=replace(layer, tied=f"{FORWARD}.{layer.tied}")) if layer.tied else part
