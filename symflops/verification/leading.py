"""Equal up to lower-order terms.

Two formulas have the same leading terms if their difference, divided by the reference, goes to 0 when all symbols that
the domain does not bound grow together, however fast each of them: for every e there is an n such that the difference
is at most e times the reference at all points of the domain at which these symbols are at least n. Symbols with an
upper bound, such as causal, have any of their values, and bytes of an element any positive number.

It is shown region by region. A floor is its argument less a number between 0 and 1; in each region minima are settled,
until every term of the difference is a term of the reference times factors that are bounded and one that goes to 0. The
opposite is seen along directions in which some symbols grow faster than others: the share stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import (
    Call,
    Number,
    Polynomial,
    Value,
    add,
    atom,
    divide,
    is_integer,
    is_nonnegative,
    multiply,
    negate,
    symbol,
    terms_of,
    value_of,
)
from symflops.tree import Tree, names
from symflops.verification.cases import Cases, numerator
from symflops.verification.constraints import Constraints
from symflops.verification.directions import grown, persists
from symflops.verification.faults import text_of
from symflops.verification.fraction import divided, quotient
from symflops.verification.fraction import leading as leading_product
from symflops.verification.generalisation import innermost
from symflops.verification.growth import Growth
from symflops.verification.interval import interval
from symflops.verification.normal import Form
from symflops.verification.points import Search
from symflops.verification.region import Fresh, Region, settled
from symflops.vocabulary.symbols import FRACTION_MARK, is_whole

_DIFFERENCE = f"difference'{FRACTION_MARK}"  # a symbol that marks the difference beside the reference
_FEW = 8  # values of a symbol that are looked at one by one
_REGIONS = 400  # looked at, at most
_PROOF = 0.7  # of the time, for the proof
_ROUNDINGS = ("floor", "ceil")
_LEFT = 3  # regions in which a proof does not succeed, at most
_QUOTIENTS = 3  # of symbols, rounded, that are looked at where they are 0 and where they are not
_LARGE = 2**24  # a point that all symbols which grow reach in a region shows that they grow there


@dataclass(frozen=True)
class Leading:
    """Whether the leading terms are "equal", "different" or neither is shown, and the terms that were dropped."""

    status: str
    dropped: tuple[str, ...] = ()


def leading(a: Value, b: Value, trees: tuple[Tree, Tree], where: Constraints, seconds: float) -> Leading:
    """Whether two different values have the same leading terms, the second being the reference."""
    where = where.reaching(names(("", *trees)))
    search = Search(*trees, where)
    try:
        with deadline.limit(seconds):
            a, b = where.reduced(a), where.reduced(b)
            start = settled(Search(*trees, _own(where, set(search.names))).start, search.fresh)
            if start is None:
                return Leading("unproven")
            growing = [
                n for n in search.names if is_whole(n) and interval(start.names[n], start.upper)[1] == inf
            ]  # fmt: skip
            if not growing:
                return Leading("different")
            above = (add(start.names[n], -1) for n in growing)  # only large ones matter
            start = settled(replace(start, known=(*start.known, *above)), search.fresh) or start
            difference = add(a, negate(b))
            share = _quotient(difference, b)
            sides = (difference, b) if share is None else (share, 1)
            left: list[Region] = []
            with suppress(deadline.OutOfTimeError), deadline.limit(seconds * _PROOF):
                if _is_lower(*sides, search, start, growing, left):
                    return Leading("equal", _dropped(a, b))
            # A share may persist where the proof ends, such as s = 50 of (s - 50)*w*w, and nowhere else.
            shown = any(persists(search, region, growing) for region in (start, *left))
            return Leading("different" if shown else "unproven")
    except (deadline.OutOfTimeError, SymflopsError):  # out of time, or a limit of the language
        return Leading("unproven")


# ------------------------------------------------------------------------------------------------------------- proof


def _own(where: Constraints, own: set[str]) -> Constraints:
    """The domain without conditions on symbols that the formulas do not have: a larger one."""
    conditions = tuple(c for c in where.conditions if c.names <= own)
    multiples = {n: v for n, v in where.multiples.items() if free_symbols(v) <= own | {f"{n}'"}}
    return replace(where, conditions=conditions, multiples=multiples)


def _is_lower(
    difference: Value, reference: Value, search: Search, start: Region, growing: list[str], left: list[Region]
) -> bool:
    """Whether the difference is shown to be of lower order, and there are points where all symbols grow. Regions in
    which it is not shown are left, the first few of them."""
    both = add(multiply(symbol(_DIFFERENCE), difference), reference)
    cases = Cases(search, search.differs)
    regions = _unrounded_regions(replace(start, value=substitute(both, start.names)), cases)
    return _is_lower_in(regions, cases, growing, left)


def _is_lower_in(todo: list[Region], cases: Cases, growing: list[str], left: list[Region]) -> bool:
    """The same for regions whose values have no roundings."""
    search, reached = cases.search, False
    for _ in range(_REGIONS):
        if not todo or len(left) == _LEFT:
            return reached and not left
        region = settled(todo.pop(), cases.fresh)
        if region is None:
            continue
        growth = Growth(region, growing)
        if not growth.is_possible:
            continue
        region = replace(region, value=numerator(Form(region.upper, region.known).of(region.value)))
        few = _few(region)
        if few:
            todo += [region.put({few: i}) for i in range(int(region.upper[few]) + 1)]
            continue
        parts = (cases.split(region) if _calls(region.value) else []) or _halves(region, cases)
        if growth.covers(*_apart(region.value)):
            reached = reached or any(
                min(point[n] for n in growing) >= _LARGE and search.completion.of(point) is not None
                for size in (_LARGE, _LARGE + 43)
                for point in grown(search, region, size)
            )
        elif parts:
            todo += reversed(parts)
        else:
            left.append(region)
    return False


def _unrounded_regions(start: Region, cases: Cases) -> list[Region]:
    """Regions that together are one, without roundings. A quotient of symbols is rounded to 0 where its top is less
    than its bottom; it is looked at by itself there, since a rounding may be as large as what is rounded."""
    todo, found = [(start, _QUOTIENTS)], []
    while todo:
        region, left = todo.pop()
        part = settled(region, cases.fresh)
        if part is None:
            continue
        region = replace(part, value=Form(part.upper, part.known).of(part.value))
        call, gap = _rounded_quotient(region.value) if left else (None, 0)
        if call is None:
            rough, bounds = _unrounded(region, cases.fresh)
            found.append(replace(region, value=rough, upper={**region.upper, **bounds}))
            continue
        below = replace(region, value=substitute(region.value, {call: 0}))
        rough, bounds = _without(region.value, {call}, cases.fresh)
        above = replace(region, value=rough, upper={**region.upper, **bounds})
        todo += [(above.cut(gap), left - 1), (below.cut(add(negate(gap), -1)), left - 1)]
    return found


def _rounded_quotient(value: Value) -> tuple[Call | None, Value]:
    """A quotient that is rounded down, and by how much its top is more than its bottom, which has symbols."""
    for call in sorted(innermost(value, _ROUNDINGS), key=lambda c: (len(c), c)):
        if call.function == "floor":
            top, bottom = quotient(call.arguments[0])
            if isinstance(bottom, Polynomial) and all(is_integer(v) and is_nonnegative(v) for v in (top, bottom)):
                return call, add(top, negate(bottom))
    return None, 0


def _quotient(top: Value, bottom: Value) -> Value | None:
    """The quotient of two values where it is none of sums: (s - w)/(s + 1) is 1/(s + 1) times s - w."""
    (top, below), (bottom, above) = quotient(top), quotient(bottom)
    if bottom == 0:
        return None
    if terms_of(bottom)[leading_product(bottom)] < 0:
        top, bottom = negate(top), negate(bottom)
    times, rest = divided(multiply(top, above), bottom)
    return divide(times, below) if rest == 0 else None


def _apart(value: Value) -> tuple[Value, Value]:
    """The difference and the reference."""
    mark = (_DIFFERENCE, 1)
    difference = {tuple(p for p in m if p != mark): c for m, c in terms_of(value).items() if mark in m}
    return value_of(difference), value_of({m: c for m, c in terms_of(value).items() if mark not in m})


def _few(region: Region) -> str | None:
    """A symbol of the value with so few values that each is looked at by itself."""
    used = free_symbols(region.value)
    return min((n for n, high in region.upper.items() if high < _FEW and is_whole(n) and n in used), default=None)


def _halves(region: Region, cases: Cases) -> list[Region]:
    """The region cut in the middle of a symbol that does not grow: (s - 9)*w is negative, 0 and positive."""
    used = free_symbols(region.value)
    high, name = max(((h, n) for n, h in region.upper.items() if is_whole(n) and n in used), default=(0, ""))
    return cases.threshold(region, name, int(high) // 2 + 1) if name else []


def _calls(value: Value) -> bool:
    return any(isinstance(n, Call) and n.function in ("min", "floor", "**") for m in terms_of(value) for n, _ in m)


def _unrounded(region: Region, fresh: Fresh) -> tuple[Value, dict[str, Number]]:
    """The value with every rounding as its argument and a number between 0 and 1, and these with their bounds. One of
    whole symbols that do not grow stays: s % 7 is looked at for each remainder."""
    bounds: dict[str, Number] = {}
    value, few = region.value, {n for n in region.upper if is_whole(n)}
    while calls := {c for c in innermost(value, _ROUNDINGS) if not free_symbols(atom(c)) <= few}:
        value, new = _without(value, calls, fresh)
        bounds |= new
    return value, bounds


def _without(value: Value, calls: Iterable[Call], fresh: Fresh) -> tuple[Value, dict[str, Number]]:
    """The same for some roundings."""
    bounds: dict[str, Number] = {}
    new: dict[str, Value] = {}
    for call in sorted(calls):
        name = fresh("rest", False)
        bounds[name] = 1
        new[call] = add(call.arguments[0], symbol(name) if call.function == "ceil" else negate(symbol(name)))
    return substitute(value, new), bounds


# -------------------------------------------------------------------------------------------------------------- words


def _dropped(a: Value, b: Value) -> tuple[str, ...]:
    """The terms in which two values differ, as texts; roundings by what is rounded."""
    rough_a, rough_b = (_without_roundings(v) for v in (a, b))
    texts = []
    for m in terms_of(add(rough_a, negate(rough_b))):
        mine, other = terms_of(rough_a).get(m, 0), terms_of(rough_b).get(m, 0)
        side = "only in the candidate: " if not other else ""
        texts.append(side + text_of(value_of({m: mine if not other else other if not mine else other - mine})))
    cuts = {str(c) for c in innermost(a, _ROUNDINGS)} ^ {str(c) for c in innermost(b, _ROUNDINGS)}
    return (*texts, *(f"rounding: {cut}" for cut in sorted(cuts))) or (
        "terms of lower order than all of the reference",
    )


def _without_roundings(value: Value) -> Value:
    rough, bounds = _unrounded(Region(value, {}, {}), Fresh())
    return substitute(rough, dict.fromkeys(bounds, 0))
