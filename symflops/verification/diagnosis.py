"""What is wrong with a candidate: edits of the reference that make the candidate of it.

Each edit is known by what it adds to the reference, so several are found as a sum: the fewest that add up to the
difference (`cover.py`). Edits of the whole reference come first, those of parts are made in what they leave. What no
edit explains is listed term by term, with the layers that have these terms. So the findings of a verdict always
make up all of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.polynomial import Monomial, Number, Value, add, multiply, negate, terms_of, value_of
from symflops.verification.constraints import Constraints
from symflops.verification.cover import Cover
from symflops.verification.edits import Edits, Scope, ratio
from symflops.verification.faults import text_of, unrounded
from symflops.verification.fraction import leading
from symflops.verification.parts import ReferencePart, in_short, parts_of
from symflops.verification.subject import Subject
from symflops.verification.verdict import Finding

_STEPS = 7  # edits of the whole reference in a row
_WIDTH = 4  # how many edited references are followed
_LONG = 4000  # terms of a formula that nobody wrote by hand: its difference is only listed
_LISTED = 6  # terms that are listed one by one
_ORDER = (
    "metric",
    "multiply-accumulate",
    "bits",
    "cache",
    "constant factor",
    "attention missing",
    "missing",
    "extra",
    "embedding",
)


def diagnose(
    a: Value, b: Value, reference: Subject, metric: str, where: Constraints, seconds: float, by_number: bool = False
) -> tuple[Finding, ...]:
    """What is wrong with the candidate's value a, where the reference's is b; the most telling finding first.

    Both are given with the names that the domain fixes, since a name says what is counted: bytes are no operations.
    With `by_number` a model's numbers stand in the place of its symbols: then no part is compared with a multiple of
    itself, since numbers meet by chance.
    """
    search = _Search(a, b, reference, metric, where, by_number)
    with suppress(deadline.OutOfTimeError, SymflopsError), deadline.limit(seconds):  # or a limit of the language
        search.run()
    return tuple(search.findings)


def distance(a: Value, b: Value) -> int:
    """How far apart two values are: products that only one has, and products with different coefficients."""
    x, y = terms_of(a), terms_of(b)
    return 2 * len(x.keys() ^ y.keys()) + sum(x[m] != y[m] for m in x.keys() & y.keys())


@dataclass(frozen=True)
class _State:
    """An edited reference: its value, its parts, and the edits that made it."""

    value: Value
    parts: tuple[ReferencePart, ...]
    edits: tuple[Finding, ...] = ()

    @property
    def cost(self) -> float:
        return sum(e.weight for e in self.edits)


class _Search:
    """The best explanation so far; what is asked of it when time is over is what it has."""

    def __init__(
        self, a: Value, b: Value, reference: Subject, metric: str, where: Constraints, by_number: bool
    ) -> None:
        names = free_symbols(a) | free_symbols(b)
        a, b = where.reduced(a), where.reduced(b)
        self.a, self.b = a, b
        self.reference, self.metric, self.where = reference, metric, where
        self.scope = Scope(frozenset(names), metric, where, by_number)
        self.cost = float("inf")
        self.edits: tuple[Finding, ...] = ()
        self.rest: Value = add(a, negate(b))
        self.parts: tuple[ReferencePart, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        ordered = sorted(self.edits, key=lambda f: _ORDER.index(f.kind) if f.kind in _ORDER else len(_ORDER))
        return [*ordered, *_listed(self.rest, self.a, self.parts)]

    def run(self) -> None:
        if max(len(terms_of(self.a)), len(terms_of(self.b))) > _LONG:
            return
        for other, value in self.reference.metrics.items():
            if other != self.metric and other in METRICS and self.where.reduced(value) == self.a != 0:
                self.found(_State(self.a, (), (self.edit("metric", f"this is {other}, not {self.metric}", self.rest),)))
                return
        parts = parts_of(self.b, self.reference, self.metric, self.where)
        self.parts = parts
        start = _State(self.b, parts)
        for single in self.alone(start):
            self.found(single)
            return
        if self.metric == "flops" and self.reference.metrics.get("matmul_flops", 0) != 0:
            self.explore(self.products(), self.a)
        floors = unrounded(self.a) if unrounded(self.b) == self.b else self.a
        self.explore(start, self.a)
        if floors != self.a and self.cost > 1:
            text = f"integer division: {_rounded(self.a)}, rounded down, in the place of the exact quotient"
            edit = self.edit("integer division", text, add(self.a, negate(floors)))
            self.explore(_State(self.b, parts, (edit,)), floors)

    def products(self) -> _State:
        """The reference with its matrix multiplies alone: most formulas count nothing else."""
        value = self.where.reduced(self.reference.metrics["matmul_flops"])
        text = "matrix multiplies alone counted, no elementwise operations (--metric matmul_flops compares with these)"
        edit = self.edit("products alone", text, add(value, negate(self.b)))
        return _State(value, parts_of(value, self.reference, "matmul_flops", self.where), (edit,))

    def edit(self, kind: str, text: str, added: Value, layer: str = "") -> Finding:
        return Finding(kind, text, layer, added)

    def found(self, state: _State, cover: Cover | None = None) -> None:
        cost = state.cost + (cover.cost if cover is not None else 0)
        if cost < self.cost:
            self.cost, self.parts = cost, state.parts or self.parts
            self.edits = (*state.edits, *(e.finding for e in (cover.chosen if cover is not None else ())))
            self.rest = cover.rest if cover is not None else 0

    def alone(self, start: _State) -> Iterator[_State]:
        """One edit of the whole reference, or a factor of all of it."""
        for edit, value, _ in self.whole(start):
            if value == self.a:
                yield _State(value, start.parts, (edit,))
        yield from self.scaled(start)

    def whole(self, state: _State) -> Iterator[tuple[Finding, Value, tuple[ReferencePart, ...]]]:
        """Every edit of the whole reference: what it makes of it, and of its parts when they are asked for."""
        used = {e.text for e in state.edits}
        for fault in self.scope.faults():
            deadline.check()
            value = fault.change(state.value)
            if value != state.value and fault.text not in used:
                edit = self.edit(fault.kind, fault.text, add(value, negate(state.value)))
                yield edit, value, tuple(p.changed(fault.change) for p in state.parts) if value == self.a else ()

    def scaled(self, start: _State) -> Iterator[_State]:
        factor = ratio(self.a, self.b)
        if factor is not None:
            times = f"{factor} times the reference" if factor else "0"
            text = f"off by a constant factor: the candidate is {times}"
            yield _State(self.a, start.parts, (self.edit("constant factor", text, self.rest),))
        elif self.a != 0 and self.b != 0:
            powers = _powers(self.a, self.b)
            if powers and multiply(self.b, value_of({tuple(sorted(powers.items())): 1})) == self.a:
                which = ", ".join(
                    f"wrong degree in {n}: {abs(e)} {'too many' if e > 0 else 'missing'} in every term"
                    for n, e in sorted(powers.items())
                )
                yield _State(self.a, start.parts, (self.edit("degree", which, self.rest),))

    def explore(self, start: _State, a: Value) -> None:
        """Edits of the whole reference that bring it closer, the best few followed; of each what its parts explain."""
        states = [start]
        for _ in range(_STEPS + 1):
            for state in states:
                if state.cost < self.cost:
                    excess = add(a, negate(state.value))
                    self.found(state, Cover(Edits(state.value, state.parts, self.scope, a).all).of(excess))
            following: list[tuple[float, int, _State]] = []
            for state in states:
                apart = distance(a, state.value)
                for fault in self.scope.faults():
                    deadline.check()
                    if fault.text in {e.text for e in state.edits}:
                        continue
                    value = fault.change(state.value)
                    closer = distance(a, value)
                    if value != state.value and closer < apart and state.cost + 1 < self.cost:
                        edit = self.edit(fault.kind, fault.text, add(value, negate(state.value)))
                        parts = tuple(p.changed(fault.change) for p in state.parts)
                        following.append((closer, len(following), _State(value, parts, (*state.edits, edit))))
            states = _distinct([state for _, _, state in sorted(following, key=lambda f: f[:2])])[:_WIDTH]


def _distinct(states: Sequence[_State]) -> list[_State]:
    return list({state.value: state for state in reversed(states)}.values())[::-1]


def _rounded(a: Value) -> str:
    calls = {n for m in terms_of(a) for n, _ in m if str(n).startswith("floor(")}
    return ", ".join(sorted(calls))[:120]


def _powers(a: Value, b: Value) -> dict[str, int]:
    """Symbols that the leading term of one has more often than that of the other."""
    have, want = dict(leading(a)), dict(leading(b))
    return {n: e for n in {*have, *want} if (e := have.get(n, 0) - want.get(n, 0))}


def _listed(rest: Value, a: Value, parts: Sequence[ReferencePart]) -> Iterator[Finding]:
    """What no edit explains term by term; terms that are missing first."""
    excess = terms_of(rest)
    have = terms_of(a)
    want = terms_of(add(a, negate(rest)))
    ordered = sorted(excess, key=lambda m: (m in have, m in want, -sum(e for _, e in m), m))
    for m in ordered[:_LISTED]:
        added = value_of({m: excess[m]})
        owners = [p.layer for p in parts if p.layer and p.role != "group" and m in terms_of(p.value)]
        layer = owners[0] if owners else ""
        where = f": {in_short(owners)}" if owners else ""
        if m not in have:
            kind, text = "missing", f"missing {text_of(negate(added))}{where}"
        elif m not in want:
            kind, text = "extra", f"{text_of(added)} is not in the reference"
        else:
            kind, text = "constant factor", f"{_one(m, have)} instead of {_one(m, want)}{where}"
        yield Finding(kind, text, layer, added)
    if more := ordered[_LISTED:]:
        yield Finding("more", f"and {len(more)} more terms", "", value_of({m: excess[m] for m in more}))


def _one(monomial: Monomial, terms: dict[Monomial, Number]) -> str:
    return text_of(value_of({monomial: terms[monomial]}))
