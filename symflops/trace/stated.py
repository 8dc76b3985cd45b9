"""Inputs as they are stated in Python: texts, example tensors with `dynamic_shapes` as torch.export takes them, both in
dictionaries and lists, or nothing, where the annotations of a module's forward say what it is fed."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from symflops.errors import SymflopsError, expect, nearest
from symflops.inputs import DTYPES, EXAMPLE, MOST_PARTS
from symflops.trace.nested import annotations_of, without_none
from symflops.vocabulary.symbols import BATCH, LENGTH

_MEANT = {"batch": BATCH, "b": BATCH, "bs": BATCH, "seq": LENGTH, "seq_length": LENGTH, "s": LENGTH}


def stated(what: Any, inputs: Any, dynamic_shapes: Any) -> Any:
    """Inputs as texts and plain values, by argument. Example tensors, which may be given in the order of forward's
    arguments, have their own dimensions, but for those that `dynamic_shapes` names.

    Raises SymflopsError for a name that is no input's, and for a dimension that is neither a name nor a number.
    """
    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if isinstance(inputs, list | tuple) and not all(isinstance(one, str) for one in inputs):
        inputs = _by_name(what, inputs, "inputs")
    if not isinstance(inputs, Mapping):
        if dynamic_shapes:
            raise SymflopsError("dynamic_shapes names the dimensions of example tensors; the inputs are texts")
        return inputs if inputs or what is None else annotated(what)
    if not isinstance(dynamic_shapes, Mapping):
        expect(dynamic_shapes, (list, tuple), "dynamic_shapes to be names by dimension, for each argument")
        dynamic_shapes = _by_name(what, dynamic_shapes, "dynamic_shapes")
    names = _Names()
    return {name: names.text(str(name), given, shape) for name, given, shape in _pairs("", inputs, dynamic_shapes)}


def wanted(what: Any) -> str:
    """What to say where nothing is stated: the arguments that forward needs, where there is one to look at."""
    needed = [p.name for p in _forward(what) if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    takes = f" its forward takes {', '.join(needed)};" if needed else ""
    return f"what is it fed?{takes} give its inputs, such as {EXAMPLE}"


def _by_name(what: Any, given: Sequence[Any], said: str) -> dict[str, Any]:
    """What stands for the arguments of forward in their order.

    Raises SymflopsError where there is no forward to look at, and for more than it takes.
    """
    if what is None or not isinstance(what, nn.Module | type):
        raise SymflopsError(f"{said}: give them by name, such as {{'x': …}}")
    accepted = _forward(what)
    named = [p for p in accepted if p.kind is not p.VAR_KEYWORD]
    several = next((i for i, p in enumerate(named) if p.kind is p.VAR_POSITIONAL), None)
    if several is not None and len(given) > several:
        return dict(zip([p.name for p in named], [*given[:several], list(given[several:])], strict=False))
    if len(given) > len(named):
        takes = ", ".join(p.name for p in named) or "none"
        raise SymflopsError(f"{said}: {len(given)} for a forward that takes {takes}; give them by name")
    return dict(zip([p.name for p in named], given, strict=False))


def _forward(what: Any) -> list[inspect.Parameter]:
    """What the forward of a module, or of a class of modules, takes; nothing is known of a function's."""
    own = what if isinstance(what, type) else type(what)
    if not issubclass(own, nn.Module):
        return []
    return [*inspect.signature(own.forward).parameters.values()][1:]


def _pairs(name: str, given: Mapping[str, Any], shapes: Any) -> Iterable[tuple[str, Any, Any]]:
    """What is given at the top, each with its shapes."""
    for key in shapes:
        if key not in given:
            hint = nearest(str(key), list(map(str, given)))
            raise SymflopsError(f"dynamic_shapes names {str(key)[:60]!r}, which is no input{hint}")
    for key, value in given.items():
        yield key, value, shapes.get(key)


class _Names:
    """The dimensions of example tensors as texts. Those that are to be symbols and have no name are one where they are
    as long, as torch.export finds out that they are."""

    def __init__(self) -> None:
        self.automatic: dict[int, str] = {}

    def text(self, place: str, given: Any, shape: Any) -> Any:
        """What is given at a place, with example tensors as texts."""
        if place.count(".") > MOST_PARTS:
            return given  # which is refused where it is read
        if dataclasses.is_dataclass(given) and not isinstance(given, type):
            given = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
        if isinstance(given, tuple) and hasattr(given, "_fields"):
            given = dict(zip(given._fields, given, strict=True))
        if isinstance(given, Mapping):
            shape = {} if shape is None else shape
            expect(shape, Mapping, f"dynamic_shapes[{place[:60]!r}] to be by name, as the input is")
            return {key: self.text(f"{place}.{key}", one, at) for key, one, at in _pairs(place, given, shape)}
        if isinstance(given, list | tuple):
            each = [None] * len(given) if shape is None else shape
            expect(each, (list, tuple), f"dynamic_shapes[{place[:60]!r}] to be a list, as the input is")
            if len(each) != len(given):
                raise SymflopsError(f"dynamic_shapes[{place[:60]!r}]: {len(each)} for {len(given)} entries")
            return [self.text(f"{place}.{i}", one, each[i]) for i, one in enumerate(given)]
        if not isinstance(given, torch.Tensor):
            return given
        named = {} if shape is None else shape
        expect(named, (Mapping, list, tuple), f"dynamic_shapes[{place[:60]!r}] to be names by dimension")
        pairs = named.items() if isinstance(named, Mapping) else enumerate(named)
        by_axis: dict[int, Any] = {}
        for axis, dimension in pairs:
            if type(axis) is not int or not -given.dim() <= axis < given.dim():
                at = f"dynamic_shapes[{place[:60]!r}]"
                raise SymflopsError(f"{at}: no dimension {str(axis)[:20]!r}; it has {given.dim()}")
            by_axis[axis % given.dim()] = dimension
        sizes = [self.dimension(by_axis.get(i), place, i, int(size)) for i, size in enumerate(given.shape)]
        return f"{kind_of(given)}[{', '.join(sizes)}]"

    def dimension(self, said: Any, place: str, axis: int, size: int) -> str:
        """A dimension as a text: a name, one of torch.export's, or the example's number."""
        if said is None or type(said) is int:
            return str(size)
        if isinstance(said, str):
            return said
        hint = getattr(getattr(said, "type", None), "name", "")  # of Dim.AUTO, Dim.DYNAMIC and Dim.STATIC
        if hint == "STATIC":
            return str(size)
        if hint in ("AUTO", "DYNAMIC"):
            name = BATCH if axis == 0 else f"{place.replace('.', '_')}_{axis}"
            taken = name in self.automatic.values() and size not in self.automatic
            return self.automatic.setdefault(size, f"{place.replace('.', '_')}_{axis}" if taken else name)
        root = getattr(said, "root", None)  # of 2*Dim("h") + 1
        if root is not None and callable(getattr(said, "fn", None)):
            none, one = int(said.fn(0)), int(said.fn(1))
            return f"{one - none}*{root.__name__} + {none}"
        if name := getattr(said, "__name__", ""):
            return str(name)
        kind = type(said).__name__
        raise SymflopsError(f"dynamic_shapes[{place[:60]!r}]: expected names, Dim or None, got a {kind}")


def kind_of(tensor: torch.Tensor) -> str:
    """The type of a tensor's elements as inputs have it; the formats of floating-point numbers are all the model's."""
    return "float" if tensor.dtype.is_floating_point else str(tensor.dtype).removeprefix("torch.")


def annotated(what: Any) -> dict[str, str]:
    """The inputs that the annotations of forward say, `x: Float[Tensor, "batch seq dim"]`, as jaxtyping writes them;
    nothing where an argument that has to be given has none. A name that is an attribute of a module that is built is
    that number, one of a constructor's argument that argument."""
    found: dict[str, str] = {}
    own = what if isinstance(what, type) else type(what)
    accepted = _forward(what)
    kinds = annotations_of(getattr(own, "forward", None)) if accepted else {}
    for one in accepted:
        kind = without_none(kinds.get(one.name))
        dimensions, types = getattr(kind, "dim_str", None), getattr(kind, "dtypes", None)
        if not isinstance(dimensions, str):
            if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                return {}
            continue
        if one.default is one.empty:
            sizes = [_size(text, what, one.name, axis) for axis, text in enumerate(dimensions.split())]
            found[one.name] = f"{_kind(types)}[{', '.join(sizes)}]"
    return found


def _kind(types: Any) -> str:
    names = [types] if isinstance(types, str) else [str(name) for name in types] if isinstance(types, Iterable) else []
    if len(names) == 1 and names[0] in DTYPES:
        return names[0]
    floats = not names or any("float" in name for name in names)
    return "float" if floats else "int64" if any("int" in name for name in names) else "bool"


def _size(text: str, what: Any, argument: str, axis: int) -> str:
    """One dimension of an annotation. `*batch` and `...` may be several, of which one is taken; `#n` may also be 1."""
    bare = text.lstrip("#*?")
    if bare in ("...", "_", ""):
        return BATCH if axis == 0 else f"{argument}_{axis}"
    bare = bare.partition("=")[2] or bare
    number = None if isinstance(what, type) else getattr(what, bare, None)
    return str(number) if type(number) is int else _MEANT.get(bare, bare)
