"""The model's own forward is run once on fake tensors, and what it does is written down here.

The record is a tree: an `Execution` for every call of a module, and in it, in order, those of its sub-modules and the
`Operation`s that it computes itself. Which memory each reads and writes is kept, to count bytes for any grouping.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from symflops import deadline
from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, multiply, negate, symbol
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.internals import Sizes, TorchDispatchMode, device
from symflops.trace.leaves import mapped, tensors
from symflops.trace.lifetimes import Lifetimes
from symflops.trace.limits import Limits
from symflops.trace.masks import Masks
from symflops.trace.operation import SIZED, work
from symflops.trace.origin import source_function
from symflops.trace.quantity import Layouts, Quantities, is_zero, product
from symflops.trace.record import Execution, Operation, Slice, Storage, base_elements, covered, is_empty
from symflops.trace.results import Results, gives_tensors
from symflops.trace.serials import storage_key
from symflops.trace.tape import Tape
from symflops.trace.values import Values
from symflops.trace.watching import executed
from symflops.trace.whole_step import WholeStep


class Recorder(TorchDispatchMode):
    """Records every operation below it. `unknown` collects operations of unknown cost, where they are allowed."""

    def __init__(
        self,
        sizes: Sizes,
        quantities: Quantities,
        model: torch.nn.Module,
        dtype: torch.dtype = torch.bfloat16,
        allow_unknown: bool = False,
        guards: list[Any] | None = None,
        training: bool = False,
        whole_step: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.quantities = quantities
        self.dtype = dtype
        self.allow_unknown = allow_unknown
        self.written: Operation | None = None  # the last operation
        self.unknown: list[str] = []
        self.memory_grows = False  # what is kept is as long as what came before
        self.paused = 0
        self.has_cache = False  # keys and values are kept in a cache, in its own number format
        self.past: Value = 0  # how many tokens have been fed to it
        self.silent = False  # in a call before the one that is recorded
        self.parts_once = True  # parts of layers that equal one another are run once, as layers are
        self.storages: dict[int, Storage] = {}
        self.layouts = Layouts(quantities)
        self.kept: dict[int, Value] = {}  # elements left for the next call, but for keys and values
        self.known = Values(self.storages, sizes, quantities)
        self.masks = Masks(self.storages, quantities)
        self.results = Results(sizes, [] if guards is None else guards)
        self.limits = Limits(quantities, self.known, sizes.run_symbols)
        self.unmasked: dict[str, None] = {}  # classes whose attention has a mask that `causal` does not switch
        self.handed_out: set[str] = set()  # where weights stand that equal layers read and do not own
        self.paths: dict[torch.nn.Module, str] = {}
        for path, module in model.named_modules():
            self.paths.setdefault(module, path)
        self.ran: set[torch.nn.Module] = set()
        self.root = Execution(model, "")
        self.stack = [self.root]
        self.frame: Any = None  # of the function that issued the last operation; held, so that its id is not reused
        self.lifetimes = Lifetimes()
        self.step = WholeStep(self.lifetimes, self.stack, self.note) if whole_step else None
        self.calls = 0  # of such functions
        self.weights: dict[int, torch.Tensor] = {}  # those of repeated layers are never looked at
        for tensor in [*model.parameters(), *model.buffers()]:
            self.weights.setdefault(storage_key(tensor), tensor)
        # Steps are written down, of which a backward can be told.
        self.tape = Tape(self.weights) if training and not whole_step else None

    # ---------------------------------------------------------------------------------------------------- memory

    def storage(self, tensor: torch.Tensor, role: str) -> Storage:
        whole = tensor.storage_offset() == 0 and not any(is_zero(t) for t in tensor.stride()) and tensor._base is None
        elements = (
            product(self.quantities.shape(tensor.shape)) if whole else self.quantities.value(base_elements(tensor))
        )
        weight = tensor if role == "weight" else None
        return Storage(self.unit(tensor.dtype, role), elements, role, dtype=tensor.dtype, weight=weight)

    def unit(self, dtype: torch.dtype, role: str) -> Value:
        """Bytes per element: a symbol for the model's own number format, a number for any other."""
        if dtype != self.dtype:
            return dtype.itemsize
        return symbol({"weight": "weight_bytes", "cache": "cache_bytes"}.get(role, "dtype_bytes"))

    def note(self, tensor: torch.Tensor, role: str) -> torch.Tensor:
        """State the contents of a tensor that no recorded operation wrote."""
        self.hold(storage_key(tensor), self.storage(tensor, role))
        return tensor

    def hold(self, key: int, storage: Storage) -> None:
        self.storages[key] = storage
        if storage.role != "weight":
            self.lifetimes.begin(key)

    def keep(self, tensors: Sequence[torch.Tensor]) -> None:
        """Say what the call that is recorded leaves for the next one."""
        views: dict[int, list[Slice]] = {}
        for tensor in tensors:
            views.setdefault((view := self.view(tensor)).storage, []).append(view)
        for key, some in views.items():
            storage = self.storages[key]
            self.kept[key] = covered(some, storage.elements)
            if storage.role == "temporary":
                storage.role, storage.unit = "cache", self.unit(storage.dtype, "cache")

    def was_read(self, tensor: torch.Tensor) -> bool:
        """Whether a recorded operation read this memory."""
        return bool((found := self.storages.get(storage_key(tensor))) and found.readers)

    def view(self, tensor: torch.Tensor) -> Slice:
        key = storage_key(tensor)
        if key in self.weights and key not in self.storages:
            self.note(self.weights[key], "weight")
        if key not in self.storages:
            self.note(tensor, "constant")
        return Slice(key, *self.layouts.of(tensor))

    # ------------------------------------------------------------------------------------------------ operations

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.prim.device.default:  # before each operation
            return device(args[0])
        deadline.check()
        self.let_go()
        kwargs = kwargs or {}
        if self.step is not None and self.step.is_backward:
            return self._of_backward(function, args, kwargs)
        name = function._schema.name.partition("::")[2]
        if (answered := self.known.contents.answer(function, args, kwargs)) is not None:
            return mapped(torch.Tensor, lambda t: self.note(t, "constant"), answered)
        if name == "nonzero" and not self.paused:
            return self.places(args[0])
        if name == "_local_scalar_dense" and (item := self.known.item(args[0])) is not None:
            return item
        if name in ("index", "index_put", "index_put_") and not self.paused:
            args = (args[0], self._places_of_masks(args[1]), *args[2:])
        args = self.known.last(*args) if name == "slice" and self.memory_grows else args
        args = self.limits.cut(*args) if name == "slice" and not self.paused else args
        if not gives_tensors(function):
            return function(*args, **kwargs)
        result = function(*args, **kwargs) if self.paused else self.results.of(function, args, kwargs)
        self.known.contents.follow(function, args, kwargs, result)
        if not self.paused:
            self.paused += 1
            try:
                self.written = None
                self.operation(function, args, kwargs, result)
                if self.tape is not None:
                    self.tape.step(name, function, args, kwargs, result, self.written, self.stack[-1])
            finally:
                self.paused -= 1
        return result

    def _of_backward(self, function: Any, args: Any, kwargs: Any) -> Any:
        """An operation of a backward that autograd runs: what memory it makes is all that is asked."""
        if not gives_tensors(function):
            return function(*args, **kwargs)
        result = self.results.of(function, args, kwargs)
        if not self.paused:
            for tensor in tensors(result):
                if storage_key(tensor) not in self.storages and not is_empty(tensor):
                    self.note(tensor, "temporary")
        return result

    def operation(self, function: Any, args: Any, kwargs: Any, result: Any) -> None:
        inputs, outputs = tensors(args, kwargs), tensors(result)
        if not outputs or all(is_empty(t) for t in outputs):
            return
        schema = function._schema
        self.limits.follow(schema.name.split("::")[1], args, kwargs, outputs)
        if not schema.is_mutable and {*map(storage_key, outputs)} <= {*map(storage_key, inputs)}:
            return  # a view
        name = schema.name.split("::")[1]
        shapes = [self.quantities.shape(t.shape) for t in inputs]
        reads = [self.view(t) for t in inputs if name not in SIZED]
        if schema.is_mutable and name.rstrip("_") in ("copy", "fill", "zero"):
            reads = reads[1:]  # what is overwritten is not read
        if name == "index_put_" and len(args) > 2 and is_empty(args[2]):
            return  # nothing is put anywhere
        if self.known.selects_unknown(name, outputs):
            self.record(name, Arithmetic(0), reads, [])
            return
        if all(self.storages[v.storage].role == "constant" for v in reads):
            for tensor in outputs:
                if storage_key(tensor) not in self.storages:
                    self.note(tensor, "constant")
                    self.storages[storage_key(tensor)].maker = None if reads else self.stack[-1]
            value = self.known.constant(name, args, kwargs, outputs[0]) if len(outputs) == 1 else None
            for tensor in outputs:
                storage = self.storages[storage_key(tensor)]
                is_whole = self.view(tensor).elements == storage.elements
                storage.value = value if is_whole else None
                storage.largest = self.known.largest(name, args, kwargs) if is_whole else None
            self.masks.follow(name, args, inputs, outputs)
            if reads:
                self.record(name, Arithmetic(0), reads, [self.view(t) for t in outputs]).is_constant = True
            return
        sized, named = (mapped((torch.Tensor, torch.SymInt), self._sized, given) for given in (args, kwargs))
        made = [self.quantities.shape(t.shape) for t in outputs]
        is_complex = outputs[0].dtype.is_complex
        is_float = outputs[0].dtype.is_floating_point or is_complex
        with_complex = [t.dtype.is_complex for t in inputs]
        call = AtenCall(name, sized, named, shapes, made, is_float, with_complex, is_complex)
        found = work(call) if self.step is None else Arithmetic(0)
        if found is None:
            found = self.unknown_work(name)
        if self.masks.costs_nothing(name, inputs) or self.known.adds_zeros(name, inputs):
            found = Arithmetic(0)
        if self.masks.is_added_to_product(name, inputs):
            found = Arithmetic(add(found.flops, negate(product(call.outputs[0]))), found.matmul_flops)
        for tensor in outputs:
            key = storage_key(tensor)
            if key not in self.storages or self.storages[key].role == "constant":
                self.hold(key, self.storage(tensor, "temporary"))
        written = [self.view(t) for t in outputs]
        operation = self.record(name, found, reads, written)
        operation.aten = call
        self.known.follow(name, inputs, outputs, args)
        self.masks.follow(name, args, inputs, outputs)
        if len(outputs) == 1 and not outputs[0].dtype.is_floating_point and not schema.is_mutable:
            self.storages[written[0].storage].value = self.known.constant(name, args, kwargs, outputs[0])
        operation.same_shape = len(shapes) > 1 and shapes[0] == shapes[1]
        if name in ("embedding", "index", "index_select", "gather") and reads:
            operation.gathered[reads[0].storage] = written[0].elements
        if name.startswith("_embedding_bag"):
            operation.gathered[reads[0].storage] = multiply(product(shapes[1]), shapes[0][-1])

    def places(self, mask: torch.Tensor) -> torch.Tensor:
        """The indices of the true elements of a mask, as a tensor that no operation wrote."""
        with self.pause():
            found, are_hits = self.known.places(mask)
            self.note(found, "temporary")
            (storage := self.storages[storage_key(found)]).is_hits, storage.finder = are_hits, self.stack[-1]
        return found

    def _places_of_masks(self, indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Indices in which masks of which it is known how often they are true are the places of these elements."""
        result: list[torch.Tensor | None] = []
        for index in indices:
            if index is not None and index.dtype == torch.bool and self.known.counts(index):
                result += self.places(index).unbind(1)
            else:
                result.append(index)
        return result

    def _sized(self, leaf: Any) -> Any:
        return self.quantities.shape(leaf.shape) if isinstance(leaf, torch.Tensor) else self.quantities.value(leaf)

    def let_go(self) -> None:
        """Forget the last function when it has returned, since its variables would hold memory. Python tells whether it
        has when it is asked to clear them; those of a generator are its own."""
        if self.frame is None or self.frame.f_code.co_flags & inspect.CO_GENERATOR:
            return
        try:
            self.frame.clear()
        except RuntimeError:  # it is running
            return
        self.frame = None

    def record(self, name: str, found: Arithmetic, reads: list[Slice], writes: list[Slice]) -> Operation:
        function, frame = source_function(self.stack[-1].module)
        if frame is not self.frame:
            self.frame, self.calls = frame, self.calls + 1
        operation = Operation(name, found, reads, writes, function, self.calls * (frame is not None), self.stack[-1])
        if self.silent:
            return operation
        for view in reads:
            self.storages[view.storage].readers.append(operation)
        for view in writes:
            self.storages[view.storage].writers.append(operation)
        self.stack[-1].parts.append(operation)
        self.lifetimes.events.append(operation)
        self.written = operation
        return operation

    def call_formula(
        self,
        label: str,
        formula: str,
        args: dict[str, Value],
        reads: Sequence[torch.Tensor],
        writes: Sequence[torch.Tensor],
    ) -> None:
        """Write down one step that a formula of the library describes, caught above the operations it is made of."""
        for tensor in writes:
            if storage_key(tensor) not in self.storages:
                self.note(tensor, "temporary")
        operation = self.record(label, Arithmetic(0), [self.view(t) for t in reads], [self.view(t) for t in writes])
        operation.formula, operation.args = formula, args

    def unknown_work(self, name: str) -> Arithmetic:
        if not self.allow_unknown:
            raise SymflopsError(f"no cost is known for the operation {name!r}; --allow-unknown keeps it as a symbol")
        label = f"unknown_{name.strip('_')}"
        if label not in self.unknown:
            self.unknown.append(label)
        return Arithmetic(symbol(label))

    @contextmanager
    def pause(self) -> Iterator[bool]:
        """Operations inside are not recorded; yields whether recording was paused already."""
        self.paused += 1
        try:
            yield self.paused > 1
        finally:
            self.paused -= 1

    def execute(self, call: Any, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        """Record a call of a module; the one place where another way to run it can be put."""
        return executed(self, call, module, args, kwargs)
