"""Which layer counts which weights: each is counted once, by the first that reads it.

Equal layers may read weights that they do not own, such as a table that a model hands to all of them, or a module that
all of them call. Each of the layers reads these, and they are there once, where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from symflops.polynomial import Value, add
from symflops.trace.layer_data import Data, full_name, parameters_only
from symflops.trace.quantity import product
from symflops.trace.record import Execution, Operation, every_operation
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key

Memory = frozenset[int]


class Owners:
    """The owners of the weights that a record's executions read. One that equal ones repeat, and what is inside of it,
    may own those of its module alone."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.paths: dict[int, str] = {}  # memory of a weight -> path of the layer that counts it
        self.allowed: dict[Execution, Memory] = {}  # of those that not every weight may belong to
        # What a source has converted on the way, as a router that is to be float32, stands nowhere any more.
        self.standing = {storage_key(p) for p in recorder.root.module.parameters()}
        self.repeated: set[Execution] = set()
        self.by_repeated: set[int] = set()  # what repeated executions read that is not theirs, and no operation reads
        here: set[int] = set()
        self._find(recorder.root)
        self._allow(recorder.root, None, here)
        there = set(self.by_repeated)
        for operation in every_operation(recorder.root):
            for key in self._weights(operation):
                (here if self._may_own(operation, key) else there).add(key)
        self.alone = there - here  # that nothing reads which may own them
        self.names: dict[int, str] = {}  # the modules that they stand in, by path
        for path, module in recorder.root.module.named_modules() if self.alone else ():
            for parameter in filter(lambda p: p is not None, module._parameters.values()):
                self.names.setdefault(storage_key(parameter), path)

    def _find(self, execution: Execution) -> None:
        if first := execution.repeated:
            self.repeated.add(first)
            handed = {v.storage: w.storage for v, w in zip(execution.inputs, first.inputs, strict=False)}
            for key in handed.keys() - {storage_key(p) for p in execution.module.parameters()}:
                if self._is_weight(key) and self._was_read(handed[key]):
                    self.by_repeated.add(key)
        for part in execution.parts:
            if isinstance(part, Execution):
                self._find(part)

    def _allow(self, execution: Execution, around: Memory | None, here: set[int]) -> None:
        for of_first, parameter in execution.repeated_parameters() if execution.repeated else ():
            if self._was_read(storage_key(of_first)):
                key = storage_key(parameter)
                (here if around is None or key in around else self.by_repeated).add(key)
        if execution in self.repeated:
            own = frozenset(storage_key(p) for p in execution.module.parameters())
            around = own if around is None else own & around
        if around is not None:
            self.allowed[execution] = around
        for part in execution.parts:
            if isinstance(part, Execution):
                self._allow(part, around, here)

    def _is_weight(self, key: int) -> bool:
        return self.recorder.storages[key].is_parameter

    def _was_read(self, key: int) -> bool:
        return key in self.recorder.storages and bool(self.recorder.storages[key].readers)

    def _may_own(self, operation: Operation, key: int) -> bool:
        """Whether the weight that an operation reads may be counted with it."""
        allowed = self.allowed.get(operation.owner)
        return allowed is None or key in allowed or key not in self.standing

    def _weights(self, operation: Operation) -> list[int]:
        return [view.storage for view in operation.reads if self._is_weight(view.storage)]

    def owned(self, operations: Iterable[Operation]) -> Value:
        """How many weights some operations own, run as one layer."""
        read = {key for o in operations for key in self._weights(o) if self._may_own(o, key)}
        return add(0, *(self.recorder.storages[key].elements for key in read - self.paths.keys()))

    def own(self, operations: Iterable[Operation], path: str) -> None:
        """Let the layer at this path own what its operations read and nobody owns."""
        for o in operations:
            for key in self._weights(o):
                if self._may_own(o, key):
                    self.paths.setdefault(key, path)

    def own_again(self, again: Execution, first: str) -> None:
        """Weights that the first of two equal executions counts the other one counts of its own, not who calls a module
        inside of it once more."""
        for of_first, parameter in again.repeated_parameters():
            path = self.paths.get(storage_key(of_first), "")
            if f"{path}.".startswith(f"{first}."):
                self.paths.setdefault(storage_key(parameter), path.replace(first, again.path, 1))

    def tie(self, operations: Iterable[Operation]) -> str:
        """The layer that counts the weights which some operations read, if it is another one."""
        found = ""
        for o in operations:
            for key in self._weights(o):
                if key not in self.paths and self._may_own(o, key):
                    return ""  # a weight of its own; what it shares is not all it has
                found = self.paths[key] if key in self.paths else self._place(key)
        return found

    def _place(self, key: int) -> str:
        """The path of the layer that will count a weight which is read where it cannot be counted."""
        reader = next((o for o in self.recorder.storages[key].readers if self._may_own(o, key)), None)
        return self.names.get(key, "") if reader is None else reader.owner.path

    def elsewhere(self, execution: Execution) -> Iterator[tuple[str, Data]]:
        """The weights of a module that has run which equal layers alone read that do not own them: where they stand in
        it, as layers that cost nothing else."""
        allowed = self.allowed.get(execution)
        for path, module in execution.module.named_modules() if self.alone else ():
            own = {name: p for name, p in module._parameters.items() if p is not None and storage_key(p) in self.alone}
            own = {name: p for name, p in own.items() if storage_key(p) not in self.paths}
            own = {name: p for name, p in own.items() if allowed is None or storage_key(p) in allowed}
            sizes = {name: product(self.recorder.quantities.shape(p.shape)) for name, p in own.items()}
            whole = ".".join(filter(None, (execution.path, path)))
            self.recorder.handed_out |= {".".join(filter(None, (whole, name))) for name in ("", *own) if own}
            self.paths |= {storage_key(p): whole for p in own.values()}
            is_list = isinstance(module, torch.nn.ParameterList | torch.nn.ParameterDict)
            if path and sizes and not is_list and not module._modules:
                yield path, {"class": full_name(type(module))} | parameters_only(add(0, *sizes.values()))
            else:
                yield from ((".".join(filter(None, (path, n))), parameters_only(size)) for n, size in sizes.items())
