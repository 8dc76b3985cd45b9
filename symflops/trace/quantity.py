"""From torch's symbolic sizes to canonical values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy

from symflops import algebra, function, polynomial
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Value
from symflops.trace.internals import expression, size_key
from symflops.tree import exact


def _maximum(*values: Value) -> Value:
    """The largest. Strides are asked for as max(1, size), since a size may be 0; those that are symbols are not."""
    sizes = [v for v in values if v != 1]
    return function.maximum(*(sizes if any(map(_is_positive, sizes)) else values))


def _is_positive(value: Value) -> bool:
    """Whether a value is above 0 for all sizes of at least 1, as far as its form shows."""
    terms = polynomial.terms_of(value)
    return polynomial.is_nonnegative(value) and any(all(_is_above_0(n) for n, _ in m) for m in terms)


def _is_above_0(name: str) -> bool:
    if not isinstance(name, Call):
        return name != "past_len"  # all other sizes are at least 1
    positive = [_is_positive(a) for a in name.arguments]
    return all(positive) if name.function in ("ceil", "min") else name.function == "max" and any(positive)


_PLAIN: Mapping[str, Callable[..., Value]] = {
    "FloorDiv": function.divide_floor, "CleanDiv": polynomial.divide, "IntTrueDiv": polynomial.divide,
    "FloatTrueDiv": polynomial.divide, "CeilDiv": lambda a, b: function.ceil(polynomial.divide(a, b)),
    "Mod": function.modulo, "PythonMod": function.modulo, "Max": _maximum, "Min": function.minimum,
    "ToFloat": lambda a: a, "Identity": lambda a: a, "TruncToInt": function.floor, "FloorToInt": function.floor,
    "CeilToInt": function.ceil, "floor": function.floor, "ceiling": function.ceil, "FloatPow": polynomial.power,
    "PowByNatural": polynomial.power, "LShift": lambda a, b: polynomial.multiply(a, polynomial.power(2, b)),
    "RoundToInt": lambda a: function.floor(polynomial.add(a, Fraction(1, 2))),
    "OpaqueUnaryFn_sqrt": polynomial.square_root, "OpaqueUnaryFn_log2": function.logarithm2,
}  # fmt: skip


class Quantities:
    """Reads sizes. `values` says what each of torch's symbols stands for, such as head_dim/2 for a symbol that was
    introduced as half of head_dim."""

    def __init__(self, names: Mapping[sympy.Symbol, str], values: dict[str, Value]) -> None:
        self.names = names
        self.values = values
        self.seen: dict[Any, Value] = {}  # what sizes are
        self.sides: dict[Any, Value] = {}  # and what is compared
        self.own: dict[Any, Value] = {}
        self.dimensions: dict[Any, None] = {}  # torch's expressions for sizes of tensors, each once

    def value(self, size: Any) -> Value:
        """The canonical value of an int, a SymInt or a SymFloat."""
        if type(size) is int:
            return size
        found = expression(size)
        return found if type(found) is int else self.read(found)

    def read(self, e: Any) -> Value:
        """The canonical value of one of torch's SymPy expressions.

        It is computed in torch's own symbols first, in which quotients that the config makes exact are exact
        (floor(n*x/n) is x), and only then in what these stand for.
        """
        if e not in self.seen:
            self.seen[e] = self.compared(e)
        return self.seen[e]

    def compared(self, e: Any) -> Value:
        """The same of what is compared with something: it is no size that anything has, and need not be whole."""
        if e not in self.sides:
            self.sides[e] = algebra.substitute(self._in_own_symbols(e), self.values)
        return self.sides[e]

    def _in_own_symbols(self, e: Any) -> Value:
        if e not in self.own:
            self.own[e] = self._read(e)
        return self.own[e]

    def _read(self, e: Any) -> Value:
        if isinstance(e, int | sympy.Integer):
            return int(e)
        if isinstance(e, float | sympy.Float):
            return exact(Fraction(float(e)).limit_denominator(10**9))
        if isinstance(e, sympy.Rational):
            return exact(Fraction(int(e.p), int(e.q)))
        if isinstance(e, sympy.Symbol):
            if e not in self.names:
                raise SymflopsError("a size depends on the values of a tensor, not on sizes alone")
            return polynomial.symbol(self.names[e])
        if isinstance(e, sympy.Add):
            return polynomial.add(*(self._in_own_symbols(a) for a in e.args))
        if isinstance(e, sympy.Mul):
            return polynomial.multiply(*(self._in_own_symbols(a) for a in e.args))
        if isinstance(e, sympy.Pow):
            base, exponent = (self._in_own_symbols(a) for a in e.args)
            return polynomial.power(base, exponent)
        name = type(e).__name__
        if name not in _PLAIN:
            raise SymflopsError(f"a size uses {name}, which is not part of the language")
        return _PLAIN[name](*(self._in_own_symbols(a) for a in e.args))

    def shape(self, sizes: Any) -> tuple[Value, ...]:
        self.dimensions |= dict.fromkeys(e for e in map(expression, sizes) if type(e) is not int)
        return tuple(self.value(s) for s in sizes)


class Layouts:
    """Where tensors lie in their memory; sizes that the same run has met before are not read again."""

    def __init__(self, quantities: Quantities) -> None:
        self.quantities = quantities
        self._known: dict[tuple[Any, ...], tuple[Value, tuple[Value, ...]]] = {}

    def of(self, tensor: Any) -> tuple[Value, tuple[Value, ...]]:
        """How many elements a tensor has in memory, and its sizes, strides and offset, less what `expand` repeats."""
        shape, strides, offset = tensor.shape, tensor.stride(), tensor.storage_offset()
        key = tuple(map(size_key, (*shape, *strides, offset)))
        if key not in self._known:
            value = self.quantities.value
            pairs = [(size, stride) for size, stride in zip(shape, strides, strict=True) if not is_zero(stride)]
            sizes = [value(size) for size, _ in pairs]
            self._known[key] = product(sizes), (*sizes, *(value(stride) for _, stride in pairs), value(offset))
        return self._known[key]


def is_zero(stride: Any) -> bool:
    """Whether elements along a dimension are one element of the memory, as `expand` makes them."""
    return type(stride) is int and stride == 0


def product(values: Any) -> Value:
    """The product of values; 1 of none."""
    return polynomial.multiply(*values)
