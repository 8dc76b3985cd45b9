"""Numbers out of values at many points, with NumPy: in int64 when a bound proves that nothing can overflow, else in
float64, and the dtype of a column says which."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from math import lcm
from typing import TYPE_CHECKING, Any

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.given import Axis
from symflops.grouping import grouped
from symflops.numeric import check
from symflops.polynomial import Call, Value, terms_of
from symflops.tree import Tree, fold

if TYPE_CHECKING:
    import numpy as np


def column(value: Value, axes: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The value over arrays that broadcast against each other: int64 where a bound allows it, else float64."""
    import numpy as np

    used = free_symbols(value)
    missing = sorted(used - set(axes))
    if missing:
        raise SymflopsError(f"no value for {missing[0]}; give {missing[0]}=…")
    highest = {name: max(1, int(array.max(initial=0))) for name, array in axes.items()}
    is_whole = all(axes[name].dtype.kind in "iu" for name in used)  # bytes may be 0.5
    exactly = (
        is_whole
        and _is_integer_computable(value)
        and _has_single_quotients(value)
        and 4 * _bound(value, highest) < 2**63
    )
    dtype = np.int64 if exactly else np.float64
    arrays = {name: array.astype(dtype, copy=False) for name, array in axes.items() if name in used}
    with np.errstate(over="ignore", invalid="ignore"):
        result = fold(grouped(value), _arrays(exactly), lambda leaf: _array_leaf(leaf, arrays, exactly))
    if isinstance(result, tuple):
        result = _rounded(*result)
    column = np.asarray(result, dtype=dtype)
    if not exactly and not np.isfinite(column).all():
        raise SymflopsError("too large for a float at one of the points; at() computes it exactly")
    return column


def _array_leaf(leaf: int | Fraction | str, arrays: Mapping[str, Any], exactly: bool) -> Any:
    deadline.check()
    if isinstance(leaf, str):
        return arrays[leaf]
    if not exactly:
        try:
            return float(leaf)
        except OverflowError:
            raise SymflopsError("a number in the formula is too large for a float; at() computes it exactly") from None
    return leaf if type(leaf) is int else (leaf.numerator, leaf.denominator)


def _rounded(top: Any, bottom: Any) -> Any:
    return (2 * top + bottom) // (2 * bottom)


def _arrays(exactly: bool) -> dict[str, Callable[..., Any]]:
    """NumPy's meaning of the operations. An exact quotient stays a pair until a floor, a ceil or the end rounds it."""
    import numpy as np

    def smallest_first(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        # One axis at a time: the full grid is touched by as few operations as possible.
        return lambda *operands: reduce(operation, sorted(operands, key=np.size))

    def quotient(a: Any, b: Any) -> Any:
        if not np.all(b):
            raise SymflopsError("division by zero")
        return (a, b) if exactly else a / b

    def down(a: Any) -> Any:
        return a[0] // a[1] if isinstance(a, tuple) else (a if exactly else np.floor(a))

    def up(a: Any) -> Any:
        return -(-a[0] // a[1]) if isinstance(a, tuple) else (a if exactly else np.ceil(a))

    def real(operation: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        def apply(a: Any) -> Any:
            if np.any(a < 0) or (name == "log2" and not np.all(a)):
                raise SymflopsError(f"no real number: {name} of {'a negative number' if np.any(a < 0) else '0'}")
            return operation(a)

        return apply

    def negative(a: Any) -> Any:
        return (-a[0], a[1]) if isinstance(a, tuple) else -a

    return {
        "+": smallest_first(operator.add), "*": smallest_first(operator.mul), "-": negative, "/": quotient,
        "**": lambda a, b: a**b, "min": smallest_first(np.minimum), "max": smallest_first(np.maximum),
        "floor": down, "ceil": up, "sqrt": real(np.sqrt, "sqrt"), "log2": real(np.log2, "log2"),
    }  # fmt: skip


def _is_integer_computable(value: Value, inside_round: bool = False) -> bool:
    """Whether integer operations suffice: whole numbers, min, max, and quotients directly below a floor or ceil."""
    for monomial in terms_of(value):
        for name, exponent in monomial:
            if exponent < 0 and not inside_round:
                return False
            if isinstance(name, Call):
                rounds = name.function in ("floor", "ceil")
                if not rounds and name.function not in ("min", "max"):
                    return False
                if not all(_is_integer_computable(a, rounds) for a in name.arguments):
                    return False
                if not rounds and any(
                    Fraction(c).denominator != 1 for a in name.arguments for c in terms_of(a).values()
                ):
                    return False
    return True


def _has_single_quotients(value: Value) -> bool:
    """Whether there is no more than one quotient directly below each floor and ceil."""
    calls = [name for monomial in terms_of(value) for name, _ in monomial if isinstance(name, Call)]
    inside = [call.arguments[0] for call in calls if call.function in ("floor", "ceil")]
    if not all(_single_quotient(grouped(argument)) for argument in inside):
        return False
    return all(_has_single_quotients(argument) for call in calls for argument in call.arguments)


def _single_quotient(tree: Tree) -> bool:
    """Whether a tree divides only at its top (below a sign), where a floor can take the quotient as a pair."""
    while isinstance(tree, tuple) and tree[0] == "-":
        tree = tree[1]
    parts = tree[1:] if isinstance(tree, tuple) else ()
    return not any(_divides(p) for p in parts)


def _divides(tree: Tree) -> bool:
    if not isinstance(tree, tuple) or tree[0] in ("floor", "ceil"):
        return False
    return tree[0] == "/" or any(_divides(p) for p in tree[1:])


def _bound(value: Value, highest: Mapping[str, int]) -> int:
    """An upper bound of |value| and of everything computed on the way, symbols at least 1."""
    terms = terms_of(value)
    common = lcm(*(Fraction(c).denominator for c in terms.values())) if terms else 1
    total = common
    for monomial, coefficient in terms.items():
        product = abs(int(coefficient * common))
        for name, exponent in monomial:
            size = max(_bound(a, highest) for a in name.arguments) + 1 if isinstance(name, Call) else highest[name]
            product *= size ** abs(exponent)
        total += product
    return total


def grid(axes: Mapping[str, Axis]) -> dict[str, np.ndarray[Any, Any]]:
    """One array per axis, shaped so that together they broadcast to the full grid, the first axis slowest."""
    import numpy as np

    arrays = {}
    for position, (name, points) in enumerate(axes.items()):
        try:
            raw = np.asarray(points)
        except ValueError:  # lists of several lengths in one another
            raw = np.empty((0, 0))
        if raw.ndim > 1:
            raise SymflopsError(f"{name}: expected a number or a list of numbers")
        if raw.dtype.kind not in "iu" or (raw.size and raw.dtype.kind == "u" and int(raw.max()) >= 2**63):
            raw = np.asarray([check(name, point) for point in np.atleast_1d(np.asarray(points, dtype=object))])
        if raw.dtype.kind == "O":
            raw = raw.astype(np.float64)  # fractions, or beyond int64: float64, and the column says so
        raw = np.atleast_1d(raw)
        if raw.size == 0:
            raise SymflopsError(f"{name}: no points to sweep")
        if raw.dtype.kind != "f":  # of others each was checked
            check(name, raw.min().item())
            check(name, raw.max().item())
        arrays[name] = raw.reshape([-1 if i == position else 1 for i in range(len(axes))])
    return arrays
