"""Whether the closed form of one config, bound to another, is the one derived there."""

from __future__ import annotations

import copy
import re
from typing import Any

from coverage_checks import exact, stayed_numbers
from coverage_counts import POINTS

from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.trace.architecture import parts
from symflops.trace.binding import bind
from symflops.trace.derive import derive
from symflops.vocabulary.fields import means


def compared(first: Model, config: Any, second: Model) -> tuple[str, str]:
    """Whether the closed form of one config, bound to another, is the one derived there; the cell and a reason."""
    try:
        model = bind(first, config)
    except SymflopsError as error:
        return "refused", f"binding: {error.message}"
    if not (different := [m for m in METRICS if model.total().value(m) != second.total().value(m)]):
        return "yes", ""
    past = (0, 5) if "past_len" in model.total().free_symbols | second.total().free_symbols else (0,)
    for metric in different:
        for batch, length in (*POINTS, (1, 1), (2, 129)):
            for p in past:
                for causal in (0, 1):
                    sizes = {"batch_size": batch, "seq_len": length, "past_len": p, "causal": causal}
                    point = sizes | {"dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
                    a, b = (exact(m, metric, **point) for m in (model, second))
                    if a != b:
                        where = ", ".join(f"{n}={v}" for n, v in point.items() if not n.endswith("bytes"))
                        return "no", f"bound {metric} {a}, derived {b} at {where} ({', '.join(different)} differ)"
    return "at points", f"{', '.join(different)} equal at points only"


def compared_with_kept(first: Model, config: Any, other: Any) -> tuple[str, str] | None:
    """The same where the second config has the first one's values in the fields that the closed form does not hold for
    others of, if these are few and independent of the rest; the cell names them."""
    kept: list[str] = []
    other = copy.deepcopy(other)
    while len(kept) < 5:
        try:
            bind(first, other)
        except SymflopsError as error:
            broken = re.match(r"assumption broken: (\w+) == ", error.message)
            # What is broken may follow from a number that stayed: d_model % 6 == 0 from n_heads == 6.
            names = [broken[1]] if broken else sorted(stayed_numbers(first) - {*kept})
            names = [name for name in names if name not in kept and _keep(name, config, other)]
            if not names and "differ in what no list" in error.message and "depth" not in kept:
                _keep_layers(config, other)
                names = ["depth"]
            if not names:
                return None
            kept += names
        else:
            cell, reason = compared(first, other, derive(other))
            return f"{cell}, with the same {', '.join(kept)}", reason
    return None


def _keep(name: str, config: Any, other: Any) -> bool:
    """Give the other config this one's value of a field; False if there is no such field or it speaks of layers."""
    for (prefix, part), (_, changed) in zip(parts(config), parts(other), strict=True):
        for key in vars(part).keys() & {name, name.removeprefix(prefix)}:
            if isinstance(vars(part)[key], list | tuple):
                return False
            vars(changed)[key] = vars(part)[key]
            return True
    return False


def _keep_layers(config: Any, other: Any) -> None:
    """Give the other config as many layers as this one has, and the same kinds of them."""
    for (_, part), (_, changed) in zip(parts(config), parts(other), strict=True):
        depths = {key for key, value in vars(part).items() if type(value) is int and means(key, "depth")}
        totals = {vars(part)[key] for key in depths}
        for key, value in vars(part).items():
            if key in depths or (isinstance(value, list | tuple) and len(value) in totals):
                vars(changed)[key] = value
