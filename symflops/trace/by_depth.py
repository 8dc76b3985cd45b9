"""What grows with how many layers there are, though no layer has it, such as additions of gradients that all give.

While a model is recorded it has a number of layers. What is found for each of them is told as a symbol that stands for
the length of their list, and takes the config's name for that when the list is folded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from symflops.algebra import free_symbols, substitute
from symflops.polynomial import Value, add, multiply, symbol
from symflops.trace.layer_data import Data, as_value, text
from symflops.trace.naming import RepeatNames

_PLACE = re.compile(r"(\D*)\.(\d+)")
_MARKS = ("any_length_of__", "this_length_of__")  # of a list that may be longer, and of one that may not
_NAME = re.compile(rf"({'|'.join(_MARKS)})(\w*)__(\d+)__(\d+)")  # path, length, and how many of the first are others


def added_up(by_layer: Mapping[str, Value], root: torch.nn.Module) -> Value:
    """The sum of what was found for each layer, by path, for any length of their lists where all layers but the first
    few have the same, and for these lengths alone otherwise."""
    found: dict[str, dict[int, Value]] = {}
    total: Value = 0
    for path, value in by_layer.items():
        place = _PLACE.fullmatch(path)
        if place is None:
            total = add(total, value, symbol(f"{_MARKS[1]}__0__0"))
        else:
            found.setdefault(place.group(1), {})[int(place.group(2))] = value
    for path, values in found.items():
        length = len(list(root.get_submodule(path).children()))
        first = length - len(values)
        is_even = sorted(values) == list(range(first, length)) and len(set(values.values())) == 1
        more = add(symbol(f"{_MARKS[not is_even]}{path.replace('.', '__')}__{length}__{first}"), -length)
        total = add(total, *values.values(), multiply(values[first], more) if is_even else more)
    return total


def with_lengths(layers: Data, depths: RepeatNames) -> tuple[Data, list[str]]:
    """The layers with the config's names for these lengths, and what has to be assumed of them."""
    assumed: dict[str, None] = {}
    bindings: dict[str, Value] = {}

    def named(mark: str, path: str, length: int, first: int) -> Value:
        name = depths.length(path.replace("__", "."), length) if path else ""
        if mark == _MARKS[0] and name:
            assumed.update({f"{name} >= {first}": None} if first > 1 else {})
            return symbol(name)
        fixed = [name] if name else depths.symbols  # nobody knows which of them would change it
        assumed.update(dict.fromkeys(f"{n} == {depths.symbols[n]}" for n in fixed))
        return length

    def resolved(data: Data) -> Data:
        return {key: _resolved(value) for key, value in data.items()}

    def _resolved(entry: Any) -> Any:
        if isinstance(entry, dict):
            return resolved(entry)
        if not isinstance(entry, str) or not _NAME.search(entry):
            return entry
        value = as_value(entry)
        for name in free_symbols(value) - bindings.keys():
            if found := _NAME.fullmatch(name):
                mark, path, *numbers = found.groups()
                bindings[name] = named(mark, path, *map(int, numbers))
        return text(substitute(value, bindings))

    return resolved(layers), list(assumed)
