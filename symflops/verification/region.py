"""A part of the domain, and the facts that hold in it.

A region is a substitution of new nonnegative symbols, so that its conditions hold by themselves: s <= w is w = s + t.
Facts are values that are at least 0 in it. `settled` puts in those that have such a form, takes bounds of symbols from
others, and finds out where they contradict each other. Regions may be too large, never too small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, inf

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.errors import NoValueError
from symflops.polynomial import (
    Call,
    Number,
    Value,
    add,
    divide,
    is_integer,
    is_nonnegative,
    negate,
    symbol,
    terms_of,
    value_of,
)
from symflops.tree import exact
from symflops.verification.fraction import quotient
from symflops.verification.interval import interval
from symflops.verification.normal import Form
from symflops.vocabulary.symbols import FRACTION_MARK, is_whole

_STEPS = 60  # that settle the facts of one region, at most


@dataclass(frozen=True)
class Region:
    """A part of the domain: what is left of the value there, bounds of its symbols, and the original names in them."""

    value: Value
    upper: Mapping[str, Number]
    names: Mapping[str, Value]
    known: tuple[Value, ...] = ()  # values that are at least 0 here
    cuts: int = 0  # how often a fact was added that is no substitution

    def put(self, new: Mapping[str, Value], upper: Mapping[str, Number | None] | None = None) -> Region:
        """The region with symbols replaced and the bounds of new ones."""
        bounds = {n: u for n, u in self.upper.items() if n not in new}
        for name, high in (upper or {}).items():
            if high is not None:
                bounds[name] = high
        zeros = {n: 0 for n, u in bounds.items() if u == 0}
        new = {n: substitute(v, zeros) for n, v in new.items()} | zeros if zeros else new
        names = {n: substitute(v, new) for n, v in self.names.items()}
        # The old bounds still hold.
        limits = (add(high, negate(new[n])) for n, high in self.upper.items() if n in new)
        known = [k for k in (*self._facts(new), *limits) if interval(k, bounds)[0] < 0]
        try:
            value = substitute(self.value, new)
        except NoValueError:
            value = 0  # no point of this region has a value: nothing to compare
        return Region(value, bounds, names, tuple(known), self.cuts)

    def _facts(self, new: Mapping[str, Value]) -> Iterator[Value]:
        for fact in self.known:
            try:
                yield substitute(fact, new)
            except NoValueError:
                yield -1  # a condition that has no value does not hold

    def cut(self, fact: Value) -> Region:
        """The region where a fact holds, too."""
        return replace(self, known=(*self.known, fact), cuts=self.cuts + 1)


class Fresh:
    """Names of new symbols, which no text of the language can have."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, old: str, whole: bool | None = None) -> str:
        """A new name for a part of an old symbol; a whole number where the old one is, unless said otherwise."""
        self.count += 1
        mark = "" if (is_whole(old) if whole is None else whole) else FRACTION_MARK
        return f"{old.partition(chr(39))[0].rstrip(FRACTION_MARK)}'{self.count}{mark}"


def settled(region: Region, fresh: Fresh) -> Region | None:
    """The region with its facts put in as far as they can be; None where they contradict each other."""
    for _ in range(_STEPS if region.known else 0):
        deadline.check()
        facts = _tightened(region)
        if facts is None:
            return None
        region = replace(region, known=facts)
        moved = _solved(region, fresh) or _raised(region, fresh) or _bounded(region)
        if moved is None:
            return region
        region = moved
    return region


def _tightened(region: Region) -> tuple[Value, ...] | None:
    """The facts that do not hold by themselves, without divisors and in lowest terms; None where one is false."""
    found: dict[Value, None] = {}
    form = Form(region.upper)
    for fact in region.known:
        fact = tightened(form.of(fact))
        low, high = interval(fact, region.upper)
        if high < 0:
            return None
        if low < 0:
            found[fact] = None
    return tuple(found)


def tightened(fact: Value) -> Value:
    """What is at least 0 where a value is: 2*s - 7*t >= 3 is s - 7*t/2 >= 3/2, and 2*s >= 7 is s >= 4."""
    top, bottom = quotient(fact)
    if not is_nonnegative(bottom):
        return fact
    common = gcd(*(int(c) for m, c in terms_of(top).items() if m))
    if common <= 1:
        return top
    shifted = {m: exact(Fraction(c) / common) for m, c in terms_of(top).items()}
    if is_integer(top) and () in shifted:
        shifted[()] = shifted[()].__floor__()
    return value_of({m: c for m, c in shifted.items() if c})


def _alone(fact: Value) -> Iterator[tuple[str, int, Number, Value]]:
    """The symbols that are a term by themselves: name, exponent, coefficient and the rest of the fact."""
    for m, c in sorted(terms_of(fact).items()):
        if len(m) == 1 and m[0][1] > 0 and not isinstance(m[0][0], Call):
            yield m[0][0], m[0][1], c, value_of({k: d for k, d in terms_of(fact).items() if k != m})


def _solved(region: Region, fresh: Fresh) -> Region | None:
    """A symbol that an equation gives, put in."""
    facts = set(region.known)
    for fact in region.known:
        if negate(fact) not in facts:
            continue
        for name, exponent, c, rest in _alone(fact):
            if exponent == 1 and (abs(c) == 1 or not is_whole(name)) and name not in free_symbols(rest):
                value = divide(negate(rest), c)
                after = region.put({name: value})
                return after if is_nonnegative(value) else replace(after, known=(*after.known, value))
    return None


def _raised(region: Region, fresh: Fresh) -> Region | None:
    """A symbol that is at least something that is not negative: that, and a new one."""
    for fact in region.known:
        for name, exponent, c, rest in _alone(fact):
            if c <= 0:
                continue
            high = interval(rest, region.upper)[1]
            least: Value = 0
            if exponent == 1 and is_nonnegative(negate(rest)) and (c == 1 or not is_whole(name)):
                least = divide(negate(rest), c) if name not in free_symbols(rest) else 0
            if least == 0 and high < 0 and isinstance(high, int | Fraction):
                size = Fraction(-high) / c
                least = _root_above(size, exponent) if is_whole(name) else exact(size) if exponent == 1 else 0
            if least != 0:
                above = fresh(name, is_whole(name) and is_integer(least))
                return region.put({name: add(least, symbol(above))})
    return None


def _bounded(region: Region) -> Region | None:
    """Symbols with the upper bounds that facts give them."""
    upper = dict(region.upper)
    for fact in region.known:
        for name, exponent, c, rest in _alone(fact):
            high = interval(rest, upper)[1]
            if c < 0 and high < 0:  # by the bounds found just now, the fact is false
                return replace(region, known=(-1,))
            if c >= 0 or high == inf or not isinstance(high, int | Fraction):
                continue
            most: Number = Fraction(high) / -c
            if is_whole(name):
                most = _root_below(most, exponent)
            elif exponent > 1:
                continue
            if most < upper.get(name, inf):
                upper[name] = exact(Fraction(most))
    if upper == region.upper:
        return None
    return replace(region, upper=upper).put({})


def _root_below(value: Number, exponent: int) -> int:
    """The largest whole number whose power is at most a value; -1 for a negative value."""
    if value < 0:
        return -1
    low, high = 0, value.__floor__() + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**exponent <= value else (low, middle)
    return low


def _root_above(value: Number, exponent: int) -> int:
    """The smallest whole number whose power is at least a positive value."""
    below = _root_below(value, exponent)
    return below if below**exponent == value else below + 1
