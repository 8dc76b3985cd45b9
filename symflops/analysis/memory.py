"""What memory a model takes: weights, what a call leaves for the next one, what one layer works on; and in training
gradients, the optimizer's state and the activations that are kept for the backward. Each is a closed form.

These are tensors, by size. What an allocator rounds up and leaves in pieces, what libraries work in, and the runtime
itself are not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symflops import notebook
from symflops.algebra import substitute
from symflops.analysis import display
from symflops.analysis.feasible import is_at_least_zero
from symflops.analysis.step_peak import peak_of_step
from symflops.calling import such_as
from symflops.errors import SymflopsError, nearest
from symflops.function import ceil, maximum, minimum
from symflops.given import Numeric
from symflops.gradients import PASSED_ON, SAVED
from symflops.grouping import grouped
from symflops.layer import Layer, Part
from symflops.model import Model, Place
from symflops.numeric import evaluate, whole
from symflops.passes import optimizers
from symflops.passes.recompute import Recompute
from symflops.passes.training import gradients, trained
from symflops.peak import highest, peak_at
from symflops.place import places
from symflops.plan import BACKWARD, FORWARD
from symflops.polynomial import Value, add, divide, multiply, negate, symbol
from symflops.source import ModelLike, load
from symflops.storage import kept_for_next_call, weights_below, without_weights_read
from symflops.tree import write
from symflops.units import scaled

KINDS = ("weights", "gradients", "optimizer", "saved", "state", "working_set", "peak", "peak_eager")
_WAYS = {"peak": "least", "peak_eager": "eager"}  # how memory is freed
Sizes = Sequence[tuple[str, Value]]  # of layers, by their paths


@dataclass(frozen=True, repr=False)
class Memory:
    """Bytes of each kind: ints where a point was given, else closed forms; attributes of the kinds' names.

    `saved` is kept from the forward to the backward. `working_set` is what the layer in which that is most reads and
    writes beside weights and cache, and with recomputation what the largest recomputed part keeps meanwhile; `where`
    names that layer. Of a model that was derived with its `peak`, `peak` is what is held at its fullest where each
    tensor is freed after its last use, `peak_eager` where eager PyTorch frees it, and `where` names the module of the
    latter. Of others `peak` is a bound from below: of inference weights, state and working set; of training weights,
    the optimizer's state, and the larger of gradients and what is saved, since the one grows while the other goes; both
    where gradients of several batches are accumulated.
    `peak_eager` is all of it together with the working set: a step that finds gradients in place, as accumulation does.
    Of a config that was derived for training with its `peak`, `peak_eager` is what PyTorch holds at its fullest in
    forward, loss, backward and the optimizer's step, and `where` names the module.
    """

    model: str
    kinds: Mapping[str, Value]
    where: str
    notes: tuple[str, ...] = ()
    is_evaluated: bool = False
    has_peak: bool = False  # derived, and `where` is its place
    reserved: int = 0  # in both peaks, for what is not counted

    def __getattr__(self, name: str) -> Any:
        if name not in KINDS:
            raise AttributeError(f"a Memory has no {name!r}{nearest(name, KINDS)}")
        if self.is_evaluated:
            return self.kinds[name]
        from symflops import expr

        return expr.to_sympy(self.kinds[name])

    def text(self, kind: str) -> str:
        """One kind as a number with its unit, or as a closed form."""
        value = self.kinds.get(kind) if isinstance(kind, str) else None
        if value is None:
            raise SymflopsError(f"no kind of memory {str(kind)[:60]!r}{nearest(str(kind), KINDS)}")
        if self.is_evaluated and isinstance(value, int):
            return f"{value:,} byte, {scaled(value, 'read_bytes')}"
        return write(grouped(value))

    def to_pandas(self) -> notebook.DataFrame:
        """One line per kind as a pandas DataFrame: its bytes, an int or a SymPy expression. Needs the extra
        `symflops[pandas]`.

        >>> frame = memory("gpt2", batch_size=1, seq_len=8).to_pandas()
        >>> int(frame.set_index("kind")["bytes"]["state"])
        294912
        """
        return notebook.frame(display.memory_columns(self))

    def _repr_html_(self) -> str:
        return display.memory_html(self)

    def __repr__(self) -> str:
        shown = [f"{kind} = {self.text(kind)}" for kind in KINDS if self.kinds[kind] != 0]
        return "\n".join([f"memory of {self.model}", *shown, self.place, *self.notes])

    @property
    def place(self) -> str:
        """A sentence on `where`."""
        return f"the peak stands in {self.where}" if self.has_peak else f"the working set is that of {self.where}"


@such_as('memory("llama-2-7b-hf", batch_size=1, seq_len=4096)')
def memory(model: ModelLike, *, symbolic: bool = False, **values: Numeric) -> Memory:
    """The memory that a model takes, in bytes: for inference, or for a step of training where it is one (`training`).

    With values, which have to give each symbol a number, ints; without closed forms in the run symbols, with `symbolic`
    in the architecture symbols, too.

    >>> found = memory("llama-2-7b-hf", batch_size=1, seq_len=4096)
    >>> found.weights, found.state, found.where
    (13476831232, 2147483648, 'lm_head')
    >>> memory("llama-2-7b-hf").state
    262144*batch_size*cache_bytes*(past_len + seq_len)

    Raises SymflopsError for what breaks an assumption of the model, and where a layer does not say what it keeps.
    """
    named = load(model, peak=True)
    own = {name: value for name, value in values.items() if name in named.definitions}
    named = named.with_symbols(own) if own else named
    run = {name: value for name, value in values.items() if name not in own}
    try:
        with named.call("its memory"):
            numbers = {} if symbolic and not run else named.symbols
            kinds, layers, notes = (_inference if named.plan is None else _training)(named, numbers)
    except SymflopsError as error:
        raise error.within(named.name) from None
    if not run:
        if named.plan is not None:
            step, layers, told = peak_of_step(named, kinds, numbers, layers)
            return Memory(named.name, step, _largest(layers), (*notes, *told), has_peak=step is not kinds)
        derived = [one for one in named.peak if not one.is_of_step]
        has_peak = bool(derived)
        if has_peak:
            peak = [one.substitute(numbers) for one in derived]
            kinds |= {kind: add(kinds["weights"], highest(peak, way)) for kind, way in _WAYS.items()}
            layers = [moment for one in peak for moment in one.eager]
        return Memory(named.name, kinds, _largest(layers), notes, has_peak=has_peak)
    total = named.total()
    total.at(**run)  # refuses names and values as any answer does
    point = total.with_defaults(run)

    def number(value: Value) -> int:
        return whole(evaluate(value, point))

    has_peak = False
    derived = [one for one in named.peak if not one.is_of_step]
    if named.plan is not None:
        step, layers, told = peak_of_step(named, kinds, numbers, layers, {**named.symbols, **point})
        notes, has_peak, kinds = (*notes, *told), step is not kinds, step
    elif derived:
        try:
            one = peak_at(derived, {**named.symbols, **point}).substitute(numbers)
        except SymflopsError as error:
            notes = (*notes, f"peak and peak_eager are bounds from below: {error.message} where they were derived")
        else:
            has_peak, layers = True, one.eager
            alone = [replace(one, calls=())]
            kinds |= {kind: add(kinds["weights"], highest(alone, way)) for kind, way in _WAYS.items()}
    found = {kind: number(value) for kind, value in kinds.items()}
    return Memory(named.name, found, _largest([(path, number(size)) for path, size in layers]), notes, True, has_peak)


def beside_weights(model: Model) -> Value:
    """What a step of training holds beside weights, `peak_eager`, in bytes and all symbols."""
    kinds, _, _ = _training(model, {})
    return add(kinds["peak_eager"], negate(kinds["weights"]))


def _largest(sizes: Sizes) -> str:
    """The layer that may have the most, or those that may, in places where that depends on what is open."""
    most = _candidates(sizes)
    return ", or ".join(path for path, _ in most) if most else "no layer"


def _candidates(sizes: Sizes) -> list[tuple[str, Value]]:
    """Those of which no other is larger at every point of the domain."""
    kept: list[tuple[str, Value]] = []
    for path, size in sizes:
        if any(is_at_least_zero(add(other, negate(size))) for _, other in kept):
            continue
        kept = [(p, other) for p, other in kept if not is_at_least_zero(add(size, negate(other)))]
        kept.append((path, size))
    return kept


def _most(sizes: Sizes) -> Value:
    values = list(dict.fromkeys(size for _, size in _candidates(sizes)))
    return maximum(*values) if values else 0


def _count(places_: Iterator[Place]) -> Value:
    return add(0, *(multiply(p.runs, p.layer.cost.value("parameters")) for p in places_ if p.layer.is_basic))


def _worked_on(layer: Layer) -> Value:
    """What a layer reads and writes beside what is stored anyway."""
    costs = without_weights_read(layer)
    return add(0, *(costs[metric] for metric in ("read_bytes", "write_bytes", "intermediate_bytes")))


def _sizes(layer: Layer, numbers: Mapping[str, int]) -> Sizes:
    leaves = (p for p in places(layer) if p.layer.is_basic)
    return [(p.path, substitute(_worked_on(p.layer), numbers)) for p in leaves]


Found = tuple[dict[str, Value], Sizes, tuple[str, ...]]
_NOT_COUNTED = "not counted: what an allocator rounds up, workspaces of libraries, the runtime itself"


def _inference(model: Model, numbers: Mapping[str, int]) -> Found:
    weights = weights_below([Place("", model.root, 1)])
    state = kept_for_next_call(model)
    if state is None:
        raise SymflopsError("a layer keeps something for the next call and does not say how much")
    weights, state = (substitute(value, numbers) for value in (weights, state))
    layers = _sizes(model.root, numbers)
    worked = _most(layers)
    peak = add(weights, state, worked)
    kinds = dict.fromkeys(KINDS, 0) | {"weights": weights, "state": state, "working_set": worked}
    return {**kinds, "peak": peak, "peak_eager": peak}, layers, (_NOT_COUNTED,)


def _training(model: Model, numbers: Mapping[str, int]) -> Found:
    plan = model.plan
    assert plan is not None
    parts = {part.name: part.layer for part in model.root.parts}
    forward = parts[FORWARD]
    taught = trained(forward.parts, plan.trainable)
    count = _count(p for p in places(forward) if p.path in taught)
    weights = weights_below([Place("", forward, 1)])
    kept = _Kept(taught, Recompute.of(plan.recompute))
    saved = substitute(kept.of(forward.parts), numbers)
    again = [(path, substitute(size, numbers)) for path, size in kept.again]
    layers = [*_sizes(forward, numbers), *_sizes(parts[BACKWARD], numbers), *again]
    worked = _most(layers)
    weights, count = (substitute(value, numbers) for value in (weights, count))
    gradient = multiply(symbol("weight_bytes"), count)
    owners = [p for p in places(forward) if p.layer.is_basic and p.path in taught]
    head = optimizers.head(forward.parts, places(forward))
    state = substitute(optimizers.named(plan.optimizer).state(owners, plan.mixed, head), numbers)
    notes = [_NOT_COUNTED]
    if any(p.layer.is_basic and p.layer.backward is None and p.path != "loss" for p in places(forward)):
        notes.append("saved is an upper bound: a tensor that several layers keep is counted by each of their formulas")
    if len(taught) < sum(p.layer.is_basic and p.layer.cost.value("parameters") != 0 for p in places(forward)):
        notes.append("saved is an upper bound: what frozen layers keep for others is counted as if all were trained")
    both = add(gradient, saved) if plan.accumulate > 1 else _most([("", gradient), ("", saved)])
    kinds = dict.fromkeys(KINDS, 0) | {
        "weights": weights, "gradients": gradient, "optimizer": state, "saved": saved, "working_set": worked,
        "peak": add(weights, state, both),
        "peak_eager": add(weights, gradient, state, saved, worked),
    }  # fmt: skip
    return kinds, layers, tuple(notes)


class _Kept:
    """What a forward keeps for its backward, but for what is recomputed; `again` is what each recomputed part keeps
    while its own backward runs."""

    def __init__(self, taught: frozenset[str], recompute: Recompute) -> None:
        self.taught, self.recompute = taught, recompute
        self.again: list[tuple[str, Value]] = []

    def of(self, parts: tuple[Part, ...], path: str = "") -> Value:
        total: Value = 0
        units: dict[Value, Value] = {}  # how many pass on so much
        inside: list[tuple[str, Value, Value]] = []  # what each keeps while its own backward runs
        for part in parts:
            where = f"{path}.{part.name}" if path else part.name
            if self.recompute.is_unit(part, parts):
                passed, own = self._unit(part, where)
                units[passed] = add(units.get(passed, 0), part.repeat)
                inside.append((where, passed, own))
            elif part.layer.is_basic:
                total = add(total, multiply(part.repeat, self._leaf(part.layer, where)[SAVED]))
            else:
                total = add(total, multiply(part.repeat, self.of(part.layer.parts, where)))
        group = self.recompute.group
        self.again += [(where, multiply(minimum(group, units[passed]), own)) for where, passed, own in inside]
        # The last group may be smaller; what goes into it is kept all the same.
        return add(total, *(multiply(ceil(divide(count, group)), passed) for passed, count in units.items()))

    def _leaf(self, layer: Layer, where: str) -> Mapping[str, Value]:
        # A table of its own counts what others keep of a layer's results, so of a frozen one all of that is taken.
        taught = self.taught
        if layer.backward is not None:  # whatever format its weights are in, which are not what is kept
            taught, layer = frozenset({where}), replace(layer, stored=None)
        return gradients(Place(where, layer, 1), taught)

    def _unit(self, part: Part, where: str) -> tuple[Value, Value]:
        """What one part that is recomputed passes on, and what it keeps inside."""
        if part.layer.is_basic:
            costs = self._leaf(part.layer, where)
            if part.layer.backward is None:
                raise SymflopsError(f"{where}: what it passes on is not stated; derive the model with --training")
            passed = costs.get(PASSED_ON, 0)
            return passed, add(costs[SAVED], negate(passed))
        if part.layer.output_bytes is None:
            raise SymflopsError(f"{where}: the size of its results is not stated; derive the model with --training")
        return part.layer.output_bytes, _Kept(self.taught, Recompute()).of(part.layer.parts, where)
