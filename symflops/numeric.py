"""Numbers out of values at one point: Python integers and fractions, exact whatever the size."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from types import MappingProxyType
from typing import Any

from symflops import deadline
from symflops.algebra import ALGEBRA
from symflops.errors import SymflopsError, nearest
from symflops.number import number_power, rational_logarithm2, rational_root
from symflops.polynomial import Call, Number, Polynomial, Value, terms_of
from symflops.tree import exact
from symflops.vocabulary.symbols import BYTE_SYMBOLS as BYTE_SYMBOLS
from symflops.vocabulary.symbols import RUN, RunSymbols
from symflops.vocabulary.symbols import RUN_SYMBOLS as RUN_SYMBOLS

_PRINTABLE = 13_000  # bits
_DIGITS = 400  # before and after the point, of a number that somebody gives
_LARGEST = 65_536  # bits of a number that is no fraction, before and after the point


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
    most = RUN[name].highest if name in RUN else None
    if most is not None and number > most:
        raise SymflopsError(f"{name} = {value}: must be {'0 or 1' if most == 1 else f'at most {most}'}")
    if type(number) is int and number.bit_length() > 1024:
        raise SymflopsError(f"{name}: integer of more than 1024 bits")
    return number


def _decimal(name: str, value: Any) -> Number:
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > _DIGITS:
        raise SymflopsError(f"{name} = {value:.6g}: has more digits than are computed with")
    if isinstance(value, float | Fraction | Decimal):
        try:
            return exact(Fraction(str(value)))
        except (ValueError, OverflowError):
            pass
    raise SymflopsError(f"{name} = {str(value)[:60]!r}: must be a nonnegative integer")


def with_defaults(
    bindings: Mapping[str, Any], own: Mapping[str, Number] = MappingProxyType({}), run: RunSymbols = RUN
) -> dict[str, Number]:
    """Checked numbers for symbols, completed by the defaults of the run symbols; `own` are a model's own defaults."""
    return run.completed({name: check(name, value) for name, value in mapping(bindings).items()}, own)


def mapping(given: Any) -> Mapping[str, Any]:
    """Values by the names of symbols, or SymflopsError for anything else."""
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return given
    raise SymflopsError(f"expected values by the names of symbols, got {type(given).__name__}")


def check_names(given: Mapping[str, Any], known: set[str], run: RunSymbols = RUN) -> None:
    """Every given name must be a run symbol or known; a mistyped one must not be ignored."""
    for name in given:
        if name not in known and name not in run:
            raise SymflopsError(f"unknown symbol {name!r}{nearest(name, sorted(known | set(run)))}")


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
            total: Number = 0
            for c, i in row:
                if type(computed[i]) is not int:  # a sum of fractions may take a hundredth of a second for each
                    deadline.check()
                total += c * computed[i]
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
    with deadline.untimed():
        from mpmath import log, mp, mpf, power, sqrt

    with mp.workprec(512):
        base, *more = (mpf(n.numerator) / n.denominator for n in (x, *others))
        result = {"sqrt": sqrt, "log2": lambda y: log(y, 2), "**": power}[function](base, *more)
        sign, mantissa, shift, _ = result._mpf_
    if abs(shift) > _LARGEST:
        raise SymflopsError(f"power of more than {_LARGEST:,} bits at this point")
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
