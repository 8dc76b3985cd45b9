"""What a step of training holds at its fullest, in closed form, from one whose backward autograd ran.

Each layer that is repeated adds what it keeps in the forward and takes it away in the backward, where it leaves the
gradients of its weights. So what is held at any moment is what is held outside of layers, what the runs so far have
left, and what the run at hand holds itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from symflops import progress
from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.peak import AFTER, ALONE, STEP, PeakOfCalls
from symflops.polynomial import Value, add, multiply, negate
from symflops.program.block import Made
from symflops.program.liveness import Peak, fullest
from symflops.trace.conditions import conditions
from symflops.trace.naming import RepeatNames
from symflops.trace.peak import beyond, buffers, moments_named, named_counts, places_of_layers
from symflops.trace.quantity import product
from symflops.trace.record import Execution
from symflops.trace.recorder import Recorder
from symflops.trace.repeats import every_parameter
from symflops.trace.serials import storage_key
from symflops.trace.settings import Settings
from symflops.trace.turns import At, RepeatedLayer, Turn, layers_of, tree_of
from symflops.trace.work import Work


def peaks_of_step(
    work: Work, settings: Settings, names: RepeatNames, known: Mapping[str, Any], assumed: Collection[str]
) -> list[PeakOfCalls]:
    """The peak of a step of training, but for the optimizer's part; where it was derived of sequences up to some
    length, such as that of a window, that of longer ones, too. `known` are the symbols that the model's file has, and
    `assumed` what it assumes already.

    Raises SymflopsError where that is not known, as of layers that run more than once.
    """
    call = replace(settings, as_eager=True, whole_step=True)
    one, sizes = _of_steps(work, call, names, known, assumed)
    if not (hints := beyond(one, sizes)):
        return [one]
    try:
        other, _ = _of_steps(work, replace(call, hints=hints), names, known, assumed)
    except SymflopsError as error:  # the model refuses such a length
        progress.tell(error.message)
        return [one]
    return [one, other] if other.assumes != one.assumes else [one]


def _of_steps(
    work: Work, call: Settings, names: RepeatNames, known: Mapping[str, Any], assumed: Collection[str]
) -> tuple[PeakOfCalls, dict[str, int]]:
    """The peak of steps of one kind, and the sizes that the step was recorded with."""
    run, shape = work.run(call)
    recorder = run.recorder
    assert recorder is not None
    counts = named_counts(places_of_layers(recorder.root), names, known)
    put = {name: number for name, number in shape.numbers.items() if name not in known}
    step = _Step(recorder, counts)
    found = moments_named(step.found(), buffers(recorder, counts), put)
    found += moments_named(step.alone(), 0, put)
    used = set().union(*(free_symbols(size) for _, size in found))
    own = [text for text in conditions(run, shape, used) if text not in assumed]
    return PeakOfCalls((STEP,), tuple(own), found, ()), {**shape.numbers, **shape.hints()}


def with_peak_of_step(work: Work, settings: Settings, names: RepeatNames, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's file says of the peak of its step of training; where that is not known, a note on why."""
    try:
        found = peaks_of_step(work, settings, names, data["symbols"], data["assumes"])
    except SymflopsError as error:
        return {"notes": [*data["notes"], f"the peak of a step of training is not derived: {error.message}"]}
    return {"peak": [one.data() for one in found]}


@dataclass
class _Inside:
    """What one run of a layer holds at its fullest beyond what was there when it began, and how much more is held after
    it than before. `shared` is what it frees that others were given, too, so that it is freed once."""

    most: list[Peak]
    net: Value
    freed: frozenset[int] = frozenset()
    shared: tuple[int, ...] = ()


Ran = dict[RepeatedLayer, int]  # how often each was run before


@dataclass
class _Moments:
    """What is held in one run besides what the layers inside of it have left, and how many of them ran."""

    held: Value = 0
    ran: Ran = field(default_factory=dict)
    most: list[tuple[str, Value, Ran]] = field(default_factory=list)
    before: dict[RepeatedLayer, list[tuple[Value, Ran]]] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)
    freed: set[int] = field(default_factory=set)  # of what was there before
    tails: dict[RepeatedLayer, list[Value]] = field(default_factory=dict)  # between a run of a layer and the next one


class _Step:
    def __init__(self, recorder: Recorder, counts: Mapping[str, Value]) -> None:
        assert recorder.step is not None
        self.recorder, self.step, self.counts = recorder, recorder.step, counts
        self.layers = layers_of(recorder.root)
        if any(again.is_rerun for some in self.layers.values() for again in some):
            raise SymflopsError("layers run more than once, and what each of their runs holds is not known")
        self.every = {e for first, some in self.layers.items() for e in (first, *some)}
        self.inside: dict[RepeatedLayer, _Inside] = {}

    def found(self) -> list[Peak]:
        tree = tree_of(self.step.events, self.recorder.root, self.every)
        self.tails = self._tails_of(self._walk(tree))
        for kind, tail in self.tails.items():
            self.inside[kind].net = add(self.inside[kind].net, tail)
        moments = self._walk(tree, self.tails)
        found = self._resolved(moments, self._so_far)
        after = self._whole(moments.held, moments.ran, self._so_far)
        return [*found, Peak(AFTER, after)]

    def alone(self) -> list[Peak]:
        """What an optimizer makes that steps one weight after the other: twice as much as the weight, beside what it
        has made for the one before, which its variable holds."""
        shapes = self.recorder.quantities.shape
        unit = self.recorder.unit(self.recorder.dtype, "weight")
        seen: set[int] = set()
        sizes: list[Value] = []
        for weight, is_anothers in every_parameter(self.recorder.root.module):
            if is_anothers or id(weight) not in seen:  # a tied weight is stepped once
                sizes.append(multiply(unit, product(shapes(weight.shape))))
            seen.add(id(weight))
        pairs = dict.fromkeys(zip([0, *sizes], sizes, strict=False))
        return fullest([Peak(ALONE, add(before, size, size)) for before, size in pairs])

    # ------------------------------------------------------------------------------------------------------ one run

    def _of(self, turn: Turn) -> _Inside:
        """What the run of a layer that was run does."""
        if turn.kind not in self.inside:
            moments = self._walk(turn)
            most = self._resolved(moments, lambda kind, ran: ran)
            ran = (multiply(n, self.inside[kind].net) for kind, n in moments.ran.items())
            shared = tuple(sorted(moments.freed & self._given_to_all(turn.execution)))
            net = add(moments.held, *ran, *map(self._bytes, shared))
            self.inside[turn.kind] = _Inside(most, net, frozenset(moments.freed), shared)
        return self.inside[turn.kind]

    def _walk(self, turn: Turn, tails: Mapping[RepeatedLayer, Value] = MappingProxyType({})) -> _Moments:
        """`tails` of kinds of runs are what follows each of them and is counted with them."""
        moments = _Moments()
        skipped: set[int] = set()  # what the run of a layer has freed, wherever its stand-in does
        last: tuple[Turn, Value] | None = None  # the run of a layer before, and what was held after it
        rises, path = False, ""
        for item in turn.items:
            if rises and not (isinstance(item, At) and isinstance(item.event, Made)):
                moments.most.append((path, moments.held, dict(moments.ran)))
                rises = False
            if isinstance(item, Turn):
                if last is not None and last[0].is_backward is item.is_backward:
                    moments.tails.setdefault(last[0].kind, []).append(add(moments.held, negate(last[1])))
                skipped = self._run(item, turn, moments)
                moments.held = add(moments.held, negate(tails.get(item.kind, 0)))
                last = item, moments.held
                continue
            if item.event is None:
                continue
            key = item.event.tensor
            if isinstance(item.event, Made):
                moments.made.add(key)
                moments.held = add(moments.held, self._bytes(key))
                rises, path = True, item.path
            elif key not in skipped:
                moments.freed |= {key} - moments.made
                moments.held = add(moments.held, negate(self._bytes(key)))
        if rises:
            moments.most.append((path, moments.held, dict(moments.ran)))
        return moments

    def _run(self, turn: Turn, within: Turn, moments: _Moments) -> set[int]:
        """Note one run of a layer inside of another one, or of the step; gives what its stand-in frees for it."""
        what = self._first(turn)
        moments.before.setdefault(turn.kind, []).append((moments.held, dict(moments.ran)))
        moments.ran[turn.kind] = moments.ran.get(turn.kind, 0) + 1
        if turn.is_first:
            for key in what.shared:
                moments.held = add(moments.held, negate(self._bytes(key)))
            moments.freed |= what.freed - moments.made
            return set()
        first = turn.kind.first
        pairs = list(zip(first.inputs, turn.execution.inputs, strict=True))
        if turn.is_backward:  # of its results it may keep some, such as probabilities, until then
            pairs += zip(first.outputs, turn.execution.outputs, strict=True)
        own = {mine.storage for theirs, mine in pairs if theirs.storage in what.freed and theirs != mine}
        there = _freed_by(turn, within)
        for key in own - there:  # somebody else holds it for longer
            moments.held = add(moments.held, self._bytes(key))
        moments.made |= {view.storage for view in turn.execution.outputs}
        return own | turn.gradients

    def _first(self, turn: Turn) -> _Inside:
        if turn.kind not in self.inside:
            for other in self._turns(tree_of(self.step.events, self.recorder.root, self.every)):
                if other.kind == turn.kind and other.is_first:
                    return self._of(other)
            raise SymflopsError(f"{turn.execution.path} has no backward of its own")
        return self.inside[turn.kind]

    def _turns(self, turn: Turn) -> Iterable[Turn]:
        for item in turn.items:
            if isinstance(item, Turn):
                yield item
                yield from self._turns(item)

    def _given_to_all(self, first: Execution) -> set[int]:
        """What a layer is given that equal ones are given, too."""
        pairs = ((view, again.inputs[i]) for again in self.layers[first] for i, view in enumerate(first.inputs))
        return {own.storage for own, other in pairs if own.storage == other.storage}

    def _bytes(self, key: int) -> Value:
        storage = self.recorder.storages[key]
        return multiply(storage.unit, storage.elements)

    # -------------------------------------------------------------------------------------------------- all of them

    def _tails_of(self, moments: _Moments) -> dict[RepeatedLayer, Value]:
        """What is made or freed after each run of a layer, before the next one, is counted with the run: a variable of
        the model lets go then of what went into it. The first or the last run may differ.

        Raises SymflopsError where forward and backward together would leave anything but gradients of weights.
        """
        found: dict[RepeatedLayer, Value] = {}
        for kind in moments.ran:
            if kind.is_backward:
                continue
            back = RepeatedLayer(kind.first, True)
            keys = (storage_key(weight) for weight in kind.first.module.parameters())
            gradients = (self._bytes(self.step.gradients[key]) for key in keys if key in self.step.gradients)
            left = self.inside[kind].net
            if back in moments.ran:
                later = moments.tails.get(back, ())
                found[back] = max(later, key=later.count, default=0)
                left = add(left, self.inside[back].net, found[back])
            found[kind] = add(0, *gradients, negate(left))
            for one in (kind, back):
                tails = moments.tails.get(one, ())
                if any(tail != found[one] for tail in tails[1:-1]) or (len(tails) > 1 and found[one] not in tails):
                    raise SymflopsError(f"what {kind.first.path} holds does not add up")
        return found

    def _so_far(self, kind: RepeatedLayer, ran: int) -> Value:
        """How many of a kind's runs there were. The first ones are counted from the first, the last ones from the last,
        so that it holds at other depths."""
        remaining = 1 + len(self.layers[kind.first]) - ran
        return ran if ran <= remaining else add(self.counts[kind.first.path], -remaining)

    def _whole(self, held: Value, ran: Ran, so_far: Any) -> Value:
        """What is held besides, with what the layers that ran have left."""
        return add(held, *(multiply(so_far(kind, n), self.inside[kind].net) for kind, n in ran.items()))

    def _resolved(self, moments: _Moments, so_far: Any) -> list[Peak]:
        found = [Peak(path, self._whole(held, ran, so_far)) for path, held, ran in moments.most]
        for kind, before in moments.before.items():
            starts = fullest([Peak("", self._whole(held, ran, so_far)) for held, ran in _extremes(kind, before)])
            found += [Peak(path, add(start, size)) for _, start in starts for path, size in self.inside[kind].most]
        return fullest(found)


def _freed_by(turn: Turn, within: Turn) -> set[int]:
    """What is freed from the beginning of a run of a layer to that of the next one."""
    place = within.items.index(turn)
    found = {i.event.tensor for i in turn.items if isinstance(i, At) and i.event is not None}
    for item in within.items[place + 1 :]:
        if isinstance(item, Turn):
            break
        if item.event is not None and not isinstance(item.event, Made):
            found.add(item.event.tensor)
    return found


def _extremes(kind: RepeatedLayer, before: list[tuple[Value, Ran]]) -> list[tuple[Value, Ran]]:
    """Of runs between which nothing changes but their number, so that what is held grows or shrinks with that, the
    first and the last."""
    alike: dict[Any, list[tuple[Value, Ran]]] = {}
    for held, ran in before:
        others = tuple((other, n) for other, n in ran.items() if other != kind)
        alike.setdefault((held, others), []).append((held, ran))
    return [one for some in alike.values() for one in (some if len(some) < 3 else (some[0], some[-1]))]
