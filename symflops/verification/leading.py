"""Equal up to lower-order terms: a term is of lower order where it divides another one that both formulas have."""

from __future__ import annotations

from symflops.polynomial import Call, Monomial, Value, add, multiply, negate, terms_of, value_of
from symflops.verification.domain import Domain
from symflops.verification.faults import text_of


def lower_order(a: Value, b: Value, where: Domain) -> tuple[str, ...]:
    """The terms in which two values differ, as texts, if all are of lower order; none if one is not.

    Symbols with an upper bound, such as causal, do not grow and do not count. A floor or ceil is its argument up to 1.
    """
    a, b = where.reduced(a), where.reduced(b)
    rough_a, cut_a = _unrounded(a)
    rough_b, cut_b = _unrounded(b)
    difference = add(rough_a, negate(rough_b))
    same = [m for m, c in terms_of(rough_b).items() if terms_of(rough_a).get(m) == c]
    lower = [*terms_of(difference), *(cut_a.keys() ^ cut_b.keys())]
    if not all(any(_divides(m, other, where) for other in same) for m in lower):
        return ()
    texts = []
    for m, c in terms_of(difference).items():
        side = "only in the candidate: " if m not in terms_of(rough_b) else ""
        amount = terms_of(rough_a)[m] if side else terms_of(rough_b)[m] if m not in terms_of(rough_a) else -c
        texts.append(side + text_of(value_of({m: amount})))
    return tuple(texts) + tuple(f"rounding: {cut}" for cut in sorted({*cut_a.values()} ^ {*cut_b.values()}))


def _unrounded(value: Value) -> tuple[Value, dict[Monomial, str]]:
    """A value without its floors and ceils, and the factors of these, by which the two differ at most."""
    cut: dict[Monomial, str] = {}
    rough: Value = 0
    for m, c in terms_of(value).items():
        rounded = [(n, e) for n, e in m if isinstance(n, Call) and n.function in ("floor", "ceil") and e == 1]
        if len(rounded) != 1:
            rough = add(rough, value_of({m: c}))
            continue
        call = rounded[0][0]
        assert isinstance(call, Call)
        others = tuple(p for p in m if p not in rounded)
        cut[others] = str(call)
        rough = add(rough, multiply(c, value_of({others: 1}), call.arguments[0]))
    return rough, cut


def _divides(m: Monomial, other: Monomial, where: Domain) -> bool:
    """Whether m is smaller than other when all symbols are large."""
    small, large = dict(m), dict(other)
    names = [n for n in {*small, *large} if n not in where.upper]
    powers = [(small.get(n, 0), large.get(n, 0)) for n in names]
    return all(x <= y for x, y in powers) and any(x < y for x, y in powers)
