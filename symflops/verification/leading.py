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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from math import inf

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Number, Polynomial, Value, add, multiply, negate, symbol, terms_of, value_of
from symflops.tree import Tree, names
from symflops.verification.cases import Cases, numerator
from symflops.verification.domain import Domain
from symflops.verification.exact import Enclosure, UndefinedError, number_at
from symflops.verification.faults import text_of
from symflops.verification.growth import Growth
from symflops.verification.interval import interval
from symflops.verification.normal import Form
from symflops.verification.points import Point, Search
from symflops.verification.region import Fresh, Region, settled
from symflops.vocabulary import FRACTION_MARK, is_whole

_DIFFERENCE = f"difference'{FRACTION_MARK}"  # a symbol that marks the difference beside the reference
_FEW = 8  # values of a symbol that are looked at one by one
_DIRECTIONS = 200  # looked at, at most
_REGIONS = 400  # looked at, at most
_SIZES = (2**24, 2**48)  # of symbols that grow
_ODD_SIZES = (2**24 + 43, 2**48 + 21)  # at which remainders are not 0
_SMALL_SIZES = (2**8 + 1, 2**12 + 3)  # where they are exponents
_FAST = 8  # the power of a size, for a symbol that grows faster
_PERSISTS = Fraction(9, 10)  # how much of a share is left between these if it does not vanish


@dataclass(frozen=True)
class Leading:
    """Whether the leading terms are "equal", "different" or neither is shown, and the terms that were dropped."""

    status: str
    dropped: tuple[str, ...] = ()


def leading(a: Value, b: Value, trees: tuple[Tree, Tree], where: Domain, seconds: float) -> Leading:
    """Whether two different values have the same leading terms, the second being the reference."""
    where = where.reaching(names(("", *trees)))
    search = Search(*trees, where)
    try:
        with deadline.limit(seconds):
            a, b = where.reduced(a), where.reduced(b)
            start = settled(Search(*trees, _own(where, set(search.names))).start, Fresh())
            if start is None:
                return Leading("unproven")
            growing = [
                n for n in search.names if is_whole(n) and interval(start.names[n], start.upper)[1] == inf
            ]  # fmt: skip
            if growing and _is_lower(add(a, negate(b)), b, search, start, growing):
                return Leading("equal", _dropped(a, b))
            return Leading("different" if not growing or _persists(search, start, growing) else "unproven")
    except (deadline.OutOfTimeError, SymflopsError):  # out of time, or a limit of the language
        return Leading("unproven")


# ------------------------------------------------------------------------------------------------------------- proof


def _own(where: Domain, own: set[str]) -> Domain:
    """The domain without conditions on symbols that the formulas do not have: a larger one."""
    conditions = tuple(c for c in where.conditions if c.names <= own)
    multiples = {n: v for n, v in where.multiples.items() if free_symbols(v) <= own | {f"{n}'"}}
    return replace(where, conditions=conditions, multiples=multiples)


def _is_lower(difference: Value, reference: Value, search: Search, start: Region, growing: list[str]) -> bool:
    """Whether the difference is shown to be of lower order, and there are points where all symbols grow."""
    both = add(multiply(symbol(_DIFFERENCE), difference), reference)
    rough, bounds = _unrounded(substitute(both, start.names))
    cases = Cases(search, search.differs)
    todo = [replace(start, value=rough, upper={**start.upper, **bounds})]
    reached = False
    for _ in range(_REGIONS):
        if not todo:
            return reached
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
        parts = cases.split(region) if _calls(region.value) else []
        if growth.covers(*_apart(region.value)):
            reached = reached or any(
                min(point[n] for n in growing) >= _SIZES[0] and search.completion.of(point) is not None
                for point in (*_grown(search, region, _SIZES[0]), *_grown(search, region, _ODD_SIZES[0]))
            )
        elif parts:
            todo += reversed(parts)
        else:
            return False
    return False


def _apart(value: Value) -> tuple[Value, Value]:
    """The difference and the reference."""
    mark = (_DIFFERENCE, 1)
    difference = {tuple(p for p in m if p != mark): c for m, c in terms_of(value).items() if mark in m}
    return value_of(difference), value_of({m: c for m, c in terms_of(value).items() if mark not in m})


def _few(region: Region) -> str | None:
    """A symbol of the value with so few values that each is looked at by itself."""
    used = free_symbols(region.value)
    return min((n for n, high in region.upper.items() if high < _FEW and is_whole(n) and n in used), default=None)


def _calls(value: Value) -> bool:
    return any(isinstance(n, Call) and n.function in ("min", "floor", "**") for m in terms_of(value) for n, _ in m)


def _unrounded(value: Value) -> tuple[Value, dict[str, Number]]:
    """A value with every rounding as its argument and a number between 0 and 1, and these with their bounds."""
    bounds: dict[str, Number] = {}
    while calls := _innermost_roundings(value):
        new: dict[str, Value] = {}
        for call in sorted(calls):
            name = f"rest'{len(bounds)}{FRACTION_MARK}"
            bounds[name] = 1
            rest = symbol(name) if call.function == "ceil" else negate(symbol(name))
            new[call] = add(call.arguments[0], rest)
        value = substitute(value, new)
    return value, bounds


def _innermost_roundings(value: Value) -> set[Call]:
    found: set[Call] = set()
    for monomial in terms_of(value):
        for name, _ in monomial:
            if isinstance(name, Call):
                below = set().union(*(_innermost_roundings(a) for a in name.arguments))
                found |= below or ({name} if name.function in ("floor", "ceil") else set())
    return found


# -------------------------------------------------------------------------------------------------------- directions


def _grown(search: Search, region: Region, size: int) -> Iterator[Point]:
    """Points of a region at which its symbols are large, all alike or one much larger than the others."""
    used = sorted(set().union(*(free_symbols(region.names[n]) for n in search.names)))
    free = [n for n in used if n not in region.upper]
    bounded = {n: region.upper[n] for n in used if n in region.upper}
    powers = [dict.fromkeys(free, 1), *({n: _FAST if n == name else 1 for n in free} for name in free)]
    powers += [{n: 1 if n == name else _FAST for n in free} for name in free]
    sizes: list[Point] = [{n: size**e for n, e in exponents.items()} for exponents in powers]
    sizes += [{n: few if n == name else size for n in free} for name in free for few in (1, 3)]
    for large in sizes:
        for ends in (bounded, dict.fromkeys(bounded, 0)):
            inside: dict[str, Value] = {n: v if is_whole(n) else 2 for n, v in large.items()}
            inside.update(ends)
            point: Point = {}
            for name in search.names:
                number = substitute(region.names[name], inside)
                if not isinstance(number, Polynomial):
                    point[name] = number
            if len(point) == len(search.names):
                yield point


def _persists(search: Search, start: Region, growing: list[str]) -> bool:
    """Whether along some direction the share of the difference in the reference does not become smaller."""
    seen = False
    for sizes in (_SIZES, _ODD_SIZES, _SMALL_SIZES):
        if seen and sizes == _SMALL_SIZES:
            break
        for small, large in zip(*(islice(_grown(search, start, size), _DIRECTIONS) for size in sizes), strict=True):
            if any(min(point[n] for n in growing) < size for point, size in zip((small, large), sizes, strict=True)):
                continue
            before, after = (_share(search, point) for point in (small, large))
            seen = seen or after is not None
            if before is not None and after is not None and after > 0 and after >= before * _PERSISTS:
                return True
    return False


def _share(search: Search, point: Point) -> Fraction | None:
    """The difference as a share of the reference at a point of the domain; None where there is none."""
    deadline.check()
    if search.completion.of(point) is None:
        return None
    try:
        x, y = (number_at(tree, point) for tree in search.trees)
    except UndefinedError:
        return None
    first, second = (Fraction(n.low if isinstance(n, Enclosure) else n) for n in (x, y))
    if not second:
        return None if not first else Fraction(10**30)
    return abs((first - second) / second)


# -------------------------------------------------------------------------------------------------------------- words


def _dropped(a: Value, b: Value) -> tuple[str, ...]:
    """The terms in which two values differ, as texts; roundings by what is rounded."""
    rough_a, rough_b = (_without_roundings(v) for v in (a, b))
    texts = []
    for m in terms_of(add(rough_a, negate(rough_b))):
        mine, other = terms_of(rough_a).get(m, 0), terms_of(rough_b).get(m, 0)
        side = "only in the candidate: " if not other else ""
        texts.append(side + text_of(value_of({m: mine if not other else other if not mine else other - mine})))
    cuts = {str(c) for c in _innermost_roundings(a)} ^ {str(c) for c in _innermost_roundings(b)}
    return (*texts, *(f"rounding: {cut}" for cut in sorted(cuts))) or ("what vanishes beside the reference",)


def _without_roundings(value: Value) -> Value:
    rough, bounds = _unrounded(value)
    return substitute(rough, dict.fromkeys(bounds, 0))
