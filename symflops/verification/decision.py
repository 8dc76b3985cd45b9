"""Equal, different or unproven: the decision about two formulas in a domain, within a time budget."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import Polynomial, Value, add, negate, symbol, value_of
from symflops.tree import Tree
from symflops.verification.cases import Cases, Outcome, generalised, numerator
from symflops.verification.domain import Domain, shifted
from symflops.verification.normal import Form
from symflops.verification.points import Point, Search, corners, is_polynomial

_POINTS = 5000  # looked at where nothing can be proved
_FIRST_POINTS = 100  # looked at before a proof is tried


@dataclass(frozen=True)
class Decision:
    """The status, how it was reached or what was tried, and the counterexample where there is one."""

    status: str
    how: str
    point: Point | None = None
    smallest: bool = False


def decide(a: Tree, b: Tree, where: Domain, seconds: float) -> Decision:
    """Whether two formulas are equal at every point of a domain at which both have a number."""
    tried: list[str] = []
    try:
        with deadline.limit(seconds):
            return _decide(a, b, where, seconds, tried)
    except deadline.OutOfTimeError:
        return Decision("unproven", ", ".join([*tried, f"stopped after {seconds:g} s"]))
    except SymflopsError as error:  # a limit of the language, such as the terms of an expansion
        tried.append(str(error))
    search = Search(a, b, where)
    try:
        with deadline.limit(seconds):
            for point in islice(search.in_order(), _POINTS):
                if search.differs(point):
                    return _different(search, point, True)
    except deadline.OutOfTimeError:
        pass
    return Decision("unproven", ", ".join([*tried, f"{search.tried:,} points that agree"]))


def _decide(left: Tree, right: Tree, where: Domain, seconds: float, tried: list[str]) -> Decision:
    end = deadline.now() + seconds
    search = Search(left, right, where)
    a, b = search.reduced
    if a == b:
        return Decision("equal", "the same canonical polynomial")
    names: dict[str, Value] = {n: symbol(n) for n in search.names}
    for step in (where.multiples, shifted(where.lower)):
        names = {n: substitute(v, step) for n, v in names.items()}
    upper = {n: high - where.lower.get(n, 0) for n, high in where.upper.items() if n not in where.multiples}
    if any(high < 0 for high in upper.values()):
        return Decision("unproven", "the conditions exclude every point")
    difference = _booleans(numerator(Form().of(add(a, negate(b)))), where)
    if difference == 0:
        return Decision("equal", "the same normal form")
    inside = _booleans(numerator(Form(upper).of(substitute(difference, names))), where)
    if inside == 0:
        return Decision("equal", f"the same normal form where {', '.join(c.text for c in where.conditions)}")
    tried.append("normal forms differ")
    supports = search.supports(difference)
    if is_polynomial(difference):
        found = search.smallest_of_polynomial(difference)
        if found is not None:
            return _different(search, *found)
    else:
        for point in islice(search.in_order(supports), _FIRST_POINTS):
            if search.differs(point):
                return _different(search, point, True)
        for point in corners(search, difference, _FIRST_POINTS):
            if search.differs(point):
                return _different(search, *search.reduce(point, supports))
    outcome = _cases(search, inside, upper, names, end - deadline.now(), tried)
    if outcome.proved:
        return Decision("equal", f"by {outcome.closed} cases" if outcome.closed > 1 else "the same normal form")
    if outcome.point is not None:
        return _different(search, *search.reduce(outcome.point, supports))
    try:
        for point in search.in_order(supports):
            if search.differs(point):
                return _different(search, point, True)
    except deadline.OutOfTimeError:
        tried.append(f"{search.tried:,} points that agree")
        return Decision("unproven", ", ".join(tried))
    if all(n in where.upper for n in search.names):
        return Decision("equal", f"at all {search.tried:,} points of the domain")
    return Decision("unproven", ", ".join([*tried, f"{search.tried:,} points that agree"]))


def _cases(
    search: Search, inside: Value, upper: dict[str, int], names: dict[str, Value], seconds: float, tried: list[str]
) -> Outcome:
    """A proof by cases in a part of the time that is left."""
    try:
        general = generalised(inside)
    except SymflopsError:  # too many terms, or no value: then the value itself is looked at
        general = inside
    if general != inside:
        try:
            with deadline.limit(seconds / 3):
                outcome = Cases(search).run(numerator(Form(upper).of(general)), upper, names)
        except deadline.OutOfTimeError:
            outcome = Outcome()
        if outcome.proved or outcome.point is not None:
            return outcome
    cases = Cases(search)
    try:
        with deadline.limit(seconds / 2):
            outcome = cases.run(inside, upper, names)
    except deadline.OutOfTimeError:
        outcome = Outcome(closed=cases.outcome.closed, open=cases.outcome.open)
        tried.append(f"out of time after {outcome.closed:,} cases that agree")
    else:
        if outcome.open:
            tried.append(f"a case that is not settled: {outcome.open[:120]}")
    return outcome


def _different(search: Search, point: Point, smallest: bool) -> Decision:
    whole = search.where.complete(point) or {}
    return Decision("different", "", {n: int(v) for n, v in whole.items()}, smallest)


def _booleans(value: Value, where: Domain) -> Value:
    """c**2 is c for a symbol that is 0 or 1."""
    names = {n for n in free_symbols(value) if where.upper.get(n) == 1}
    if not names or not isinstance(value, Polynomial):
        return value
    return add(
        0,
        *(value_of({tuple((n, 1 if n in names and e > 1 else e) for n, e in m): c}) for m, c in value.terms.items()),
    )
