"""Calls that a class of modules may take: what its constructor needs, and tensors of the usual shapes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

_NO_SIZES = ("bool", "str", "float", "Module", "Tensor", "Config", "Callable", "dict", "list")
_NOT_COUNTED = ("inplace", "device", "dtype")


@dataclass(frozen=True)
class ModuleCall:
    """How a module is built and called: the constructor's sizes, those that are multiples of another one, and the
    shapes of the inputs by name. `ids` tells that the inputs are integers."""

    sizes: tuple[str, ...]
    inputs: tuple[tuple[str, ...], ...]
    ids: bool = False
    multiples: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every symbol of the call, multiples last."""
        found = dict.fromkeys((*self.sizes, *itertools.chain(*self.inputs)))
        return tuple(sorted(found, key=lambda name: name in self.multiples))

    def text(self, cls: type) -> str:
        """The call as one would write it."""
        kind = "integers" if self.ids else "numbers"
        shapes = " and ".join(f"{kind} of shape ({', '.join(shape)})" for shape in self.inputs)
        rules = "".join(f", {a} a multiple of {b}" for a, b in self.multiples.items())
        return f"{cls.__name__}({', '.join(self.sizes)}) on {shapes}{rules}"


def calls(cls: type[nn.Module]) -> Iterator[ModuleCall]:
    """Calls that a class may take, the likeliest first."""
    needed = _required(cls.__init__)
    inputs = _required(cls.forward)
    if needed is None or not inputs or any(_is_no_size(p) for p in needed):
        return
    sizes = tuple(p.name for p in needed)
    pairs = [{}, *({a: b} for a, b in itertools.permutations(sizes, 2))]
    for multiples in pairs:
        for shapes in _shapes(sizes, len(inputs)):
            yield ModuleCall(sizes, shapes, False, multiples)
        for shape in (("N", "length"), ("N",)):
            yield ModuleCall(sizes, (shape,) * len(inputs), True, multiples)


def _shapes(sizes: tuple[str, ...], count: int) -> Iterator[tuple[tuple[str, ...], ...]]:
    last: tuple[tuple[str, ...], tuple[str, ...]] = ("N", "length"), ()
    first: list[tuple[tuple[str, ...], tuple[str, ...]]]
    first = [(("N",), inner) for inner in (("length",), ("height", "width"), ("depth", "height", "width"))]
    for before, after in first:  # a width of its own where that is accepted: it is the most general
        yield (_dims(sizes, (*before, "channels", *after)),) * count
    for before, after in (last, *first):
        for widths in itertools.product(sizes, repeat=count):
            yield tuple((*_dims(sizes, before), width, *_dims(sizes, after)) for width in widths)
    yield (_dims(sizes, ("n",)),) * count


def _dims(sizes: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"input_{name}" if name in sizes else name for name in names)


def _required(function: Any) -> list[inspect.Parameter] | None:
    """The arguments that must be given, without self; None where that cannot be seen."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in parameters if p.default is p.empty and p.kind in plain]


def _is_no_size(parameter: inspect.Parameter) -> bool:
    kind = parameter.annotation
    text = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    return kind is not parameter.empty and "int" not in text and any(word in text for word in _NO_SIZES)


def switches_of(cls: type[nn.Module]) -> dict[str, int]:
    try:
        parameters = inspect.signature(cls.__init__).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: int(p.default) for p in parameters if type(p.default) is bool and p.name not in _NOT_COUNTED}
