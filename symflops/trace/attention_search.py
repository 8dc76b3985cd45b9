"""The operations of attention that a source writes out, as product, softmax, product.

From a softmax the record is followed back through what is done to the scores (a scale, a bias, a mask, a soft cap, a
cast) to the product of queries and keys, and on to the product with the values. Whatever dress that has in the source
(matmul, einsum, baddbmm, grouped heads), to PyTorch it is these operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from symflops.algebra import free_symbols
from symflops.numeric import evaluate
from symflops.polynomial import Number, Value, add, multiply, negate
from symflops.trace.aten import AtenCall
from symflops.trace.quantity import product
from symflops.trace.record import Operation, Slice, Storage
from symflops.tree import exact

SOFTMAXES = ("_softmax", "_safe_softmax")
PRODUCTS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}  # and where among their inputs the two factors begin
COPIES = {"_to_copy", "clone", "copy", "_unsafe_view", "repeat", "expand_copy"}
_ON_SCORES = COPIES | {
    "add", "sub", "rsub", "mul", "div", "neg", "tanh", "where", "masked_fill", "clamp", "clamp_min", "clamp_max",
    "maximum", "minimum", "nan_to_num",
}  # fmt: skip
PER_PAIR = 5  # of a softmax: operations per pair, by the conventions of DESIGN


@dataclass
class WrittenAttention:
    """One attention that was found."""

    scores: list[Operation]  # from the product of queries and keys to the softmax, in order
    weights: list[Operation]  # from what follows the softmax to the product with the values
    queries: Slice
    keys: Slice
    values: Slice
    matrices: Value  # how many: sequences times heads
    lengths: tuple[Value, Value]  # queries and keys of each
    widths: tuple[Value, Value]  # of keys and of values
    is_shown: bool = False  # somebody else reads the probabilities
    per_pair: dict[Operation, Number] = field(default_factory=dict)  # FLOPs but for the products

    @property
    def operations(self) -> list[Operation]:
        return [*self.scores, *self.weights]

    @property
    def pairs(self) -> Value:
        return multiply(self.matrices, *self.lengths)


_LARGE = 100_003  # a length at which there are pairs, also where hundreds of samples of a waveform are one frame


class AttentionSearch:
    """What is before and after a softmax."""

    def __init__(self, storages: Mapping[int, Storage], order: Mapping[Operation, int]) -> None:
        self.storages, self.order = storages, order

    def around(self, softmax: Operation) -> WrittenAttention | None:
        """The attention that a softmax is part of, if it is of one."""
        shape, dimension = aten(softmax).inputs[0], aten(softmax).args[1]
        if dimension not in (-1, len(shape) - 1) or len(shape) < 2:
            return None
        scores = self._back(softmax.reads[0], softmax, product(shape))
        weights = self._on(softmax, product(shape)) if scores else None
        if not scores or not weights:
            return None
        first, last = scores[0], weights[-1]
        (*matrices, rows, inner), (*_, columns) = _factors(first)
        if columns != shape[-1] or multiply(*matrices, rows, columns) != product(shape):
            return None
        at = PRODUCTS[plain_name(first)]
        probabilities = weights[-2].writes[0] if len(weights) > 1 else softmax.writes[0]
        (a, b), place = _factors(last), PRODUCTS[plain_name(last)]
        is_left = last.reads[place].storage == probabilities.storage
        values, width = (last.reads[place + 1], b[-1]) if is_left else (last.reads[place], a[-2])
        if product(a if is_left else b) != product(shape):
            return None
        found = WrittenAttention(
            [*scores, softmax], weights, first.reads[at], first.reads[at + 1], values,
            multiply(*matrices), (rows, columns), (inner, width),
            any(len(self._readers(o)) > 1 for o in (softmax, *weights[:-1])),
        )  # fmt: skip
        return found if self._costs_the_same_for_every_pair(found) else None

    def _back(self, scores: Slice, before: Operation, elements: Value) -> list[Operation] | None:
        """The operations that made scores, from the product of queries and keys on."""
        writers = [o for o in self.storages[scores.storage].writers if self.order[o] < self.order[before]]
        if not writers or self.storages[scores.storage].role != "temporary" or scores.elements != elements:
            return None
        maker = max(writers, key=self.order.__getitem__)
        if self._is_read_elsewhere(scores.storage, maker, before):
            return None
        if plain_name(maker) in PRODUCTS:
            return [maker] if len(_factors(maker)[0]) == len(_factors(maker)[1]) else None
        if plain_name(maker) not in _ON_SCORES:
            return None
        for view in maker.reads:
            if found := self._back(view, maker, elements):
                return [*found, maker]
        return None

    def _is_read_elsewhere(self, storage: int, after: Operation, until: Operation) -> bool:
        readers = [o for o in self.storages[storage].readers if self.order[o] > self.order[after]]
        return any(o is not until and self.order[o] < self.order[until] for o in readers) or (
            storage not in {v.storage for v in until.writes} and any(o is not until for o in readers)
        )

    def _on(self, last: Operation, elements: Value) -> list[Operation] | None:
        """What becomes of probabilities, up to their product with the values."""
        for reader in self._readers(last):
            if plain_name(reader) in PRODUCTS:
                return [reader]
            if plain_name(reader) in _ON_SCORES and reader.writes[0].elements == elements:
                found = self._on(reader, elements)
                if found:
                    return [reader, *found]
        return None

    def _readers(self, maker: Operation) -> list[Operation]:
        """Who reads what an operation made, and not what is written over it later."""
        return [o for o in self.storages[maker.writes[0].storage].readers if self.order[o] > self.order[maker]]

    def _costs_the_same_for_every_pair(self, written: WrittenAttention) -> bool:
        for o in written.operations:
            is_product = o is written.scores[0] or o is written.weights[-1]
            others = add(o.work.flops, negate(o.work.matmul_flops))
            if others == 0:
                each: Number = 0
            elif o is written.weights[-1] or (not is_product and o.work.matmul_flops != 0):
                return False
            else:
                point = dict.fromkeys(free_symbols(others) | free_symbols(written.pairs), _LARGE)
                pairs = Fraction(evaluate(written.pairs, point))
                each = exact(Fraction(evaluate(others, point)) / pairs) if pairs else 0
                if multiply(each, written.pairs) != others:
                    return False
            written.per_pair[o] = each
        return True


def aten(o: Operation) -> AtenCall:
    assert o.aten is not None  # of everything that has a name of PyTorch's
    return o.aten


def plain_name(o: Operation) -> str:
    return o.name.removesuffix("_")


def _factors(o: Operation) -> Sequence[tuple[Value, ...]]:
    """The shapes of the two factors of a product."""
    place = PRODUCTS[plain_name(o)]
    return aten(o).inputs[place : place + 2]
