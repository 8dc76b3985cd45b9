"""The closed form in a length that goes through costs at several of them, for sources that loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.function import ceil, floor
from symflops.polynomial import Call, Value, add, divide, multiply, negate, power, symbol, terms_of, value_of

ALONE = (0, 1)
"""What may be left of the last chunk and be a case of its own: nothing, so that a step is left out, or one token, so
that a product with how many are left is none."""


class NoPolynomialError(SymflopsError):
    """No closed form of the degree tried goes through all the records; `left`, if records at more lengths with so much
    left of the last chunk may show one."""

    def __init__(self, left: int | None = None) -> None:
        super().__init__("the cost is not a polynomial of the length")
        self.left = left


def lengths(chunk: int, degree: int, first: int = 12) -> list[int]:
    """Lengths at which to record: as many as the monomials of that degree, and some that check. These lie further off,
    where a quotient of the length that was the same at all of the others is another one.

    With a chunk, a cost may be anything in what is left of the last one, so there are more remainders than a polynomial
    of that degree has coefficients in one of its two variables; a whole number of chunks tells whether what is left
    then is a chunk or nothing, and one token more whether that costs what the others do.
    """
    if not chunk:
        return [*range(first, first + degree + 1), first + 7, 2 * first + 7]
    usual = (chunk - 5, chunk - chunk // 2 - 1, chunk - 1, 2, *range(3, chunk), 1)  # what is 1 may run otherwise
    left = list(dict.fromkeys(r for r in usual if 0 < r < chunk))
    left = [r for r in left if r > 1 or len(left) < degree + 2][: degree + 2]
    points = [(q, r) for i, r in enumerate(left[: degree + 1]) for q in range(2, 3 + degree - i)]
    found = [chunk * q + r for q, r in [*points, (2, left[-1]), (3 + degree, left[0]), (3, 0)]]
    found += [] if 1 in left or chunk == 1 else [2 * chunk + 1]
    return list(dict.fromkeys(found))


def more_lengths(chunk: int, degree: int, left: int) -> list[int]:
    """Further lengths, for a source that does something else where so much of a chunk is left."""
    return [chunk * q + left for q in (2, *range(3 + (left == 0), degree + 4))]


def basis(chunk: int, degree: int, chunks: Callable[[int], int]) -> list[Callable[[int], int]]:
    """Monomials of the length and, with a chunk, of the number of chunks."""
    if not chunk:
        return [partial(pow, exp=d) for d in range(degree + 1)]
    powers = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]
    return [partial(_monomial, chunks, a, b) for a, b in powers]


def _monomial(chunks: Callable[[int], int], a: int, b: int, s: int) -> int:
    power: int = s**a * chunks(s) ** b
    return power


def monomials(chunk: int, degree: int, chunks: Value, along: str) -> list[Value]:
    """The same as closed forms in the length."""
    length = symbol(along)
    if not chunk:
        return [power(length, d) for d in range(degree + 1)]
    return [multiply(power(length, a), power(chunks, b)) for a in range(degree + 1) for b in range(degree + 1 - a)]


def interpolate(
    points: Sequence[int], values: Sequence[Value], chunk: int, degree: int, along: str = "seq_len"
) -> Value:
    """The closed form in a run symbol with these values at these numbers, of which the last few only check it.

    Powers with the length in the exponent, as in the share of experts that some token chose, are interpolated in their
    exponent. Raises NoPolynomialError when no closed form of that degree goes through all of them.
    """
    split = [_powers(v) for v in values]
    places = sorted(set().union(*(exponents for _, exponents in split)))
    if any(set(exponents) != set(places) for _, exponents in split):
        raise NoPolynomialError
    powers: dict[str, Value] = {}
    for place in places:
        base = split[0][1][place][0]
        powers[place] = power(base, interpolate(points, [e[place][1] for _, e in split], chunk, degree, along))
    return substitute(_fitted(points, [v for v, _ in split], chunk, degree, along), powers)


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


def _fitted(points: Sequence[int], values: Sequence[Value], chunk: int, degree: int, along: str) -> Value:
    for chunks in _chunk_counts(chunk, along):
        found = _through(points, values, chunk, degree, chunks, along)
        if found is not None:
            return found
    if not chunk:
        raise NoPolynomialError
    missing: list[int] = []
    for alone in ((1,), (0,), ALONE):
        found = _with_cases(points, values, chunk, degree, along, alone, missing)
        if found is not None:
            return found
    raise NoPolynomialError(missing[0] if missing else None)


def _with_cases(
    points: Sequence[int],
    values: Sequence[Value],
    chunk: int,
    degree: int,
    along: str,
    alone: Sequence[int],
    missing: list[int],
) -> Value | None:
    """The same where what these remainders cost is another polynomial: None if there is none, or too few records at one
    of them, which is said in `missing`."""
    usual = [i for i, p in enumerate(points) if p % chunk not in alone]
    for chunks in _chunk_counts(chunk, along):
        found = _through([points[i] for i in usual], [values[i] for i in usual], chunk, degree, chunks, along)
        if found is not None:
            break
    else:
        return None
    total = found
    for left in alone:
        at = [i for i, p in enumerate(points) if p % chunk == left]
        more = [add(values[i], negate(substitute(found, {along: points[i]}))) for i in at]
        if len(at) < degree + 2:
            missing.append(left)
            return None
        extra = _through([points[i] for i in at], more, 0, degree, _chunk_counts(0, along)[0], along)
        if extra is None:
            return None
        total = add(total, multiply(_is_left(chunk, left, along), extra))
    return total


def _is_left(chunk: int, left: int, along: str) -> Value:
    """1 where so much is left of the last chunk, else 0."""
    quotient = divide(add(symbol(along), -left), chunk)
    return add(1, floor(quotient), negate(ceil(quotient)))


Chunks = tuple[Callable[[int], int], Value]  # how many there are: of a number, and as a closed form


def _chunk_counts(chunk: int, along: str) -> list[Chunks]:
    """What is left of the last chunk counts as one, or as none."""
    if not chunk:
        return [(lambda _: 0, 0)]
    quotient = divide(symbol(along), chunk)
    return [(lambda s: -(-s // chunk), ceil(quotient)), (lambda s: s // chunk, floor(quotient))]


def _through(
    points: Sequence[int], values: Sequence[Value], chunk: int, degree: int, chunks: Chunks, along: str
) -> Value | None:
    terms, forms = basis(chunk, degree, chunks[0]), monomials(chunk, degree, chunks[1], along)
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
