"""What every language shares: the parameters of a cost's function, their names, and what stands above it.

A module that writes a language has one function of (cost, metrics, name, values), which gives source text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from textwrap import wrap

from symflops.cost import UNITS, Cost
from symflops.export.conventions import CAPTION, SYMBOLS
from symflops.numeric import BYTE_SYMBOLS

# "": the value of dtype_bytes
DEFAULTS = {
    "past_len": "0",
    "causal": "0",
    "dtype_bytes": "2",
    "weight_bytes": "",
    "cache_bytes": "",
}  # "": as dtype_bytes
ROUNDING = "What is not whole (an expected number of experts) is rounded to the nearest integer."


@dataclass(frozen=True)
class Parameter:
    """One symbol as a parameter: its name in the language, and the text of its default where it has one."""

    symbol: str
    name: str
    default: str | None

    @property
    def is_bytes(self) -> bool:
        return self.symbol in BYTE_SYMBOLS

    @property
    def meaning(self) -> str:
        return SYMBOLS.get(
            self.symbol, "a size of the model" + (f", {self.default} in its config" if self.default else "")
        )


def selected(cost: Cost, metrics: Sequence[str]) -> Cost:
    """The cost in these metrics alone, so that a function asks for no symbol that they do not depend on."""
    return Cost.of(**{metric: cost.value(metric) for metric in metrics})


def parameters(cost: Cost, values: Mapping[str, int], reserved: Set[str] = frozenset()) -> list[Parameter]:
    """The free symbols of a cost as parameters: those without a default first, run symbols before sizes of the model.

    A name that the language reserves gets an underscore behind it.
    """
    free = cost.free_symbols | ({"dtype_bytes"} if cost.free_symbols & set(BYTE_SYMBOLS) else set())
    run = ("batch_size", "seq_len")
    sizes = sorted(free - {*run, *DEFAULTS})
    ordered = [
        *(name for name in run if name in free),
        *(name for name in sizes if name not in values),
        *(name for name in DEFAULTS if name in free),
        *(name for name in sizes if name in values),
    ]
    taken = set(reserved)
    found = []
    for symbol in ordered:
        name = symbol
        while name in taken or (name != symbol and name in free):
            name += "_"
        taken.add(name)
        default = DEFAULTS.get(symbol, str(values[symbol]) if symbol in values else None)
        found.append(Parameter(symbol, name, default))
    return found


def identifier(name: str, reserved: Set[str] = frozenset()) -> str:
    """A name that every language takes, for a model's name.

    >>> identifier("llama-2-7b-hf"), identifier("7B"), identifier("")
    ('llama_2_7b_hf', 'B', 'cost')
    """
    made = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("0123456789")[:200] or "cost"
    return f"{made}_" if made in reserved else made


def description(
    cost: Cost, metrics: Sequence[str], name: str, given: Sequence[Parameter], width: int = 110
) -> list[str]:
    """The lines that say what a function gives, of what, in which conventions. Nothing in them ends a comment."""
    title = re.sub(r"[^A-Za-z0-9_ .-]", "?", name)[:200]
    lines = [f"Cost of {title}.", ""]
    lines += [f"    {metric}: {UNITS[metric]}" for metric in metrics]
    if given:
        lines += ["", "of", *(f"    {parameter.name}: {parameter.meaning}" for parameter in given)]
    return [*lines, "", *wrap(f"{CAPTION} {ROUNDING}", width)]
