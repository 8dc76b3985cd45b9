"""The fullest moments of a model's calls, derived: each kind of call is recorded as eager PyTorch runs it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from symflops import algebra, progress
from symflops.algebra import free_symbols
from symflops.assumption import comparison
from symflops.errors import SymflopsError
from symflops.peak import FIRST, LATER, MANY, ONE, PeakOfCalls
from symflops.polynomial import Value, add, multiply
from symflops.program.block import Again, Block, Program, blocks
from symflops.program.liveness import Peak, last_read, peaks, repeated
from symflops.trace.conditions import conditions
from symflops.trace.fold import named_after_places
from symflops.trace.naming import RepeatNames
from symflops.trace.programs import program_of
from symflops.trace.quantity import product
from symflops.trace.record import Execution
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.settings import Settings
from symflops.trace.work import Work

_PLACE = re.compile(r"(.*)\.(\d+)$")


def with_peak(
    work: Work, settings: Settings, caches: bool, names: RepeatNames, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What a model's file says of its peak; where its source takes no such call, a note on why."""
    try:
        found = peaks_of(work, settings, caches, names, data["symbols"], data["assumes"])
    except SymflopsError as error:
        return {"notes": [*data["notes"], f"its peak in memory is not derived: {error.message}"]}
    return {"peak": [one.data() for one in found]}


def peaks_of(
    work: Work, settings: Settings, caches: bool, names: RepeatNames, known: Mapping[str, Any], assumed: Collection[str]
) -> list[PeakOfCalls]:
    """The peaks of all kinds of calls. `known` are the symbols that the model's file has, and `assumed` what it assumes
    already."""
    calls = {FIRST: "empty", LATER: "symbol"} if caches else {"": "none"}
    lengths: dict[str, dict[str, int]] = {MANY: {}, ONE: {"seq_len": 1}} if not work.named.inputs else {"": {}}
    found = []
    for when, past in calls.items():
        for long, numbers in lengths.items():
            call = replace(settings, as_eager=True, past=past, lengths=numbers)
            texts = tuple(filter(None, (when, long)))
            one, sizes = _of_calls(work, call, texts, names, known, assumed)
            found.append(one)
            if hints := beyond(one, sizes):  # such as a window, up to which a source needs no mask
                try:
                    other, _ = _of_calls(work, replace(call, hints=hints), texts, names, known, assumed)
                except SymflopsError as error:  # the model refuses such a length
                    progress.tell(error.message)
                    continue
                found += [other] if other.assumes != one.assumes else []
    return found


def _of_calls(
    work: Work, settings: Settings, calls: tuple[str, ...], names: RepeatNames, known: Mapping[str, Any],
    assumed: Collection[str],
) -> tuple[PeakOfCalls, dict[str, int]]:  # fmt: skip
    """The peak of calls of one kind, and the sizes that the call was recorded with."""
    run, shape = work.run(settings)
    recorder = run.recorder
    assert recorder is not None
    program = program_of(recorder, work.named.name)
    counts = counts_of(program, names, known)
    beside = buffers(recorder, counts)
    put = {name: number for name, number in shape.numbers.items() if name not in known}
    eager, least = (
        moments_named(peaks(one, counts_in(one, counts)), beside, put) for one in (program, last_read(program))
    )
    used = set().union(*(free_symbols(size) for _, size in (*eager, *least)))
    own = [text for text in conditions(run, shape, used) if text not in {*assumed, *calls}]
    return PeakOfCalls(calls, tuple(own), eager, least), {**shape.numbers, **shape.hints()}


def beyond(peak: PeakOfCalls, sizes: Mapping[str, int]) -> dict[str, int]:
    """Lengths at which a call of this kind breaks what its peak assumes of them; none where no short call does."""
    for text in peak.assumes:
        asked = comparison(text)
        lengths = [name for name in ("seq_len", "past_len") if name in asked.names]
        if not lengths or not asked.names <= {*sizes, "seq_len", "past_len"}:
            continue
        most = max(sizes[name] for name in asked.names & sizes.keys()) if asked.names & sizes.keys() else 0
        for many in (most + 5, 2 * most + 11):
            hints = {"seq_len": many if "seq_len" in lengths else 7, "past_len": many if "past_len" in lengths else 7}
            if not asked.is_true({**sizes, **hints}):
                return {name: hints[name] for name in lengths}
    return {}


Counts = dict[str, Value]  # how often what a block does is done in all, by the path of the first


Lists = dict[str, dict[int, str]]  # of layers by its path: at each place the path of the first that is equal


def counts_of(program: Program, names: RepeatNames, known: Mapping[str, Any]) -> Counts:
    """How often each repeated block runs."""
    lists: Lists = {}
    for block in blocks(program.body):
        for item in block.items:
            if isinstance(item, Block | Again):
                _put(lists, item.path, item.path if isinstance(item, Block) else item.block.path)
    return named_counts(lists, names, known)


def places_of_layers(execution: Execution) -> Lists:
    """The lists of layers that a call has run."""
    lists: Lists = {}

    def collect(execution: Execution) -> None:
        for part in execution.parts:
            if isinstance(part, Execution):
                collect(part)
                _put(lists, part.path, (part.repeated or part).path)

    collect(execution)
    return lists


def _put(lists: Lists, path: str, first: str) -> None:
    if place := _PLACE.match(path):
        lists.setdefault(place[1], {})[int(place[2])] = first


def named_counts(lists: Lists, names: RepeatNames, known: Mapping[str, Any]) -> Counts:
    """How often each layer runs, in the words of the config where those that are equal make up a list."""
    found: Counts = {}
    for path, firsts in lists.items():
        kinds = {first: [i for i, other in firsts.items() if other == first] for first in firsts.values()}
        places = list(kinds.values())
        labels = names.labels(places, len(firsts)) if len(kinds) > 1 else []
        labels = labels or [named_after_places(indices) if len(kinds) > 1 else "" for indices in places]
        for (first, indices), label in zip(kinds.items(), labels, strict=True):
            times = algebra.from_text(str(names.repeat(path, indices, len(firsts), label)))
            found[first] = times if free_symbols(times) <= known.keys() else len(indices)
    return found


def counts_in(program: Program, counts: Counts) -> dict[Block, Value]:
    return {block: counts[block.path] for block in repeated(program) if block.path in counts}


def moments_named(found: Iterable[Peak], beside: Value, put: Mapping[str, int]) -> tuple[Peak, ...]:
    """The peaks with what is held throughout, under the names of modules without the places of layers."""
    return tuple(Peak(_without_places(path), algebra.substitute(add(size, beside), put)) for path, size in found)


def _without_places(path: str) -> str:
    return ".".join(word for word in path.split(".") if not word.isdigit()) or "the model"


def buffers(recorder: Recorder, counts: Counts) -> Value:
    """The bytes of what modules keep beside their parameters, those of repeated layers as often as these run."""
    model = recorder.root.module
    layers = {module: path for path, module in model.named_modules() if _PLACE.match(path)}
    inside = {id(buffer) for module in layers for buffer in module.buffers()}
    total = _bytes(recorder, (b for b in model.buffers() if id(b) not in inside))
    outermost = [path for path in counts if not any(path.startswith(f"{other}.") for other in counts)]
    for path in outermost:
        total = add(total, multiply(counts[path], _bytes(recorder, model.get_submodule(path).buffers())))
    return total


def _bytes(recorder: Recorder, tensors: Iterator[Any]) -> Value:
    distinct = {storage_key(tensor): tensor for tensor in tensors}.values()
    of = recorder.quantities.shape
    return add(0, *(multiply(recorder.unit(t.dtype, "weight"), product(of(t.shape))) for t in distinct))
