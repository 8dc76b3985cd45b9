"""What training adds to a recorded forward: the backward of each operation, and what the forward keeps for it.

Nothing is run backward as a whole, so of equal layers one is run here, too: `autograd.py` tells of each step what its
backward is. Between steps a gradient is added up where several read one tensor, as PyTorch's engine does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property

import torch

from symflops.errors import SymflopsError
from symflops.gradients import PASSED_ON, SAVED
from symflops.polynomial import Value, add, multiply
from symflops.trace.aten import Arithmetic
from symflops.trace.autograd import NOTHING, Autograd, Gradient, sum_of
from symflops.trace.kept import Kept, first_of
from symflops.trace.quantity import product
from symflops.trace.record import AutogradStep, Execution, Operation
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.shared_gradients import Shared
from symflops.trace.steps import BARRIER_STEPS

Size = tuple[Value, bool]  # of a gradient: its bytes, and whether it is one of a weight


class Backward:
    """The backward of one recorded run, operation by operation; it is made inside of the run's environment.

    After a `whole` one, that of frozen weights: they have no gradients, and the activations that have one there do, as
    those after the first layer that is trained.
    """

    def __init__(self, recorder: Recorder, whole: Backward | None = None) -> None:
        assert recorder.tape is not None
        self.recorder, self.steps, self.returned = recorder, recorder.tape.steps, recorder.tape.returned
        own = Autograd(recorder.quantities, lambda dtype: recorder.unit(dtype, "temporary"))
        self.autograd: Autograd = own if whole is None else whole.autograd
        self.work: dict[Operation, Arithmetic] = {}
        self.needs: dict[int, bool] = {}  # whether a tensor has a gradient, by serial number
        self.of_weights: set[int] = set()  # tensors that come of weights alone
        self.dirty: set[int] = set()  # memory that something with a gradient was written into
        self.detached: set[int] = set()  # tensors that the source has taken out of the graph
        self.gradients: dict[AutogradStep, Gradient] = {}
        self.reached_repeats: set[Execution] = set()  # the layers that were not run, of those that have gradients
        self.is_whole = whole is None
        self.told: set[Operation] = set()  # of which some layer says the costs
        if whole is None:
            for step in self.steps:
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
        shared = Shared(recorder, self.readers, self.homes, self.repeats, self.reached_repeats)
        for step, work in shared.within_layers():
            self._add(step, work)
        self.used_again = shared.by_layer  # FLOPs of adding up what equal layers give, outside of them
        self.kept = Kept(recorder, self.contributing, self.homes, self.repeats)

    # ------------------------------------------------------------------------------------- which tensors have gradients

    def _needs(self, step: AutogradStep, place: int) -> bool:
        serial, tensor = step.reads[place], step.tensors[place]
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return False
        written = storage_key(tensor) in self.dirty and serial not in self.detached
        return self._is_weight(tensor) or written or self.needs.get(serial, False)

    def _is_weight(self, tensor: torch.Tensor) -> bool:
        storage = self.recorder.storages.get(storage_key(tensor))
        return storage is not None and storage.is_parameter

    def _is_of_weights(self, step: AutogradStep, place: int) -> bool:
        tensor = step.tensors[place]
        storage = self.recorder.storages.get(storage_key(tensor))
        is_constant = storage is not None and storage.role == "constant"
        return self._is_weight(tensor) or is_constant or step.reads[place] in self.of_weights

    def _follow(self, step: AutogradStep) -> None:
        needs = [self._needs(step, i) for i in range(len(step.reads))]
        if all(self._is_of_weights(step, i) for i in range(len(step.reads))):
            self.of_weights |= set(step.writes)
        if step.repeated is not None:
            outputs = first_of(step.repeated).output_tensors
            found = [self.needs.get(serial, False) and step.differentiable for serial in outputs]
            self.needs |= dict(zip(step.writes, found, strict=True))
            return
        if not step.differentiable or not any(needs):
            self.needs |= dict.fromkeys(step.writes, False)
            self._take_out(step, (False,) * len(step.writes))
            return
        gradient = self.gradients[step] = self.autograd.gradient(step, needs)
        self.needs |= dict(zip(step.writes, gradient.taken, strict=True))
        self._take_out(step, gradient.taken)
        if step.is_in_place:
            self.dirty |= {storage_key(t) for t, yes in zip(step.results, gradient.taken, strict=True) if yes}

    def _take_out(self, step: AutogradStep, taken: Sequence[bool]) -> None:
        """Note views without a gradient of memory that has one."""
        memory = set(map(storage_key, step.tensors))
        for serial, tensor, is_taken in zip(step.writes, step.results, taken, strict=True):
            if not is_taken and storage_key(tensor) in memory:
                self.detached.add(serial)

    # --------------------------------------------------------------------------------------------- what each step costs

    def _reached(self) -> tuple[dict[AutogradStep, Gradient], dict[int, list[AutogradStep]]]:
        """The steps that a loss of the model's first result depends on, and those that give a tensor a gradient."""
        recorder = self.recorder
        results = zip(recorder.root.output_tensors, self.returned, strict=True)
        reached = {next((s for s, t in results if t.is_floating_point()), -1)}
        steps: list[AutogradStep] = []
        readers: dict[int, list[AutogradStep]] = {}
        memory: set[int] = set()  # of tensors that were reached, where it was written into
        for step in reversed(self.steps):
            into = step.is_in_place and any(storage_key(t) in memory for t in step.results)
            if not into and not reached.intersection(step.writes):
                continue
            if step in self.gradients:
                used = [serial in reached for serial in step.writes]
                if any(used) and any(t and not u for t, u in zip(self.gradients[step].taken, used, strict=True)):
                    needs = self.gradients[step].given
                    self.gradients[step] = self.autograd.gradient(step, needs, used)
                steps.append(step)
                given: Sequence[bool] = self.gradients[step].given
            else:
                # A weight may be an argument of equal layers, too, such as a table of positions that all of them read.
                read = zip(step.reads, step.tensors, strict=True)
                wanted = [self.needs.get(s, self.is_whole and self._is_weight(t)) for s, t in read]
                given = [step.repeated is not None and step.differentiable and need for need in wanted]
                if step.repeated is not None and step.differentiable:
                    self.reached_repeats.add(step.repeated)
            for serial, tensor, is_given in zip(step.reads, step.tensors, given, strict=True):
                if is_given and step.is_in_place and serial in self.whole and storage_key(tensor) in memory:
                    reached.add(self.whole[serial])  # a piece of memory hands the gradient on to what was there before
                elif is_given and step not in readers.get(serial, ()):
                    reached.add(serial)
                    memory |= {storage_key(tensor)} & self.dirty
                    readers.setdefault(serial, []).insert(0, step)
        return {step: self.gradients[step] for step in reversed(steps)}, readers

    def unequal(self) -> dict[tuple[str, int], Hashable]:
        """Layers, by path and by which of its calls it is, that were not run and whose gradients are not those of the
        one that they equal: the input of the first may have none, and a result of the last may be of no use."""
        found: dict[tuple[str, int], Hashable] = {}
        for again in self.repeats:
            ours = self._gradients(again)
            if ours != self._gradients(first_of(again)):
                found[again.path, again.ordinal] = ours
        return found

    def _gradients(self, execution: Execution) -> Hashable:
        """Which inputs of a module have gradients, in the second place those that have one without weights, and which
        of its results get one from what comes after it."""
        given: list[tuple[bool, bool]] = []
        for view, serial in zip(execution.inputs, execution.input_tensors, strict=True):
            is_weight = self.recorder.storages[view.storage].is_parameter
            needs = is_weight or self.needs.get(serial, False)
            given.append((needs, needs and not is_weight and serial not in self.of_weights))
        later = set(self.steps[execution.steps_before_end :])
        used = (not later.isdisjoint(self.readers.get(serial, ())) for serial in execution.output_tensors)
        return tuple(given), tuple(used)

    @cached_property
    def homes(self) -> dict[AutogradStep, Operation]:
        """The operation that each step is counted with: its own, or for a view the one that reads it next, or that made
        what it is of."""
        steps = self.steps
        homes: dict[AutogradStep, Operation] = {}
        later: dict[int, Operation] = {}
        for step in reversed(steps):
            if step.operation is not None:
                homes[step] = step.operation
                later |= {storage_key(t): step.operation for t in step.tensors}
            elif step.repeated is None:
                found = [later[key] for t in step.results if (key := storage_key(t)) in later]
                homes |= {step: found[0]} if found else {}
        earlier: dict[int, Operation] = {}
        for step in steps:
            if step.operation is not None:
                earlier |= {storage_key(t): step.operation for t in step.results}
            elif step not in homes and step.repeated is None:
                found = [earlier[key] for t in step.results if (key := storage_key(t)) in earlier]
                homes |= {step: found[0]} if found else {}
        return homes

    @cached_property
    def repeats(self) -> list[Execution]:
        """The layers that equal others and were not run."""
        return [step.repeated for step in self.steps if step.repeated is not None]

    def _add(self, step: AutogradStep, work: Arithmetic) -> None:
        home = self.homes.get(step)
        if home is None:
            raise SymflopsError(f"the backward of {step.name!r} belongs to no layer; please report it")
        self.work[home] = sum_of(self.work.get(home, NOTHING), work)

    # ------------------------------------------------------------------------------------------------- costs of a layer

    def costs(self, operations: Iterable[Operation]) -> dict[str, Value]:
        """The costs of the backward of operations that are run as one layer, as a table of `gradients`.

        What was kept is read, each memory once, and so are gradients of what leaves the layer; those of its inputs and
        weights are written. Gradients between two of its operations are materialised where a matrix multiply or a
        convolution writes or reads what they are of, as in the forward.
        """
        inside = dict.fromkeys(operations)
        self.told |= inside.keys()
        storages = self.recorder.storages
        steps = {step: g for step, g in self.contributing.items() if step.operation in inside}
        kept = set().union(*(self.kept.read.get(o, ()) for o in inside))
        read = add(0, *(multiply(storages[k].unit, storages[k].elements) for k in kept))
        read = add(read, *(self.kept.copied.get(o, 0) for o in inside))
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
            "intermediate_bytes": between, SAVED: add(0, *(self.kept.bytes.get(o, 0) for o in inside)),
            PASSED_ON: self.kept.passed_on(inside),
        }  # fmt: skip

    def check_told(self) -> None:
        """Raise SymflopsError where no layer says the costs of an operation that has some."""
        something = {o for o, work in self.work.items() if work != NOTHING} | self.kept.bytes.keys()
        if missing := sorted({f"{o.owner.path}: {o.name}" for o in something - self.told}):
            raise SymflopsError(f"the backward of {missing[0]} is in no layer; please report it")

    @cached_property
    def whole(self) -> dict[int, int]:
        """What tensor each view is of: their gradients lie in the same memory."""
        found: dict[int, int] = {}
        for step in self.steps:
            if step.operation is None and step.function is not None and len(step.reads) == 1:
                found |= dict.fromkeys(step.writes, found.get(step.reads[0], step.reads[0]))
        return found

    @cached_property
    def users(self) -> dict[int, list[AutogradStep]]:
        """The operations that give a tensor a gradient, itself or a view of it."""
        found: dict[int, list[AutogradStep]] = {}
        for serial, steps in self.readers.items():
            real = [step for step in steps if step.operation is not None or step.repeated is not None]
            found.setdefault(self.whole.get(serial, serial), []).extend(real)
        return found

    def _is_result(self, serial: int) -> bool:
        return serial in self.recorder.root.output_tensors

    def _size(self, tensor: torch.Tensor) -> Value:
        unit = self.recorder.storages[storage_key(tensor)].unit
        return multiply(unit, product(self.recorder.quantities.shape(tensor.shape)))
