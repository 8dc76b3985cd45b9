"""From the record of a run to the layers of a model file.

Bytes follow one rule everywhere: a layer reads its inputs and weights once and writes its outputs once; a temporary
inside it is materialised when a matrix multiply or a convolution writes or reads it. Chains of everything else
(elementwise operations, reductions, copies, gathers) run as one kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

import torch

from symflops.errors import SymflopsError
from symflops.formula import Formula, formula_for_class, load_formula
from symflops.gradients import BACKWARD, SAVED
from symflops.grouping import grouped
from symflops.polynomial import Value, add, multiply, symbol
from symflops.trace.arguments import READERS, Traced
from symflops.trace.backward import Backward
from symflops.trace.by_depth import added_up
from symflops.trace.carried import states_by_operation
from symflops.trace.layer_data import (
    Data,
    Runs,
    copied,
    cost_data,
    formula_data,
    full_name,
    merge_steps,
    parameters_only,
    place,
    rerun,
    tables_data,
    text,
    with_tables,
)
from symflops.trace.owners import Owners
from symflops.trace.quantity import Quantities
from symflops.trace.record import Execution, Operation, Slice, covered, every_operation, own_operations
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.steps import BARRIER_STEPS, group_name, groups, layer_of_each_operation
from symflops.trace.unread import Unread
from symflops.tree import write
from symflops.vocabulary.metrics import OWNED

NOTHING: Mapping[str, Backward] = MappingProxyType({})
MANY = 8  # steps of one name in one module; more are a loop, and one layer


class Assembly:
    """One record being turned into layers. `mismatches` lists classes whose formula is not what was traced."""

    def __init__(self, recorder: Recorder, merge: bool = False, backward: Mapping[str, Backward] = NOTHING) -> None:
        self.recorder = recorder
        self.backward = backward  # by the name of its table, of a run in training mode
        self.merge = merge  # steps of one name in one module are one layer, however many there are
        self.quantities: Quantities = recorder.quantities
        self.owners = Owners(recorder)
        self.mismatches: dict[str, str] = {}
        self.formulas: dict[str, str] = {}
        self.traced: set[str] = set()
        self.done: dict[Execution, Data] = {}
        self.run: set[torch.nn.Module] = set()
        self.read_again = set(self.owners.by_repeated)  # weights that only repeated executions read
        self.outputs = {v.storage for v in recorder.root.outputs}
        self.taken = self._taken(recorder.root)
        self.states = states_by_operation(recorder)
        self.unread = Unread(recorder.quantities, self.run, self.owners.paths, self.is_read)

    def _taken(self, execution: Execution) -> set[int]:
        """Memory that a repeated execution reads: its operations are not in the record."""
        found: set[int] = set()
        if execution.repeated:
            found |= {v.storage for v in execution.inputs}
            pairs = execution.repeated_parameters()
            self.read_again |= {storage_key(p) for of_first, p in pairs if self.is_read(of_first)}
        self.run.add(execution.module)
        for part in execution.parts:
            if isinstance(part, Execution):
                found |= self._taken(part)
        return found

    def is_read(self, parameter: torch.nn.Parameter) -> bool:
        storage = self.recorder.storages.get(storage_key(parameter))
        return storage_key(parameter) in self.read_again or (storage is not None and bool(storage.readers))

    def state(self, operations: Iterable[Operation]) -> Data:
        """What some operations leave for the next call, in bytes of a cache."""
        kept = add(0, *(self.states[o] for o in operations if o in self.states))
        return {"state": text(multiply(kept, symbol("cache_bytes")))} if kept != 0 else {}

    def own_state(self, execution: Execution) -> Data:
        """What a module itself leaves, but for what it does between its layers: that is theirs."""
        turn = layer_of_each_operation(execution)
        return self.state(o for o in own_operations(execution) if id(o) not in turn)

    # ------------------------------------------------------------------------------------------------ the tree

    def layers(self) -> Data:
        """The `layers` of the model file."""
        root = self.recorder.root
        operations = own_operations(root)
        below = self.below(root) or ({"forward": self.basic(root, operations, "forward")} if operations else {})
        if kept := self.own_state(root):
            place(below, "states", parameters_only(0) | kept)
        if not below:
            raise SymflopsError("the model's forward computes nothing")
        if not self.backward:
            return below
        shared = {
            name: tables_data({"flops": added_up(backward.used_again, root.module), SAVED: backward.kept.elsewhere})
            for name, backward in self.backward.items()
        }
        if any(shared.values()):
            place(below, "shared", parameters_only(0) | shared)
        for backward in self.backward.values():
            backward.check_told()
        return with_tables(below, tuple(self.backward))

    def passed_on(self, execution: Execution) -> Data:
        """The bytes of a module's results that have a gradient: what is kept of it where all else is recomputed."""
        if BACKWARD not in self.backward:
            return {}
        needs = self.backward[BACKWARD].needs
        views = zip(execution.output_tensors, execution.outputs, strict=True)
        sizes = {v: multiply(self.recorder.storages[v.storage].unit, v.elements) for s, v in views if needs.get(s)}
        return {"output_bytes": text(add(0, *sizes.values()))}

    def tables(self, operations: Iterable[Operation]) -> Data:
        """What the backward of some operations costs, where there is one."""
        return {name: tables_data(backward.costs(operations)) for name, backward in self.backward.items()}

    def below(self, execution: Execution) -> Data:
        """The parts of a composite module: its sub-modules, and what it computes itself."""
        layers: Data = {}
        runs = Runs()
        own: list[Operation] = []
        made: list[tuple[str, Data]] = []
        turn = layer_of_each_operation(execution)

        def flush() -> None:
            for of_layer, some in groupby(own, lambda o: turn.get(id(o))):
                for group in groups(list(some)):
                    data = self.basic(execution, group, execution.path)
                    if data and of_layer is None:
                        made.append((group_name(group), data))
                        place(layers, made[-1][0], data)
                    elif data:
                        place(layers, f"steps.{of_layer}.{group_name(group)}", data | self.state(group))
            own.clear()

        for part in execution.parts:
            if isinstance(part, Operation):
                own.append(part)
                continue
            flush()
            name = part.path.removeprefix(f"{execution.path}.") if execution.path else part.path
            if (data := self.layer(part)) and (not self.merge or (data := runs.first(part.module, data))):
                place(layers, name, data)
        flush()
        runs.merge()
        often = {n for n in (n for n, _ in made) if self.merge or [m for m, _ in made].count(n) > MANY}
        for name in often:
            merge_steps(layers, name, [data for n, data in made if n == name])
        for name, data in (*self.owners.elsewhere(execution), *self.unread.of(execution.module)):
            place(layers, name, data)
        return layers

    def layer(self, execution: Execution) -> Data:
        """One module as a layer; nothing for one that computes nothing and owns nothing."""
        first = execution.repeated or execution
        if first not in self.done:
            data, kept = self._layer(first), self.own_state(first)
            self.done[first] = (data or parameters_only(0)) | kept if kept else data
        if execution.repeated:
            self.owners.own_again(execution, first.path)
        data = copied(self.done[first])  # one of equal layers may get a part that is called again outside of it
        return rerun(data, execution.path) if execution.is_rerun else data

    def _layer(self, execution: Execution) -> Data:
        class_name = full_name(type(execution.module))
        operations = list(every_operation(execution))
        steps = [o for o in operations if o.formula]
        if operations and not steps:
            known = self.known(execution, operations, class_name)
            if known:
                return known
        if any(isinstance(p, Execution) for p in execution.parts) or steps:
            below = self.below(execution)
            return {"class": class_name} | self.passed_on(execution) | {"sub_layers": below} if below else {}
        unused = dict(self.unread.of(execution.module))
        basic = self.basic(execution, operations, execution.path) if operations else {}
        if operations:
            self.traced.add(class_name)
        if unused:
            return {"class": class_name, "sub_layers": ({"forward": basic} if basic else {}) | unused}
        return {"class": class_name} | basic if basic else {}

    def known(self, execution: Execution, operations: list[Operation], class_name: str) -> Data:
        """A call of the library's formula for this class, if it costs exactly what was traced."""
        formula = _formula(class_name)
        if formula is None or formula.name not in READERS:
            return {}
        costs = self.costs(execution, operations)
        traced = Traced(execution, self.recorder)
        try:
            args = READERS[formula.name](traced)
            values = formula.by_metric(args)
        except (SymflopsError, AttributeError, IndexError, TypeError, ValueError) as error:
            self.mismatches[class_name] = f"arguments: {error}"
            return {}
        tied = self.owners.tie(operations)
        for metric, traced_cost in costs.items():
            if values[metric] != traced_cost and not (tied and metric in OWNED):
                shown = f"{metric}: formula {write(grouped(values[metric]))}, traced {write(grouped(traced_cost))}"
                self.mismatches[class_name] = shown
                return {}
        self.owners.own(operations, execution.path)
        self.formulas[class_name] = formula.name
        data: Data = {"class": class_name}
        if args:
            data["args"] = {name: text(value) for name, value in args.items()}
        return data | ({"tied": tied} if tied else {}) | self.tables(operations)

    def basic(self, execution: Execution, operations: list[Operation], path: str) -> Data:
        first = operations[0]
        if all(o.is_constant for o in operations):
            return {}
        if first.formula:
            owned = self.costs(execution, operations)["parameters"]
            self.owners.own(operations, path)
            return formula_data(first.formula, first.args, owned, self.tables(operations))
        costs = self.costs(execution, operations)
        self.owners.own(operations, path)
        tables = self.tables(operations)
        if all(c == 0 for c in costs.values()) and not any(tables.values()):
            return {}
        simple = {"residual": "add", "product": "mul"}.get(group_name(operations), "")
        if simple:
            n = operations[-1].writes[0].elements
            values = load_formula(simple).by_metric({"n": n})
            if all(values[metric] == cost for metric, cost in costs.items()):
                return {"formula": simple, "args": {"n": text(n)}} | tables
        return cost_data(costs) | tables

    # ---------------------------------------------------------------------------------------------------- costs

    def costs(self, execution: Execution, operations: Sequence[Operation]) -> dict[str, Value]:
        """The metrics of operations run as one layer, by name."""
        inside = set(operations)
        storages = self.recorder.storages
        returned = {v.storage for v in execution.outputs} | self.outputs | self.taken
        overwritten: set[int] = set()
        reads: dict[int, list[Slice]] = {}
        gathered: dict[int, Value] = {}
        for o in operations:
            for view in o.reads:
                maker = storages[view.storage].maker
                fresh = view.storage in overwritten or (maker is not None and maker in (o.owner, execution))
                if view.storage in o.gathered:
                    gathered[view.storage] = add(gathered.get(view.storage, 0), o.gathered[view.storage])
                elif not fresh:
                    reads.setdefault(view.storage, []).append(view)
            overwritten |= {v.storage for v in o.writes}
        read: Value = 0
        for key, views in reads.items():
            read = add(read, multiply(storages[key].unit, covered(views, storages[key].elements)))
        for key, elements in gathered.items():
            if key not in reads and key not in overwritten - set(reads):
                read = add(read, multiply(storages[key].unit, elements))
        write_: Value = 0
        between: Value = 0
        for key in dict.fromkeys(v.storage for o in operations for v in o.writes):
            storage = storages[key]
            views = [v for o in operations for v in o.writes if v.storage == key]
            size = multiply(storage.unit, covered(views, storage.elements))
            if storage.role == "constant":
                continue  # made once, from sizes alone
            leaves = key in returned or any(r not in inside for r in storage.readers)
            if leaves or storage.role != "temporary":
                write_ = add(write_, size)
            elif any(o.name in BARRIER_STEPS for o in (*storage.readers, *storage.writers)):
                between = add(between, size)
        return {
            "flops": add(0, *(o.work.flops for o in operations)),
            "matmul_flops": add(0, *(o.work.matmul_flops for o in operations)),
            "read_bytes": read,
            "write_bytes": write_,
            "intermediate_bytes": between,
            "parameters": self.owners.owned(operations),
        }


def _formula(class_name: str) -> Formula | None:
    try:
        return formula_for_class(class_name)
    except SymflopsError:
        return None  # the library has none: the traced cost stands inline
