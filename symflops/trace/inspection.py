"""The module tree of a config's model, built without memory and never run: its classes, and how each is costed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from symflops.errors import SymflopsError, reason
from symflops.formula import formula_for_class
from symflops.trace.architecture import Architecture
from symflops.trace.arguments import READERS
from symflops.trace.configs import find
from symflops.trace.fold import fold
from symflops.trace.layer_data import Data, full_name
from symflops.trace.naming import RepeatNames
from symflops.trace.run import build


@dataclass(frozen=True)
class Node:
    """A module in its place. `repeat` is how many equal ones stand there; `parameters` counts all of them, with the
    repeats of the modules around it and a shared weight once.

    A module is costed by the library's `formula` for its class, or `traced`; one that only holds others is neither.
    """

    name: str
    class_name: str
    repeat: int
    parameters: int
    formula: str = ""
    traced: bool = False
    parts: tuple[Node, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """The node and all below it, each with its depth."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


def inspect(config: Any) -> Node:
    """The module tree of a config, as `find` understands it, with equal numbered modules folded.

    >>> from transformers import LlamaConfig
    >>> root = inspect(LlamaConfig())
    >>> [(part.name, part.repeat) for part in root.parts[0].parts]
    [('embed_tokens', 1), ('layers', 32), ('norm', 1), ('rotary_emb', 1)]
    >>> root.parameters
    6738415616
    """
    named = find(config)
    built = build(named, Architecture())
    if built.error is not None:
        raise SymflopsError(f"the model's own source cannot build it: {reason(built.error)}", where=named.name)
    depths = RepeatNames(named.config)
    whole = _data(built.model, set())
    whole["sub_layers"] = fold(whole.get("sub_layers", {}), lambda _, indices, *__: len(indices), depths.labels)
    return _node(named.name, whole, 1)


def _data(module: nn.Module, counted: set[int]) -> Data:
    """A module as `fold` takes layers; `counted` are the weights that an earlier module owns."""
    class_name = full_name(type(module))
    data: Data = {} if type(module) is nn.ModuleList else {"class": class_name}
    own = [p for p in module.parameters(recurse=False) if id(p) not in counted]
    counted |= {id(p) for p in own}
    below = {name: _data(child, counted) for name, child in module.named_children()}
    data["parameters"] = sum(p.numel() for p in own) + sum(child["parameters"] for child in below.values())
    formula = _formula(class_name)
    if formula:
        return data | {"formula": formula}
    if below:
        data["sub_layers"] = below
    if (own or not below) and not isinstance(module, nn.ModuleList):
        data["traced"] = True
    return data


def _node(name: str, data: Data, outer: int) -> Node:
    times = outer * data.get("repeat", 1)
    return Node(
        name,
        data.get("class", full_name(nn.ModuleList)),
        data.get("repeat", 1),
        data["parameters"] * times,
        data.get("formula", ""),
        data.get("traced", False),
        tuple(_node(n, part, times) for n, part in data.get("sub_layers", {}).items()),
    )


def _formula(class_name: str) -> str:
    """The library's formula that a derivation takes for a class, if there is one."""
    try:
        name = formula_for_class(class_name).name
    except SymflopsError:
        return ""
    return name if name in READERS else ""
