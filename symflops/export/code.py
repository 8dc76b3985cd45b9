"""What every language shares: the parameters of a cost's function, their names, and what stands above it.

A module that writes a language has one function of (cost, metrics, name, values), which gives source text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import wraps
from textwrap import wrap
from typing import ParamSpec

from symflops import deadline
from symflops.cost import UNITS, Cost
from symflops.domain import Condition
from symflops.export.conventions import CAPTION
from symflops.numeric import plain
from symflops.polynomial import Value
from symflops.tree import Tree
from symflops.vocabulary.symbols import RunSymbol

P = ParamSpec("P")
DIVISION = "division by zero: a formula does not hold here"
ROUNDING = "What is not whole (an expected number of experts) is rounded to the nearest integer."


def limited(write: Callable[P, str]) -> Callable[P, str]:
    """A writer of functions whose calls take no longer than one of each metric may."""

    @wraps(write)
    def within_limit(*args: P.args, **kwargs: P.kwargs) -> str:
        metrics = args[1] if len(args) > 1 else kwargs["metrics"]
        count = len(metrics) if isinstance(metrics, Sequence) else 1
        with deadline.call("the function", deadline.CALL * max(1, count)):
            return write(*args, **kwargs)

    return within_limit


@dataclass(frozen=True)
class Parameter:
    """One symbol as a parameter: its name in the language, and the text of its default where it has one."""

    symbol: str
    name: str
    default: str | None
    row: RunSymbol | None = None  # of the run symbols' table; a size of the model has none

    @property
    def is_bytes(self) -> bool:
        return self.row is not None and self.row.is_bytes

    @property
    def meaning(self) -> str:
        if self.row is not None:
            return self.row.meaning
        return "a size of the model" + (f", {self.default} in its config" if self.default else "")


def defaults(cost: Cost) -> dict[str, str]:
    """The defaults of run symbols as every language writes them; "" stands for the value of the one it follows."""
    return {name: "" if cost.run[name].follows else str(plain(number)) for name, number in cost.defaults.items()}


def _unasked(cost: Cost) -> dict[str, Value]:
    """The run symbols that a function has no parameter for, at their defaults."""
    defaults = cost.defaults.items()
    return {name: n for name, n in defaults if name not in cost.free_symbols and not cost.run[name].is_bytes}


def checked(cost: Cost) -> list[Condition]:
    """The conditions of a cost's domain that a function of its free symbols can check: it is asked for nothing else,
    and what it is not asked for has its default."""
    conditions = cost.domain.substitute(_unasked(cost)).conditions
    return [condition for condition in conditions if condition.free_symbols <= cost.free_symbols]


def unchecked(cost: Cost) -> list[str]:
    """The other conditions, as lines of a comment."""
    left = [str(c) for c in cost.domain.said if c.free_symbols - cost.free_symbols - _unasked(cost).keys()]
    return ["", "Holds where", *(f"    {text}" for text in left)] if left else []


def divides(tree: Tree) -> bool:
    """Whether a tree divides by what may be 0."""
    if not isinstance(tree, tuple):
        return False
    operation, *operands = tree
    if operation in ("/", "//", "%") and not isinstance(operands[1], int):
        return True
    if operation == "**" and not (isinstance(operands[1], int) and operands[1] >= 0):
        return True
    return any(map(divides, operands))


def with_followed(cost: Cost) -> set[str]:
    """The free symbols of a cost, and those that they follow."""
    return cost.free_symbols | {to for name in cost.free_symbols & cost.run.keys() if (to := cost.run[name].follows)}


def following(given: Sequence[Parameter]) -> dict[str, str]:
    """The names of the parameters that follow another one, and of that one."""
    names = {p.symbol: p.name for p in given}
    return {p.name: names[p.row.follows] for p in given if p.row is not None and p.row.follows}


def switches(given: Sequence[Parameter]) -> dict[str, str]:
    """The names of the parameters that are 0 or 1, and their symbols."""
    return {p.name: p.symbol for p in given if p.row is not None and p.row.is_switch}


def parameters(cost: Cost, values: Mapping[str, int], reserved: Set[str] = frozenset()) -> list[Parameter]:
    """The free symbols of a cost as parameters: those without a default first, run symbols before sizes of the model.

    A name that the language reserves gets an underscore behind it.
    """
    free = with_followed(cost)
    values_by_default = defaults(cost)
    sizes = sorted(free - cost.run.keys())
    ordered = [
        *(name for name, row in cost.run.items() if name in free and row.default is None),
        *(name for name in sizes if name not in values),
        *(name for name in values_by_default if name in free),
        *(name for name in sizes if name in values),
    ]
    taken = set(reserved)
    found = []
    for symbol in ordered:
        name = symbol
        while name in taken or (name != symbol and name in free):
            name += "_"
        taken.add(name)
        default = values_by_default.get(symbol, str(values[symbol]) if symbol in values else None)
        found.append(Parameter(symbol, name, default, cost.run.get(symbol)))
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
    return [*lines, *unchecked(cost), "", *wrap(f"{CAPTION} {ROUNDING}", width)]
