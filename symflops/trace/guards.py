"""What is asked about sizes while a model's source runs: conditions, and whether the source itself asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.relational import Relational

from symflops.trace.architecture import RUN_HINTS
from symflops.trace.fixed import SizeFixedError, has_division
from symflops.trace.internals import Sizes
from symflops.trace.origin import is_between, is_model, is_torch, is_transformers


@dataclass(frozen=True)
class Guard:
    """A condition on sizes that was decided on the way, and whether the model's own source asked."""

    condition: sympy.Basic
    outcome: bool
    by_model: bool
    is_written: bool  # in that source, as `if length > 10`, and not inside an operation that it called
    fixes: bool = False  # a size became a number by it


def note(sizes: Sizes, guards: list[Guard], guard: Guard) -> None:
    """Record a condition. Where the model's source branches on one that holds at the hint's length alone, such as the
    number of steps of a loop, the record is not valid at other lengths: SizeFixedError. A comparison of the length with
    a size of the config is fine."""
    guards.append(guard)
    condition = guard.condition
    if guard.by_model and "seq_len" in sizes.run_symbols and isinstance(condition, Relational):
        length = next((s for s in condition.free_symbols if sizes.names.get(s) == "seq_len"), None)
        if length is not None and any(side.is_number for side in condition.args):
            longer = sizes.hints | {length: sympy.Integer(7 * 10**9 + 1)}
            if not has_division(condition):
                longer |= {s: 10**10 * n for s, n in sizes.hints.items() if sizes.names.get(s) not in sizes.run_symbols}
            outcome = condition.xreplace(longer)
            if outcome in (True, False) and bool(outcome) is not guard.outcome:
                beyond = 0 if guard.fixes else _beyond(condition, longer, length, outcome)
                raise SizeFixedError("seq_len", condition, sizes.names, beyond)


def _beyond(condition: Relational, hints: dict[Any, Any], length: sympy.Symbol, outcome: Any) -> int:
    """The first of some lengths at which a condition is decided as it is for very long ones; 0 if none is."""
    lengths = (int(sympy.nextprime(RUN_HINTS["seq_len"] * 2**k)) for k in range(1, 8))
    return next((n for n in lengths if condition.xreplace(hints | {length: sympy.Integer(n)}) == outcome), 0)


def asked_by() -> tuple[bool, bool]:
    """Whether the condition being decided comes from a model's source, not from torch's rules for shapes, and whether
    it is written there: an `if` asks a size for its `bool` in Python, an operation of torch asks from below. What
    transformers' own tools ask, such as whether a mask is needed, decides nothing that is counted."""
    frame: Any = sys._getframe(3)
    is_asked = False
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_between(file):
            by_model = not is_torch(file)
            return by_model, by_model and is_asked and (is_model(file) or not is_transformers(file))
        is_asked = is_asked or frame.f_code.co_name == "__bool__"
        frame = frame.f_back
    return False, False
