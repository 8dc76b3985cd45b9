"""What is wrong with a candidate: edits of the reference that make the candidate of it.

One edit is looked up, two are found by looking up what the first leaves over, more by the edits that bring the two
closest. What no edit explains is listed term by term, with the layers that have these terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.cost import METRICS
from symflops.model import Place
from symflops.polynomial import Monomial, Value, add, multiply, negate, terms_of, value_of
from symflops.verification.domain import Domain
from symflops.verification.faults import Fault, Part, of_all, of_part, text_of
from symflops.verification.fraction import leading
from symflops.verification.names import quantity, with_quantity
from symflops.verification.subject import Subject
from symflops.verification.verdict import Finding

_STEPS = 6  # edits of the whole reference in a row
_LISTED = 6  # terms that are listed one by one
_ORDER = (
    "metric",
    "multiply-accumulate",
    "bits",
    "constant factor",
    "attention missing",
    "missing",
    "extra",
    "embedding",
)


def diagnose(a: Value, b: Value, reference: Subject, metric: str, where: Domain, seconds: float) -> tuple[Finding, ...]:
    """What is wrong with the candidate's value a, where the reference's is b; the most telling finding first."""
    try:
        with deadline.limit(seconds):
            parts = parts_of(b, reference, metric, where)
            return tuple(_explained(a, b, reference, metric, parts) or _listed(a, b, parts))
    except deadline.OutOfTimeError:
        return tuple(_listed(a, b, ()))


def _explained(a: Value, b: Value, reference: Subject, metric: str, parts: tuple[Part, ...]) -> list[Finding]:
    for other in METRICS:
        if other != metric and reference.metrics.get(other) == a != 0:
            return [Finding("metric", f"this is {other}, not {metric}")]
    table = _Table.of(b, parts, metric)
    return table.explained(a) or _edited(a, table, parts, metric)


def _edited(a: Value, table: _Table, parts: Sequence[Part], metric: str) -> list[Finding]:
    """Several edits: those of the whole reference that bring it closest, then what the table of the rest explains."""
    found: list[Finding] = []
    b = table.value
    used: set[str] = set()
    for _ in range(_STEPS):
        best = distance(a, b)
        step = None
        for fault in of_all(table.names, metric):
            deadline.check()
            changed = fault.change(b)
            if fault.text not in used and (apart := distance(a, changed)) < best:
                best, step = apart, (fault, changed)
        if step is None:
            break
        fault, b = step
        used.add(fault.text)
        found.append(Finding(fault.kind, fault.text))
        parts = [replace(p, value=fault.change(p.value), table=fault.change(p.table)) for p in parts]
        rest = [] if a == b else _Table(b, tuple(parts), metric, table.names).explained(a)
        if a == b or rest:
            return sorted([*found, *rest], key=lambda f: _ORDER.index(f.kind) if f.kind in _ORDER else len(_ORDER))
    return []


def distance(a: Value, b: Value) -> int:
    """How far apart two values are: products that only one has, and products with different coefficients."""
    x, y = terms_of(a), terms_of(b)
    return 2 * len(x.keys() ^ y.keys()) + sum(x[m] != y[m] for m in x.keys() & y.keys())


@dataclass(frozen=True, eq=False)
class _Table:
    """Every edit of a reference by what it adds to it."""

    value: Value
    parts: tuple[Part, ...]
    metric: str
    names: set[str]

    @staticmethod
    @lru_cache(maxsize=64)
    def of(value: Value, parts: tuple[Part, ...], metric: str) -> _Table:
        return _Table(value, parts, metric, {n for m in terms_of(value) for n in _symbols(m)})

    def explained(self, a: Value) -> list[Finding]:
        """One edit that makes the candidate, or two."""
        excess = add(a, negate(self.value))
        for search in (self.whole, self.one, self.scaled, self.some_terms, self.part_scaled, self.two):
            found = search(excess)
            if found:
                return found
        return []

    def whole(self, excess: Value) -> list[Finding]:
        return [self.edits_of_all[excess]] if excess in self.edits_of_all else []

    def scaled(self, excess: Value) -> list[Finding]:
        factor = _ratio(excess, self.value)
        if factor is None:
            return self.times_symbols(add(excess, self.value))
        times = f"{factor + 1} times the reference" if factor != -1 else "0"
        return [Finding("constant factor", f"off by a constant factor: the candidate is {times}")]

    def times_symbols(self, a: Value) -> list[Finding]:
        """Symbols that every term of the candidate has more often, or less often, than the reference."""
        if a == 0 or self.value == 0:
            return []
        have, want = dict(leading(a)), dict(leading(self.value))
        powers = {n: e for n in {*have, *want} if (e := have.get(n, 0) - want.get(n, 0))}
        if not powers or multiply(self.value, value_of({tuple(sorted(powers.items())): 1})) != a:
            return []
        return [
            Finding("degree", f"wrong degree in {n}: {abs(e)} {'too many' if e > 0 else 'missing'} in every term")
            for n, e in sorted(powers.items())
        ]

    def one(self, excess: Value) -> list[Finding]:
        return [self.edits[excess]] if excess in self.edits else []

    def two(self, excess: Value) -> list[Finding]:
        edits = {**self.edits, **self.edits_of_all}
        for change, finding in edits.items():
            deadline.check()
            rest = add(excess, negate(change))
            if rest in edits:
                return [finding, edits[rest]]
        return []

    def some_terms(self, excess: Value) -> list[Finding]:
        """An edit of those terms of the reference that the candidate does not have."""
        have, gone = terms_of(self.value), terms_of(excess)
        terms = value_of({m: c for m, c in have.items() if gone.get(m) == -c})
        if terms in (0, self.value):
            return []
        where = _owners(terms, self.parts)
        for fault in of_all(self.names, self.metric):
            if add(fault.change(terms), negate(terms)) == excess:
                place = where or Part(terms, f"in {text_of(terms)}")
                return [Finding(fault.kind, fault.text + place.where, place.layer)]
        if excess == negate(terms):
            return []
        added = terms_of(add(excess, terms))
        if len(terms_of(terms)) == len(added) == 1:
            ((m, _),), ((n, _),) = terms_of(terms).items(), added.items()
            powers = [x for x in {*dict(m), *dict(n)} if dict(m).get(x, 0) != dict(n).get(x, 0)]
            if len(powers) == 1 and terms_of(terms)[m] == added[n]:
                text = f"wrong degree in {powers[0]}: {text_of(value_of(dict(added)))} instead of {text_of(terms)}"
                return [Finding("degree", text + (where.where if where else ""), where.layer if where else "")]
        return []

    def part_scaled(self, excess: Value) -> list[Finding]:
        for part in self.parts:
            factor = _ratio(excess, part.value)
            if factor is not None:
                text = f"off by a constant factor: {factor + 1} times {text_of(part.value)}{part.where}"
                return [Finding("constant factor", text, part.layer)]
        return []

    @cached_property
    def edits_of_all(self) -> dict[Value, Finding]:
        """What each edit of the whole reference adds to it."""
        found: dict[Value, Finding] = {}
        for fault in of_all(self.names, self.metric):
            deadline.check()
            found.setdefault(add(fault.change(self.value), negate(self.value)), Finding(fault.kind, fault.text))
        return found

    @cached_property
    def edits(self) -> dict[Value, Finding]:
        """What each edit of a part adds to the reference."""
        found: dict[Value, Finding] = {}
        for part, faults in self._of_parts():
            deadline.check()
            for fault in faults:
                added = add(fault.change(part.value), negate(part.value))
                if added != 0:
                    new = Finding(fault.kind, fault.text + part.where, part.layer)
                    found[added] = _either(found[added], new, part) if added in found else new
        return found

    def _of_parts(self) -> Iterator[tuple[Part, Iterator[Fault]]]:
        for part in self.parts:
            yield part, of_part(part, self.names)
        for part in self.parts:
            yield part, of_all(self.names, self.metric)


def _either(first: Finding, second: Finding, part: Part) -> Finding:
    """Two edits that come to the same: where layers cost the same, or an embedding as much as the logits."""
    if first.text.count(" or ") > 2 or not second.layer or _nested(first.layer, second.layer):
        return first
    if second.kind == first.kind:
        return replace(first, text=f"{first.text} or {part.label}")
    if {first.kind, second.kind} == {"embedding", "extra"}:
        return replace(first, text=f"{first.text}, or {second.text}")
    return first


def _nested(a: str, b: str) -> bool:
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


# ------------------------------------------------------------------------------------------------------------ the parts


def parts_of(b: Value, reference: Subject, metric: str, where: Domain) -> tuple[Part, ...]:
    """The parts of a reference: layers and groups of layers of a model, otherwise the terms of the formula."""
    layers = tuple((place, where.reduced(v)) for place, v in reference.layers(metric))
    if layers and add(0, *(v for _, v in layers)) == b:
        return _layer_parts(layers)
    return _term_parts(b, tuple(where.reduced(v) for v in reference.summands))


@lru_cache(maxsize=64)
def _layer_parts(layers: tuple[tuple[Place, Value], ...]) -> tuple[Part, ...]:
    found: list[Part] = []
    groups: dict[str, list[Value]] = {}
    for place, value in layers:
        found.append(_layer_part(place, value))
        path = place.path
        while "." in path:
            path = path.rpartition(".")[0]
            groups.setdefault(path, []).append(value)
    for path, values in groups.items():
        if len(values) < len(layers):
            found.append(Part(add(0, *values), path, path, "group"))
    return tuple(found)


def _layer_part(place: Place, value: Value) -> Part:
    formula, args = place.layer.formula, dict(place.layer.args)
    names = {n for m in terms_of(value) for n in _symbols(m)}
    length = with_quantity(names, "length")
    if formula is not None and formula.name == "embedding":
        wide = multiply(2, args["N"], args["num_embeddings"], args["embedding_dim"], place.runs)
        return Part(value, place.path, place.path, "embedding", wide)
    if (formula is not None and formula.name.startswith("sdpa")) or any(
        dict(m).get(length, 0) > 1 for m in terms_of(value)
    ):
        return Part(value, place.path, place.path, "attention")
    role = "logits" if any(quantity(n) == "vocabulary" for n in names) else ""
    return Part(value, place.path, place.path, role)


@lru_cache(maxsize=64)
def _term_parts(b: Value, written: tuple[Value, ...]) -> tuple[Part, ...]:
    """The terms as they were written, where these are known, and as they are when the formula is expanded."""
    terms = terms_of(b)
    names = {n for m in terms for n in _symbols(m)}
    s, past, vocabulary = (with_quantity(names, q) for q in ("length", "past", "vocabulary"))
    attention = {
        m: c for m, c in terms.items() if s and (dict(m).get(s, 0) > 1 or (s in dict(m) and past and past in dict(m)))
    }
    logits = {m: c for m, c in terms.items() if vocabulary in dict(m)}
    found: dict[Value, Part] = {}
    for group, role, label in (
        (attention, "attention", f"the terms of degree 2 in {s}"),
        (logits, "logits", f"the terms in {vocabulary}"),
    ):
        if group and len(group) < len(terms):
            found[value_of(dict(group))] = Part(value_of(dict(group)), label, "", role)
    for value in (*(written if add(0, *written) == b else ()), *(value_of({m: c}) for m, c in terms.items())):
        if value not in (0, b) and value not in found:
            found[value] = Part(value)
    return tuple(found.values())


def _symbols(monomial: Monomial) -> Iterator[str]:
    yield from free_symbols(value_of({monomial: 1}) if monomial else 0)


def _owners(terms: Value, parts: Sequence[Part]) -> Part | None:
    """The part that has exactly these terms, or the only layer that has all of them among others."""
    for part in parts:
        if part.value == terms:
            return part
    keys = terms_of(terms).keys()
    having = [p for p in parts if p.layer and keys <= terms_of(p.value).keys()]
    return min(having, key=lambda p: len(terms_of(p.value))) if having else None


def _ratio(x: Value, y: Value) -> Fraction | None:
    """c with x = c*y; None where there is none."""
    a, b = terms_of(x), terms_of(y)
    if not a or a.keys() != b.keys():
        return None
    first = next(iter(a))
    c = Fraction(a[first]) / b[first]
    return c if all(a[m] == c * b[m] for m in a) else None


def _listed(a: Value, b: Value, parts: Sequence[Part]) -> Iterator[Finding]:
    """The difference term by term; terms that are missing first."""
    have, want = terms_of(a), terms_of(b)
    excess = terms_of(add(a, negate(b)))
    ordered = sorted(excess, key=lambda m: (m in have, m in want, -sum(e for _, e in m), m))
    for m in ordered[:_LISTED]:
        owners = [p.layer for p in parts if p.layer and p.role != "group" and m in terms_of(p.value)]
        layer = owners[0] if owners else ""
        where = f": {', '.join(owners[:3])}" if owners else ""
        if m not in have:
            yield Finding("missing", f"missing {text_of(value_of({m: want[m]}))}{where}", layer)
        elif m not in want:
            yield Finding("extra", f"{text_of(value_of({m: have[m]}))} is not in the reference")
        else:
            text = f"{text_of(value_of({m: have[m]}))} instead of {text_of(value_of({m: want[m]}))}{where}"
            yield Finding("constant factor", text, layer)
    if len(ordered) > _LISTED:
        yield Finding("more", f"and {len(ordered) - _LISTED} more terms")
