"""Gradients that come from several steps are added up, once less than there are steps, as PyTorch's engine does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch

from symflops.polynomial import Value, add, multiply
from symflops.trace.aten import Arithmetic
from symflops.trace.kept import first_of
from symflops.trace.quantity import product
from symflops.trace.record import AutogradStep, Execution, Operation, every_execution, every_operation
from symflops.trace.recorder import Recorder
from symflops.trace.repeats import every_parameter
from symflops.trace.serials import storage_key

ANY = ""  # some layer, nobody knows which


class Shared:
    """The additions of one backward. `readers` are the steps that give a tensor a gradient, by its serial number,
    `homes` the operations that these are counted with, `repeats` the layers that equal others and were not run, and
    `reached` those of them that have gradients."""

    def __init__(
        self,
        recorder: Recorder,
        readers: Mapping[int, Sequence[AutogradStep]],
        homes: Mapping[AutogradStep, Operation],
        repeats: Sequence[Execution],
        reached: set[Execution],
    ) -> None:
        assert recorder.tape is not None
        self.recorder, self.steps = recorder, recorder.tape.steps
        self.readers, self.homes, self.repeats, self.reached = readers, homes, repeats, reached
        self.added: dict[int, list[AutogradStep]] = {}  # the steps whose gradient is added to others, by tensor
        self.sizes: dict[int, Value] = {}  # FLOPs of adding one
        self.by_layer: dict[str, Value] = {}  # FLOPs of additions outside of the layers, for each that was not run
        self._add_up()
        self._add_up_calls()

    def within_layers(self) -> Iterator[tuple[AutogradStep, Arithmetic]]:
        """What is added where a step is."""
        for serial, steps in self.added.items():
            for step in steps:
                yield step, Arithmetic(self.sizes[serial])

    def _add_up(self) -> None:
        """Of a tensor that several equal layers read, each adds what it has, and outside of them one is added for each
        but the first."""
        read = {s: t for step in self.steps for s, t in zip(step.reads, step.tensors, strict=True)}
        every: dict[Execution, set[Operation]] = {f: set(every_operation(f)) for f in map(first_of, self.repeats)}
        repeated = set().union(*every.values())
        layers: dict[Execution | None, set[Execution]] = {}  # that are run in place of others, by the calls in them
        for first in every:
            for call in every_execution(first):
                layers.setdefault(call, set()).add(first)
        made_in = {s: layers.get(step.owner, set()) for step in self.steps for s in step.writes}
        for serial, steps in self.readers.items():
            size = multiply(1 + read[serial].is_complex(), product(self.recorder.quantities.shape(read[serial].shape)))
            own = [step for step in steps if step.repeated is None]
            again = [(r.path, every[first_of(r)]) for r in (step.repeated for step in steps) if r is not None]
            run = set().union(*(layers.get(step.owner, ()) for step in own)) - made_in.get(serial, set())
            inside = set().union(*(operations for _, operations in again), *(every[first] for first in run))
            # A view that is handed to a layer is none of its steps: each of the layers that equal it has its own.
            handed = [step for step in own if self.homes[step] in repeated and step.owner not in layers]
            beside = [step for step in own if inside and self.homes[step] not in inside and step not in handed]
            within = [step for step in own if step not in beside and step not in handed]
            self.added[serial] = [*(within if handed else within[:-1]), *beside]
            self.sizes[serial] = size
            # What is added in a layer that was run is added in those that equal it.
            alone: list[str] = [ANY] * len(handed)
            for path, inside in again:
                reading = [step in self.added[serial] for step in within if self.homes[step] in inside]
                alone += [] if reading and all(reading) else [path]
            for path in alone[bool(handed) or not within :]:  # what the first one gives is there to be added to
                self._add_of(path, size)

    def _add_of(self, path: str, work: Value) -> None:
        if work != 0:
            self.by_layer[path] = add(self.by_layer.get(path, 0), work)

    def _add_up_calls(self) -> None:
        """Gradients of weights of layers that were not run: once less than there are steps that give one, in all calls
        of a layer, and without those that are added in the equal layer that was run, and so in this one, too."""
        alone: dict[int, Counter[Operation]] = {}  # of each weight, by operation: steps where nothing is added
        views = {serial for step in self.steps for serial in step.writes}
        for serial in self.readers.keys() - views:
            for step in self.readers[serial]:
                if step.repeated is None and self._is_weight(tensor := step.tensors[step.reads.index(serial)]):
                    counted = alone.setdefault(storage_key(tensor), Counter())
                    counted[self.homes[step]] += 1 - (step in self.added[serial])
        seen: set[object] = set()
        for again in self.repeats:
            if again not in self.reached:
                continue
            inside = set(every_operation(first_of(again)))
            pairs = zip(every_parameter(first_of(again).module), every_parameter(again.module), strict=True)
            for (first, _), (weight, is_stand_in) in pairs:
                key = storage_key(weight)
                if (of := alone.get(storage_key(first))) is None:
                    continue
                own = (key, again.module) if is_stand_in else key  # layers that were built once have weights in common
                size = self.recorder.storages[storage_key(first)].elements
                times = sum(n for home, n in of.items() if home in inside)
                if own not in seen:
                    times += (0 if is_stand_in else alone.get(key, Counter()).total()) - 1
                seen.add(own)
                self._add_of(again.path, multiply(times, size))

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        storage = self.recorder.storages.get(storage_key(tensor))
        return storage is not None and storage.is_parameter
