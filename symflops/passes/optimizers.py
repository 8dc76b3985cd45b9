"""Optimizers: what a step costs, formulas of the library, and the bytes that are kept from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from symflops.errors import SymflopsError, nearest
from symflops.formula import load_formula
from symflops.function import ceil
from symflops.layer import Layer, Part
from symflops.place import Place
from symflops.polynomial import Value, add, divide, multiply, symbol

FLOAT32 = 4  # bytes, of the copy that a step is done on, and of moments beside it
_BLOCK = 256  # numbers in 8 bits that share a largest value, of two moments
_VECTORS = {"rms_norm", "layer_norm", "batch_norm", "group_norm", "prelu"}
LOSS = "loss"  # the part of a forward that comes after the model's own


class Matrix(NamedTuple):
    """A matrix of weights, as some optimizers treat it: a weight of a linear layer, or a table of embeddings."""

    rows: Value
    columns: Value

    @property
    def weights(self) -> Value:
        return multiply(self.rows, self.columns)


@dataclass(frozen=True)
class Optimizer:
    """The formula of a step on some weights, and the bytes that it keeps for them, by those of a moment's element;
    where it treats matrices otherwise, the formula of a step on one, and what that keeps. Those of all layers, or of
    `hidden` ones: linear layers but the one that a model ends in. `roots` says how many moments PyTorch's own step
    makes again meanwhile, None where that is not known."""

    formula: str
    kept: Callable[[Value, Value], Value]
    of_matrix: str = ""
    kept_of_matrix: Callable[[Matrix, Value], Value] | None = None
    hidden: bool = False
    roots: int | None = None

    def state(self, trained: Iterable[Place], mixed: bool, head: str = "") -> Value:
        """The bytes that are kept between steps: what the optimizer itself keeps, and with `mixed` precision a copy of
        the weights in float32. `head` is the path of the linear layer that the model ends in.

        Raises SymflopsError where an optimizer needs shapes that a layer does not say.
        """
        total: Value = 0
        rest: Value = 0
        element = FLOAT32 if mixed else symbol("weight_bytes")
        for place in trained:
            matrices, others = self._split(place, head)
            rest = add(rest, multiply(place.runs, others))
            for one in matrices:
                assert self.kept_of_matrix is not None
                copy = multiply(FLOAT32 * mixed, one.weights)
                total = add(total, multiply(place.runs, add(self.kept_of_matrix(one, element), copy)))
        return add(total, self.kept(rest, element), multiply(FLOAT32 * mixed, rest))

    def step(self, trained: Iterable[Place], mixed: bool, head: str = "") -> Layer:
        """A step on all trained weights: one layer, or where matrices are treated otherwise one for each of them."""
        parts: list[Part] = []
        rest: Value = 0
        for place in trained:
            matrices, others = self._split(place, head)
            rest = add(rest, multiply(place.runs, others))
            for one in matrices:
                args = {"rows": one.rows, "columns": one.columns, "master": int(mixed)}
                layer = Layer(formula=load_formula(self.of_matrix), args=tuple(args.items()))
                parts.append(Part(place.path, layer, place.runs))
        whole = Layer(formula=load_formula(self.formula), args=(("n", rest), ("master", int(mixed))))
        return Layer(parts=(*parts, Part("others", whole))) if self.of_matrix else whole

    def unlike_matrices(self, trained: Iterable[Place], head: str = "") -> list[str]:
        """The layers of which no weight is treated as a matrix, though this optimizer is made for these."""
        return [p.path for p in trained if self.hidden and not self._split(p, head)[0]]

    def _split(self, place: Place, head: str) -> tuple[list[Matrix], Value]:
        """The matrices of a layer, and how many other weights it has."""
        weights = place.layer.cost.value("parameters")
        if not self.of_matrix or weights == 0:
            return [], weights
        if self.hidden:
            found = list(_matrices(place)) if _name(place) == "linear" and place.path != head else []
        else:
            found = list(_matrices(place))
            if not found and _name(place) not in _VECTORS:
                why = f"nothing says the shapes of its weights, which {self.formula} keeps its state by"
                raise SymflopsError(f"{place.path}: {why}")
        return found, add(weights, *(multiply(-1, one.weights) for one in found))


def _name(place: Place) -> str:
    return place.layer.formula.name if place.layer.formula is not None else ""


def _matrices(place: Place) -> Iterator[Matrix]:
    args = dict(place.layer.args)
    if _name(place) == "linear":
        yield Matrix(args["out_features"], args["in_features"])
    elif _name(place) == "embedding":
        yield Matrix(args["num_embeddings"], args["embedding_dim"])


def head(parts: tuple[Part, ...], places: Iterable[Place]) -> str:
    """The path of the layer whose results the loss is of; empty where there is no loss."""
    if not parts or parts[-1].name != LOSS:
        return ""
    own = [p.path for p in places if p.layer.is_basic and p.path != LOSS and p.layer.cost.value("flops") != 0]
    return own[-1] if own else ""


def _moments(count: int) -> Callable[[Value, Value], Value]:
    return lambda weights, element: multiply(count, element, weights)


def _in_8_bits(weights: Value, _: Value) -> Value:
    return add(multiply(2, weights), multiply(2 * FLOAT32, ceil(divide(weights, _BLOCK))))


_OPTIMIZERS = {
    "adamw": Optimizer("adamw", _moments(2), roots=1),
    "adam": Optimizer("adam", _moments(2), roots=1),
    "sgd": Optimizer("sgd", _moments(1), roots=0),
    "adamw_8bit": Optimizer("adamw_8bit", _in_8_bits),
    "adafactor": Optimizer(
        "adafactor", lambda weights, _: multiply(FLOAT32, weights), "adafactor_matrix",
        lambda one, _: multiply(FLOAT32, add(one.rows, one.columns)),
    ),
    "muon": Optimizer("adamw", _moments(2), "muon", lambda one, element: multiply(element, one.weights), hidden=True),
}  # fmt: skip
NAMES = tuple(_OPTIMIZERS)


def named(name: str) -> Optimizer:
    """The optimizer of this name, in either case.

    >>> named("adanw")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: no such optimizer 'adanw'; did you mean 'adamw'?
    """
    if str(name).lower() not in _OPTIMIZERS:
        raise SymflopsError(f"no such optimizer {str(name)[:60]!r}{nearest(str(name), NAMES)}")
    return _OPTIMIZERS[name.lower()]
