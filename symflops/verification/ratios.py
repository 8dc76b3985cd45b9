"""How many times the reference a candidate is along the sequence length, where the conditions hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from symflops.algebra import free_symbols
from symflops.meaning import quantity, with_quantity
from symflops.polynomial import Number, flat
from symflops.tree import Tree
from symflops.verification.completion import Completion
from symflops.verification.exact import Enclosure, UndefinedError, number_at
from symflops.verification.matching import Matched
from symflops.vocabulary.symbols import BATCH, RUN

# Where a ratio is taken when nothing else says: a model of seven billion parameters, one sequence.
_USUAL = {RUN[name].quantity: number for name, number in RUN.completed({BATCH: 1}).items()} | {
    "hidden": 4096, "layers": 32,
    "inner": 11008, "vocabulary": 32000, "heads": 32, "kv heads": 8, "head width": 128, "experts": 8,
    "experts of a token": 2, "expert inner": 14336, "window": 4096,
}  # fmt: skip


def ratios(
    matched: Matched, own: Mapping[str, int], lengths: Sequence[int]
) -> tuple[dict[int, float], dict[str, Number], str]:
    """Candidate over reference by length, the point at which the other symbols are, and why there is none.

    The point is what the conditions say, a model's own numbers, then those of a usual model; a length at which the
    conditions do not hold has no ratio.
    """
    where = matched.where
    names = free_symbols(matched.a) | free_symbols(matched.b)
    length = with_quantity(names, "length")
    if not length:
        return {}, {}, ""
    usual = {n: own.get(n, _USUAL.get(quantity(n), 128)) for n in names | where.names}
    given: dict[str, Number] = {n: v for n, v in usual.items() if n not in where.fixed}
    complete = Completion(where, given)
    forms = flat(matched.a), flat(matched.b)
    found: dict[int, float] = {}
    points: list[dict[str, Number]] = []
    for size in dict.fromkeys(lengths) if length not in where.fixed else (0,):
        point = complete.of(given if length in where.fixed else {**given, length: size})
        if point is not None:
            points.append(point)
            ratio = _ratio(forms, point)
            if ratio is not None:
                found[int(point[length])] = ratio
    if not points:
        return {}, {}, "the conditions hold at none of the lengths"
    first = points[0]
    return found, {n: first[n] for n in sorted(names - {length}) if all(p[n] == first[n] for p in points)}, ""


def _ratio(forms: tuple[Tree, Tree], point: Mapping[str, Number]) -> float | None:
    try:
        x, y = (number_at(tree, point) for tree in forms)
    except UndefinedError:
        return None
    top, bottom = (Fraction(n.low if isinstance(n, Enclosure) else n) for n in (x, y))
    return float(top / bottom) if bottom and abs(top / bottom) < 2**1000 else None  # what a float holds
