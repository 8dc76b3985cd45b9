"""What a step of training holds at its fullest, where that was derived, with the optimizer that the plan names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from symflops.errors import SymflopsError
from symflops.function import maximum
from symflops.model import Model
from symflops.passes import optimizers
from symflops.peak import AFTER, ALONE, peak_at
from symflops.plan import ALL
from symflops.polynomial import Value, add, multiply
from symflops.program.liveness import Peak

Sizes = Sequence[tuple[str, Value]]  # of modules, by their paths
_TRIED = "peak_eager is as PyTorch's own tracker saw it for all of 24 types tried, up to counters of the optimizer's"
_NO_POINT: Mapping[str, Any] = MappingProxyType({})


def peak_of_step(
    model: Model, kinds: dict[str, Value], numbers: Mapping[str, int], layers: Sizes,
    point: Mapping[str, Any] = _NO_POINT,
) -> tuple[dict[str, Value], Sizes, tuple[str, ...]]:  # fmt: skip
    """The amounts of a step of training with its peak where that was derived, its places, and what to say of it."""
    plan = model.plan
    assert plan is not None
    derived = [one for one in model.peak if one.is_of_step]
    optimizer = optimizers.named(plan.optimizer)
    if not derived:
        return kinds, layers, ()
    said = "peak_eager is a bound from above: the peak was derived of a step"
    if (plan.recompute, plan.trainable, plan.accumulate, plan.lora) != ("none", ALL, 1, 0):
        return kinds, layers, (f"{said} that recomputes nothing and trains all weights with one batch",)
    if optimizer.roots is None:
        return kinds, layers, (f"{said} of AdamW, Adam or SGD",)
    if point:
        try:
            derived = [peak_at(derived, point)]
        except SymflopsError as error:
            return kinds, layers, (f"{said} with other sizes: {error.message}",)
    # In one closed form for all lengths, as on either side of a window, the fullest moment is that of any of them.
    every = [moment for one in derived for moment in one.substitute(numbers).eager]
    after = [size for path, size in every if path == AFTER]
    alone = [size for path, size in every if path == ALONE]
    moments = [moment for moment in every if moment.path not in (AFTER, ALONE)]
    roots: list[Value] = [0]
    if not plan.mixed:
        roots = [multiply(optimizer.roots, size) for size in ([kinds["gradients"]] if plan.foreach else alone)]
    moments += [Peak(AFTER, add(size, root)) for size in after for root in roots]
    most = maximum(*dict.fromkeys(size for _, size in moments))
    note: tuple[str, ...] = (_TRIED,)
    if plan.mixed:
        note += ("the step on the copies is taken for a fused one, which makes nothing beside",)
    return {**kinds, "peak_eager": add(kinds["weights"], kinds["optimizer"], most)}, moments, note
