"""The edits of the parts of a reference, each known by what it adds to the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from symflops import deadline
from symflops.polynomial import Value, add, multiply, negate, terms_of, value_of
from symflops.verification.constraints import Constraints
from symflops.verification.faults import Fault, of_all, of_part, text_of
from symflops.verification.parts import ReferencePart, in_short
from symflops.verification.verdict import Finding

_ALIKE = 12  # layers that cost the same of which some may be missing


@dataclass(frozen=True)
class Scope:
    """What all edits of one diagnosis have in common."""

    names: frozenset[str]  # the symbols of both sides
    metric: str
    where: Constraints
    by_number: bool  # a model's numbers stand in the place of its symbols

    def faults(self) -> Iterator[Fault]:
        return of_all(set(self.names), self.metric, self.where)


@dataclass(frozen=True, eq=False)
class Edit:
    """One fault in one part, and what it adds to the reference; its words are written when somebody asks for them."""

    fault: Fault
    part: ReferencePart
    added: Value
    weight: float
    also: str = ""  # other parts that it may as well be in
    twin: Edit | None = None  # another fault that comes to the same

    @property
    def kind(self) -> str:
        return self.fault.kind

    @property
    def said(self) -> str:
        """What it says, but for an amount."""
        return f"{self.fault.text}{self.part.where}{self.also}" + (f", or {self.twin.said}" if self.twin else "")

    @cached_property
    def text(self) -> str:
        own = f"{self.fault.message}{self.part.where}{self.also}"
        return own if self.twin is None else f"{own}, or {self.twin.text}"

    @property
    def finding(self) -> Finding:
        return Finding(self.kind, self.text, self.part.layer, self.added, self.weight)


class Edits:
    """Every edit of the parts of a reference that touches what a candidate differs in."""

    def __init__(self, value: Value, parts: Sequence[ReferencePart], scope: Scope, a: Value) -> None:
        self.value, self.parts, self.scope = value, parts, scope
        self.excess = add(a, negate(value))
        self.open = terms_of(self.excess).keys()
        self.by_added: dict[Value, Edit] = {}

    @cached_property
    def all(self) -> list[Edit]:
        for part in self.parts:
            deadline.check()
            for fault in of_part(part, set(self.scope.names)):
                one_of_a_kind = part.kind == fault.kind and part.layers == 1
                weight = 1.2 if one_of_a_kind or part.role == "group" else 1.0
                self.add(fault, part, weight)
        self.alike()
        if not self.scope.by_number:
            self.some_terms()
            for part in self.parts:
                self.faults_of_all(part)
                self.multiple(part)
        return list(self.by_added.values())

    def add(self, fault: Fault, part: ReferencePart, weight: float = 1.0) -> None:
        added = add(fault.change(part.value), negate(part.value))
        if added == 0 or not terms_of(added).keys() & self.open:
            return
        if part.role == "group" and fault.kind == "missing" and not self.is_missing(added):
            return
        new = Edit(fault, part, added, weight)
        old = self.by_added.get(added)
        self.by_added[added] = new if old is None else _either(old, new)

    def is_missing(self, added: Value) -> bool:
        """Whether the candidate has nothing of a group of layers: one of which it has a part is not missing."""
        excess = terms_of(self.excess)
        return all(excess.get(m) == c for m, c in terms_of(added).items())

    def faults_of_all(self, part: ReferencePart) -> None:
        if not terms_of(part.value).keys() & self.open:
            return
        for fault in self.scope.faults():
            deadline.check()
            if fault.of_parts:
                self.add(fault, part, 1.1)

    def multiple(self, part: ReferencePart) -> None:
        """A part that the candidate has so many times as makes all of its terms right."""
        mine, excess = terms_of(part.value), terms_of(self.excess)
        if len(mine) < 2 or not mine.keys() <= excess.keys():
            return
        factor = ratio(value_of({m: excess[m] for m in mine}), part.value)
        if factor is not None and factor != -1:
            times = factor + 1
            text = f"off by a constant factor: {times} times "
            self.add(Fault("constant factor", text, lambda v: multiply(v, times), amount=part.value), part, 1.5)

    def alike(self) -> None:
        """Some of several layers that cost the same: one of three matrices of an MLP."""
        by_value: dict[Value, list[ReferencePart]] = {}
        for part in self.parts:
            if part.layer and part.layers == 1 and part.role in ("", "logits") and part.value != 0:
                by_value.setdefault(part.value, []).append(part)
        for value, parts in by_value.items():
            if not 1 < len(parts) <= _ALIKE:
                continue
            paths = [p.layer for p in parts]
            for count in range(1, len(parts) + 1):
                several = multiply(value, count)
                words = in_short(paths, " or ") if count == 1 else in_short(paths)
                some = words if count in (1, len(parts)) else f"{count} of {words}"
                part = ReferencePart(several, some, paths[0], layers=count)
                weight = 1.0 if count == 1 else 1.05
                self.add(Fault("missing", "missing ", lambda _: 0, amount=several), part, weight)
                self.add(Fault("extra", "counted twice: ", lambda v: add(v, v), amount=several), part, weight)
                if count > 1 and not self.scope.by_number:
                    self.faults_of_all(part)

    def some_terms(self) -> None:
        """An edit of those terms of the reference that the candidate does not have."""
        have, gone = terms_of(self.value), terms_of(self.excess)
        terms = value_of({m: c for m, c in have.items() if gone.get(m) == -c})
        if terms in (0, self.value):
            return
        where = _owners(terms, self.parts)
        place = where or ReferencePart(terms, f"in {text_of(terms)}")
        for fault in filter(lambda f: f.of_parts, self.scope.faults()):
            self.add(fault, replace(place, value=terms), 1.1)
        added = terms_of(add(self.excess, terms))
        if len(terms_of(terms)) == len(added) == 1:
            ((m, c),), ((n, d),) = terms_of(terms).items(), added.items()
            powers = [x for x in {*dict(m), *dict(n)} if dict(m).get(x, 0) != dict(n).get(x, 0)]
            if len(powers) == 1 and c == d:
                text = f"wrong degree in {powers[0]}: {text_of(value_of(dict(added)))} instead of {text_of(terms)}"
                place = replace(place, value=terms, label=place.label if where else "")
                self.add(Fault("degree", text, lambda v: add(v, self.excess)), place)


def _either(first: Edit, second: Edit) -> Edit:
    """Two edits that come to the same: where layers cost the same, or an embedding as much as the logits."""
    layer = second.part.layer
    if first.said.count(" or ") > 2 or not layer or _nested(first.part.layer, layer):
        return first
    if {first.kind, second.kind} == {"embedding", "extra"}:
        table, twice = (first, second) if first.kind == "embedding" else (second, first)
        return replace(table, twin=twice)
    if second.kind == first.kind and second.part.layers == 1 and second.part.label not in first.said:
        return replace(first, also=f"{first.also} or {second.part.label}")
    return first


def _nested(a: str, b: str) -> bool:
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


def _owners(terms: Value, parts: Sequence[ReferencePart]) -> ReferencePart | None:
    """The part that has exactly these terms, or the only layer that has all of them among others."""
    for part in parts:
        if part.value == terms:
            return part
    keys = terms_of(terms).keys()
    having = [p for p in parts if p.layer and keys <= terms_of(p.value).keys()]
    return min(having, key=lambda p: len(terms_of(p.value))) if having else None


def ratio(x: Value, y: Value) -> Fraction | None:
    """c with x = c*y; None where there is none."""
    a, b = terms_of(x), terms_of(y)
    if not b or (a and a.keys() != b.keys()):
        return None
    if not a:
        return Fraction(0)
    first = next(iter(a))
    c = Fraction(a[first]) / b[first]
    return c if all(a[m] == c * b[m] for m in a) else None
