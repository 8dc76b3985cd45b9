"""What a composite module computes itself: operations grouped into steps, each named after what it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from symflops.trace.operation import BARRIERS
from symflops.trace.record import Execution, Operation

BARRIER_STEPS = BARRIERS | {"routed_matmul"}
# What steps are called where the function of the source that computes them has a name that says less.
NAMES = {"apply_rotary_pos_emb": "rotary", "apply_rotary_pos_emb_interleave": "rotary", "rotate_half": "rotary"}


Listed = tuple[str, int]  # a layer: the path of its list, and its place there
_NUMBERED = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")


def layer_of_each_operation(execution: Execution) -> dict[int, int]:
    """Map the id of an operation of a composite module to the index of the layer that it belongs to: what is computed
    between the calls of layer i and of layer i + 1, or of layers i of two lists, is a part of layer i, so that it is
    folded with it; and so is the same after the last layer. Empty where nothing is computed between layers."""
    runs: list[tuple[Listed | None, list[Operation], Listed | None]] = []  # layer before, operations, layer after
    before: Listed | None = None
    seen = 0
    for is_own, parts in groupby(execution.parts, lambda part: isinstance(part, Operation)):
        if is_own:
            runs.append((before, [p for p in parts if isinstance(p, Operation)], None))
            continue
        for part in parts:
            path = part.path.removeprefix(execution.path) if isinstance(part, Execution) else ""
            if found := _NUMBERED.search(path):
                before = path[: found.start()], int(found[1])
                runs[seen:] = [(b, operations, before) for b, operations, _ in runs[seen:]]
                seen = len(runs)
    if all(b is None or after is None or b == after for b, _, after in runs):
        return {}
    result: dict[int, int] = {}
    usual: dict[str, list[str]] = {}  # what is done after a layer of each list, but the last one
    for b, operations, after in runs:
        if b is not None and after is not None:
            result |= {id(o): b[1] for o in operations}
            if b != after:
                usual[b[0]] = [o.name for o in operations]
        elif b is not None and b[0] in usual:
            last = operations[: len(usual[b[0]])]
            if [o.name for o in last] == usual[b[0]]:
                result |= {id(o): b[1] for o in last}
    return result


def groups(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Operations between two sub-modules, split into layers: a call of a function of the source is one; so is each
    matrix multiply or recorded step; and so is each chain of operations that hand results to one another."""
    found: list[list[Operation]] = []
    for o in operations:
        last = found[-1] if found else []
        if last and _belongs(o, last):
            last.append(o)
        else:
            found.append([o])
    return found


def _belongs(o: Operation, group: list[Operation]) -> bool:
    last = group[-1]
    if o.formula or last.formula:
        return False
    if o.call and o.call == last.call:
        return True
    if o.call != last.call or o.name in BARRIER_STEPS or last.name in BARRIER_STEPS:
        return False
    written = {v.storage for g in group for v in g.writes}
    return any(v.storage in written for v in o.reads)


def group_name(group: list[Operation]) -> str:
    first = group[0]
    if first.formula:
        return first.name
    if first.call:
        return NAMES.get(first.function, first.function.strip("_"))
    working = [o for o in group if o.work.flops != 0]
    last = working[-1] if working else group[-1]
    name = last.name.strip("_")
    if len(working) == 1 and last.same_shape:
        return {"add": "residual", "mul": "product"}.get(name, name)
    return {"_unsafe_view": "copy", "clone": "copy", "to_copy": "cast", "mm": "matmul", "bmm": "matmul"}.get(name, name)
