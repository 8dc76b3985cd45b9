"""Proof by cases: where normal forms do not decide, regions of the domain are looked at one by one.

Whole numbers are compared by two regions, s <= w as w = s + t and s > w as s = w + t + 1. Where a difference may be a
fraction, the regions share their border: d >= 0 and d <= 0. Remainders are symbols with an upper bound: s = 128*q + r
with r <= 127. In each region minima and floors are settled until a polynomial is left. If that is 0 in all regions, the
value is 0; a region where it is not leads to a counterexample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from math import ceil, lcm

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    add,
    factored,
    is_integer,
    is_nonnegative,
    multiply,
    negate,
    symbol,
    terms_of,
)
from symflops.tree import exact
from symflops.verification.fraction import quotient, rounds
from symflops.verification.generalisation import innermost, outer
from symflops.verification.normal import Form
from symflops.verification.points import Point, Search, in_order_of, least_supports
from symflops.verification.region import Fresh, Region, settled, tightened
from symflops.vocabulary.symbols import is_whole

_ENUMERATED = 64  # a symbol with at most so many values is tried value by value
_CUTS = 24  # facts that are added to a region, at most
_POINTS = 60  # of a region where the value is not 0, looked at for a counterexample


@dataclass
class Outcome:
    """What the cases showed: all of them are 0, a point where the formulas differ, or neither."""

    proved: bool = False
    point: Point | None = None
    closed: int = 0
    open: str = ""


@dataclass
class Cases:
    """One proof: the regions that are still to be looked at, and what is asked of points in a region that is not 0."""

    search: Search
    accepts: Callable[[Point], bool]
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def fresh(self) -> Fresh:
        """Names of new symbols: the search's own, since regions that it began with have some already."""
        return self.search.fresh

    def run(self, start: Region) -> Outcome:
        """Decide whether a region's value is 0 everywhere in it."""
        todo = [start]
        while todo:
            deadline.check()
            region = settled(todo.pop(), self.fresh)
            if region is None:  # empty
                self.outcome.closed += 1
                continue
            try:
                value = numerator(Form(region.upper, region.known).of(region.value))
                region = replace(region, value=value)
                parts = self.split(region) if value != 0 else []
            except SymflopsError as error:  # a limit of the language
                self.outcome.open = self.outcome.open or str(error)
                continue
            if value == 0:
                self.outcome.closed += 1
                continue
            if not parts or region.cuts >= _CUTS:
                self.outcome.point = self.point_in(region)
                if self.outcome.point is not None:
                    self.outcome.open = self.outcome.open or repr(value)
                    return self.outcome
                parts = parts or self.split_facts(region)
            if parts and region.cuts < _CUTS:
                todo += reversed(parts)
            else:
                self.outcome.open = self.outcome.open or repr(value)
        self.outcome.proved = not self.outcome.open
        return self.outcome

    def point_in(self, region: Region) -> Point | None:
        """A point of the domain that lies in a region where the value is not 0, and is accepted."""
        used = sorted({n for v in region.names.values() for n in free_symbols(v)} | free_symbols(region.value))
        supports = least_supports(region.value)
        for inside in islice(in_order_of(used, region.upper, supports), _POINTS):
            point = dict(self.search.base)
            for name in self.search.names:
                original = substitute(region.names.get(name, symbol(name)), inside)
                if type(original) is int or (not isinstance(original, Polynomial) and not is_whole(name)):
                    point[name] = max(original, point[name])
            if self.search.within(point) and self.accepts(point):
                return point
        return None

    # ------------------------------------------------------------------------------------------------------- splitting

    def split(self, region: Region) -> list[Region]:
        """Regions that together are this one, in which one call is closer to being settled; none where we know none."""
        calls = sorted(innermost(region.value), key=lambda c: (_RANKS.get(c.function, 9), len(c), c))
        for call in calls:
            parts = self.split_call(region, call)
            if parts:
                return parts
        for call in sorted(outer(region.value, "min") - innermost(region.value), key=lambda c: (len(c), c)):
            first, second = call.arguments[:2]  # what is in it stays as it is: one of the two is the lesser
            difference = add(second, negate(first))
            return [region.cut(difference), region.cut(add(negate(difference), -int(is_integer(difference))))]
        for name in sorted(filter(is_whole, free_symbols(region.value))):
            high = region.upper.get(name)
            degree = max((e for m in terms_of(region.value) for n, e in m if n == name), default=0)
            if high is not None and high < min(_ENUMERATED, degree):  # a polynomial of degree d has at most d zeros
                return self.enumerated(region, name)
        return []

    def split_facts(self, region: Region) -> list[Region]:
        """Regions in which a fact that is not put in is closer to that: its calls settled, its symbols enumerated."""
        cut = replace(region, cuts=region.cuts + 1)
        for fact in region.known:
            for call in sorted(innermost(fact), key=lambda c: (_RANKS.get(c.function, 9), len(c), c)):
                parts = self.split_call(cut, call)
                if parts:
                    return parts
        names = sorted(filter(is_whole, set().union(*(free_symbols(k) for k in region.known))))
        few = [n for n in names if region.upper.get(n, _ENUMERATED) < _ENUMERATED]
        if few:
            return self.enumerated(cut, min(few, key=lambda n: (region.upper[n], n)))
        return self.threshold(cut, names[0], 1) if names else []

    def enumerated(self, region: Region, name: str) -> list[Region]:
        return [region.put({name: i}) for i in range(int(region.upper[name]) + 1)]

    def split_call(self, region: Region, call: Call) -> list[Region]:
        if call.function == "min":
            first, second = call.arguments[:2]
            return self.split_difference(region, add(second, negate(first)))
        if call.function == "floor":
            return self.split_floor(region, *quotient(call.arguments[0]))
        if call.function == "**":
            return self.split_power(region, *call.arguments)
        return []

    def split_difference(self, region: Region, difference: Value) -> list[Region]:
        """Where a difference is at least 0, and where it is at most 0: at most -1 only if it is a whole number."""
        if is_nonnegative(quotient(difference)[1]):  # and not 0 where the difference has a value
            difference = tightened(difference)
        if all(sum(e for _, e in m) < 2 and all(e > 0 for _, e in m) for m in terms_of(difference)):
            parts = self.split_sign(region, difference)
            if parts:
                return parts
        return [region.cut(difference), region.cut(add(negate(difference), -int(is_integer(difference))))]

    def split_sign(self, region: Region, difference: Value) -> list[Region]:
        """Two symbols of which one raises and one lowers a difference, compared with each other."""
        if not isinstance(difference, Polynomial):
            return []
        content, _, rest = factored(difference)
        positive = [m for m, c in terms_of(rest).items() if (c > 0) == (content > 0)]
        negative = [m for m in terms_of(rest) if m not in positive]
        pairs = sorted(((len(p) + len(n), p, n) for p in positive for n in negative), key=lambda t: (t[0], str(t)))
        for _, p, n in pairs:
            up, down = ([x for x, e in m if e > 0 and m2.get(x, 0) < e] for m, m2 in ((p, dict(n)), (n, dict(p))))
            if any(isinstance(x, Call) for x in (*up, *down)):
                continue
            if up and down:
                if abs(terms_of(rest)[p]) != abs(terms_of(rest)[n]):
                    continue  # s - 100*t in steps of t would take 100 of them
                return self.compare(region, up[0], down[0])
            names = up or down
            if names:
                at = _threshold(rest, names[0])
                if len(terms_of(rest)) > 2 and region.upper.get(names[0], at) < at:
                    continue
                return self.threshold(region, names[0], at)
        return []

    def compare(self, region: Region, x: str, y: str) -> list[Region]:
        """x >= y and x < y; where one need not be whole, x <= y."""
        whole = is_whole(x) and is_whole(y)
        step = int(whole)
        rest = self.fresh(x, whole)
        ux, uy = region.upper.get(x), region.upper.get(y)
        least = min((u for u in (ux, uy) if u is not None), default=None)
        above = region.put({x: add(symbol(y), symbol(rest))}, {rest: ux, y: least})
        if uy is not None and uy < step:
            return [above]
        most = ux if uy is None else min(uy - step, uy if ux is None else ux)
        lower = {rest: None if uy is None else uy - step, x: most}
        return [above, region.put({y: add(symbol(x), symbol(rest), step)}, lower)]

    def threshold(self, region: Region, x: str, at: Number) -> list[Region]:
        """x < at and x >= at, for at >= 1; where x need not be whole, x <= at."""
        high = region.upper.get(x)
        if high == 0:
            return []
        if high is not None and high < at:
            if not is_whole(x):
                return []
            at = int(high) // 2 + 1  # the whole region lies below: halve it
        at = ceil(at) if is_whole(x) else at
        rest = self.fresh(x)
        below = {x: at - int(is_whole(x))}
        low = region.put({x: 0}) if below[x] == 0 else replace(region, upper={**region.upper, **below})
        return [low, region.put({x: add(symbol(rest), at)}, {rest: None if high is None else high - at})]

    def split_floor(self, region: Region, top: Value, bottom: Value) -> list[Region]:
        used = sorted(filter(is_whole, free_symbols(top)))
        if not isinstance(bottom, Polynomial):
            step = lcm(rounds(region.value), int(bottom))
            return self.remainder(region, top, int(bottom), step if step < 10**6 else int(bottom), used)
        ((lead, coefficient), *others) = bottom.terms.items()
        if coefficient != 1 and not others:  # first the constant part of the divisor
            return self.remainder(region, top, int(coefficient), int(coefficient), used)
        divisor = next((n for n, _ in lead if not isinstance(n, Call) and is_whole(n)), None)
        x = next((x for x in used if all(n != x for n, _ in lead)), None)
        if others or divisor is None or x is None:
            return self.split_sign(region, add(top, negate(bottom)))
        q, r, rest = self.fresh(x), self.fresh(x), self.fresh(divisor)
        least = add(symbol(r), symbol(rest), 1)  # the divisor, greater than the remainder
        high = region.upper.get(divisor)
        bounds = {q: region.upper.get(x), r: high, rest: high}
        return [region.put({divisor: least, x: add(multiply(least, symbol(q)), symbol(r))}, bounds)]

    def remainder(self, region: Region, top: Value, bottom: int, step: int, used: list[str]) -> list[Region]:
        """A symbol as multiple and remainder, and when all are: the ranges of remainders cut."""
        moving = {n for m, c in terms_of(top).items() if c % bottom for n, _ in m}
        for x in used:
            high = region.upper.get(x)
            if x in moving and (high is None or high >= step):
                q, r = self.fresh(x), self.fresh(x)
                times = add(multiply(step, symbol(q)), symbol(r))
                return [region.put({x: times}, {q: None if high is None else high // step, r: step - 1})]
        return self.narrowed(region, top, bottom, [x for x in used if x in moving and region.upper.get(x)])

    def narrowed(self, region: Region, top: Value, bottom: int, used: list[str]) -> list[Region]:
        """All symbols of a numerator are bounded: cut the range of one where the floor changes, or halve it."""
        if not used:
            return []
        high, x = max((region.upper[x], x) for x in used)
        slope = terms_of(top).get(((x, 1),), 0)
        if len(used) == 1 and slope > 0 and set(terms_of(top)) <= {(), ((x, 1),)}:
            start = int(terms_of(top).get((), 0))
            at = -((start - (start // bottom + 1) * bottom) // int(slope))
            if 1 <= at <= high:
                return self.threshold(region, x, at)
        return self.threshold(region, x, high // 2 + 1)

    def split_power(self, region: Region, base: Value, exponent: Value) -> list[Region]:
        """A base that may be 0, an exponent with few values, the parity of the exponent of -1."""
        names = sorted(filter(is_whole, free_symbols(exponent)))
        for x in names:
            if region.upper.get(x, _ENUMERATED) < _ENUMERATED:
                return self.enumerated(region, x)
        if base == -1:
            return self.remainder(region, exponent, 2, 2, names)
        if is_nonnegative(base) and Form(region.upper).range(base)[0] <= 0:
            names = sorted(filter(is_whole, free_symbols(base))) if isinstance(base, Polynomial) else names
            return self.threshold(region, names[0], 1) if names else []
        return []


_RANKS = {"min": 0, "floor": 1, "**": 2}


def numerator(value: Value) -> Value:
    """What has to be 0 for a value to be 0: without divisors, without a common factor that is nowhere 0."""
    return quotient(value)[0]


def _threshold(rest: Value, name: str) -> Number:
    """From where on `name` is more than the constant in a rest such as c*name - constant; 1 where there is none."""
    terms = terms_of(rest)
    alone: Monomial = ((name, 1),)
    if () in terms and alone in terms:
        at = abs(Fraction(terms[()]) / Fraction(terms[alone]))
        return exact(at) if not is_whole(name) else max(1, ceil(at))
    return 1
