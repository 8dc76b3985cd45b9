"""What a forward keeps for its backward: each memory once, with the operation that wrote it.

So it does not matter who else reads it: the output of a layer is kept for the next one, and layers that are equal keep
the same. Of those that were not run it is known what goes in and out.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from symflops.polynomial import Value, add, multiply
from symflops.trace.autograd import Gradient
from symflops.trace.record import AutogradStep, Execution, Operation, every_operation
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key


class Kept:
    """What is kept for the steps of a backward; `homes` are the operations that these are counted with."""

    def __init__(
        self, recorder: Recorder, backward: Mapping[AutogradStep, Gradient], homes: Mapping[AutogradStep, Operation],
        repeats: Sequence[Execution],
    ) -> None:  # fmt: skip
        self.recorder = recorder
        self.bytes: dict[Operation, Value] = {}  # of what an operation wrote, and of copies of what it overwrites
        self.elsewhere: Value = 0  # of what no operation of a layer wrote, such as tables of positions
        self.read: dict[Operation, set[int]] = {}  # memory that its own backward reads
        self.copied: dict[Operation, Value] = {}  # bytes that it reads beside that, which nothing else does
        self.keepers: dict[int, list[Operation]] = {}
        self._written: list[tuple[Operation | None, Value, Sequence[Operation | None]]] = []  # who else keeps it
        for step, gradient in backward.items():
            home, tensors = homes[step], [*step.tensors, *step.results]
            keys = [storage_key(tensors[place]) for place in sorted(gradient.kept)]
            self.read.setdefault(home, set()).update(keys)
            for key in keys:
                self.keepers.setdefault(key, []).append(home)
            self._add(home, gradient.copied)
            self.copied[home] = add(self.copied.get(home, 0), gradient.copied)
        self.layers = {id(first): set(every_operation(first)) for first in map(first_of, repeats)}
        memory = dict.fromkeys(self.keepers)
        for again in repeats:
            pairs = zip(again.inputs, first_of(again).inputs, strict=True)
            memory |= dict.fromkeys(own.storage for own, first in pairs if first.storage in memory)
        by_reader = self._by_reader(repeats, memory)
        with_first = {view.storage for again in repeats for view in again.outputs}
        for key in memory:
            storage = recorder.storages[key]
            if storage.role == "weight":
                continue
            home_ = self._reader(key) if key in by_reader else self._writer(key)
            if home_ is not None or key not in with_first | by_reader:
                size = multiply(storage.unit, storage.elements)
                self._add(home_, size)
                if key not in by_reader:
                    self._written.append((home_, size, self.keepers.get(key, [None])))

    def _add(self, home: Operation | None, size: Value) -> None:
        if home is None:
            self.elsewhere = add(self.elsewhere, size)
        elif size != 0:
            self.bytes[home] = add(self.bytes.get(home, 0), size)

    def _by_reader(self, repeats: Sequence[Execution], memory: Mapping[int, None]) -> set[int]:
        """Results of equal layers of which some are kept and others are not, such as the last one of a model without a
        head, and what goes into these layers in their place: all of it is counted with whoever keeps it."""
        found: set[int] = set()
        for again in repeats:
            inside = self.layers[id(first_of(again))]
            for own, first in zip(again.outputs, first_of(again).outputs, strict=True):
                kept_by_itself = not inside.isdisjoint(self.keepers.get(first.storage, ()))
                if not kept_by_itself and (own.storage in memory) is not (first.storage in memory):
                    found |= {own.storage, first.storage}
        for again in repeats:
            for own, first in zip(again.inputs, first_of(again).inputs, strict=True):
                found |= {first.storage} if own.storage in found else set()
        return found

    def passed_on(self, operations: Container[Operation]) -> Value:
        """The bytes of what operations wrote that others keep."""
        sizes = [
            size
            for home, size, keepers in self._written
            if home in operations and not all(k in operations for k in keepers)
        ]
        return add(0, *sizes)

    def _reader(self, key: int) -> Operation | None:
        """The first operation that keeps some memory, if one does in a layer that is repeated the first there."""
        keepers = self.keepers.get(key, [])
        return next((o for o in keepers if self._is_in_layer(o)), keepers[0] if keepers else None)

    def _writer(self, key: int) -> Operation | None:
        """The operation that wrote some memory. A constant that a layer makes for itself, and places of true elements,
        are counted with who keeps them there, since what makes them is no step of the layer; those that the model makes
        are everybody's."""
        storage = self.recorder.storages[key]
        writer = storage.writers[0] if storage.writers else None
        if storage.role != "constant" and writer is not None:
            return writer
        keepers = self.keepers.get(key, ())
        if writer is not None:
            layers = [inside for inside in self.layers.values() if writer in inside]
            return next((o for inside in layers for o in keepers if o in inside), None)
        maker = storage.maker or storage.finder
        return next((o for o in keepers if _is_within(o.owner, maker)), None)

    def _is_in_layer(self, operation: Operation) -> bool:
        return any(operation in inside for inside in self.layers.values())


def first_of(again: Execution) -> Execution:
    """The layer that was run in place of an equal one."""
    assert again.repeated is not None
    return again.repeated


def _is_within(owner: Execution, maker: Execution | None) -> bool:
    """Whether a module is the one that made a constant, or below it; a model's own are everybody's."""
    return maker is not None and maker.path != "" and f"{owner.path}.".startswith(f"{maker.path}.")
