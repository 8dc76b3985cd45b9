"""Equal, different or unproven: the decision about two formulas in a domain, within a time budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import Polynomial, Value, add, negate, value_of
from symflops.tree import Tree, names
from symflops.verification.cases import Cases, Outcome, numerator
from symflops.verification.completion import Completion
from symflops.verification.constraints import Constraints, constraints
from symflops.verification.generalisation import generalised
from symflops.verification.normal import Form
from symflops.verification.points import Point, Search, corners, is_polynomial
from symflops.verification.region import Region, settled
from symflops.vocabulary.symbols import is_whole

EMPTY = "the conditions exclude every point"
_MEETS = "meets the conditions"
_BROKEN_POINTS = 30  # from which points are made at which bytes are no whole numbers
_POINTS = 5000  # looked at where nothing can be proved
_FIRST_POINTS = 100  # looked at before a proof is tried


@dataclass(frozen=True)
class Decision:
    """The status, how it was reached or what was tried, and the counterexample where there is one."""

    status: str
    how: str
    point: Point | None = None
    smallest: bool = False

    @property
    def is_of_no_point(self) -> bool:
        """Whether there is nothing to compare: no point meets the conditions."""
        return self.how.startswith(EMPTY)


def decide(a: Tree, b: Tree, where: Constraints, seconds: float) -> Decision:
    """Whether two formulas are equal at every point of a domain at which both have a number."""
    tried: list[str] = []
    where = where.reaching(names(("", a, b)))
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


def _decide(left: Tree, right: Tree, where: Constraints, seconds: float, tried: list[str]) -> Decision:
    end = deadline.now() + seconds
    search = Search(left, right, where)
    a, b = search.reduced
    if a == b:
        return _equal(search, "the same canonical polynomial", end)
    difference = _booleans(numerator(Form().of(add(a, negate(b)))), where)
    if difference == 0:
        return _equal(search, "the same normal form", end)
    start = settled(search.start, search.fresh)
    if start is None or not _may_hold(where):
        return Decision("unproven", _empty(search))
    search.raise_base(start)
    region = replace(start, value=substitute(difference, start.names))
    inside = _booleans(numerator(Form(region.upper, region.known).of(region.value)), where)
    if inside == 0:
        return _equal(search, f"the same normal form where {', '.join(c.text for c in where.conditions)}", end)
    region = replace(region, value=inside)
    tried.append("normal forms differ")
    supports = search.supports(difference)
    different = _soon(search, difference, supports)
    if different is not None:
        return different
    outcome = _cases(search, region, end - deadline.now(), tried)
    if outcome.proved:
        return _equal(search, f"by {outcome.closed} cases" if outcome.closed > 1 else "the same normal form", end)
    if outcome.point is not None:
        return _different(search, *search.reduce(outcome.point, supports))
    if not search.inside and _is_empty(search, (end - deadline.now()) / 2):
        return Decision("unproven", _empty(search))
    try:
        for point in search.in_order(supports):
            if search.differs(point):
                return _different(search, point, True)
    except deadline.OutOfTimeError:
        tried.append(f"{search.tried:,} points that agree")
        return Decision("unproven", ", ".join(tried))
    if search.covers_everything:
        return _equal(search, "at each point of the domain", end)
    return Decision("unproven", ", ".join([*tried, f"{search.tried:,} points that agree"]))


def _soon(search: Search, difference: Value, supports: list[tuple[str, ...]]) -> Decision | None:
    """A point at which both differ, where one is found before anything is proved."""
    if is_polynomial(difference):
        found = search.smallest_of_polynomial(difference)
        if found is not None:
            return _different(search, *found)
    else:
        for point in islice(search.in_order(supports), _FIRST_POINTS):
            if search.differs(point):
                return _different(search, point, True)
    for point in search.broken(_BROKEN_POINTS):
        if search.differs(point):
            return _different(search, point, False)
    if not is_polynomial(difference):
        for point in corners(search, difference, _FIRST_POINTS):
            if search.differs(point):
                return _different(search, *search.reduce(point, supports))
    return None


def _equal(search: Search, how: str, end: float) -> Decision:
    """Equal, if the conditions have a point at which both formulas have a number: nothing is proved of no point."""
    where = search.where
    if not where.conditions and not where.aside:
        return Decision("equal", how)
    if not _may_hold(where):
        return Decision("unproven", EMPTY)
    if not where.conditions or search.witness() is not None:
        return Decision("equal", how)
    cases = Cases(search, search.is_point)
    try:
        with deadline.limit((end - deadline.now()) * 0.8):
            outcome = cases.run(replace(search.start, value=1))
    except deadline.OutOfTimeError:
        outcome = Outcome()
    if outcome.point is not None:
        return Decision("equal", how)
    return Decision("unproven", _empty(search) if outcome.proved else f"{how}, but no point was found that {_MEETS}")


def _empty(search: Search) -> str:
    """What is said where no point is left: a condition may hold where a formula has no value."""
    return f"{EMPTY} at which both formulas have a value" if search.has_divisors else EMPTY


def _is_empty(search: Search, seconds: float) -> bool:
    """Whether the conditions are shown to exclude every point."""
    if not search.where.conditions:
        return False
    cases = Cases(search, search.is_point)
    try:
        with deadline.limit(seconds):
            return cases.run(replace(search.start, value=1)).proved
    except deadline.OutOfTimeError:
        return False


def _may_hold(where: Constraints) -> bool:
    """Whether conditions on other names than those of the formulas can hold: false where that is refuted."""
    conditions = where.aside
    if all(c.names <= where.hint.keys() and c.holds(where.hint) for c in conditions):
        return True
    apart = constraints((c.text for c in conditions), {}, set().union(*(c.names for c in conditions)))
    if Completion(apart, ()).of({}) is not None:
        return True
    search = Search(0, 0, apart)
    return not Cases(search, search.is_point).run(replace(apart.start(), value=1)).proved


def _cases(search: Search, region: Region, seconds: float, tried: list[str]) -> Outcome:
    """A proof by cases in a part of the time that is left."""
    try:
        general = generalised(region.value)
    except SymflopsError:  # too many terms, or no value: then the value itself is looked at
        general = region.value
    if general != region.value:
        try:
            with deadline.limit(seconds / 3):
                value = numerator(Form(region.upper).of(general))
                outcome = Cases(search, search.differs).run(replace(region, value=value))
        except deadline.OutOfTimeError:
            outcome = Outcome()
        if outcome.proved or outcome.point is not None:
            return outcome
    cases = Cases(search, search.differs)
    try:
        with deadline.limit(seconds / 2):
            outcome = cases.run(region)
    except deadline.OutOfTimeError:
        outcome = Outcome(closed=cases.outcome.closed, open=cases.outcome.open)
        tried.append(f"out of time after {outcome.closed:,} cases that agree")
    else:
        if outcome.open:
            tried.append(f"a case that is not settled: {outcome.open[:120]}")
    return outcome


def _different(search: Search, point: Point, smallest: bool) -> Decision:
    if (found := search.of_a_model(point)) is not None:
        point, smallest = found, True
    whole = search.completion.of(point) or {}
    smallest = smallest and search.completion.sure and all(type(v) is int for v in point.values())
    return Decision("different", "", whole, smallest)


def _booleans(value: Value, where: Constraints) -> Value:
    """c**2 is c for a symbol that is 0 or 1."""
    names = {n for n in free_symbols(value) if where.upper.get(n) == 1 and is_whole(n)}
    if not names or not isinstance(value, Polynomial):
        return value
    return add(
        0,
        *(value_of({tuple((n, 1 if n in names and e > 1 else e) for n, e in m): c}) for m, c in value.terms.items()),
    )
