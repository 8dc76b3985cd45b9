"""A call with example tensors as inputs of a model: which argument is which, and which dimension is the batch."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from symflops.errors import SymflopsError, expect, one_line
from symflops.inputs import MOST_PARTS
from symflops.trace.stated import kind_of
from symflops.vocabulary.symbols import BATCH, ELEMENT

_PLAIN = (bool, int, float, str, type(None), torch.dtype)


@dataclass(frozen=True)
class Example:
    """One call: its tensors as inputs are written, once with the batch as a symbol and once in numbers, its other
    arguments, and the values of run symbols at it."""

    inputs: Mapping[str, str]
    in_numbers: Mapping[str, str]
    given: Mapping[str, Any]
    point: Mapping[str, int]


def example(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Example:
    """What a call of a module with these arguments is fed. The first dimension of the first tensor is the batch, and so
    is that of every other tensor that has as many entries.

    Raises SymflopsError for arguments that its forward does not take, and for those that are neither tensors nor plain
    values.
    """
    expect(module, nn.Module, "a torch.nn.Module")
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, str] = {}  # that stand beside tensors in an argument
    given: dict[str, Any] = {}
    for name, argument in _by_name(module, args, kwargs).items():
        for place, value in _leaves(name, argument):
            if isinstance(value, torch.Tensor):
                tensors[place] = value
            elif place == name and isinstance(value, _PLAIN):
                given[name] = value
            elif isinstance(value, _PLAIN) and not isinstance(value, torch.dtype):
                values[place] = json.dumps(value)
            else:
                kind = type(value).__name__
                why = "tensors and plain values are taken, also in dictionaries, lists and records"
                raise SymflopsError(f"argument {place} of {type(module).__name__} is a {kind}; {why}")
    if not tensors:
        raise SymflopsError(f"{type(module).__name__}: what is it fed? give its tensors, as in a call of it")
    batch = next((int(t.shape[0]) for t in tensors.values() if t.dim()), 0)
    sizes = {name: [*map(str, map(int, t.shape))] for name, t in tensors.items()}
    symbolic = {n: [BATCH, *s[1:]] if batch and s[:1] == [str(batch)] else s for n, s in sizes.items()}
    point = ({BATCH: batch} if batch else {}) | {ELEMENT: _bytes(module, tensors)}
    symbols, numbers = ({**_texts(tensors, one), **values} for one in (symbolic, sizes))
    return Example(symbols, numbers, given, point)


def _leaves(place: str, given: Any) -> Iterator[tuple[str, Any]]:
    """What stands in an argument, each with its place."""
    if place.count(".") > MOST_PARTS:
        raise SymflopsError(f"argument {place[:60]}: more than {MOST_PARTS} dictionaries and lists inside one another")
    if dataclasses.is_dataclass(given) and not isinstance(given, type) and not isinstance(given, Mapping):
        given = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    elif isinstance(given, tuple) and hasattr(given, "_fields"):  # a named tuple
        given = dict(zip(given._fields, given, strict=True))
    if isinstance(given, Mapping | list | tuple):
        for key, value in given.items() if isinstance(given, Mapping) else enumerate(given):
            yield from _leaves(f"{place}.{key}", value)
    else:
        yield place, given


def _by_name(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise SymflopsError(f"forward of {type(module).__name__}: {one_line(str(error))}") from None
    found: dict[str, Any] = {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        found |= value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return found


def _bytes(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> int:
    """Bytes of an element in the number format of most weights, or of the inputs where there are none."""
    every = [*module.parameters(), *tensors.values()]
    sizes = [t.dtype.itemsize for t in every if t.dtype.is_floating_point]
    of_weights = [t.dtype.itemsize for t in module.parameters() if t.dtype.is_floating_point] or sizes or [4]
    return max(set(of_weights), key=of_weights.count)


def _texts(tensors: Mapping[str, torch.Tensor], sizes: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: f"{kind_of(tensor)}[{', '.join(sizes[name])}]" for name, tensor in tensors.items()}
