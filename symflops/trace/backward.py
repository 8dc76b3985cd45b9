"""What training adds to a recorded forward: the backward of each operation, and what the forward keeps for it.

Nothing is run backward as a whole, so of equal layers one is run here, too: `autograd.py` tells of each step what its
backward is. Between steps a gradient is added up where several read one tensor, as PyTorch's engine does. What is kept
is counted once, with the operation that wrote it, so that it does not matter who else reads it: the output of a layer
is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch

from symflops.errors import SymflopsError
from symflops.gradients import SAVED
from symflops.polynomial import Value, add, multiply, negate
from symflops.trace.autograd import NOTHING, Autograd, Gradient, sum_of
from symflops.trace.internals import storage_key
from symflops.trace.operation import Work
from symflops.trace.quantity import product
from symflops.trace.record import Execution, Operation, Step, every_operation
from symflops.trace.recorder import Recorder
from symflops.trace.steps import BARRIER_STEPS

Size = tuple[Value, bool]  # of a gradient: its bytes, and whether it is one of a weight


class Backward:
    """The backward of one recorded run, operation by operation; it is made inside of the run's environment.

    After a `whole` one, that of frozen weights: they have no gradients, and the activations that have one there do, as
    those after the first layer that is trained.
    """

    def __init__(self, recorder: Recorder, whole: Backward | None = None) -> None:
        self.recorder = recorder
        self.autograd = (
            Autograd(recorder.quantities, lambda dtype: recorder.unit(dtype, "temporary"))
            if whole is None
            else whole.autograd
        )
        self.work: dict[Operation, Work] = {}
        self.saved: dict[Operation, Value] = {}  # bytes of what it writes that some step keeps
        self.elsewhere: Value = 0  # bytes kept of what no operation of a layer wrote, such as tables of positions
        self.keeps: dict[Operation, set[int]] = {}  # memory that its own backward reads
        self.needs: dict[int, bool] = {}  # whether a tensor has a gradient, by serial number
        self.of_weights: set[int] = set()  # tensors that come of weights alone
        self.dirty: set[int] = set()  # memory that something with a gradient was written into
        self.detached: set[int] = set()  # tensors that the source has taken out of the graph
        self.gradients: dict[Step, Gradient] = {}
        if whole is None:
            for step in recorder.steps:
                self._follow(step)
        else:
            self.needs = {s: n and s not in whole.of_weights for s, n in whole.needs.items()}
            self.dirty, self.detached, self.of_weights = whole.dirty, whole.detached, whole.of_weights
            for step in whole.gradients:
                needs = [self._needs(step, i) and not self._is_weight(t) for i, t in enumerate(step.tensors)]
                if any(needs):
                    self.gradients[step] = self.autograd.gradient(step, needs)
        self.contributing, self.readers = self._reached()
        for step, gradient in self.contributing.items():
            self._add(step, gradient.work)
        self._add_up()
        self._keep()

    # ------------------------------------------------------------------------------------- which tensors have gradients

    def _needs(self, step: Step, place: int) -> bool:
        serial, tensor = step.reads[place], step.tensors[place]
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return False
        written = storage_key(tensor) in self.dirty and serial not in self.detached
        return self._is_weight(tensor) or written or self.needs.get(serial, False)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        storage = self.recorder.storages.get(storage_key(tensor))
        return storage is not None and isinstance(storage.kept, torch.nn.Parameter)

    def _is_of_weights(self, step: Step, place: int) -> bool:
        tensor = step.tensors[place]
        storage = self.recorder.storages.get(storage_key(tensor))
        is_constant = storage is not None and storage.role == "constant"
        return self._is_weight(tensor) or is_constant or step.reads[place] in self.of_weights

    def _follow(self, step: Step) -> None:
        needs = [self._needs(step, i) for i in range(len(step.reads))]
        if all(self._is_of_weights(step, i) for i in range(len(step.reads))):
            self.of_weights |= set(step.writes)
        if step.repeated is not None:
            found = [self.needs.get(serial, False) for serial in _first(step.repeated).output_tensors]
            self.needs |= dict(zip(step.writes, found, strict=True))
            return
        if not step.differentiable or not any(needs):
            self.needs |= dict.fromkeys(step.writes, False)
            self.detached |= set(step.writes) if any(needs) else set()
            return
        gradient = self.gradients[step] = self.autograd.gradient(step, needs)
        self.needs |= dict(zip(step.writes, gradient.taken, strict=True))
        self.detached |= {serial for serial, yes in zip(step.writes, gradient.taken, strict=True) if not yes}
        if step.is_in_place:
            self.dirty |= {storage_key(t) for t, yes in zip(step.results, gradient.taken, strict=True) if yes}

    # --------------------------------------------------------------------------------------------- what each step costs

    def _reached(self) -> tuple[dict[Step, Gradient], dict[int, list[Step]]]:
        """The steps that a loss of the model's first result depends on, and those that give a tensor a gradient."""
        recorder = self.recorder
        results = zip(recorder.root.output_tensors, recorder.returned, strict=True)
        reached = {next((s for s, t in results if t.is_floating_point()), -1)}
        steps: list[Step] = []
        readers: dict[int, list[Step]] = {}
        memory: set[int] = set()  # of tensors that were reached, where it was written into
        for step in reversed(recorder.steps):
            into = step.is_in_place and any(storage_key(t) in memory for t in step.results)
            if not into and not reached.intersection(step.writes):
                continue
            if step in self.gradients:
                steps.append(step)
                given: Sequence[bool] = self.gradients[step].given
            else:
                given = [step.repeated is not None and self.needs.get(s, False) for s in step.reads]
            for serial, tensor, is_given in zip(step.reads, step.tensors, given, strict=True):
                if is_given and step not in readers.get(serial, ()):
                    reached.add(serial)
                    memory |= {storage_key(tensor)} & self.dirty
                    readers.setdefault(serial, []).insert(0, step)
        return {step: self.gradients[step] for step in reversed(steps)}, readers

    @cached_property
    def homes(self) -> dict[Step, Operation]:
        """The operation that each step is counted with: its own, or for a view the one that reads it next, or that made
        what it is of."""
        steps = self.recorder.steps
        homes: dict[Step, Operation] = {}
        later: dict[int, Operation] = {}
        for step in reversed(steps):
            if step.operation is not None:
                homes[step] = step.operation
                later |= {storage_key(t): step.operation for t in step.tensors}
            elif found := [later[key] for t in step.results if (key := storage_key(t)) in later]:
                homes[step] = found[0]
        earlier: dict[int, Operation] = {}
        for step in steps:
            if step.operation is not None:
                earlier |= {storage_key(t): step.operation for t in step.results}
            elif step not in homes:
                found = [earlier[key] for t in step.results if (key := storage_key(t)) in earlier]
                homes |= {step: found[0]} if found else {}
        return homes

    def _add(self, step: Step, work: Work) -> None:
        home = self.homes.get(step)
        if home is None:
            raise SymflopsError(f"the backward of {step.name!r} belongs to no layer; please report it")
        self.work[home] = sum_of(self.work.get(home, NOTHING), work)

    def _add_up(self) -> None:
        """A gradient that comes from several steps is added up, once for each but the last that reads the tensor."""
        every = self.recorder.steps
        read = {s: t for step in every for s, t in zip(step.reads, step.tensors, strict=True)}
        makers = {s: step for step in every if step in self.homes for s in step.writes}
        for serial, steps in self.readers.items():
            size = product(self.recorder.quantities.shape(read[serial].shape))
            for step in steps[:-1]:
                if step.repeated is None:
                    self._add(step, Work(size))
            if steps[-1].repeated is not None and steps[0].repeated is None and serial in makers:
                # Each of the layers that read it adds as often as the first one does: the last of them once less.
                self._add(makers[serial], Work(negate(size)))

    # ----------------------------------------------------------------------------------------------------- what is kept

    def _keep(self) -> None:
        """What is kept, each memory once: with the operation that wrote it, or with the one that keeps it where of the
        results of equal layers some are kept and others are not, such as the last one of a model without a head."""
        recorder = self.recorder
        keepers: dict[int, list[Operation]] = {}
        for step, gradient in self.contributing.items():
            home, tensors = self.homes[step], [*step.tensors, *step.results]
            for place in sorted(gradient.kept):
                keepers.setdefault(storage_key(tensors[place]), []).append(home)
            self.keeps.setdefault(home, set()).update(storage_key(tensors[place]) for place in gradient.kept)
            if gradient.copied != 0:
                self.saved[home] = add(self.saved.get(home, 0), gradient.copied)
        repeats = [step.repeated for step in recorder.steps if step.repeated is not None]
        inside = {id(first): set(every_operation(first)) for first in map(_first, repeats)}
        kept = dict.fromkeys(keepers)
        by_reader: set[int] = set()
        for again in repeats:
            pairs = zip(again.inputs, _first(again).inputs, strict=True)
            kept |= dict.fromkeys(own.storage for own, first in pairs if first.storage in kept)
        for again in repeats:
            own_operations = inside[id(_first(again))]
            for own, first in zip(again.outputs, _first(again).outputs, strict=True):
                within = not own_operations.isdisjoint(keepers.get(first.storage, ()))
                if not within and (own.storage in kept) is not (first.storage in kept):
                    by_reader |= {own.storage, first.storage}
        for again in repeats:
            for own, first in zip(again.inputs, _first(again).inputs, strict=True):
                by_reader |= {first.storage} if own.storage in by_reader else set()
        counted_with_first = {view.storage for again in repeats for view in again.outputs}
        for key in kept:
            storage = recorder.storages[key]
            size = multiply(storage.unit, storage.elements)
            home = storage.writers[0] if storage.writers else None
            if storage.role == "constant" and (home is None or not any(home in own for own in inside.values())):
                home = next((o for o in keepers.get(key, ()) if _is_within(o.owner, storage.maker)), None)
            if key in by_reader:
                layers = [o for o in keepers.get(key, ()) if any(o in own for own in inside.values())]
                home = next(iter([*layers, *keepers.get(key, ())]), None)
            if storage.role == "weight" or (home is None and key in counted_with_first | by_reader):
                continue
            if home is None:
                self.elsewhere = add(self.elsewhere, size)
            else:
                self.saved[home] = add(self.saved.get(home, 0), size)

    # ------------------------------------------------------------------------------------------------- costs of a layer

    def costs(self, operations: Iterable[Operation]) -> dict[str, Value]:
        """The costs of the backward of operations that are run as one layer, as a table of `gradients`.

        What was kept is read, each memory once, and so are gradients of what leaves the layer; those of its inputs and
        weights are written. Gradients between two of its operations are materialised where a matrix multiply or a
        convolution writes or reads what they are of, as in the forward.
        """
        inside = dict.fromkeys(operations)
        storages = self.recorder.storages
        steps = {step: g for step, g in self.contributing.items() if step.operation in inside}
        kept = set().union(*(self.keeps.get(o, ()) for o in inside))
        read = add(0, *(multiply(storages[k].unit, storages[k].elements) for k in kept))
        written: Value = 0
        between: Value = 0
        made = {s for step in steps for s in step.writes}
        seen: set[tuple[int, Value]] = set()
        for step, gradient in steps.items():
            for serial, tensor, is_given in zip(step.reads, step.tensors, gradient.given, strict=True):
                size = self._size(tensor)
                place = self.whole.get(serial, serial), size
                if is_given and place[0] not in made and place not in seen:
                    seen.add(place)
                    written = add(written, size)
            for serial, tensor in zip(step.writes, step.results, strict=True):
                readers = self.users.get(serial, [])
                if any(reader not in steps for reader in readers) or (not readers and self._is_result(serial)):
                    read = add(read, self._size(tensor))
                elif any(s.name in BARRIER_STEPS for s in (step, *readers)):
                    between = add(between, self._size(tensor))
        work = sum_of(*(self.work.get(o, NOTHING) for o in inside))
        return {
            "flops": work.flops, "matmul_flops": work.matmul_flops, "read_bytes": read, "write_bytes": written,
            "intermediate_bytes": between, SAVED: add(0, *(self.saved.get(o, 0) for o in inside)),
        }  # fmt: skip

    @cached_property
    def whole(self) -> dict[int, int]:
        """What tensor each view is of: their gradients lie in the same memory."""
        found: dict[int, int] = {}
        for step in self.contributing:
            if step.operation is None and step.function is not None and len(step.reads) == 1:
                found |= dict.fromkeys(step.writes, found.get(step.reads[0], step.reads[0]))
        return found

    @cached_property
    def users(self) -> dict[int, list[Step]]:
        """The operations that give a tensor a gradient, itself or a view of it."""
        found: dict[int, list[Step]] = {}
        for serial, steps in self.readers.items():
            real = [step for step in steps if step.operation is not None or step.repeated is not None]
            found.setdefault(self.whole.get(serial, serial), []).extend(real)
        return found

    def _is_result(self, serial: int) -> bool:
        return serial in self.recorder.root.output_tensors

    def _size(self, tensor: torch.Tensor) -> Value:
        unit = self.recorder.storages[storage_key(tensor)].unit
        return multiply(unit, product(self.recorder.quantities.shape(tensor.shape)))


def _first(again: Execution) -> Execution:
    assert again.repeated is not None
    return again.repeated


def _is_within(owner: Execution, maker: Execution | None) -> bool:
    """Whether a module is the one that made a constant, or below it; a model's own are everybody's."""
    return maker is not None and maker.path != "" and f"{owner.path}.".startswith(f"{maker.path}.")
