"""What a composite module computes itself: operations grouped into steps, each named after what it is."""

from __future__ import annotations

from collections.abc import Sequence

from symflops.trace.operation import BARRIERS
from symflops.trace.record import Operation

BARRIER_STEPS = BARRIERS | {"routed_matmul"}
# What steps are called where the function of the source that computes them has a name that says less.
NAMES = {"apply_rotary_pos_emb": "rotary", "apply_rotary_pos_emb_interleave": "rotary", "rotate_half": "rotary"}


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
    if o.frame and o.frame == last.frame:
        return True
    if o.frame != last.frame or o.name in BARRIER_STEPS or last.name in BARRIER_STEPS:
        return False
    written = {v.storage for g in group for v in g.writes}
    return any(v.storage in written for v in o.reads)


def group_name(group: list[Operation]) -> str:
    first = group[0]
    if first.formula:
        return first.name
    if first.frame:
        return NAMES.get(first.function, first.function.strip("_"))
    working = [o for o in group if o.work.flops != 0]
    last = working[-1] if working else group[-1]
    name = last.name.strip("_")
    if len(working) == 1 and last.same_shape:
        return {"add": "residual", "mul": "product"}.get(name, name)
    return {"_unsafe_view": "copy", "clone": "copy", "to_copy": "cast", "mm": "matmul", "bmm": "matmul"}.get(name, name)
