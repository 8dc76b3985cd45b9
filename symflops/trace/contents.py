"""What is in small tensors that follow from numbers alone: computed beside the fake ones, which have no contents.

Tables of positions, grids of images and lengths of pieces decide what a source does: `linspace(0, p, n).tolist()`. Of a
tensor that is made of numbers the real one is computed with it, by PyTorch itself; where symbols are among the numbers,
as the sides of an image in a grid, an array of them is, by the few operations that are needed. What is written to in
place, drawn at random, large, or read from weights is unknown.
"""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from symflops.trace.internals import FakeTensor, TorchDispatchMode, no_dispatch
from symflops.trace.leaves import flat, mapped, tensors
from symflops.trace.serials import storage_key

MOST = 65_536  # elements of a tensor whose contents are followed
_MADE = {
    "arange", "div", "eye", "full", "lift_fresh", "lift_fresh_copy", "linspace", "logspace", "ones", "scalar_tensor",
    "tril_indices", "triu_indices", "zeros",
}  # fmt: skip
_CHANCE = ("rand", "bernoulli", "multinomial", "dropout", "empty", "normal", "uniform", "exponential")
_OF_CONTENTS = {
    "nonzero", "repeat_interleave", "index", "masked_select", "_unique2", "unique_consecutive", "unique_dim",
    "bincount",
}  # fmt: skip
_HALVES = (torch.bfloat16, torch.float16)  # are computed in float32: it is the model's format, and no source means it
_SIZES = (torch.SymInt, torch.SymFloat, torch.SymBool)


class Contents:
    """The contents of tensors, by their identity; each holds until its memory is written to. Tensors are not kept."""

    def __init__(self, others: Contents | None = None) -> None:
        self.entries: dict[int, tuple[Any, Any, int]] = {} if others is None else dict(others.entries)
        self.writes: dict[int, int] = {} if others is None else dict(others.writes)

    def of(self, tensor: Any) -> Any:
        """A real tensor or an array of numbers and symbols; None where the contents are unknown."""
        if not isinstance(tensor, FakeTensor):
            return tensor if tensor.numel() <= MOST else None
        entry = self.entries.get(id(tensor))
        if entry is None or entry[0]() is not tensor or entry[2] != self.writes.get(storage_key(tensor), 0):
            return None
        return entry[1]

    def state(self, tensor: torch.Tensor, content: Any) -> None:
        """Say what is in a tensor."""
        self.entries[id(tensor)] = (weakref.ref(tensor), content, self.writes.get(storage_key(tensor), 0))

    def item(self, tensor: torch.Tensor) -> Any:
        """The one element of a tensor; None where it is unknown."""
        content = self.of(tensor)
        if content is None:
            return None
        with no_dispatch():
            found = content.item()
        if isinstance(found, torch.SymFloat):  # it may be rounded to a size, and decides nothing by itself
            return None
        return found.item() if isinstance(found, numpy.generic) else found

    def answer(self, function: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operation whose shape follows from contents, where these are known; None otherwise."""
        name = function._schema.name.partition("::")[2]
        if name not in _OF_CONTENTS or not self._are_known(args, kwargs):
            return None
        if name == "index" and not any(getattr(i, "dtype", None) is torch.bool for i in args[1] if i is not None):
            return None
        computed = self._computed(function, name, args, kwargs)
        if computed is None and name == "repeat_interleave" and len(args) == 1:
            times = self.of(args[0])  # with symbols: how long the result is can be said, if not what is in it
            return args[0].new_empty((sum(times.flat),)) if isinstance(times, numpy.ndarray) else None
        if computed is None:
            return None
        like = tensors(args, kwargs)[0]
        kinds = [c.dtype if isinstance(c, torch.Tensor) else like.dtype for c in computed]
        made = [like.new_empty(tuple(c.shape), dtype=kind) for c, kind in zip(computed, kinds, strict=True)]
        for tensor, content in zip(made, computed, strict=True):
            self.state(tensor, content)
        return made[0] if len(function._schema.returns) == 1 else tuple(made)

    def follow(self, function: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Compute what an operation gave."""
        if function._schema.is_mutable:
            self._written(args)
            return
        if any(isinstance(arg, FakeTensor) and id(arg) not in self.entries for arg in args):
            return
        name = function._schema.name.partition("::")[2]
        outputs = tensors(result)
        if not outputs or not self._are_known(args, kwargs) or not all(map(is_small, outputs)):
            return
        is_made = not tensors(args, kwargs)
        if (is_made and name not in _MADE) or any(word in name for word in _CHANCE):
            return
        computed = self._computed(function, name, args, kwargs)
        if computed is not None and len(computed) == len(outputs):
            for tensor, content in zip(outputs, computed, strict=True):
                if tuple(content.shape) == tuple(tensor.shape) and _is_of(tensor.dtype, content):
                    self.state(tensor, content)

    def _written(self, args: Any) -> None:
        for leaf in flat(args)[:1]:
            if isinstance(leaf, FakeTensor):
                key = storage_key(leaf)
                self.writes[key] = self.writes.get(key, 0) + 1

    def _are_known(self, args: Any, kwargs: Any) -> bool:
        return all(self.of(tensor) is not None for tensor in tensors(args, kwargs))

    def _computed(self, function: Any, name: str, args: Any, kwargs: Any) -> list[Any] | None:
        args, kwargs = mapped(torch.Tensor, self.of, (args, kwargs))
        leaves = flat((args, kwargs))
        if any(isinstance(leaf, (*_SIZES, numpy.ndarray)) for leaf in leaves):
            return _on_arrays(name, args, kwargs)
        named = {k: v for k, v in kwargs.items() if k not in ("pin_memory", "layout")}
        kwargs = {k: torch.float32 if v in _HALVES else v for k, v in named.items()}
        with no_dispatch():
            try:
                found = function(*args, **kwargs)
            except (RuntimeError, TypeError, IndexError):  # of another number format, or what no real tensor allows
                return None
        return tensors(found)


class Following(TorchDispatchMode):
    """Follows contents while a model is built."""

    def __init__(self, contents: Contents) -> None:
        super().__init__()
        self.contents = contents

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.ops.aten._local_scalar_dense.default and (item := self.contents.item(args[0])) is not None:
            return item
        answered = self.contents.answer(function, args, kwargs)
        if answered is not None:
            return answered
        result = function(*args, **kwargs)
        self.contents.follow(function, args, kwargs, result)
        return result


def is_small(tensor: torch.Tensor) -> bool:
    """Whether the shape is one of numbers, and not too many."""
    number = 1
    for size in tensor.shape:
        if type(size) is not int:
            return False
        number *= size
    return number <= MOST


def real(numbers: Any, dtype: torch.dtype) -> torch.Tensor:
    """An array of numbers as a real tensor."""
    with no_dispatch():
        return torch.tensor(numbers.tolist(), dtype=torch.float32 if dtype in _HALVES else dtype)


# ------------------------------------------------------------------------------------------------ numbers and symbols


def _on_arrays(name: str, args: Sequence[Any], kwargs: Any) -> list[Any] | None:
    """What an operation gives of arrays of numbers and symbols; None where it is none of those that are known."""
    rule = _RULES.get(name)
    if rule is None:
        return None
    plain = mapped(torch.Tensor, _array, list(args))
    found = rule(*plain, **{k: v for k, v in kwargs.items() if k in ("rounding_mode",)})
    several = [] if found is None else list(found) if isinstance(found, list) else [found]
    return [one if isinstance(one, numpy.ndarray) else numpy.array(one, dtype=object) for one in several] or None


def _is_of(dtype: torch.dtype, content: Any) -> bool:
    """Whether the numbers may be in a tensor of this type: quotients of sizes only where nothing rounds them."""
    if dtype.is_floating_point or not isinstance(content, numpy.ndarray):
        return True
    return not any(isinstance(number, float | torch.SymFloat) for number in content.flat)


def _array(content: Any) -> Any:
    """An array of Python's own numbers."""
    found = numpy.empty(tuple(content.shape), dtype=object)
    with no_dispatch():
        found[...] = numpy.array(content.tolist(), dtype=object).reshape(found.shape)
    return found


def _expanded(a: Any, shape: Sequence[int]) -> Any:
    """Where a size is -1 it stays."""
    own = (1,) * (len(shape) - a.ndim) + a.shape
    return numpy.broadcast_to(a, [old if new == -1 else new for old, new in zip(own, shape, strict=True)])


def _filled(shape: Sequence[Any], value: Any) -> Any:
    if any(type(size) is not int for size in shape) or numpy.prod(shape, dtype=int) > MOST:
        return None
    found = numpy.empty(tuple(shape), dtype=object)
    for place in numpy.ndindex(*found.shape):
        found[place] = value
    return found


def _each(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b, *rest: None if rest else numpy.frompyfunc(compute, 2, 1)(_boxed(a), _boxed(b))


def _boxed(value: Any) -> Any:
    return value if isinstance(value, numpy.ndarray) else _filled((), value)


def _quotient(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    return _each(operator.floordiv if rounding_mode in ("floor", "trunc") else operator.truediv)(a, b)


def _reduced(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reduced(a: Any, dim: Any = None, keepdim: bool = False, *rest: Any) -> Any:
        if rest:
            return None
        dims = None if dim in (None, []) else tuple(dim) if isinstance(dim, list | tuple) else dim
        found = numpy.frompyfunc(combine, 2, 1).reduce(a, axis=dims, keepdims=bool(keepdim))
        return _boxed(found)

    return reduced


def _accumulated(a: Any, dim: int) -> Any:
    return numpy.frompyfunc(operator.add, 2, 1).accumulate(a, axis=dim)


def _sliced(a: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    place: list[Any] = [slice(None)] * a.ndim
    place[dim] = slice(start, None if end is None or end > a.shape[dim] else end, step)
    return a[tuple(place)]


def _split(a: Any, sizes: Any, dim: int = 0) -> list[Any]:
    places = list(range(sizes, a.shape[dim], sizes)) if type(sizes) is int else list(numpy.cumsum(sizes)[:-1])
    return list(numpy.split(a, places, axis=dim))


def _padded(a: Any, pads: Sequence[int], value: Any = 0) -> Any:
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    whole = [(0, 0)] * (a.ndim - len(pairs)) + pairs[::-1]
    return numpy.pad(a, whole, constant_values=int(value))  # sizes are whole, and torch hands over 0.0


def _repeated(a: Any, times: Any = None, dim: Any = None) -> Any:
    if times is None:  # the places of what is repeated
        a, times = numpy.arange(len(a)).astype(object), a
    if isinstance(times, numpy.ndarray) and _are_plain(times):
        return numpy.repeat(a, times.astype(int), axis=dim)
    return numpy.repeat(a, times, axis=dim) if type(times) is int else None


def _are_plain(numbers: Any) -> bool:
    return all(type(number) is int for number in numbers.flat)


def _gathered(a: Any, places: Sequence[Any]) -> Any:
    if all(p is None or _are_plain(p) for p in places):
        return a[tuple(slice(None) if p is None else p.astype(int) for p in places)]
    return None


def _same(a: Any, *rest: Any) -> Any:
    return a


def _taken(a: Any, dim: int, places: Any) -> Any:
    return numpy.take(a, places.astype(int), axis=dim) if _are_plain(places) else None


_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("alias", "clone", "detach", "_to_copy", "lift_fresh", "lift_fresh_copy"), _same),
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), lambda a, shape: a.reshape(tuple(shape))),
    "unsqueeze": lambda a, dim: numpy.expand_dims(a, dim),
    "squeeze": lambda a, *dim: numpy.squeeze(a, *(tuple(d) if isinstance(d, list) else d for d in dim)),
    "expand": _expanded,
    "select": lambda a, dim, index: _boxed(numpy.take(a, index, axis=dim)),
    "slice": _sliced, "split": _split, "split_with_sizes": _split,
    "unbind": lambda a, dim=0: [_boxed(numpy.take(a, i, axis=dim)) for i in range(a.shape[dim])],
    "t": lambda a: a.T,
    "transpose": lambda a, i, j: numpy.swapaxes(a, i, j),
    "permute": lambda a, dims: numpy.transpose(a, dims),
    "cat": lambda parts, dim=0: numpy.concatenate(parts, axis=dim),
    "stack": lambda parts, dim=0: numpy.stack(parts, axis=dim),
    "full": _filled, "scalar_tensor": lambda value: _filled((), value),
    "add": _each(operator.add), "sub": _each(operator.sub), "mul": _each(operator.mul),
    "rsub": _each(lambda a, b: b - a), "neg": lambda a: numpy.frompyfunc(operator.neg, 1, 1)(a),
    "floor_divide": _each(operator.floordiv), "remainder": _each(operator.mod), "div": _quotient,
    "ceil": lambda a: numpy.frompyfunc(math.ceil, 1, 1)(a), "floor": lambda a: numpy.frompyfunc(math.floor, 1, 1)(a),
    "eq": _each(operator.eq), "ne": _each(operator.ne), "lt": _each(operator.lt), "le": _each(operator.le),
    "gt": _each(operator.gt), "ge": _each(operator.ge),
    "sum": _reduced(operator.add), "prod": _reduced(operator.mul), "cumsum": _accumulated,
    "max": lambda a: _reduced(torch.sym_max)(a), "min": lambda a: _reduced(torch.sym_min)(a),
    "amax": _reduced(torch.sym_max), "amin": _reduced(torch.sym_min),
    "maximum": _each(torch.sym_max), "minimum": _each(torch.sym_min),
    "index_select": _taken,
    "constant_pad_nd": _padded, "repeat_interleave": _repeated, "index": _gathered,
}  # fmt: skip
