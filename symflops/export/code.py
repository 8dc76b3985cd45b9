"""Closed forms as source code without dependencies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from symflops.cost import UNITS, Cost
from symflops.numeric import BYTE_SYMBOLS

_DEFAULTS = {"past_len": "0", "causal": "0", "dtype_bytes": "2", "weight_bytes": "None", "cache_bytes": "None"}


def python_function(cost: Cost, metrics: Sequence[str], name: str) -> str:
    """A Python function of the cost's free symbols that returns a dict of ints, equal to `at` at every point.

    It uses only the standard library: exact fractions, so that no division loses a digit.
    """
    order = ("batch_size", "seq_len", *_DEFAULTS)
    free = cost.free_symbols | ({"dtype_bytes"} if cost.free_symbols & set(BYTE_SYMBOLS) else set())
    required = [n for n in (*order[:2], *sorted(free - set(order))) if n in free]
    optional = [n for n in _DEFAULTS if n in free]
    parameters = ", ".join([*required, *(f"{n}={_DEFAULTS[n]}" for n in optional)])
    title = re.sub(r"[^A-Za-z0-9_ .-]", "?", name)
    lines = [
        "from fractions import Fraction",
        "from math import ceil, floor, log2, sqrt",
        "",
        "",
        f"def {re.sub(r'[^A-Za-z0-9_]', '_', name).lstrip('0123456789') or 'cost'}({parameters}):",
        f'    """Cost of {title}: a multiply-add is 2 FLOPs; algorithmic bytes.',
        "",
        *(f"    {metric}: {UNITS[metric]}" for metric in metrics),
        '    """',
    ]
    for symbol in ("weight_bytes", "cache_bytes"):
        if symbol in optional:
            lines.append(f"    {symbol} = dtype_bytes if {symbol} is None else {symbol}")
    for symbol in [*required, *optional]:
        lines.append(f"    {symbol} = Fraction({symbol})")
    lines.append("    values = {")
    lines += [f'        "{metric}": {cost.text(metric)},' for metric in metrics]
    lines += ["    }", "    return {name: floor(value + Fraction(1, 2)) for name, value in values.items()}"]
    return "\n".join(lines)
