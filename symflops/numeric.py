"""Numbers out of values: exact for one point, vectorised for many.

One point is computed in Python integers and fractions, exact whatever the size. Many points are computed with NumPy in
int64 when a bound proves that nothing can overflow and in float64 otherwise, and the column's dtype says which.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import lcm
from typing import TYPE_CHECKING, Any

from symflops.algebra import ALGEBRA, free_symbols
from symflops.errors import SymflopsError, nearest
from symflops.grouping import grouped
from symflops.number import number_power, rational_logarithm2, rational_root
from symflops.polynomial import Call, Number, Polynomial, Value, terms_of
from symflops.tree import Tree, exact, fold
from symflops.vocabulary import BYTE_SYMBOLS as BYTE_SYMBOLS
from symflops.vocabulary import RUN_SYMBOLS as RUN_SYMBOLS

if TYPE_CHECKING:
    import numpy as np


_PRINTABLE = 13_000  # bits


def check(name: str, value: Any) -> Number:
    """A number that may stand for this symbol: a nonnegative integer (for bytes per element also 0.5 and the like)."""
    if isinstance(value, bool):
        value = int(value)
    try:
        number: Number = operator.index(value)
    except TypeError:
        number = _decimal(name, value)
    if number < 0 or (type(number) is not int and name not in BYTE_SYMBOLS):
        kind = "number" if name in BYTE_SYMBOLS else "integer"
        raise SymflopsError(
            f"{name} = {plain(number) if isinstance(value, Fraction) else value}: must be a nonnegative {kind}"
        )
    if name == "causal" and number not in (0, 1):
        raise SymflopsError(f"causal = {value}: must be 0 or 1")
    if type(number) is int and number.bit_length() > 1024:
        raise SymflopsError(f"{name}: integer of more than 1024 bits")
    return number


def _decimal(name: str, value: Any) -> Number:
    if isinstance(value, float | Fraction) or type(value).__name__ == "Decimal":
        try:
            return exact(Fraction(str(value)))
        except (ValueError, OverflowError):
            pass
    raise SymflopsError(f"{name} = {str(value)[:60]!r}: must be a nonnegative integer")


def with_defaults(bindings: Mapping[str, Any], dtype_bytes: Number = 2) -> dict[str, Number]:
    """Checked numbers for symbols, completed by the defaults of the run symbols; `dtype_bytes` is that of a model."""
    numbers = {name: check(name, value) for name, value in mapping(bindings).items()}
    numbers.setdefault("past_len", 0)
    numbers.setdefault("causal", 0)
    dtype_bytes = numbers.setdefault("dtype_bytes", dtype_bytes)
    numbers.setdefault("weight_bytes", dtype_bytes)
    numbers.setdefault("cache_bytes", dtype_bytes)
    return numbers


def mapping(given: Any) -> Mapping[str, Any]:
    """Values by the names of symbols, or SymflopsError for anything else."""
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return given
    raise SymflopsError(f"expected values by the names of symbols, got {type(given).__name__}")


def check_names(given: Mapping[str, Any], known: set[str]) -> None:
    """Every given name must be a run symbol or known; a mistyped one must not be ignored."""
    for name in given:
        if name not in known and name not in RUN_SYMBOLS:
            raise SymflopsError(f"unknown symbol {name!r}{nearest(name, sorted(known | set(RUN_SYMBOLS)))}")


def evaluate(value: Value, bindings: Mapping[str, Number]) -> Number:
    """The exact number of one value at one point.

    Raises SymflopsError when a symbol has no number, on division by zero, and for integers beyond the size limit.
    """
    return compiled([value])(bindings)[0]


Evaluator = Callable[[Mapping[str, Number]], list[Number]]


def compiled(values: Sequence[Value]) -> Evaluator:
    """Prepare values for exact evaluation: products are computed once, even when several values share them."""
    atoms: dict[str, int] = {}
    products: dict[tuple[tuple[str, int], ...], int] = {}
    sums: list[tuple[int, list[tuple[int, int]]]] = []
    for value in values:
        terms = terms_of(value)
        common = lcm(*(Fraction(c).denominator for c in terms.values())) if terms else 1
        row = []
        for monomial, coefficient in terms.items():
            for name, _ in monomial:
                atoms.setdefault(name, len(atoms))
            row.append((int(coefficient * common), products.setdefault(monomial, len(products))))
        sums.append((common, row))
    recipes = [[(atoms[name], exponent) for name, exponent in monomial] for monomial in products]

    def run(bindings: Mapping[str, Number]) -> list[Number]:
        factors = [bindings[a] if a in bindings else _atom(a, bindings) for a in atoms]
        computed = []
        for recipe in recipes:
            product: Number = 1
            for index, exponent in recipe:
                if exponent == 1:
                    product *= factors[index]
                elif exponent < 0 and not factors[index]:
                    raise SymflopsError(f"division by zero: {list(atoms)[index]} is 0")
                else:
                    product *= factors[index] ** exponent if exponent > 0 else Fraction(factors[index]) ** exponent
            computed.append(product)
        results = []
        for common, row in sums:
            total: Number = sum([c * computed[i] for c, i in row])
            results.append(exact(Fraction(total, common)) if common != 1 or type(total) is not int else total)
        return results

    return run


def _atom(name: str, bindings: Mapping[str, Number]) -> Number:
    if not isinstance(name, Call):
        raise SymflopsError(f"no value for {name}; give {name}=…")
    arguments = [evaluate(a, bindings) for a in name.arguments]
    if name.function in ("sqrt", "log2") or (name.function == "**" and type(arguments[1]) is not int):
        return _real(name.function, arguments)
    if name.function == "**":
        return number_power(arguments[0], int(arguments[1]))
    value = ALGEBRA[name.function](*arguments)
    assert not isinstance(value, Polynomial)  # whatever else there is of numbers is a rational number
    return value


def _real(function: str, arguments: list[Number]) -> Number:
    """A root, logarithm or broken power: exact where it is rational, else to 512 bits, far beyond a count."""
    x, *others = map(Fraction, arguments)
    if x < 0 or (function == "log2" and not x):
        raise SymflopsError(f"no real number: {function} of {'0' if not x else 'a negative number'}")
    found: Number | None = None
    if function == "log2":
        found = rational_logarithm2(x)
    elif not x and others and others[0] < 0:
        raise SymflopsError("division by zero: a power of 0")
    elif not others or others[0].denominator == 2:
        root = rational_root(x)
        found = root if root is None or not others else exact(Fraction(root) ** others[0].numerator)
    return _irrational(function, x, *others) if found is None else found


def _irrational(function: str, x: Fraction, *others: Fraction) -> Number:
    from mpmath import log, mp, mpf, power, sqrt

    with mp.workprec(512):
        base, *more = (mpf(n.numerator) / n.denominator for n in (x, *others))
        result = {"sqrt": sqrt, "log2": lambda y: log(y, 2), "**": power}[function](base, *more)
        sign, mantissa, shift, _ = result._mpf_
    return exact(Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** int(shift))


def whole(number: Number) -> int:
    """The nearest integer, halves up: counts are whole, expectations (such as distinct experts) are not.

    Raises SymflopsError for one of so many digits that Python does not print it.
    """
    rounded = number if type(number) is int else (2 * number.numerator + number.denominator) // (2 * number.denominator)
    if rounded.bit_length() > _PRINTABLE:
        raise SymflopsError("the number has more than 4,000 digits at this point")
    return rounded


def plain(number: Number) -> int | float:
    """The number as an int where it is whole, else as the nearest float."""
    number = exact(Fraction(number))
    return number if type(number) is int else float(number)


# --------------------------------------------------------------------------------------------------------- many points


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
    result = fold(grouped(value), _arrays(exactly), lambda leaf: _array_leaf(leaf, arrays, exactly))
    if isinstance(result, tuple):
        result = _rounded(*result)
    return np.asarray(result, dtype=dtype)


def _array_leaf(leaf: int | Fraction | str, arrays: Mapping[str, Any], exactly: bool) -> Any:
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


def grid(axes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray[Any, Any]]:
    """One array per axis, shaped so that together they broadcast to the full grid, the first axis slowest."""
    import numpy as np

    arrays = {}
    for position, (name, points) in enumerate(axes.items()):
        raw = np.asarray(points)
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
