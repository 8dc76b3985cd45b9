"""Several records of one model become one: layer by layer, a closed form for each metric.

Two things need it. A cost whose source loops over time is recorded at several lengths and the polynomial through them
is found (`interpolate`); a model with recurrent state runs otherwise when the state is filled, and `past_len` tells
which (`switched`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial

from symflops.algebra import substitute
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.function import ceil, floor, minimum
from symflops.polynomial import Call, Value, add, divide, multiply, negate, power, symbol, terms_of, value_of
from symflops.trace.layer_data import Data, as_value, step_costs, text

Leaves = dict[tuple[str, ...], Data]


def leaves(layers: Data, path: tuple[str, ...] = ()) -> Leaves:
    """The basic layers by path, in order."""
    found: Leaves = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found |= leaves(data["sub_layers"], (*path, name))
        else:
            found[(*path, name)] = data
    return found


def classes(layers: Data, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """The classes of the composite layers by path."""
    found: dict[tuple[str, ...], str] = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found[(*path, name)] = data.get("class", "")
            found |= classes(data["sub_layers"], (*path, name))
    return found


def costs(data: Data | None) -> tuple[Value, ...]:
    """The six metrics of a basic layer; of one that is missing in a record, 0."""
    return (0,) * len(METRICS) if data is None else step_costs(data)


def combined(records: Sequence[Data], join: Callable[[list[Value]], Value], join_arguments: bool) -> Data:
    """One tree of layers; `join` makes one value of those that the records have. With `join_arguments` calls of one
    formula are joined argument by argument, which keeps them calls; otherwise metric by metric where they differ."""
    trees = [leaves(record) for record in records]
    names = classes(records[0])
    for record in records[1:]:
        names |= {path: name for path, name in classes(record).items() if path not in names}
    order = _merged([list(tree) for tree in trees])
    result: Data = {}
    for path in order:
        group = [tree.get(path) for tree in trees]
        _put(result, path, _joined(group, join, join_arguments), names)
    return result


def _joined(group: list[Data | None], join: Callable[[list[Value]], Value], join_arguments: bool) -> Data:
    first = next(data for data in group if data is not None)
    if all(data == first for data in group):
        return first
    heads = [{k: v for k, v in data.items() if k not in ("args", "cost")} if data else None for data in group]
    keys = [list(data["args"]) if data and "args" in data else None for data in group]
    if join_arguments and all(h == heads[0] for h in heads) and keys[0] and all(k == keys[0] for k in keys):
        args = {k: text(join([as_value(data["args"][k]) for data in group if data])) for k in keys[0]}
        return {**heads[0], "args": args}  # type: ignore[dict-item]  # not None: all heads are equal, and one is data
    rows = [costs(data) for data in group]
    joined = [join(list(column)) if len(set(column)) > 1 else column[0] for column in zip(*rows, strict=True)]
    joined[-1] = rows[0][-1]  # what a model owns does not depend on how it is called: the first record says where
    head = {"class": first["class"]} if "class" in first else {}
    return {**head, "cost": {metric: text(v) for metric, v in zip(METRICS, joined, strict=True)}}


def _merged(orders: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """All paths, each record's own after the one that precedes it there."""
    result = list(sorted(orders, key=len)[-1])
    for order in orders:
        for i, path in enumerate(order):
            if path not in result:
                result.insert(result.index(order[i - 1]) + 1 if i else 0, path)
    return result


def _put(layers: Data, path: tuple[str, ...], data: Data, names: Mapping[tuple[str, ...], str]) -> None:
    for depth in range(1, len(path)):
        made: Data = {"class": names[path[:depth]]} if names.get(path[:depth]) else {}
        layers = layers.setdefault(path[depth - 1], made | {"sub_layers": {}})["sub_layers"]
    layers[path[-1]] = data


# ------------------------------------------------------------------------------------------------------- recurrence


def switched(fresh: Data, continued: Data) -> Data:
    """`fresh` where past_len is 0 and `continued` where it is not: fresh + min(past_len, 1)*(continued - fresh)."""
    some = minimum(symbol("past_len"), 1)

    def join(pair: list[Value]) -> Value:
        first, later = pair
        if substitute(later, {"past_len": 0}) == first:
            return later
        return add(first, multiply(some, add(later, negate(first))))

    return combined([fresh, continued], join, join_arguments=False)


# ----------------------------------------------------------------------------------------------------- interpolation


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
