"""The closed form in seq_len that goes through costs at several lengths, for sources that loop over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.function import ceil, floor
from symflops.polynomial import Call, Value, add, divide, multiply, negate, power, symbol, terms_of, value_of


class NoPolynomialError(SymflopsError):
    """No closed form of the degree tried goes through all the records."""


def lengths(chunk: int, degree: int) -> list[int]:
    """Lengths at which to record: as many as the monomials of that degree, and some that check.

    With a chunk, a cost may be anything in what is left of the last one, so there are more remainders than a polynomial
    of that degree has coefficients in one of its two variables; and a whole number of chunks tells whether what is left
    then is a chunk or nothing.
    """
    if not chunk:
        return list(range(12, 12 + degree + 3))
    usual = (chunk - 5, chunk - chunk // 2 - 1, chunk - 1, 2, *range(3, chunk), 1)  # what is 1 may run otherwise
    left = list(dict.fromkeys(r for r in usual if 0 < r < chunk))
    left = [r for r in left if r > 1 or len(left) < degree + 2][: degree + 2]
    points = [(q, r) for i, r in enumerate(left[: degree + 1]) for q in range(2, 3 + degree - i)]
    return [chunk * q + r for q, r in [*points, (2, left[-1]), (3 + degree, left[0]), (3, 0)]]


def whole_chunks(chunk: int, degree: int) -> list[int]:
    """Further lengths, for a source that does something else where no part of a chunk is left."""
    return [chunk * q for q in (2, *range(4, degree + 4))] if chunk else []


def basis(chunk: int, degree: int, chunks: Callable[[int], int]) -> list[Callable[[int], int]]:
    """Monomials of the length and, with a chunk, of the number of chunks."""
    if not chunk:
        return [partial(pow, exp=d) for d in range(degree + 1)]
    powers = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]
    return [partial(_monomial, chunks, a, b) for a, b in powers]


def _monomial(chunks: Callable[[int], int], a: int, b: int, s: int) -> int:
    power: int = s**a * chunks(s) ** b
    return power


def monomials(chunk: int, degree: int, chunks: Value) -> list[Value]:
    """The same as closed forms in seq_len."""
    length = symbol("seq_len")
    if not chunk:
        return [power(length, d) for d in range(degree + 1)]
    return [multiply(power(length, a), power(chunks, b)) for a in range(degree + 1) for b in range(degree + 1 - a)]


def interpolate(points: Sequence[int], values: Sequence[Value], chunk: int, degree: int) -> Value:
    """The closed form in seq_len with these values at these lengths, of which the last few only check it.

    Powers with the length in the exponent, as in the share of experts that some token chose, are interpolated in their
    exponent. Raises NoPolynomialError when no closed form of that degree goes through all of them.
    """
    split = [_powers(v) for v in values]
    places = sorted(set().union(*(exponents for _, exponents in split)))
    if any(set(exponents) != set(places) for _, exponents in split):
        raise NoPolynomialError("the cost is not a polynomial of the length")
    powers: dict[str, Value] = {}
    for place in places:
        base = split[0][1][place][0]
        powers[place] = power(base, interpolate(points, [e[place][1] for _, e in split], chunk, degree))
    return substitute(_fitted(points, [v for v, _ in split], chunk, degree), powers)


def _powers(value: Value) -> tuple[Value, dict[str, tuple[Value, Value]]]:
    """A value with a name in place of each power of symbolic exponent, and what the names stand for."""
    found: dict[str, tuple[Value, Value]] = {}
    total: Value = 0
    for monomial, coefficient in terms_of(value).items():
        product: Value = coefficient
        for name, exponent in monomial:
            factor: Value = value_of({((name, exponent),): 1})
            if isinstance(name, Call) and name.function == "**":
                base, times = name.arguments
                place = f"power__{base!r}"
                found[place] = (base, times)
                factor = power(symbol(place), exponent)
            product = multiply(product, factor)
        total = add(total, product)
    return total, found


def _fitted(points: Sequence[int], values: Sequence[Value], chunk: int, degree: int) -> Value:
    for chunks in _chunk_counts(chunk):
        found = _through(points, values, chunk, degree, chunks)
        if found is not None:
            return found
    # Something else for whole numbers of chunks, where ceil(S/c) is floor(S/c).
    whole = [i for i, p in enumerate(points) if chunk and p % chunk == 0]
    if len(whole) < degree + 2:
        raise NoPolynomialError("the cost is not a polynomial of the length")
    parts = [i for i in range(len(points)) if i not in whole]
    up, down = _chunk_counts(chunk)
    usual = _through([points[i] for i in parts], [values[i] for i in parts], chunk, degree, up)
    if usual is None:
        raise NoPolynomialError("the cost is not a polynomial of the length")
    more = [add(values[i], negate(substitute(usual, {"seq_len": points[i]}))) for i in whole]
    extra = _through([points[i] for i in whole], more, 0, degree, up)
    if extra is None:
        raise NoPolynomialError("the cost is not a polynomial of the length")
    return add(usual, multiply(add(1, down[1], negate(up[1])), extra))


Chunks = tuple[Callable[[int], int], Value]  # how many there are: of a number, and as a closed form in seq_len


def _chunk_counts(chunk: int) -> list[Chunks]:
    """What is left of the last chunk counts as one, or as none."""
    if not chunk:
        return [(lambda _: 0, 0)]
    quotient = divide(symbol("seq_len"), chunk)
    return [(lambda s: -(-s // chunk), ceil(quotient)), (lambda s: s // chunk, floor(quotient))]


def _through(points: Sequence[int], values: Sequence[Value], chunk: int, degree: int, chunks: Chunks) -> Value | None:
    terms, forms = basis(chunk, degree, chunks[0]), monomials(chunk, degree, chunks[1])
    coefficients = _solved([[Fraction(term(point)) for term in terms] for point in points], list(values))
    if coefficients is None:
        return None
    return add(0, *(multiply(c, form) for c, form in zip(coefficients, forms, strict=True)))


def _solved(matrix: list[list[Fraction]], right: list[Value]) -> list[Value] | None:
    """Gaussian elimination with more equations than unknowns: None unless all of them hold."""
    rows = [(list(row), r) for row, r in zip(matrix, right, strict=True)]
    width = len(matrix[0])
    pivots: list[int] = []
    for column in range(width):
        place = next((i for i in range(len(pivots), len(rows)) if rows[i][0][column]), None)
        if place is None:
            return None
        at = len(pivots)
        rows[at], rows[place] = rows[place], rows[at]
        lead, r = rows[at]
        scale = lead[column]
        rows[at] = ([x / scale for x in lead], divide(r, scale))
        for i, (row, other) in enumerate(rows):
            if i != at and row[column]:
                factor = row[column]
                rows[i] = (
                    [x - factor * y for x, y in zip(row, rows[at][0], strict=True)],
                    add(other, negate(multiply(factor, rows[at][1]))),
                )
        pivots.append(column)
    if any(r != 0 for _, r in rows[width:]):
        return None
    return [r for _, r in rows[:width]]
