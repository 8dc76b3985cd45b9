"""A user's own module: the arguments of its constructor in place of a config, and what builds it from them.

Integers among the arguments become symbols under their own names, as the fields of a config do; what else is given is a
choice. A function that returns a module is a constructor, too; a module that is there already has no arguments, and the
sizes of its weights are numbers.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import io
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from symflops.errors import SymflopsError, nearest
from symflops.inputs import Input
from symflops.trace.configs import Named
from symflops.trace.masks import triangle_of
from symflops.tree import NAME

_PLAIN = (bool, int, float, str, list, tuple, dict, type(None), torch.dtype)
_POSITIONAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Arguments:
    """The arguments of a constructor, read where the fields of a transformers config are."""

    lengths_are_sizes = True  # a longest sequence may be a symbol: tables are made of it
    attribute_map: Mapping[str, str] = {}
    sub_configs: Mapping[str, Any] = {}

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    def to_diff_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> Arguments:
        return self


class Constructor:
    """Builds a module from Arguments. It stands where the class of a transformers model does, and its name is that
    of the class or the function."""

    def __init__(self, make: Callable[..., Any], names: Collection[str], fields: type | None, argument: str) -> None:
        self.make = make
        self.names = names  # of the arguments that it is given
        self.fields = fields  # a dataclass of which the constructor's `argument` is one
        self.argument = argument
        self.__module__ = make.__module__
        self.__qualname__ = make.__qualname__
        self.__name__ = make.__name__
        self.forward = getattr(make, "forward", None)  # whose signature says what it is fed

    def __call__(self, arguments: Arguments) -> nn.Module:
        given = {name: value for name, value in vars(arguments).items() if name in self.names}
        if self.fields is not None:
            own = {f.name for f in dataclasses.fields(self.fields)}
            inner = {name: given.pop(name) for name in list(given) if name in own}
            given[self.argument] = self.fields(**inner)
        with contextlib.redirect_stdout(io.StringIO()):  # it is built several times
            made = self.make(**given)
        if not isinstance(made, nn.Module):
            raise SymflopsError("it gives no torch.nn.Module")
        return made


class Copies:
    """The same of a module that is there: each call makes a copy with new weights of the same shapes."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.__module__ = type(module).__module__
        self.__qualname__ = type(module).__qualname__
        self.__name__ = type(module).__name__
        found = {id(b): triangle_of(b) for b in module.buffers()}  # masks, whose values are lost in the copies
        self.triangles = {of: shaped for of, shaped in found.items() if shaped is not None}

    def __call__(self, arguments: Arguments) -> nn.Module:
        tensors = [*self.module.parameters(), *self.module.buffers()]
        kinds = [t.dtype for t in self.module.parameters() if t.dtype.is_floating_point]
        usual = max(set(kinds), key=kinds.count, default=None)  # the model's own number format
        memo: dict[int, Any] = {}
        for tensor in tensors:
            dtype = torch.get_default_dtype() if tensor.dtype == usual else tensor.dtype
            made = torch.empty(tuple(tensor.shape), dtype=dtype)
            is_weight = isinstance(tensor, nn.Parameter)
            shaped = self.triangles.get(id(tensor))
            memo[id(tensor)] = nn.Parameter(made, requires_grad=False) if is_weight else made
            if shaped is not None:
                memo[id(tensor)] = shaped(made)
        return copy.deepcopy(self.module, memo)


def arguments_of(what: Any, given: Mapping[str, Any], fixed: Collection[str]) -> tuple[Arguments, Any]:
    """The arguments of a class of modules, of a function that returns one, or of a module: those that are given and the
    defaults of the others, in place of a config; and what builds the module of them.

    Raises SymflopsError naming an argument that is missing or that there is none of.
    """
    if isinstance(what, nn.Module):
        what = _with_source(what)
        if given or fixed:
            raise SymflopsError("a module that is built has no arguments to set", where=type(what).__name__)
        return Arguments({}), Copies(what)
    parameters = _parameters(what)
    fields, argument = _dataclass(what, parameters)
    takes_more = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    named = {p.name: p.default for p in parameters if p.kind not in _POSITIONAL and p.name != argument}
    if fields is not None:
        named |= {f.name: _default_of(f) for f in dataclasses.fields(fields) if f.init}
    for name in (*given, *fixed):
        if name not in named and not (takes_more and NAME.match(name)):
            hint = nearest(name, tuple(named)) if named else ""
            raise SymflopsError(f"its constructor has no argument {name[:60]!r}{hint}", where=what.__qualname__)
    missing = [name for name, default in named.items() if default is inspect.Parameter.empty and name not in given]
    if missing:
        wanted = ", ".join(f"{name}=…" for name in missing)
        raise SymflopsError(f"its constructor needs {wanted}; give them with --set", where=what.__qualname__)
    plain = {name: default for name, default in named.items() if name not in given and isinstance(default, _PLAIN)}
    values = {**plain, **given}
    return Arguments(values), Constructor(what, frozenset(values), fields, argument)


def _with_source(module: nn.Module) -> nn.Module:
    """A module that is built, without the wrapper of torch.compile.

    Raises SymflopsError for one of which some layer has no Python source to run, or no sizes yet.
    """
    inside = getattr(module, "_orig_mod", None)
    module = inside if isinstance(inside, nn.Module) else module
    for path, one in module.named_modules():
        where = f"its layer {path}" if path else "it"
        if isinstance(one, torch.jit.ScriptModule):
            raise SymflopsError(f"{where} is compiled to TorchScript; give the module that it was made from")
        if ".quantized." in f"{type(one).__module__}.":
            raise SymflopsError(f"{where} is a quantized {type(one).__qualname__}; give the module before that")
        if any(is_lazy(weight) for weight in (*one._parameters.values(), *one._buffers.values())):
            raise SymflopsError(f"{where} is a {type(one).__qualname__} without sizes; call the module on an example")
    return module


def _parameters(what: Any) -> list[inspect.Parameter]:
    try:
        found = inspect.signature(what)
    except (TypeError, ValueError):
        raise SymflopsError("its constructor does not say what it takes", where=str(what)[:100]) from None
    required = [p for p in found.parameters.values() if p.kind is inspect.Parameter.POSITIONAL_ONLY]
    if required:
        raise SymflopsError(f"its argument {required[0].name} has no name to set it by", where=what.__qualname__)
    return list(found.parameters.values())


def _dataclass(what: Any, parameters: list[inspect.Parameter]) -> tuple[type | None, str]:
    """The dataclass that a constructor takes its sizes in: one that an argument is annotated with, or the only one in
    the module for an argument without annotation and default."""
    home = sys.modules.get(what.__module__)
    there = vars(home) if home is not None else {}
    for p in parameters:
        kind = there.get(p.annotation) if isinstance(p.annotation, str) else p.annotation
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind, p.name
    bare = [p for p in parameters if p.annotation is p.empty and p.default is p.empty and p.kind not in _POSITIONAL]
    kinds = [k for k in there.values() if isinstance(k, type) and dataclasses.is_dataclass(k)]
    own = [k for k in kinds if k.__module__ == what.__module__]
    return (own[0], bare[0].name) if len(own) == 1 and len(bare) == 1 else (None, "")


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty


def is_own(what: Any) -> bool:
    """Whether it is a module, a class of modules or a function, and not a model of transformers, which has a config."""
    if isinstance(what, type):
        return issubclass(what, nn.Module) and not issubclass(what, PreTrainedModel)
    return (isinstance(what, nn.Module) and not isinstance(what, PreTrainedModel)) or inspect.isfunction(what)


def own_module(what: Any, inputs: Sequence[Input], given: Mapping[str, Any], fixed: Collection[str]) -> Named:
    """What `find` gives for a config, of a module with its inputs."""
    arguments, make = arguments_of(what, given, fixed)
    return Named(arguments, make, make.__name__, inputs=tuple(inputs), packages=_packages(make, arguments))


def _packages(make: Any, arguments: Arguments) -> frozenset[str]:
    """The packages that a module's source is in: of what makes it, and of all that it is made of."""
    found = {make.__module__}
    try:
        with torch.device("meta"), no_init_weights():
            found |= {type(module).__module__ for module in make(arguments).modules()}
    except Exception:  # it is built once more, on fake tensors, where what is wrong is told
        pass
    return frozenset(name.partition(".")[0] for name in found) - {"torch", "builtins"}
