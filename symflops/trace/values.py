"""What is known of the values of tensors, though they are fake.

Of a tensor made from constants alone, such as a mask of ones: that all its elements are one number. Of positions, an
`arange`: which is the largest, so that a source can ask how long the sequence is by `max(position_ids) + 1`, and that
all are below a length, as in a mask of what is no padding, which is then one of ones. Of ids
that `topk` or `argmax` chose: of how many things each chooses one, so that masks made from them have so many true
elements on the average.
"""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy
import torch

from symflops.errors import SymflopsError
from symflops.function import minimum
from symflops.polynomial import Value, add, divide, multiply, negate
from symflops.trace.contents import Contents
from symflops.trace.internals import Sizes, expression
from symflops.trace.needed import least
from symflops.trace.quantity import Quantities, is_zero
from symflops.trace.record import Storage
from symflops.trace.serials import storage_key

_MADE = {"ones": 1, "ones_like": 1, "new_ones": 1, "zeros": 0, "zeros_like": 0, "new_zeros": 0, "zero_": 0}
_FILLED = {"full": 1, "full_like": 1, "new_full": 2, "fill_": 1}  # where the number stands among the arguments
_SAME = {"_to_copy", "clone", "repeat", "all", "any", "amax", "amin", "copy_"}
_NUMBERS = (bool, int, float)
_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "rsub": lambda a, b: b - a, "mul": operator.mul,
    "logical_not": operator.not_, "bitwise_not": lambda a: not a if type(a) is bool else ~a,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "pow": lambda a, b: _power(a, b),
    "logical_and": lambda a, b: bool(a) and bool(b), "logical_or": lambda a, b: bool(a) or bool(b),
    "floor_divide": lambda a, b: _floored(a, b), "remainder": lambda a, b: _rest(a, b),
    "bitwise_and": operator.and_, "bitwise_or": operator.or_,
}  # fmt: skip
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_OF_SMALLER = {
    "lt": (1, True), "le": (0, True), "ne": (1, True), "ge": (1, False), "gt": (0, False), "eq": (1, False),
}  # fmt: skip
"""What comparisons with a number give of all numbers that are so much smaller at least."""

_SIZES = (torch.SymInt, torch.SymBool)  # of the largest position, and of what was compared with it
_SHIFTS = {"add": operator.add, "sub": operator.sub}
_COPIES = {"_to_copy", "clone", "repeat", "copy_"}  # of the same elements


def _power(base: Any, exponent: Any) -> Any:
    """Of plain numbers, where it is one that any type of tensor holds exactly enough to be compared; None elsewhere."""
    if not {type(base), type(exponent)} <= {int, float} or exponent < 0 or abs(base) > 2**10 or exponent > 3:
        return None
    return base**exponent if base >= 0 or exponent == int(exponent) else None


def _floored(a: Any, b: Any) -> Any:
    """The quotient of whole numbers, rounded down; None elsewhere, as torch refuses a division by 0."""
    is_whole = {type(a), type(b)} <= {int, torch.SymInt} and type(b) is int and b > 0
    return a // b if is_whole else None


def _rest(a: Any, b: Any) -> Any:
    quotient = _floored(a, b)
    return None if quotient is None else a - b * quotient


class Values:
    """Follows values through the operations of one run, in the storages of its record."""

    def __init__(self, storages: Mapping[int, Storage], sizes: Sizes, quantities: Quantities) -> None:
        self.storages, self.sizes, self.quantities = storages, sizes, quantities
        self.contents = Contents()  # of small tensors, element by element
        self.ranks: set[int] = set()  # memory that says the how manieth an expert's token is
        self.has_capacity = False  # of experts: it was asked which tokens are beyond it
        self.selected: list[weakref.ref[torch.Tensor]] = []  # of how many elements is not known
        self.kept: dict[Value, Any] = {}  # how much of a memory is, by how much that may be

    def number(self, tensor: torch.Tensor) -> Any:
        """The value of a tensor's one element, or of all of them: a number or a torch size; None if unknown."""
        storage = self.storages.get(storage_key(tensor))
        if storage is None:
            return None
        return int(tensor.storage_offset()) if storage.is_hits else storage.value  # a loop has come to this expert

    def item(self, tensor: torch.Tensor) -> Any:
        """The value of a tensor's one element, as Python asks for it; None if unknown."""
        found = self.contents.item(tensor)
        found = self.number(tensor) if found is None else found
        return bool(found) if type(found) is torch.SymBool else found

    def adds_zeros(self, name: str, inputs: Sequence[torch.Tensor]) -> bool:
        """Whether an operation adds a constant that is 0 everywhere, such as a state that nothing was written to."""
        return name.rstrip("_") == "add" and len(inputs) == 2 and any(map(self.is_zeros, inputs))

    def is_zeros(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor of floating-point numbers is 0 everywhere."""
        return type(number := self.number(tensor)) is float and number == 0

    def last(self, table: torch.Tensor, dim: int = 0, start: Any = None, *rest: Any) -> tuple[Any, ...]:
        """The arguments of a slice: of as many from the end of a memory as there are, where those may be fewer than
        are asked for."""
        size = table.shape[dim]
        is_length = isinstance(size, torch.SymInt) and not self.sizes.lengths.isdisjoint(size.node.expr.free_symbols)
        if not is_length or start is None or self.sizes.number(start) >= 0:
            return table, dim, start, *rest
        value = minimum(self.quantities.value(size), negate(self.quantities.value(start)))
        if value not in self.kept:  # a size of its own
            name = f"kept_{len(self.sizes.names)}"
            self.quantities.values[name] = value
            self.kept[value] = self.sizes.symbol(name, min(self.sizes.number(size), -self.sizes.number(start)))
        return table, dim, size - self.kept[value], *rest

    def places(self, mask: torch.Tensor) -> tuple[torch.Tensor, bool]:
        """The places of the true elements of a mask, and whether they are the experts that some token chose.

        Of a mask that says which tokens chose one of some experts, they are as many as there are on the average: the
        experts together get exactly the tokens times top_k.
        """
        storage = self.storages.get(storage_key(mask))
        if storage is not None and storage.value is not None:
            return mask.new_empty((mask.numel() if storage.value else 0, mask.dim()), dtype=torch.long), False
        if (hits := self.hits(mask)) is not None:
            return mask.new_empty((hits, mask.dim()), dtype=torch.long), False
        if storage is None or not storage.classes:
            raise SymflopsError("the number of elements depends on the values of a tensor (nonzero)")
        if mask.dim() == 1 and storage.elements in (storage.classes, add(storage.classes, 1)):
            every = mask.shape[0] if storage.elements == storage.classes else mask.shape[0] - 1
            return mask.new_empty((every, 1), dtype=torch.long), True  # every expert has some token
        name = f"routed_{len(self.sizes.names)}"
        self.quantities.values[name] = divide(self.quantities.value(mask.numel()), storage.classes)
        return mask.new_empty((self.sizes.symbol(name, 6007), mask.dim()), dtype=torch.long), False

    def hits(self, mask: torch.Tensor) -> Any:
        """How many elements of a mask are true, where rows were scattered to all of these; None otherwise."""
        storage = self.storages.get(storage_key(mask))
        if storage is None or self.quantities.value(mask.numel()) != storage.elements:
            return None
        return storage.hits

    def selects_unknown(self, name: str, outputs: Sequence[torch.Tensor]) -> bool:
        """Whether an operation takes the true elements of a mask of which nobody knows how many there are. A source
        may ask that, to compare it with how many there should be, as long as it computes nothing with them."""
        sizes = [expression(size) for size in outputs[0].shape]
        unknown = {s for e in sizes if isinstance(e, sympy.Expr) for s in e.free_symbols} - self.quantities.names.keys()
        if name != "index" or not unknown:
            return False
        self.selected.append(weakref.ref(outputs[0]))
        return True

    def refuse_selected(self) -> None:
        """Raise SymflopsError if what was taken of an unknown number of elements is kept to the end of the call."""
        for taken in (found() for found in self.selected):
            if taken is not None:
                self.quantities.shape(taken.shape)

    def counts(self, mask: torch.Tensor) -> bool:
        """Whether it is known how many elements of a mask are true."""
        return self.number(mask) is not None or self.hits(mask) is not None

    def _scattered(self, mask: torch.Tensor, source: torch.Tensor) -> None:
        """Rows, such as what a tower gives for an image, take the places of as many true elements of a mask, which
        every source that does so demands."""
        dims = list(zip(mask.shape, mask.stride(), strict=True))
        wide = [i for i, (size, stride) in enumerate(dims) if is_zero(stride) or (type(size) is int and size == 1)]
        if wide == [mask.dim() - 1] and source.dim() > 1:
            rows = source.shape[0]
            for size in source.shape[1:-1]:
                rows = rows * size
            self.storages[storage_key(mask)].hits = rows

    def constant(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: torch.Tensor) -> Any:
        """The one number that all elements of `output` are when this operation made it; None where it is not known."""
        found: Any = None
        if name == "max" and len(args) == 1:
            found = self._largest_of(args[0])
        elif name in _MADE:
            found = _MADE[name]
        elif name in _FILLED:
            found = args[_FILLED[name]]
        elif name == "sum":
            found = self._sum(*args)
        elif name in _SAME:
            found = self._of(args[1 if name == "copy_" else 0])
        elif name.rstrip("_") in _ELEMENTWISE and len(args) < 3 and not kwargs:  # a third is a factor
            numbers = [self._of(arg) for arg in args]
            if all(type(n) in (*_NUMBERS, *_SIZES) for n in numbers):
                found = _ELEMENTWISE[name.rstrip("_")](*numbers)
            elif len(args) == 2:
                found = self._compared(name.rstrip("_"), *args)
        if type(found) in _SIZES and not output.dtype.is_floating_point:
            return found
        if type(found) not in _NUMBERS or not math.isfinite(found):
            return None
        return _kind(output.dtype)(found)

    def _compared(self, name: str, left: Any, right: Any) -> bool | None:
        """What a comparison of positions with a number gives, where all of them are below it whatever the sizes are."""
        if name not in _OF_SMALLER:
            return None
        largest, number = self._largest_of(left), self._of(right)
        if largest is None:
            name, largest, number = _MIRRORED[name], self._largest_of(right), self._of(left)
        if not all(type(n) in (int, torch.SymInt) and self._is_of_sizes(n) for n in (largest, number)):
            return None
        less, found = _OF_SMALLER[name]
        gap = least(add(self.quantities.value(number), negate(self.quantities.value(largest)), -less))
        return found if gap is not None and gap >= 0 else None

    def _is_of_sizes(self, number: Any) -> bool:
        """Whether a number follows from sizes alone, and not from how many elements something unknown has."""
        found = expression(number)
        return not isinstance(found, sympy.Expr) or found.free_symbols <= self.quantities.names.keys()

    def largest(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The largest element of what this operation made of positions; None where it is not known."""
        if name == "arange" and len(args) < 3:  # a third is the step
            return args[-1] - 1 if all(type(n) in (int, torch.SymInt) for n in args) else None
        if name in _SHIFTS and len(args) == 2 and not kwargs and type(args[1]) in (int, torch.SymInt):
            found = self._largest_of(args[0])
            return None if found is None else _SHIFTS[name](found, args[1])
        return self._largest_of(args[1 if name == "copy_" else 0]) if name in _COPIES else None

    def _largest_of(self, tensor: Any) -> Any:
        """The largest element of a tensor that contains every position, perhaps repeatedly."""
        if not isinstance(tensor, torch.Tensor):
            return None
        storage = self.storages.get(storage_key(tensor))
        if storage is None or storage.largest is None:
            return None
        sizes = [self.quantities.value(s) for s, t in zip(tensor.shape, tensor.stride(), strict=True) if not is_zero(t)]
        return storage.largest if multiply(1, *sizes) == storage.elements else None

    def _sum(self, tensor: torch.Tensor, dims: Any = None, *rest: Any) -> Any:
        """The sum of whole numbers that are all one: as many times it as there are along the dimensions."""
        number = self._of(tensor)
        if type(number) is not bool and type(number) is not int:
            return None
        chosen = range(tensor.dim()) if dims in (None, []) else [dims] if isinstance(dims, int) else dims
        total: Any = int(number)
        for dim in chosen if total else ():
            total = total * tensor.shape[dim]
        return total

    def _of(self, argument: Any) -> Any:
        return self.number(argument) if isinstance(argument, torch.Tensor) else argument

    def follow(self, name: str, inputs: list[torch.Tensor], outputs: list[torch.Tensor], args: Sequence[Any]) -> None:
        """Follow the choice of experts from `topk` through one-hot codes and comparisons, and how often masks hit."""
        if name == "masked_scatter":
            self._scattered(*inputs[1:3])
        if name == "topk" or (name == "argmax" and len(args) > 1 and type(args[1]) is int):
            dim = args[1] if name == "argmax" else args[2] if len(args) > 2 else -1
            self.storages[storage_key(outputs[-1])].classes = self.quantities.value(inputs[0].shape[dim])
            return
        if not outputs[0].dtype.is_floating_point:
            for tensor in inputs:
                found = self.storages[storage_key(tensor)]
                if found.classes:
                    self.storages[storage_key(outputs[0])].classes = found.classes
                    if name == "cumsum" or (storage_key(tensor) in self.ranks and name in _SHIFTS):
                        self.ranks.add(storage_key(outputs[0]))
            self.has_capacity |= name in ("lt", "le") and storage_key(inputs[0]) in self.ranks


def _kind(dtype: torch.dtype) -> type:
    return bool if dtype == torch.bool else float if dtype.is_floating_point else int
