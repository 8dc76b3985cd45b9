"""Proof by cases: where normal forms do not decide, regions of the domain are looked at one by one.

A region is a substitution of new nonnegative symbols, so that its conditions hold by themselves: s <= w is w = s + t,
and s > w is s = w + t + 1. Remainders are symbols with an upper bound: s = 128*q + r with r <= 127. In each region
minima and floors are settled until a polynomial is left. If that is 0 in all regions, the value is 0; a region where it
is not leads to a counterexample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, islice
from math import ceil, lcm

from symflops import deadline
from symflops.algebra import ALGEBRA, free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import (
    Call,
    Monomial,
    Polynomial,
    Value,
    add,
    factored,
    is_nonnegative,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.verification.fraction import quotient, rounds
from symflops.verification.interval import interval
from symflops.verification.normal import Form
from symflops.verification.points import Point, Search, in_order_of, least_supports

_ENUMERATED = 64  # a symbol with at most so many values is tried value by value
_GENERALISED = 8  # names of a value in which sums are looked for, at most
# What `polynomial` and `function` say of a value that exists nowhere.
_NO_VALUE = ("division by zero", "square root of a negative number", "log2 of a number that is not positive")
_FACTS = 24  # that are kept about a region, at most
_POINTS = 60  # of a region where the value is not 0, looked at for a counterexample


@dataclass(frozen=True)
class Region:
    """A part of the domain: what is left of the value there, bounds of its symbols, and the original names in them."""

    value: Value
    upper: Mapping[str, int]
    names: Mapping[str, Value]
    known: tuple[Value, ...] = ()  # values that are at least 0 here


@dataclass
class Outcome:
    """What the cases showed: all of them are 0, a point where the formulas differ, or neither."""

    proved: bool = False
    point: Point | None = None
    closed: int = 0
    open: str = ""


@dataclass
class Cases:
    """One proof: the regions that are still to be looked at."""

    search: Search
    fresh: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, value: Value, upper: Mapping[str, int], names: Mapping[str, Value]) -> Outcome:
        """Decide whether a value, in normal form, is 0 for all whole numbers from 0 to `upper`."""
        todo = [Region(value, upper, names)]
        while todo:
            deadline.check()
            region = todo.pop()
            try:
                value = numerator(Form(region.upper, region.known).of(region.value))
                region = replace(region, value=value)
                parts = self.split(region) if value != 0 else []
            except SymflopsError as error:  # a limit of the language
                self.outcome.open = self.outcome.open or str(error)
                continue
            empty = any(interval(k, region.upper)[1] < 0 for k in region.known)
            if value == 0 or empty:
                self.outcome.closed += 1
            elif parts and len(region.known) < _FACTS:
                todo += reversed(parts)
            else:
                self.outcome.open = self.outcome.open or repr(value)
                self.outcome.point = self.point_in(region)
                if self.outcome.point is not None:
                    return self.outcome
        self.outcome.proved = not self.outcome.open
        return self.outcome

    def point_in(self, region: Region) -> Point | None:
        """A point of the domain that lies in a region where the formulas differ."""
        used = sorted({n for v in region.names.values() for n in free_symbols(v)} | free_symbols(region.value))
        supports = least_supports(region.value)
        for inside in islice(in_order_of(used, region.upper, supports), _POINTS):
            point = dict(self.search.base)
            for name in self.search.names:
                original = substitute(region.names.get(name, symbol(name)), inside)
                if type(original) is int:
                    point[name] = max(original, point[name])
            if self.search.within(point) and self.search.differs(point):
                return point
        return None

    # ------------------------------------------------------------------------------------------------------- splitting

    def split(self, region: Region) -> list[Region]:
        """Regions that together are this one, in which one call is closer to being settled; none where we know none."""
        calls = sorted(_innermost(region.value), key=lambda c: (_RANKS.get(c.function, 9), len(c), c))
        for call in calls:
            parts = self.split_call(region, call)
            if parts:
                return parts
        for name in sorted(free_symbols(region.value)):
            high = region.upper.get(name)
            degree = max((e for m in terms_of(region.value) for n, e in m if n == name), default=0)
            if high is not None and high < min(_ENUMERATED, degree):  # a polynomial of degree d has at most d zeros
                return [self.put(region, {name: i}) for i in range(high + 1)]
        return []

    def split_call(self, region: Region, call: Call) -> list[Region]:
        if call.function == "min":
            first, second = call.arguments[:2]
            difference = add(second, negate(first))
            if all(sum(e for _, e in m) < 2 for m in terms_of(difference)):
                return self.split_sign(region, difference)
            return [replace(region, known=(*region.known, k)) for k in (difference, add(negate(difference), -1))]
        if call.function == "floor":
            return self.split_floor(region, *quotient(call.arguments[0]))
        if call.function == "**":
            return self.split_power(region, *call.arguments)
        return []

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
                return self.compare(region, up[0], down[0])
            names = up or down
            if names:
                return self.threshold(region, names[0], _threshold(rest, names[0]))
        return []

    def compare(self, region: Region, x: str, y: str) -> list[Region]:
        """x >= y and x < y."""
        rest = self.name(x)
        ux, uy = region.upper.get(x), region.upper.get(y)
        least = min((u for u in (ux, uy) if u is not None), default=None)
        above = self.put(region, {x: add(symbol(y), symbol(rest))}, {rest: ux, y: least})
        below = self.put(
            region,
            {y: add(symbol(x), symbol(rest), 1)},
            {rest: None if uy is None else uy - 1, x: ux if uy is None else min(uy - 1, uy if ux is None else ux)},
        )
        return [above, below] if uy is None or uy >= 1 else [above]

    def threshold(self, region: Region, x: str, at: int) -> list[Region]:
        """x < at and x >= at, for at >= 1."""
        high = region.upper.get(x)
        if high is not None and high < at:
            at = high // 2 + 1  # the whole region lies below: halve it
        if high == 0:
            return []
        rest = self.name(x)
        below = self.put(region, {x: 0}) if at == 1 else replace(region, upper={**region.upper, x: at - 1})
        return [below, self.put(region, {x: add(symbol(rest), at)}, {rest: None if high is None else high - at})]

    def split_floor(self, region: Region, top: Value, bottom: Value) -> list[Region]:
        used = sorted(free_symbols(top))
        if not isinstance(bottom, Polynomial):
            step = lcm(rounds(region.value), int(bottom))
            return self.remainder(region, top, int(bottom), step if step < 10**6 else int(bottom), used)
        ((lead, coefficient), *others) = bottom.terms.items()
        if coefficient != 1 and not others:  # first the constant part of the divisor
            return self.remainder(region, top, int(coefficient), int(coefficient), used)
        divisor = next((n for n, _ in lead if not isinstance(n, Call)), None)
        x = next((x for x in used if all(n != x for n, _ in lead)), None)
        if others or divisor is None or x is None:
            return self.split_sign(region, add(top, negate(bottom)))
        q, r, rest = self.name(x), self.name(x), self.name(divisor)
        least = add(symbol(r), symbol(rest), 1)  # the divisor, greater than the remainder
        high = region.upper.get(divisor)
        bounds = {q: region.upper.get(x), r: high, rest: high}
        return [self.put(region, {divisor: least, x: add(multiply(least, symbol(q)), symbol(r))}, bounds)]

    def remainder(self, region: Region, top: Value, bottom: int, step: int, used: list[str]) -> list[Region]:
        """A symbol as multiple and remainder, and when all are: the ranges of remainders cut."""
        moving = {n for m, c in terms_of(top).items() if c % bottom for n, _ in m}
        for x in used:
            high = region.upper.get(x)
            if x in moving and (high is None or high >= step):
                q, r = self.name(x), self.name(x)
                times = add(multiply(step, symbol(q)), symbol(r))
                return [self.put(region, {x: times}, {q: None if high is None else high // step, r: step - 1})]
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
        """A base that may be 0, or an exponent with few values."""
        for x in sorted(free_symbols(exponent)):
            if region.upper.get(x, _ENUMERATED) < _ENUMERATED:
                return [self.put(region, {x: i}) for i in range(region.upper[x] + 1)]
        if is_nonnegative(base) and Form(region.upper).range(base)[0] <= 0:
            return self.threshold(region, min(free_symbols(base)), 1)
        return []

    # ------------------------------------------------------------------------------------------------------ new symbols

    def name(self, old: str) -> str:
        self.fresh += 1
        return f"{old.partition(chr(39))[0]}'{self.fresh}"  # no name of the language has such a mark

    def put(self, region: Region, new: Mapping[str, Value], upper: Mapping[str, int | None] | None = None) -> Region:
        """The region with symbols replaced and the bounds of new ones."""
        bounds = {n: u for n, u in region.upper.items() if n not in new}
        for name, high in (upper or {}).items():
            if high is not None:
                bounds[name] = high
        zeros = {n: 0 for n, u in bounds.items() if u == 0}
        new = {n: substitute(v, zeros) for n, v in new.items()} | zeros if zeros else new
        names = {n: substitute(v, new) for n, v in region.names.items()}
        limits = (
            add(high, negate(new[n])) for n, high in region.upper.items() if n in new
        )  # the old bounds still hold
        known = [k for k in (*(substitute(k, new) for k in region.known), *limits) if interval(k, bounds)[0] < 0]
        try:
            value = substitute(region.value, new)
        except SymflopsError as error:
            if error.message not in _NO_VALUE:
                raise
            value = 0  # no point of this region has a value: nothing to compare
        return Region(value, bounds, names, tuple(known))


def generalised(value: Value) -> Value:
    """A value with new symbols for products of symbols inside its calls, and for sums that alone occur. What is 0 for
    all values of these is 0 for the products: ceil(b*s/128) is looked at as ceil(z/128)."""
    products = {tuple(n for n, _ in m) for call in _innermost(value) for a in call.arguments for m in terms_of(a)}
    for product in sorted((p for p in products if len(p) > 1), key=lambda p: (-len(p), p)):
        if not any(isinstance(n, Call) for n in product):
            value = _abstracted(value, dict.fromkeys(product, 1), "*".join(product) + "'")
    names = sorted(free_symbols(value))
    for x, y in combinations(names, 2) if len(names) <= _GENERALISED else ():
        both = substitute(value, {x: add(symbol(f"{x}+{y}'"), negate(symbol(y)))})
        if y not in free_symbols(both):  # only their sum occurs
            return generalised(both)
    return value


def _abstracted(value: Value, product: Mapping[str, int], name: str) -> Value:
    total: Value = 0
    for m, c in terms_of(value).items():
        exponents = dict(m)
        times = min(exponents.get(n, 0) for n in product)
        factors: list[Value] = [c]
        if times > 0:
            factors.append(power(symbol(name), times))
            exponents = {n: e - times * product.get(n, 0) for n, e in exponents.items()}
        for n, e in exponents.items():
            if isinstance(n, Call):
                arguments = [_abstracted(a, product, name) for a in n.arguments]
                factors.append(power(add(*arguments) if n.function == "+" else ALGEBRA[n.function](*arguments), e))
            elif e:
                factors.append(value_of({((n, e),): 1}))
        total = add(total, multiply(*factors))
    return total


_RANKS = {"min": 0, "floor": 1, "**": 2}


def numerator(value: Value) -> Value:
    """What has to be 0 for a value to be 0: without divisors, without a common factor that is nowhere 0."""
    return quotient(value)[0]


def _threshold(rest: Value, name: str) -> int:
    """From where on `name` decides the sign of rest = c*name - constant; 1 where the rest is not of that form."""
    terms = terms_of(rest)
    alone: Monomial = ((name, 1),)
    if set(terms) == {(), alone}:
        return max(1, ceil(abs(Fraction(terms[()]) / Fraction(terms[alone]))))
    return 1


def _innermost(value: Value) -> set[Call]:
    """The calls in a value whose arguments have no calls."""
    found: set[Call] = set()
    for monomial in terms_of(value):
        for name, _ in monomial:
            if isinstance(name, Call):
                below = set().union(*(_innermost(a) for a in name.arguments))
                found |= below or {name}
    return found
