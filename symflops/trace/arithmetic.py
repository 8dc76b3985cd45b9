"""Python's own arithmetic for sizes that are symbols, lent to the models' source while it runs.

`int(hidden_size / num_attention_heads)` and `math.sqrt(head_dim)` want a number from a symbol, and torch would then
replace the symbol by its hint for good. In the modules of transformers' models, and of a user's own, the names `int`,
`float`, `max`, `min`, `len`, `range`, `math` and `np` stand for what is defined here while a model is traced, and for
Python's own again afterwards.
"""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Collection, Iterator, Set
from contextlib import ExitStack, contextmanager
from functools import reduce
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy
import sympy
import torch
from transformers.utils.generic import torch_float, torch_int

from symflops.errors import SymflopsError

_MODULES = ("transformers.models.", "transformers.modeling_", "transformers.activations", "transformers.integrations.")


class RoundedError(SymflopsError):
    """The source makes a size of an `Estimate`: the sizes that the estimate was computed from have to be numbers."""

    def __init__(self, estimate: Estimate) -> None:
        super().__init__("a size is computed from the square root or logarithm of another")
        self.sizes = estimate.sizes


class Estimate(float):
    """A real number that was computed from hints: it may scale values, but must not become a size."""

    sizes: frozenset[sympy.Symbol]  # what it was computed from

    def __new__(cls, value: float, *sources: Any) -> Estimate:
        estimate = super().__new__(cls, value)
        estimate.sizes = frozenset().union(*(_sizes(s) for s in sources))
        return estimate


def _sizes(value: Any) -> frozenset[sympy.Symbol]:
    if isinstance(value, torch.SymInt | torch.SymFloat):
        return frozenset(value.node.expr.free_symbols)
    return value.sizes if isinstance(value, Estimate) else frozenset()


def _kept(name: str) -> Any:
    plain = getattr(float, name)

    def operation(self: Estimate, *others: Any) -> Any:
        result = plain(self, *(_hint(o) if isinstance(o, torch.SymInt | torch.SymFloat) else o for o in others))
        return Estimate(result, self, *others) if type(result) is float else result

    return operation


for _name in ["add", "sub", "mul", "truediv", "pow", "radd", "rsub", "rmul", "rtruediv", "rpow", "neg", "abs"]:
    setattr(Estimate, f"__{_name}__", _kept(f"__{_name}__"))


def _hint(size: Any) -> float:
    return builtins.float(size.node.hint if isinstance(size, torch.SymInt | torch.SymFloat) else size)


class _Integers(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, builtins.int | torch.SymInt)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, builtins.int | torch.SymInt)

    def __call__(cls, value: Any = 0, *base: Any) -> Any:
        if isinstance(value, torch.SymInt | torch.SymFloat):
            return torch.sym_int(value)
        if isinstance(value, Estimate):
            raise RoundedError(value)
        return builtins.int(value, *base)


class _Floats(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, builtins.float | torch.SymFloat)

    def __call__(cls, value: Any = 0.0) -> Any:
        return torch.sym_float(value) if isinstance(value, torch.SymInt | torch.SymFloat) else builtins.float(value)


class Integer(builtins.int, metaclass=_Integers):
    """`int`, of which a symbolic size is an instance."""


class Real(builtins.float, metaclass=_Floats):
    """`float`, of which a symbolic real number is an instance."""


def _estimating(function: Any) -> Any:
    def estimate(*values: Any) -> Any:
        if any(isinstance(v, torch.SymInt | torch.SymFloat | Estimate) for v in values):
            hints = [_hint(v) if isinstance(v, torch.SymInt | torch.SymFloat) else v for v in values]
            return Estimate(function(*hints), *values)
        return function(*values)

    return estimate


_ESTIMATED = ("sqrt", "log", "log2", "log10", "exp", "pow", "cos", "sin")
_ON_NUMPY = ("sqrt", "log", "log2", "log10", "exp")


def _whole(function: Any) -> Any:
    def rounded(value: Any) -> Any:
        if isinstance(value, Estimate):
            raise RoundedError(value)
        return function(value)

    return rounded


_ROUNDED = {name: _whole(getattr(math, name)) for name in ("floor", "ceil", "trunc")}
MATH = SimpleNamespace(**{**vars(math), **{name: _estimating(getattr(math, name)) for name in _ESTIMATED}, **_ROUNDED})
NUMPY = SimpleNamespace(**{**vars(numpy), **{name: _estimating(getattr(numpy, name)) for name in _ON_NUMPY}})


def _extreme(function: Any, is_first: Any, of_both: Any, lengths: Set[sympy.Symbol]) -> Any:
    """`max` or `min` of sizes. Of a length and something else it is a size of its own, whichever is the larger one.
    Python's own asks whether one is really larger; where both are equal, either is the largest, so that what is noted
    here holds at the boundary, too."""

    def chosen(*values: Any, **options: Any) -> Any:
        if options or len(values) < 2 or not any(isinstance(v, torch.SymInt) for v in values):
            return function(*values, **options)
        if not all(isinstance(v, builtins.int | torch.SymInt) for v in values):
            return function(*values)
        if any(not lengths.isdisjoint(_sizes(v)) for v in values):
            return reduce(of_both, values)
        found = values[0]
        for value in values[1:]:
            first, second = (found, value) if is_first(_hint(found), _hint(value)) else (value, found)
            found = first if is_first(first, second) else second
        return found

    return chosen


_FORMATS: dict[Any, type] = {Integer: builtins.int, Real: builtins.float}
_TENSOR = torch.tensor
_CREATORS = ("tensor", "arange", "empty", "full", "ones", "zeros")


def _of_format(create: Any) -> Any:
    """A function of torch that takes Python's own `int` and `float` as formats, and no class that stands for them."""

    def created(*values: Any, **options: Any) -> Any:
        if options.get("dtype") in _FORMATS:
            options["dtype"] = _FORMATS[options["dtype"]]
        if create is _TENSOR and len(values) == 1 and isinstance(values[0], torch.SymInt):  # of which it asks a number
            as_it_is: Any = torch.scalar_tensor
            return as_it_is(values[0], **{"dtype": torch.int64, **options})
        return create(*values, **options)

    return created


_BY_FUNCTION = {id(getattr(math, name)): getattr(MATH, name) for name in (*_ESTIMATED, *_ROUNDED)}
_BY_FUNCTION |= {id(torch_int): Integer, id(torch_float): Real}  # which are `int` and `float` where nothing is exported


def _range(*bounds: Any) -> Any:
    """`range`, which asks for the numbers of its bounds: where its step is more than 1, here for how many steps there
    are, so that what fixes a length says in pieces of which length its source takes it."""
    if len(bounds) < 3 or type(bounds[2]) is not int or bounds[2] < 2:
        return range(*bounds)
    start, stop, step = bounds
    if not isinstance(stop - start, torch.SymInt):
        return range(*bounds)
    return [start + step * i for i in range((stop - start + step - 1) // step)]


def _length(thing: Any) -> Any:
    """`len`, which Python makes a number of: of a tensor it is its first size."""
    return thing.shape[0] if isinstance(thing, torch.Tensor) and thing.dim() > 0 else len(thing)


@contextmanager
def lent(lengths: Set[sympy.Symbol], packages: Collection[str] = ()) -> Iterator[None]:
    """Inside, the modules of transformers' models and of these packages compute with symbols, of which some are
    `lengths`."""
    extremes = {
        "max": _extreme(max, operator.ge, torch.sym_max, lengths),
        "min": _extreme(min, operator.le, torch.sym_min, lengths),
    }
    with ExitStack() as stack:
        for name, module in sys.modules.copy().items():  # which a line of progress may add to meanwhile
            is_of_transformers = name.startswith(_MODULES) and "configuration" not in name
            if (is_of_transformers or name.partition(".")[0] in packages) and module is not None:
                names: dict[str, Any] = {"int": Integer, "float": Real, "len": _length, "range": _range, **extremes}
                own = vars(module).copy().items()
                names |= {n: _BY_FUNCTION[id(thing)] for n, thing in own if id(thing) in _BY_FUNCTION}
                if vars(module).get("math") is math:
                    names["math"] = MATH
                if vars(module).get("np") is numpy:
                    names["np"] = NUMPY
                stack.enter_context(patch.dict(vars(module), names))
        # Recurrent layers ask whether their sizes are instances of `int`.
        stack.enter_context(patch.dict(vars(torch.nn.modules.rnn), {"int": Integer}))
        for creator in _CREATORS:
            stack.enter_context(patch.object(torch, creator, _of_format(getattr(torch, creator))))
        yield
