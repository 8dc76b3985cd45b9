"""What becomes of attention that a source writes out.

It becomes one step of the library's formula `sdpa`, as if the source had called a fused kernel. Eager, it stays as it
is written, and its operations are of the pairs that its mask leaves. A step of training keeps what the source writes:
there nothing is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symflops.algebra import free_symbols
from symflops.formula import load_formula
from symflops.polynomial import Value, add, divide, multiply, symbol, terms_of
from symflops.trace.aten import Arithmetic
from symflops.trace.attention import Shape, arguments, is_of_keys
from symflops.trace.attention_search import (
    COPIES,
    PER_PAIR,
    PRODUCTS,
    SOFTMAXES,
    AttentionSearch,
    WrittenAttention,
    aten,
    plain_name,
)
from symflops.trace.masks import Mask
from symflops.trace.quantity import product
from symflops.trace.record import Execution, Operation, Slice, every_operation
from symflops.trace.recorder import Recorder


def rewrite(recorder: Recorder, eager: bool, length: int = 0) -> None:
    """Find all attention that is written out; say of which `causal` changes nothing. `length` is the number of tokens
    where it is one."""
    order = {o: place for place, o in enumerate(every_operation(recorder.root))}
    for softmax, name in list(_softmaxes(recorder.root, "")):
        written = None if recorder.tape is not None else AttentionSearch(recorder.storages, order).around(softmax)
        if written is None:
            if _is_of_tokens(softmax, length):
                recorder.unmasked.setdefault(name)
            continue
        mask, is_known = _mask(recorder, written)
        batch, heads = _split(written.matrices)
        shape = Shape(batch, *written.lengths, heads, heads, *written.widths)
        if mask.causal and not is_of_keys(recorder, shape, mask):
            mask, is_known = Mask(False), False
        if not is_known and _is_of_tokens(softmax, length):
            recorder.unmasked.setdefault(name)
        if not eager and (fused := _Fused(recorder, written)).is_possible():
            fused.replace(shape, mask)
        elif mask.causal:
            _switch(written, arguments(recorder, shape, mask, is_fused=False))


def _softmaxes(execution: Execution, around: str) -> Iterator[tuple[Operation, str]]:
    """Every softmax, and the class of the source that it stands in."""
    kind = type(execution.module)
    name = around if kind.__module__.startswith("torch.") else kind.__name__
    for part in execution.parts:
        if isinstance(part, Execution):
            yield from _softmaxes(part, name)
        elif part.name in SOFTMAXES:
            yield part, name


def _is_of_tokens(softmax: Operation, length: int) -> bool:
    """Whether a softmax is of scores, as many as queries times keys."""
    queries, keys = (aten(softmax).inputs[0] if len(aten(softmax).inputs[0]) > 1 else (0, 0))[-2:]
    if length > 1:
        return queries == length
    return all("seq_len" in free_symbols(size) for size in (queries, keys))


# ------------------------------------------------------------------------------------------------------------ masks


def _mask(recorder: Recorder, written: WrittenAttention) -> tuple[Mask, bool]:
    """What scores are masked by, and whether that is known: of a mask of which nothing is known all pairs count."""
    found = [m for o in written.scores for v in o.reads if (m := recorder.masks.of_view(v)) is not None]
    causal = [m for m in found if m.causal]
    return (causal or found or [Mask(False)])[0], bool(found)


def _switch(written: WrittenAttention, args: dict[str, Value]) -> None:
    """Count the operations for the pairs that the mask leaves."""
    names = ("q_len", "kv_len", "window", "pairs", "kv_read")
    one = {"batch": 1, "num_heads": 1, "num_kv_heads": 1, "head_dim": 1, "value_dim": 0}
    twice = load_formula("sdpa").by_metric({**{n: args[n] for n in names if n in args}, **one})["matmul_flops"]
    pairs = multiply(written.matrices, divide(twice, 2))
    widths = {written.scores[0]: written.widths[0], written.weights[-1]: written.widths[1]}
    for o in written.operations:
        matmul = multiply(2, pairs, widths.get(o, 0))
        o.work = Arithmetic(add(matmul, multiply(pairs, written.per_pair[o])), matmul)


# --------------------------------------------------------------------------------------------------------- one step


def _split(matrices: Value) -> tuple[Value, Value]:
    """Sequences and heads of each. Costs depend on their product alone."""
    heads = divide(matrices, symbol("batch_size"))
    if any(exponent < 0 for monomial in terms_of(heads) for _, exponent in monomial):
        return matrices, 1
    return symbol("batch_size"), heads


class _Fused:
    """A written attention becoming one step."""

    def __init__(self, recorder: Recorder, written: WrittenAttention) -> None:
        self.recorder, self.storages, self.written = recorder, recorder.storages, written
        self.gone = set(written.operations)
        first, last = written.scores[0], written.weights[-1]
        self.queries = self._read_from(written.queries, first)
        self.keys, self.values = self._read_from(written.keys, first), self._read_from(written.values, last)
        made = {v.storage for o in written.operations for v in o.writes}
        ours = {v.storage for v in (written.queries, written.keys, written.values)}
        others = [(v, o) for o in written.operations for v in o.reads if v.storage not in made | ours]
        self.others = [v for v, o in others if not self._is_mask_alone(v, o)]

    def _read_from(self, view: Slice, user: Operation) -> Slice:
        """What a kernel reads instead of a copy that is made for the product alone, such as keys repeated for heads."""
        storage = self.storages[view.storage]
        if storage.role == "temporary" and len(storage.writers) == 1 and set(storage.readers) == {user}:
            (maker,) = storage.writers
            if plain_name(maker) in COPIES and len(maker.reads) == 1 and not maker.gathered:
                self.gone.add(maker)
                return self._read_from(maker.reads[0], maker)
        return view

    def _is_mask_alone(self, view: Slice, user: Operation) -> bool:
        """Whether something is made from constants for this attention alone; a kernel knows what its mask hides."""
        storage = self.storages[view.storage]
        if storage.role != "temporary":
            return self.recorder.masks.is_constant_memory(view.storage)
        if len(storage.writers) != 1 or not set(storage.readers) <= self.gone | {user}:
            return False
        (maker,) = storage.writers
        if maker.work.flops != 0 or not all(self._is_mask_alone(v, maker) for v in maker.reads):
            return False
        self.gone.add(maker)
        return True

    def is_possible(self) -> bool:
        """Whether the formula says what is read and written: queries, keys and values are no weights, in the number
        formats that it knows, and nobody gets the probabilities."""
        storages, written = self.storages, self.written
        read = [storages[v.storage] for v in (self.queries, self.keys, self.values)]
        result = storages[written.weights[-1].writes[0].storage]
        given = {v.storage for v in self.recorder.root.outputs}
        return (
            not written.is_shown
            and not any(s.role in ("weight", "constant") for s in read)
            and {read[0].unit, result.unit} == {symbol("dtype_bytes")}
            and read[1].unit == read[2].unit
            and self.queries.elements == written.queries.elements
            and self.kv_matrices is not None
            and not any(storages[v.storage].is_parameter for v in self.others)
            and not any(v.storage in given for o in written.operations[:-1] for v in o.writes)
            and written.per_pair[written.scores[-1]] == PER_PAIR
        )

    @property
    def kv_matrices(self) -> Value | None:
        """How many matrices of keys there are, which is fewer than of queries where heads share them."""
        length, (width, value_width) = self.written.lengths[1], self.written.widths
        keys = _without(self.keys, length, width)
        return keys if keys is not None and keys == _without(self.values, length, value_width) else None

    def replace(self, shape: Shape, mask: Mask) -> None:
        written, storages = self.written, self.storages
        matrices = self.kv_matrices
        assert matrices is not None
        kv_heads = divide(matrices, shape.batch)
        args = arguments(self.recorder, replace(shape, num_kv_heads=kv_heads), mask, is_fused=True)
        unit = storages[self.keys.storage].unit
        args["kv_bytes"] = unit
        if unit == symbol("cache_bytes"):
            del args["kv_bytes"]
        is_scaled = any(map(_is_scale, written.operations))
        if not is_scaled:
            args["scaled"] = 0
        if others := add(0, *written.per_pair.values(), -PER_PAIR - is_scaled):
            args["pair_ops"] = others
        last = written.weights[-1]
        reads = [self.queries, self.keys, self.values, *self.others]
        step = Operation("attention", Arithmetic(0), reads, last.writes, last.function, last.call, last.owner)
        step.formula, step.args = "sdpa", args
        last.owner.parts.insert(last.owner.parts.index(last), step)
        for o in self.gone:
            o.owner.parts.remove(o)
            for view in o.reads:
                storages[view.storage].readers.remove(o)
            for view in o.writes:
                storages[view.storage].writers.remove(o)
        for view in step.reads:
            storages[view.storage].readers.append(step)
        for view in step.writes:
            storages[view.storage].writers.append(step)


def _is_scale(o: Operation) -> bool:
    """Whether scores are multiplied by a number."""
    if plain_name(o) in PRODUCTS:
        return bool(aten(o).kwargs.get("alpha", 1) != 1)
    return plain_name(o) in ("mul", "div") and len(aten(o).inputs) == 1 and o.work.flops != 0


def _without(view: Slice, *dimensions: Value) -> Value | None:
    """The product of a view's dimensions but for these; None where one of these is none of them."""
    sizes = list(view.place[: len(view.place) // 2])
    for one in dimensions:
        if one not in sizes:
            return None
        sizes.remove(one)
    return product(sizes)
